"""Another number of elements along a dimension, each a weighted sum of a few of the old ones at static places.

`resample` reads those elements; `resample_grad`, its adjoint, asks for each old element which new ones read it: these
stand close together, so that it adds up a short range and scatters nothing. Which elements, and with which weights, is
written once, in resample_taps.py. Several dimensions are resampled one after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.expr import Compute, Expr, Reduce, Source, Values
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import check_dim, check_sizes, require_float, shape_of
from graphtorch.ir.ops.resample_taps import KINDS, MOVES, band, length, taps_in_expr, taps_in_numpy
from graphtorch.ir.types import TensorType

Array = Any


class Resample(Op):
    """``size`` new elements along ``dim``; ``kind`` is one of `KINDS`, ``scale`` old ones to a new one."""

    name = "resample"

    def infer(self, input: TensorType, *, dim: int, size: int, kind: str, scale: float) -> TensorType:
        _check(input, dim, size, kind)
        old = input.shape[dim]
        check(
            old > 0 or size == 0,
            "GT304",
            f"size={size} is not allowed",
            f"expected size=0: dimension {dim} of {list(input.shape)} is empty",
            kind=ArgumentError,
        )
        return input.with_shape(_with(input.shape, dim, length(kind, old, size)))

    def ref(self, x: Array, *, dim: int, size: int, kind: str, scale: float) -> Array:
        taps = taps_in_numpy(kind, x.shape[dim], size, scale, x.dtype)
        if kind in MOVES:
            return np.take(x, taps[0][0], dim)
        total = np.zeros(_with(x.shape, dim, size), x.dtype)
        with np.errstate(all="ignore"):
            for index, weight in taps:
                total += np.take(x, index, dim) * _column(weight, x, dim)
        return total

    def vjp(self, g: Any, _y: Any, _input: Any, *, dim: int, **attrs: Any) -> Any:
        return bind.bind(resample_grad, g, dim=dim, old=shape_of(_input)[dim], **attrs)

    def lower(self, x: Source, *, dim: int, size: int, kind: str, scale: float) -> Compute:
        old = x.shape[dim]

        def body(*i: Expr) -> Expr:
            total: Expr = expr.const(0, x.dtype)
            for index, weight in taps_in_expr(kind, i[dim], old, size, scale, x.dtype):
                value = x[(*i[:dim], index, *i[dim + 1 :])]
                if weight is None:
                    return value
                total = total + value * weight
            return total

        return expr.compute(_with(x.shape, dim, length(kind, old, size)), x.dtype, body)


class ResampleGrad(Op):
    """For each of ``old`` elements along ``dim`` the weighted sum of the new ones that `resample` makes of it."""

    name = "resample_grad"

    def infer(self, grad: TensorType, *, dim: int, old: int, size: int, kind: str, scale: float) -> TensorType:
        _check(grad, dim, size, kind)
        check_sizes((old,), "old")
        check(
            grad.shape[dim] == length(kind, old, size),
            "GT103",
            "the gradient does not fit its resampling",
            f"expected {length(kind, old, size)} elements along dimension {dim}, got {grad.shape[dim]}",
        )
        return grad.with_shape(_with(grad.shape, dim, old))

    def ref(self, g: Array, *, dim: int, old: int, size: int, kind: str, scale: float) -> Array:
        out = np.zeros(_with(g.shape, dim, old), g.dtype)
        rows, grads = np.moveaxis(out, dim, 0), np.moveaxis(g, dim, 0)
        for index, weight in taps_in_numpy(kind, old, size, scale, g.dtype):
            np.add.at(rows, index, grads if weight is None else grads * _column(weight, grads, 0))
        return out

    def vjp(self, gg: Any, _y: Any, _grad: Any, *, old: int, **attrs: Any) -> Any:
        return bind.bind(resample, gg, **attrs)

    def lower(self, g: Source, *, dim: int, old: int, size: int, kind: str, scale: float) -> Reduce:
        near, total, zero = band(kind, old, size, scale, g.dtype), g.shape[dim], expr.const(0, g.dtype)

        def share(i: Values, k: Values) -> Expr:
            at = i[dim] * near.num // near.den + k[0] - near.back
            inside = (at >= 0) & (at < total)
            value = g.at((*i[:dim], at, *i[dim + 1 :]), inside)
            found: Expr = zero
            for index, weight in taps_in_expr(kind, at, old, size, scale, g.dtype):
                part = value if weight is None else value * weight
                found = found + expr.select(index.eq(i[dim]), part, zero)
            return expr.select(inside, found, zero)

        return expr.reduce("add", _with(g.shape, dim, old), (near.count,), zero, share)


resample, resample_grad = register(Resample()), register(ResampleGrad())


def _check(t: TensorType, dim: int, size: int, kind: str) -> None:
    check_dim(dim, t.ndim)
    check_sizes((size,), "size")
    expected = "expected one of " + ", ".join(KINDS)
    check(kind in KINDS, "GT304", f"kind={kind!r} is not allowed", expected, kind=ArgumentError)
    if kind not in MOVES:
        require_float(t, "what is interpolated")


def _with(shape: tuple[int, ...], dim: int, size: int) -> tuple[int, ...]:
    return (*shape[:dim], size, *shape[dim + 1 :])


def _column(weight: Array, x: Array, dim: int) -> Array:
    """Weights along ``dim`` of an array like ``x``."""
    return weight.astype(x.dtype).reshape(-1, *(1 for _ in x.shape[dim + 1 :]))
