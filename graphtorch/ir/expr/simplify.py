"""Rules for int64 and bool expressions, applied wherever one is made.

Index arithmetic folds with the known extents of the variables: ``(i*4 + j) // 4`` is ``i`` where j runs over 4.
"""

from __future__ import annotations

from graphtorch.ir.dim import divides, is_dynamic, surely
from graphtorch.ir.expr.analysis import whole
from graphtorch.ir.expr.bounds import bounds, is_finite
from graphtorch.ir.expr.core import BOOL_RULES, INT_RULES, Binary, Const, Expr, const, unary
from graphtorch.ir.expr.traverse import same
from graphtorch.ir.types import bool_, int64


def _is(e: Expr, value: int) -> bool:
    return isinstance(e, Const) and not is_dynamic(e.value) and e.value == value


def _int_add(a: Expr, b: Expr) -> Expr | None:
    if isinstance(a, Const):
        a, b = b, a
    if isinstance(b, Const):
        if isinstance(a, Const):
            return const(a.value + b.value, int64)
        if _is(b, 0):
            return a
        if isinstance(a, Binary) and a.fn == "add" and isinstance(a.b, Const):
            return a.a + (a.b.value + b.value)
        return Binary("add", a, b)
    if isinstance(a, Binary) and a.fn == "add" and isinstance(a.b, Const):
        return (a.a + b) + a.b
    if isinstance(b, Binary) and b.fn == "add" and isinstance(b.b, Const):
        return (a + b.a) + b.b
    return None


def _int_sub(a: Expr, b: Expr) -> Expr | None:
    if isinstance(b, Const):
        return a + const(-b.value, int64)
    if (
        isinstance(b, Binary)
        and b.fn == "mod"
        and isinstance(b.b, Const)
        and surely("<", 0, b.b.value)
        and same(a, b.a)
    ):
        return (a // b.b) * b.b
    return const(0, int64) if a is b else None


def _int_mul(a: Expr, b: Expr) -> Expr | None:
    if isinstance(a, Const):
        a, b = b, a
    if not isinstance(b, Const):
        return None
    if isinstance(a, Const):
        return const(a.value * b.value, int64)
    if _is(b, 0) or _is(b, 1):
        return a if b.value else const(0, int64)
    if isinstance(a, Binary) and isinstance(a.b, Const):
        if a.fn == "mul":
            return a.a * (a.b.value * b.value)
        if a.fn == "add":
            return a.a * b + a.b.value * b.value
    return Binary("mul", a, b)


def _split_multiple(e: Expr, c: int) -> tuple[Expr, Expr]:
    """``e == c*quotient + rest``, with whatever terms are visibly multiples of c in the quotient."""
    if isinstance(e, Const):
        return const(e.value // c, int64), const(e.value % c, int64)
    if isinstance(e, Binary) and e.fn == "mul" and isinstance(e.b, Const) and divides(c, whole(e.b.value)):
        return e.a * (whole(e.b.value) // c), const(0, int64)
    if isinstance(e, Binary) and e.fn == "add":
        (qa, ra), (qb, rb) = _split_multiple(e.a, c), _split_multiple(e.b, c)
        return qa + qb, ra + rb
    return const(0, int64), e


def _int_floordiv(a: Expr, b: Expr) -> Expr | None:
    if not isinstance(b, Const) or not surely("<", 0, b.value):
        return None
    if _is(b, 1):
        return a
    c = whole(b.value)
    quotient, rest = _split_multiple(a, c)
    low, high = bounds(rest)
    if surely("<=", 0, low) and surely("<", high, c):
        return quotient
    if is_finite(low) and is_finite(high) and surely("==", low // c, high // c):
        return quotient + whole(low // c)
    return None if _is(quotient, 0) else quotient + Binary("floordiv", rest, b)


def _int_mod(a: Expr, b: Expr) -> Expr | None:
    if not isinstance(b, Const) or not surely("<", 0, b.value):
        return None
    if _is(b, 1):
        return const(0, int64)
    quotient, rest = _split_multiple(a, whole(b.value))
    low, high = bounds(rest)
    if surely("<=", 0, low) and surely("<", high, b.value):
        return rest
    return None if _is(quotient, 0) else Binary("mod", rest, b)


def _int_min(a: Expr, b: Expr) -> Expr | None:
    (la, ha), (lb, hb) = bounds(a), bounds(b)
    return a if surely("<=", ha, lb) else b if surely("<=", hb, la) else None


def _int_max(a: Expr, b: Expr) -> Expr | None:
    (la, ha), (lb, hb) = bounds(a), bounds(b)
    return a if surely("<=", hb, la) else b if surely("<=", ha, lb) else None


def _int_lt(a: Expr, b: Expr) -> Expr | None:
    (la, ha), (lb, hb) = bounds(a), bounds(b)
    return const(True, bool_) if surely("<", ha, lb) else const(False, bool_) if surely("<=", hb, la) else None


def _int_le(a: Expr, b: Expr) -> Expr | None:
    (la, ha), (lb, hb) = bounds(a), bounds(b)
    return const(True, bool_) if surely("<=", ha, lb) else const(False, bool_) if surely("<", hb, la) else None


def _int_eq(a: Expr, b: Expr) -> Expr | None:
    (la, ha), (lb, hb) = bounds(a), bounds(b)
    if surely("<", ha, lb) or surely("<", hb, la):
        return const(False, bool_)
    return const(True, bool_) if surely("==", la, ha) and surely("==", ha, lb) and surely("==", lb, hb) else None


def _int_ne(a: Expr, b: Expr) -> Expr | None:
    equal = _int_eq(a, b)
    return None if equal is None else unary("not", equal)


def _bool_and(a: Expr, b: Expr) -> Expr | None:
    if isinstance(a, Const):
        return b if a.value else a
    if isinstance(b, Const):
        return a if b.value else b
    return None


def _bool_or(a: Expr, b: Expr) -> Expr | None:
    if isinstance(a, Const):
        return a if a.value else b
    if isinstance(b, Const):
        return b if b.value else a
    return None


INT_RULES |= {
    "add": _int_add, "sub": _int_sub, "mul": _int_mul, "floordiv": _int_floordiv, "mod": _int_mod,
    "min": _int_min, "max": _int_max, "lt": _int_lt, "le": _int_le, "eq": _int_eq, "ne": _int_ne,
    "gt": lambda a, b: _int_lt(b, a), "ge": lambda a, b: _int_le(b, a),
}  # fmt: skip
BOOL_RULES |= {"and": _bool_and, "or": _bool_or}
