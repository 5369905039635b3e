"""Order: sorting, and the first of it. nan is greater than everything; equal elements stay in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.expr import Source
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.common import as_int, broadcast, check_dim, dtype_of, lift, normalize_dim, shape_of
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array
from graphtorch.ir.ops.gather import index_put_op
from graphtorch.ir.ops.gathering import along
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.return_types import kthvalue_type, sort_type, topk_type
from graphtorch.ir.ops.shapes import narrow
from graphtorch.ir.types import TensorType, bool_, int64


class Sort(Op):
    """The first ``k`` elements along ``dim`` in ascending or descending order, and their indices (int64)."""

    name = "sort"

    def infer(self, input: TensorType, *, dim: int, descending: bool, k: int) -> tuple[TensorType, TensorType]:
        check_dim(dim, input.ndim)
        check(
            0 <= k <= input.shape[dim],
            "GT304",
            f"k={k} is out of range for dimension {dim} of size {input.shape[dim]}",
            f"expected 0 <= k <= {input.shape[dim]}",
            kind=ArgumentError,
        )
        out = input.with_shape((*input.shape[:dim], k, *input.shape[dim + 1 :]))
        return out, out.with_dtype(int64)

    def ref(self, input: Array, *, dim: int, descending: bool, k: int) -> tuple[Array, Array]:
        if descending:  # backwards, so that equal ones stay in order
            order = input.shape[dim] - 1 - np.flip(np.argsort(np.flip(input, dim), dim, kind="stable"), dim)
        else:
            order = np.argsort(input, dim, kind="stable")
        first = np.ascontiguousarray(np.take(order, range(k), axis=dim))
        return np.take_along_axis(input, first, dim), first

    def vjp(self, g: Any, y: Any, _input: Any, *, dim: int, descending: bool, k: int) -> Any:
        zeros = broadcast(lift(0, dtype_of(_input)), shape_of(_input))
        indices, dims = along(y[1], dim), tuple(range(len(shape_of(_input))))
        return bind.bind(index_put_op, zeros, g[0], *indices, dims=dims, negative=False, accumulate=True)

    def lower(self, input: Source, *, dim: int, descending: bool, k: int) -> expr.Sort:
        return expr.Sort(input, dim, k, descending)


sort_op = register(Sort())


def _ordered(input: Any, dim: int, descending: bool, k: int | None = None) -> tuple[Any, Any]:
    """`sort_op` of a tensor that may have no dimensions."""
    shape = shape_of(input)
    x = input if shape else reshape(input, (1,))
    d = normalize_dim(dim, len(shape))
    k = shape_of(x)[d] if k is None else k
    values, indices = bind.bind(sort_op, x, dim=d, descending=bool(descending), k=k)
    return (values, indices) if shape else (reshape(values, ()), reshape(indices, ()))


@composite(*EVERYWHERE)
def sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """(values, indices) along ``dim``. Equal elements stay in order, also where ``stable`` does not ask for it."""
    return sort_type(*_ordered(input, dim, descending))


@composite(*EVERYWHERE)
def argsort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """The indices of `sort`."""
    return _ordered(input, dim, descending)[1]


@composite(*EVERYWHERE)
def msort(input: Any) -> Any:
    """The values of ``input.sort(0)``."""
    return _ordered(input, 0, False)[0]


@composite(*EVERYWHERE)
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """(values, indices) of the ``k`` greatest or smallest along ``dim``, in order, also where ``sorted`` is False. Of
    equal elements the first ones are taken."""
    shape, k = shape_of(input), as_int(k, "k")
    d = normalize_dim(dim, len(shape))
    size = shape[d] if shape else 1
    check(
        0 <= k <= size,
        "GT304",
        f"k={k} is out of range for dimension {d} of size {size}",
        f"expected 0 <= k <= {size}",
        kind=ArgumentError,
    )
    check(dtype_of(input) != bool_, "GT203", "topk does not take graphtorch.bool", "convert it first", kind=DTypeError)
    return topk_type(*_ordered(input, d, largest, k if shape else 1))


@composite(*EVERYWHERE)
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """(values, indices) of the ``k``-th smallest along ``dim``, counted from 1."""
    shape, k = shape_of(input), as_int(k, "k")
    d = normalize_dim(dim, len(shape))
    size = shape[d] if shape else 1
    check(
        1 <= k <= size,
        "GT304",
        f"k={k} is out of range for dimension {d} of size {size}",
        f"expected 1 <= k <= {size}",
        kind=ArgumentError,
    )
    check(
        dtype_of(input) != bool_, "GT203", "kthvalue does not take graphtorch.bool", "convert it first", kind=DTypeError
    )
    if not shape:
        return kthvalue_type(*_ordered(input, 0, False))
    found = (narrow(x, d, k - 1, 1) for x in _ordered(input, d, False, k))
    out = shape[:d] + ((1,) if keepdim else ()) + shape[d + 1 :]
    return kthvalue_type(*(reshape(x, out) for x in found))
