"""Blocks in formulas: what is computed only where a lane needs it, or again until none does; and tables in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.vector_math.base import F64, Lanes, select


def any_lane(condition: Lanes) -> Any:
    """Whether it holds in one of the lanes."""
    place, b = condition.place, condition.place.b
    if place.lanes == 1:
        return condition.value
    whole = ll.integer(place.lanes)
    return b.compare("icmp ne", b.convert("bitcast", condition.value, whole), ll.Constant(whole, 0))


def rarely(condition: Lanes, usual: tuple[Lanes, ...], compute: Callable[[], tuple[Lanes, ...]]) -> tuple[Lanes, ...]:
    """``compute()`` in lanes with the condition, ``usual`` in the others; the code is skipped where no lane has it."""
    place, b = condition.place, condition.place.b
    mask = any_lane(condition)
    head, rare, after = b.block, b.function.block("rare"), b.function.block("after")
    b.branch_if(mask, rare, after)
    b.block = rare
    found = [select(condition, x, y) for x, y in zip(compute(), usual, strict=True)]
    tail = b.block
    b.branch(after)
    b.block = after
    merged = []
    for x, y in zip(found, usual, strict=True):
        phi = b.phi(place.type_of(x.kind))
        phi.add(x.value, tail)
        phi.add(y.value, head)
        merged.append(Lanes(place, x.kind, phi))
    return tuple(merged)


def looked_up(name: str, table: Sequence[float], at: Lanes) -> Lanes:
    """``table[at]`` lane by lane; the table is a constant ``name`` of the module."""
    place, b, whole = at.place, at.place.b, F64.whole
    numbers = [ll.Constant(F64.kind, x) for x in table]
    memory = place.module.constant(name, ll.Constant(ll.array(F64.kind, len(table)), numbers))
    zero = ll.Constant(whole, 0)
    if place.lanes == 1:
        return Lanes(place, F64.kind, b.load(b.gep(memory, zero, at.value, inbounds=True)))
    out: Any = ll.poison(place.type_of(F64.kind))
    for lane in range(place.lanes):
        index = b.extract(at.value, lane)
        out = b.insert(out, b.load(b.gep(memory, zero, index, inbounds=True)), lane)
    return Lanes(place, F64.kind, out)


def until_none(wanted: Callable[[Lanes], Lanes], step: Callable[[Lanes], Lanes], x: Lanes) -> Lanes:
    """``x = step(x)`` as long as any lane is ``wanted``; it is in one before the first step."""
    place, b = x.place, x.place.b
    head, loop, after = b.block, b.function.block("repeat"), b.function.block("after")
    b.branch(loop)
    b.block = loop
    phi = b.phi(place.type_of(x.kind))
    phi.add(x.value, head)
    found = step(Lanes(place, x.kind, phi))
    mask = any_lane(wanted(found))
    phi.add(found.value, b.block)
    b.branch_if(mask, loop, after)
    b.block = after
    return found
