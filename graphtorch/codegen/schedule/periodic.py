"""Rows whose elements differ with the remainder of their index, such as the gradient of a pooling with a stride.

Where ``i % 2`` or ``i // 2`` occurs (or 4), vectors run over pairs of elements instead: i is 2*q and then 2*q + 1. So
remainders are numbers, conditions on them fold, quotients are neighbours, and `legalize` zips stores into dense ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from typing import Protocol

from graphtorch.codegen.kernel_ir import Kind, Stmt
from graphtorch.codegen.schedule.boxes import Index, extent_of
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.ir.dim import divides, example, is_dynamic
from graphtorch.ir.expr import Binary, Const, Expr, Var, const, free_vars, walk
from graphtorch.ir.types import int64

#: periods whose elements are interleaved by zips
PERIODS = (2, 4)


class Elements(Protocol):
    """The statements for the elements at some indices: all that is computed first, and then the stores."""

    def __call__(self, *at: Index) -> list[Stmt]: ...


def period(exprs: Sequence[Expr], var: Var) -> int:
    """2 or 4 where indices divide what ``var`` moves by no other numbers; else 1."""
    divisors: set[int] = set()

    def visit(e: Expr) -> None:
        if isinstance(e, Binary) and e.fn in ("floordiv", "mod") and e.dtype == int64 and var in free_vars(e.a):
            divisors.add(int(e.b.value) if isinstance(e.b, Const) and not is_dynamic(e.b.value) else 0)

    seen: set[int] = set()
    for e in exprs:
        walk(e, visit, seen)
    found = lcm(*divisors)
    extent = extent_of(var)
    whole = divides(found, extent) if is_dynamic(extent) and found else True
    return found if found in PERIODS and whole and example(extent) >= 2 * found else 1


def periodic_loop(var: Var, each: int, lanes: int, elements: Elements, kind: Kind) -> list[Stmt]:
    """``elements(indices, ...)`` for all of ``var``, ``each`` of them at a time; over vectors in a loop of ``kind``."""
    groups, rest = divmod(extent_of(var), each)

    def group(q: Expr) -> list[Stmt]:
        return elements(*({var: q * each + r} for r in range(each)))

    out = vector_loop(Var(var.name, int64, groups), lanes, group, kind)
    for r in range(rest):
        out += elements({var: const(groups * each + r, int64)})
    return out
