"""Integers: arithmetic that leaves its dtype and wraps, and fractions that are cut off where they count."""

from __future__ import annotations

import ast
from collections.abc import Callable

from graphtorch.frontend.diagnosis.domains import note
from graphtorch.frontend.diagnosis.problem import Problem, finding
from graphtorch.frontend.diagnosis.provenance import MOVES, moved
from graphtorch.frontend.diagnosis.subject import Subject
from graphtorch.frontend.diagnosis.written import call_of, sides, tied
from graphtorch.ir.graph import Node, Param, Value
from graphtorch.ir.types import greatest, least

_SIGNS: dict[str, tuple[str, type[ast.operator]]] = {
    "add": ("+", ast.Add), "sub": ("-", ast.Sub), "mul": ("*", ast.Mult),
}  # fmt: skip


def _wraps(subject: Subject, node: Node) -> Problem | None:
    """Sums, differences and products of bytes, or of integers whose range is known."""
    dtype = node.result.type.dtype
    if dtype.kind not in "iu":
        return None
    numbers = [o for o in node.operands if not _is_constant(o)]
    narrow = dtype.itemsize == 1
    if not numbers or not (narrow or all(map(subject.says_something, numbers))):
        return None
    found = subject.intervals.unrounded(node)
    low, high = least(dtype), greatest(dtype)
    if low <= found.low and found.high <= high:
        return None
    message = f"{dtype.name} holds [{low}, {high}], and this result can be in {found}: it wraps around"
    shown = [subject.operand(node, i) for i in range(len(node.operands))]
    facts = ["where the numbers are fewer, say so: gt.TensorSpec(..., range=(low, high))"]
    return finding("GT347", "note", message, facts, site=subject.site(node), operands=shown, fix=_as_float(node))


def _as_float(node: Node) -> str:
    """The same of floats."""
    sign, kind = _SIGNS.get(node.op.name, ("", ast.Add))
    found = sides(node.locs[0] if node.locs else None, kind) if sign else None
    if found is None:
        return ""
    left, right = found
    if _is_constant(node.operands[0]):
        return f"{left} {sign} {right}.float()"
    return f"{left}.float() {sign} {right}"


def _cut_off(subject: Subject, node: Node) -> Problem | None:
    """A rounded quotient of inputs by a number: one of which hardly anything is left, or that is used as a float."""
    a, b = (subject.interval(o) for o in node.operands)
    source = moved(node.operands[0])
    if node.result.type.dtype.kind not in "iu" or b.low != b.high or b.low <= 1 or not _is_of_input(source):
        return None
    quotient = subject.intervals.unrounded(node)
    few = quotient.high - quotient.low <= 1 < a.high - a.low
    as_float = _is_promoted(subject, node.result)
    if not few and not as_float:
        return None
    what = f"is {quotient.low:g} or {quotient.high:g}" if few else "is used as a float"
    message = f"// cuts off the fraction, and the quotient {what}"
    facts = [f"/ gives [{a.low / b.low:g}, {a.high / b.low:g}], in the default dtype"] if few else []
    found = sides(node.locs[0] if node.locs else None, ast.FloorDiv)
    return note(subject, node, "GT348", message, facts, f"{found[0]} / {found[1]}" if found else "")


def _is_promoted(subject: Subject, value: Value) -> bool:
    """Whether all that reads an integer makes a float of it unasked: whoever writes ``.float()`` has thought of it."""
    users = subject.uses.get(value, [])
    casts = [n for n in users if n.op.name == "cast" and n.result.type.dtype.kind == "f" and not subject.is_own(n)]
    return bool(users) and len(casts) == len(users)


def _is_of_input(value: Value) -> bool:
    """Whether it is an input, not a position or a count: those are divided for good reasons."""
    while value.node is not None and value.node.op.name in MOVES | {"cast"}:
        value = value.node.operands[0]
    return isinstance(value, Param) and value.role == "in"


def _cast(subject: Subject, node: Node) -> Problem | None:
    """Numbers between -1 and 1 made integers."""
    x, dtype = subject.interval(node.operands[0]), node.result.type.dtype
    fractions = node.operands[0].type.dtype.kind == "f" and not x.whole
    if not fractions or dtype.kind not in "iu" or x.low <= -1 or x.high > 1 or x.low == x.high:
        return None
    message = f"a cast to {dtype.name} cuts numbers in {x} to 0"
    facts = [f"only {x.high:g} itself stays"] if x.high == 1 else []
    names = ("long", "int", "short", "char", "byte", "to", "type", "type_as")
    call = call_of(node.locs[0] if node.locs else None, *names)
    fix = f"{tied(call.receiver)}.round().{call.name}({', '.join(call.arguments)})" if call and call.receiver else ""
    return note(subject, node, "GT349", message, facts, fix)


def _is_constant(value: Value) -> bool:
    made = moved(value).node
    return made is not None and made.op.name == "constant"


WHOLE_NUMBERS: dict[str, Callable[[Subject, Node], Problem | None]] = {
    "add": _wraps, "sub": _wraps, "mul": _wraps, "neg": _wraps,
    "floor_divide": _cut_off, "trunc_divide": _cut_off, "cast": _cast,
}  # fmt: skip
