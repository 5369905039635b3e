"""What is known of index expressions: their bounds, their coefficients, and positions in arrays."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from graphtorch.ir.expr.core import Binary, Const, Expr, Select, Var, const
from graphtorch.ir.expr.traverse import free_vars
from graphtorch.ir.types import contiguous_strides, int64

#: of int64
LEAST, GREATEST = -(2**63), 2**63 - 1


def bounds(e: Expr) -> tuple[float, float]:
    """The least and the greatest value that an integer expression can take (infinite when unknown)."""
    if e.range is None:
        low, high = _bounds(e)
        e.range = (low, high) if low >= LEAST and high <= GREATEST else (-math.inf, math.inf)  # else it may wrap
    return e.range


def _bounds(e: Expr) -> tuple[float, float]:
    match e:
        case Const():
            return e.value, e.value
        case Var(extent=int() as extent):
            return 0, extent - 1
        case Binary():
            return _binary_bounds(e)
        case Select():
            (la, ha), (lb, hb) = bounds(e.a), bounds(e.b)
            return min(la, lb), max(ha, hb)
    return -math.inf, math.inf


def _binary_bounds(e: Binary) -> tuple[float, float]:
    (la, ha), (lb, hb) = bounds(e.a), bounds(e.b)
    match e.fn:
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
    return -math.inf, math.inf


def _floor(x: float, c: float) -> float:
    return x // c if math.isfinite(x) else x


def linear(e: Expr) -> tuple[dict[Var, int], int] | None:
    """``e`` as ``sum(coefficient * var) + constant``; None where it is not of that form."""
    match e:
        case Const():
            return {}, int(e.value)
        case Var():
            return {e: 1}, 0
        case Binary(fn="add" | "sub"):
            left, right = linear(e.a), linear(e.b)
            if left is None or right is None:
                return None
            sign = 1 if e.fn == "add" else -1
            terms = dict(left[0])
            for var, c in right[0].items():
                terms[var] = terms.get(var, 0) + sign * c
            return {v: c for v, c in terms.items() if c}, left[1] + sign * right[1]
        case Binary(fn="mul", b=Const(value=scale)):
            inner, factor = linear(e.a), int(scale)
            return inner and ({v: c * factor for v, c in inner[0].items()}, inner[1] * factor)
    return None


def slopes(e: Expr, vars: Collection[Var]) -> dict[Var, int] | None:
    """How far a step of each of ``vars`` moves ``e``, whatever else is in it; None where that is not one number."""
    match e:
        case Const():
            return {}
        case Var():
            return {e: 1} if e in vars else {}
        case Binary(fn="add" | "sub"):
            left, right = slopes(e.a, vars), slopes(e.b, vars)
            if left is None or right is None:
                return None
            sign = 1 if e.fn == "add" else -1
            return left | {v: left.get(v, 0) + sign * c for v, c in right.items()}
        case Binary(fn="mul", b=Const(value=scale)):
            inner = slopes(e.a, vars)
            return inner and {v: c * int(scale) for v, c in inner.items()}
    return {} if free_vars(e).isdisjoint(vars) else None


def flat_index(shape: Sequence[int], indices: Sequence[Expr]) -> Expr:
    """The row-major position of ``indices``."""
    position: Expr = const(0, int64)
    for index, stride in zip(indices, contiguous_strides(tuple(shape)), strict=True):
        position = position + index * stride
    return position


def unflatten_index(shape: Sequence[int], position: Expr) -> tuple[Expr, ...]:
    """The indices of a row-major position."""
    out = []
    for size, stride in zip(shape, contiguous_strides(tuple(shape)), strict=True):
        out.append((position // stride) % size if size > 1 else const(0, int64))
    return tuple(out)


def reshape_index(shape: Sequence[int], into: Sequence[int], indices: Sequence[Expr]) -> tuple[Expr, ...]:
    """``indices`` of an array seen as ``shape``, as indices of the same array seen as ``into``.

    Dimensions are matched in runs of equal size, so that a dimension that both have keeps its index
    as it is (even one that a guard has yet to find out of range).
    """
    wide = [(n, i) for n, i in zip(shape, indices, strict=True) if n != 1]
    targets = [d for d, n in enumerate(into) if n != 1]
    out: list[Expr] = [const(0, int64)] * len(into)
    while wide and targets:
        sources, dims = [wide.pop()], [targets.pop()]
        while (have := math.prod(n for n, _ in sources)) != (want := math.prod(into[d] for d in dims)):
            if have < want:
                sources.insert(0, wide.pop())
            else:
                dims.insert(0, targets.pop())
        run = [i for _, i in sources]
        if len(sources) > 1 or len(dims) > 1:
            run = list(unflatten_index([into[d] for d in dims], flat_index([n for n, _ in sources], run)))
        for d, i in zip(dims, run, strict=True):
            out[d] = i
    return tuple(out)
