"""The linear recurrence y[i] = input[i] + factor[i] * y[i-1] along a dimension: gradients of products so far."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import check
from graphtorch.ir.expr import Scan, Source, Values
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import check_dim, dtype_of, require_float, shape_of
from graphtorch.ir.ops.creation import full
from graphtorch.ir.ops.joining import cat
from graphtorch.ir.ops.shapes import narrow
from graphtorch.ir.types import TensorType

Array = Any


def before(x: Any, dim: int, reverse: bool, fill: float) -> Any:
    """What stands one before each element in the order of the scan; ``fill`` before the first."""
    shape = shape_of(x)
    if 0 in shape:
        return x
    edge = full(tuple(1 if d == dim else n for d, n in enumerate(shape)), fill, dtype=dtype_of(x))
    kept = narrow(x, dim, 1 if reverse else 0, shape[dim] - 1)
    return cat([kept, edge] if reverse else [edge, kept], dim)


def _doubled(x: Array, factor: Array) -> Array:
    """Rows of twice as many steps in each round: W. Hillis and G. Steele, "Data parallel algorithms", 1986."""
    x, factor, step = x.copy(), factor.copy(), 1
    while step < len(x):
        x[step:] += factor[step:] * x[:-step]
        factor[step:] = factor[step:] * factor[:-step]
        step *= 2
    return x


def _in_order(x: Array, factor: Array) -> Array:
    """Row by row, so that a factor of 0 ends what was infinite before it only as 0 * inf does."""
    out = x.copy()
    for now in range(1, len(x)):
        out[now] += factor[now] * out[now - 1]
    return out


class Recurrence(Op):
    """y[i] = input[i] + factor[i] * y[i-1] along ``dim``, with 0 before the first, whose factor does not count.

    ``reverse``: from the last element to the first. Computed in float64 in eager mode, as other scans are.
    """

    name = "recurrence"

    def infer(self, input: TensorType, factor: TensorType, *, dim: int, reverse: bool) -> TensorType:
        check_dim(dim, input.ndim)
        require_float(input, "the operand of recurrence")
        check(factor == input, "GT103", "each element needs a factor", f"expected {input}, got {factor}")
        return input

    def ref(self, input: Array, factor: Array, *, dim: int, reverse: bool) -> Array:
        way = -1 if reverse else 1
        rows, factors = (np.moveaxis(a, dim, 0)[::way].astype(np.float64) for a in (input, factor))
        with np.errstate(all="ignore"):
            found = _doubled(rows, factors)
            if not np.isfinite(found).all():
                found = _in_order(rows, factors)
            return np.moveaxis(found[::way].astype(input.dtype), 0, dim)

    def vjp(self, g: Any, y: Any, input: Any, factor: Any, *, dim: int, reverse: bool) -> Any:
        arrives = bind.bind(recurrence, g, before(factor, dim, not reverse, 0), dim=dim, reverse=not reverse)
        return arrives, arrives * before(y, dim, reverse, 0)

    def lower(self, input: Source, factor: Source, *, dim: int, reverse: bool) -> Scan:
        def combine(a: Values, b: Values) -> Values:
            return a[0] * b[1] + b[0], a[1] * b[1]

        def body(i: Values) -> Values:
            return input[i], factor[i]

        init = (expr.const(0, input.dtype), expr.const(1, input.dtype))
        return Scan(input.shape, dim, reverse, init, body, combine, lambda acc: acc[:1])


recurrence = register(Recurrence())
