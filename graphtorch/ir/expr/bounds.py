"""The least and the greatest that an index expression can be; with sizes that are not known they are such sizes.

What depends on the sizes is not asked (`surely` records no guard): a bound that is not the same for all is none.
"""

from __future__ import annotations

import math

from graphtorch.ir.dim import is_dynamic, surely
from graphtorch.ir.expr.core import Binary, Const, Expr, Select, Var

#: of int64
LEAST, GREATEST = -(2**63), 2**63 - 1
Range = tuple[float, float]
_ANY: Range = (-math.inf, math.inf)


def bounds(e: Expr) -> Range:
    """The least and the greatest value that an integer expression can take (infinite when unknown)."""
    if e.range is None:
        low, high = _bounds(e)
        wraps = not (is_dynamic(low) or low >= LEAST) or not (is_dynamic(high) or high <= GREATEST)
        e.range = _ANY if wraps else (low, high)
    return e.range


def _bounds(e: Expr) -> Range:
    match e:
        case Const():
            return e.value, e.value
        case Var(extent=int() as extent):
            return 0, extent - 1
        case Binary():
            a, b = bounds(e.a), bounds(e.b)
            known = not any(map(is_dynamic, (*a, *b)))
            return _of_numbers(e.fn, a, b) if known else _of_sizes(e.fn, a, b)
        case Select():
            (la, ha), (lb, hb) = bounds(e.a), bounds(e.b)
            return lesser(la, lb), -lesser(-ha, -hb)
    return _ANY


def _of_numbers(fn: str, a: Range, b: Range) -> Range:
    (la, ha), (lb, hb) = a, b
    match fn:
        case "add":
            return la + lb, ha + hb
        case "sub":
            return la - hb, ha - lb
        case "mul":
            corners = [0 if 0 in (x, y) else x * y for x in (la, ha) for y in (lb, hb)]
            return min(corners), max(corners)
        case "floordiv" if lb == hb and lb > 0:
            return _floor(la, lb), _floor(ha, lb)
        case "mod" if lb == hb and lb > 0:
            return 0, min(hb - 1, ha) if la >= 0 else hb - 1
        case "min":
            return min(la, lb), min(ha, hb)
        case "max":
            return max(la, lb), max(ha, hb)
    return _ANY


def _of_sizes(fn: str, a: Range, b: Range) -> Range:
    """The same where an end is a size."""
    (la, ha), (lb, hb) = a, b
    match fn:
        case "add":
            return _sum(la, lb), _sum(ha, hb)
        case "sub":
            return _sum(la, -hb), _sum(ha, -lb)
        case "mul" if surely("<=", 0, la) and surely("<=", 0, lb):
            return la * lb, _product(ha, hb)
        case "floordiv" if surely("==", lb, hb) and surely("<", 0, lb):
            return _floor(la, lb), _floor(ha, lb)
        case "mod" if surely("==", lb, hb) and surely("<", 0, lb):
            return 0, ha if surely("<=", 0, la) and surely("<", ha, hb) else hb - 1
        case "min":
            return lesser(la, lb), ha if surely("<=", ha, hb) else hb
        case "max":
            return (la if surely("<=", lb, la) else lb), -lesser(-ha, -hb)
    return _ANY


def lesser(a: float, b: float) -> float:
    """The lesser of two bounds, or no bound."""
    return a if surely("<=", a, b) else b if surely("<=", b, a) else -math.inf


def is_finite(x: float) -> bool:
    """Whether it is a number or a size."""
    return is_dynamic(x) or math.isfinite(x)


def _sum(a: float, b: float) -> float:
    return a + b if is_finite(a) and is_finite(b) else b if is_finite(a) else a


def _product(a: float, b: float) -> float:
    """Of two that are not negative."""
    if is_finite(a) and is_finite(b):
        return a * b
    return 0 if surely("==", a, 0) or surely("==", b, 0) else math.inf


def _floor(x: float, c: float) -> float:
    return x // c if is_finite(x) else x
