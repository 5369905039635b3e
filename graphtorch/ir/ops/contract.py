"""Matrix products.

`lower` is a sum over products of one element of either operand, which is what the contraction
templates of codegen/schedule recognise; nothing about tiles or layouts stands here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.dim import same
from graphtorch.ir.errors import DTypeError, ShapeError, check
from graphtorch.ir.expr import Expr, Reduce, Source, Values
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.arithmetic import add
from graphtorch.ir.ops.common import aval_of, broadcast, broadcast_shapes, same_dtype, shape_of
from graphtorch.ir.ops.movement import permute, reshape
from graphtorch.ir.types import TensorType

Array = Any


def _size(t: TensorType, dim: int) -> int | None:
    """That of a dimension; None where there is no such dimension."""
    return t.shape[dim] if t.ndim >= -dim else None


class Dot(Op):
    """Matrix product of [..., m, k] and [..., k, n] with equal leading dimensions, or of [..., m, k] and [k, n]."""

    name = "dot"
    gradient_by_layout = True

    def infer(self, input: TensorType, other: TensorType) -> TensorType:
        same_dtype(input, other)
        check(
            input.dtype.kind != "b",
            "GT203",
            f"products of matrices do not take {input.dtype!r}",
            "convert them first, e.g. with .to(graphtorch.int64)",
            kind=DTypeError,
        )
        check(
            input.ndim >= other.ndim >= 2
            and other.shape[:-2] in ((), input.shape[:-2])
            and input.shape[-1] == other.shape[-2],
            "GT109",
            f"{list(input.shape)} and {list(other.shape)} cannot be multiplied",
            f"expected [..., m, k] and [..., k, n] or [k, n]; k is {_size(input, -1)} and {_size(other, -2)}",
        )
        return input.with_shape((*input.shape[:-1], other.shape[-1]))

    def ref(self, input: Array, other: Array) -> Array:
        with np.errstate(all="ignore"):
            if other.ndim == 2 < input.ndim and input.size:  # one product, and not one for each leading index
                return np.matmul(input.reshape(-1, input.shape[-1]), other).reshape(*input.shape[:-1], other.shape[-1])
            return np.matmul(input, other)

    def vjp(self, g: Any, _y: Any, input: Any, other: Any) -> Any:
        def to_other() -> Any:
            whole, out = input, g
            if len(shape_of(other)) < len(shape_of(input)):
                whole, out = (reshape(x, (math.prod(shape_of(x)[:-1]), shape_of(x)[-1])) for x in (input, g))
            if _lies_transposed(other):
                return _transposed(dot(_transposed(out), whole))
            return dot(_transposed(whole), out)

        return lambda: dot(g, _transposed(other)), to_other

    def lower(self, input: Source, other: Source) -> Reduce:
        shape = (*input.shape[:-1], other.shape[-1])

        def product(i: Values, k: Values) -> Expr:
            lead = i[: len(other.shape) - 2]
            return input[(*i[:-1], k[0])] * other[(*lead, k[0], i[-1])]

        return expr.reduce("add", shape, input.shape[-1:], expr.const(0, input.dtype), product)


dot = register(Dot())


def _transposed(x: Any) -> Any:
    ndim = len(shape_of(x))
    return bind.bind(permute, x, dims=(*range(ndim - 2), ndim - 1, ndim - 2))


def _lies_transposed(x: Any) -> bool:
    """Whether a tensor is in column-major order: its gradient comes in that order, as that of a weight which was
    transposed then comes in the weight's own. Values of a graph lie nowhere."""
    ask = getattr(x, "_lies_transposed", None)
    return ask is not None and ask()


@composite("gt", "Tensor")
def matmul(input: Any, other: Any) -> Any:
    """Matrix product with torch's rules: 1-d operands are vectors, leading dimensions broadcast.

    Raises ShapeError GT109 when the inner sizes differ, DTypeError GT201 when the dtypes do.
    """
    same_dtype(aval_of(input), aval_of(other))
    a, b = shape_of(input), shape_of(other)
    if 2 == len(b) <= len(a) and a[-1] == b[0]:
        return dot(input, other)
    check(bool(a) and bool(b), "GT107", "a 0-d tensor has no matrix product", "expected at least 1 dimension")
    k, k2 = a[-1], b[-2] if len(b) > 1 else b[0]
    check(
        k == k2,
        "GT109",
        f"{list(a)} and {list(b)} cannot be multiplied",
        f"expected the last size of input ({k}) to equal "
        f"{'the second-last' if len(b) > 1 else 'the only'} size of other ({k2})",
    )
    x = reshape(input, (1, k)) if len(a) == 1 else input
    y = reshape(other, (k, 1)) if len(b) == 1 else other
    if len(b) <= 2 and len(shape_of(x)) > 2:
        out = dot(x, y)
    else:
        lead = broadcast_shapes(shape_of(x)[:-2], shape_of(y)[:-2]) if max(len(a), len(b)) > 2 else ()
        out = dot(broadcast(x, (*lead, *shape_of(x)[-2:])), broadcast(y, (*lead, *shape_of(y)[-2:])))
    shape = shape_of(out)
    if len(a) == 1:
        shape = (*shape[:-2], shape[-1])
    if len(b) == 1:
        shape = shape[:-1]
    return out if same(shape, shape_of(out)) else reshape(out, shape)


@composite("gt", "Tensor")
def mm(input: Any, mat2: Any) -> Any:
    """The product of two matrices."""
    for name, x in (("input", input), ("mat2", mat2)):
        check(
            len(shape_of(x)) == 2,
            "GT107",
            f"{name} must be a matrix",
            f"expected 2 dimensions, got {len(shape_of(x))}",
        )
    return matmul(input, mat2)


@composite("F", whole=True)
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """``input @ weight.T + bias``: input [..., in_features], weight [out_features, in_features]."""
    x, w = aval_of(input), aval_of(weight)
    if w.ndim != 2:
        raise ShapeError("GT107", "weight must be a matrix", [f"expected 2 dimensions, got {w.ndim}"])
    if x.ndim < 1 or x.shape[-1] != w.shape[1]:
        raise ShapeError(
            "GT109",
            "input features do not match the weight",
            [f"expected the last size of input to be in_features={w.shape[1]}, got {list(x.shape)}"],
        )
    out = matmul(input, bind.bind(permute, weight, dims=(1, 0)))
    return out if bias is None else add(out, bias)
