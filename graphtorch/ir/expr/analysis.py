"""What is known of index expressions: their coefficients, and positions in arrays."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from graphtorch.ir.dim import is_dynamic, surely
from graphtorch.ir.expr.core import Binary, Const, Expr, Var, const
from graphtorch.ir.expr.traverse import free_vars
from graphtorch.ir.types import int64


def whole(value: float) -> int:
    """The value of an index that is constant, which may be a size."""
    return value if is_dynamic(value) else int(value)


def linear(e: Expr) -> tuple[dict[Var, int], int] | None:
    """``e`` as ``sum(coefficient * var) + constant``; None where it is not of that form."""
    match e:
        case Const():
            return {}, whole(e.value)
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
            return {v: c for v, c in terms.items() if not surely("==", c, 0)}, left[1] + sign * right[1]
        case Binary(fn="mul", b=Const(value=scale)):
            inner, factor = linear(e.a), whole(scale)
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
            return inner and {v: c * whole(scale) for v, c in inner.items()}
    return {} if free_vars(e).isdisjoint(vars) else None


def _strides(shape: Sequence[int]) -> list[int]:
    """Row-major ones. A size that is not known may be 0: then nobody asks for an element."""
    strides = [1] * len(shape)
    for d in range(len(shape) - 2, -1, -1):
        size = shape[d + 1]
        strides[d] = strides[d + 1] * (size if is_dynamic(size) else max(size, 1))
    return strides


def flat_index(shape: Sequence[int], indices: Sequence[Expr]) -> Expr:
    """The row-major position of ``indices``."""
    position: Expr = const(0, int64)
    for index, stride in zip(indices, _strides(shape), strict=True):
        position = position + index * stride
    return position


def unflatten_index(shape: Sequence[int], position: Expr) -> tuple[Expr, ...]:
    """The indices of a row-major position."""
    out = []
    for size, stride in zip(shape, _strides(shape), strict=True):
        out.append(const(0, int64) if surely("<=", size, 1) else (position // stride) % size)
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
