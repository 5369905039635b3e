"""Quotients and remainders of integers: vectors by way of floats, and none of the operands for which a CPU traps.

x86 has no instruction that divides vectors of integers. Two integers of 32 bits have a quotient whose distance from a
whole number, where it is not one, is at least 2**-31 of it, so that float64 cuts it to the right one; for those of 16
bits float32 does. By 0 everything is 0, and the least integer by -1 wraps.
"""

from __future__ import annotations

from typing import Any

from graphtorch.codegen import llvm_text as ll
from graphtorch.ir import expr as E
from graphtorch.ir.dim import is_dynamic, surely


def truncated(to: Any, e: E.Binary, a: Any, b: Any) -> Any:
    """The quotient towards zero."""
    if _is_plain(e):
        return to.b.binary("udiv" if e.dtype.kind == "u" else "sdiv", a, b)
    is_zero = to.b.compare("icmp eq", b, _number(b.type, 0))
    if e.dtype.kind == "u":
        found = _quotient(to, e, a, to.b.select(is_zero, _number(b.type, 1), b))
        return to.b.select(is_zero, _number(a.type, 0), found)
    minus = to.b.compare("icmp eq", b, _number(b.type, -1))
    found = _quotient(to, e, a, to.b.select(to.b.binary("or", is_zero, minus), _number(b.type, 1), b))
    found = to.b.select(minus, to.b.binary("sub", _number(a.type, 0), found), found)
    return to.b.select(is_zero, _number(a.type, 0), found)


def rest(to: Any, e: E.Binary, a: Any, b: Any) -> Any:
    """What `truncated` leaves."""
    if _is_plain(e):
        return to.b.binary("urem" if e.dtype.kind == "u" else "srem", a, b)
    left = to.b.binary("sub", a, to.b.binary("mul", truncated(to, e, a, b), b))
    return to.b.select(to.b.compare("icmp eq", b, _number(b.type, 0)), _number(a.type, 0), left)


def floored(to: Any, e: E.Binary, a: Any, b: Any) -> Any:
    """The quotient towards minus infinity."""
    if e.dtype.kind == "u" or _never_negative(e):
        return truncated(to, e, a, b)
    quotient = truncated(to, e, a, b)
    left = to.b.binary("sub", a, to.b.binary("mul", quotient, b))
    return to.b.binary("add", quotient, to.b.convert("sext", _apart(to, left, b), a.type))


def modulo(to: Any, e: E.Binary, a: Any, b: Any) -> Any:
    """What `floored` leaves."""
    if e.dtype.kind == "u" or _never_negative(e):
        return rest(to, e, a, b)
    left = rest(to, e, a, b)
    return to.b.select(_apart(to, left, b), to.b.binary("add", left, b), left)


def _apart(to: Any, left: Any, b: Any) -> Any:
    """Whether a remainder that is not 0 has another sign than ``b``, which is not 0 then."""
    signs = to.b.compare("icmp slt", to.b.binary("xor", left, b), _number(b.type, 0))
    is_left = to.b.compare("icmp ne", left, _number(left.type, 0))
    nonzero = to.b.compare("icmp ne", b, _number(b.type, 0))
    return to.b.binary("and", to.b.binary("and", is_left, signs), nonzero)


def _known(e: E.Expr) -> float | None:
    """The number that an operand is in every lane."""
    e = e.x if isinstance(e, E.Splat) else e
    return float(e.value) if isinstance(e, E.Const) and not is_dynamic(e.value) else None


def _never_negative(e: E.Binary) -> bool:
    divisor = _known(e.b)
    positive = surely("<", 0, E.bounds(e.b)[0]) or (divisor is not None and divisor > 0)
    return bool(positive and surely("<=", 0, E.bounds(e.a)[0]))


def _is_plain(e: E.Binary) -> bool:
    """Whether the divisor is known to be none that traps: LLVM multiplies by what inverts a constant."""
    divisor = _known(e.b)
    return bool(surely("<", 0, E.bounds(e.b)[0])) or (divisor is not None and divisor not in (0, -1))


def _number(kind: Any, value: int) -> ll.Constant:
    if kind.kind == "vector":
        return ll.Constant(kind, [ll.Constant(kind.element, value)] * kind.count)
    return ll.Constant(kind, value)


def _quotient(to: Any, e: E.Binary, a: Any, b: Any) -> Any:
    """Of operands that do not trap."""
    unsigned = e.dtype.kind == "u"
    if e.lanes == 1 or e.dtype.itemsize == 8:
        return to.b.binary("udiv" if unsigned else "sdiv", a, b)
    real = ll.vector(ll.FLOAT if e.dtype.itemsize < 4 else ll.DOUBLE, e.lanes)
    x, y = (to.b.convert("uitofp" if unsigned else "sitofp", v, real) for v in (a, b))
    wide = ll.vector(ll.integer(64 if unsigned and e.dtype.itemsize == 4 else 32), e.lanes)
    whole = to.b.convert("fptosi", to.b.binary("fdiv", x, y), wide)
    return whole if wide.element.text == a.type.element.text else to.b.convert("trunc", whole, a.type)
