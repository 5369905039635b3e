"""Strides over memory: the view that names elements by where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.common import (
    Shape,
    as_int,
    broadcast,
    check_sizes,
    dtype_of,
    lift,
    shape_of,
    sizes,
)
from graphtorch.ir.ops.index import index_add, index_select
from graphtorch.ir.ops.logic import where
from graphtorch.ir.ops.movement import iota, reshape
from graphtorch.ir.types import TensorType, int64

Array = Any


class AsStrided(Op):
    """Elements of ``input``'s memory, which is dense and in row-major order: [i, j, ...] is element
    ``storage_offset + i * stride[0] + j * stride[1] + ...`` of it."""

    name = "as_strided"
    is_view = True

    def infer(self, input: TensorType, *, size: Shape, stride: Shape, storage_offset: int) -> TensorType:
        check_sizes(size, "size")
        check_sizes((*stride, storage_offset), "stride and storage_offset")
        check(
            len(size) == len(stride),
            "GT304",
            f"size has {len(size)} entries and stride {len(stride)}",
            "expected one stride for each size",
            kind=ArgumentError,
        )
        last = storage_offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        check(
            0 in size or last < input.numel,
            "GT302",
            f"size={list(size)}, stride={list(stride)}, storage_offset={storage_offset} reach element {last}",
            f"the memory has {input.numel} elements",
            kind=ArgumentError,
        )
        return input.with_shape(size)

    def ref(self, input: Array, *, size: Shape, stride: Shape, storage_offset: int) -> Array:
        memory = np.ascontiguousarray(input).reshape(-1)[0 if 0 in size else storage_offset :]
        return np.lib.stride_tricks.as_strided(memory, size, [s * input.itemsize for s in stride])

    def vjp(self, g: Any, _y: Any, _input: Any, *, size: Shape, stride: Shape, storage_offset: int) -> Any:
        zeros = broadcast(lift(0, dtype_of(_input)), (_numel(_input),))
        places = in_a_line(places_of(size, stride, storage_offset))
        return reshape(index_add(zeros, 0, places, in_a_line(g)), shape_of(_input))

    def put(self, base: Any, value: Any, *, size: Shape, stride: Shape, storage_offset: int) -> Any:
        if 0 in size:
            return base
        places, flat = in_a_line(places_of(size, stride, storage_offset)), in_a_line(base)
        numbers = bind.bind(iota, shape=(_numel(value),), dim=0, dtype=int64)
        none = broadcast(lift(-1, int64), shape_of(flat))
        at = index_add(none, 0, places, numbers + 1)  # which element of value goes there; -1 for none
        chosen = index_select(in_a_line(value), 0, where(at < 0, 0, at))
        return reshape(where(at < 0, flat, chosen), shape_of(base))

    def lower(self, input: Source, *, size: Shape, stride: Shape, storage_offset: int) -> Compute:
        numel = int(np.prod(input.shape, dtype=np.int64))
        flat = input.view((numel,))

        def body(*i: Expr) -> Expr:
            at: Expr = expr.const(storage_offset, int64)
            for v, s in zip(i, stride, strict=True):
                at = at + v * s
            return flat[(at,)]

        return compute(size, input.dtype, body)


def _numel(x: Any) -> int:
    return int(np.prod(shape_of(x), dtype=np.int64))


def places_of(size: Shape, stride: Shape, offset: int) -> Any:
    """The number in memory of each element of a strided view."""
    at = broadcast(lift(offset, int64), size)
    for dim, s in enumerate(stride):
        at = at + bind.bind(iota, shape=size, dim=dim, dtype=int64) * s
    return at


def in_a_line(x: Any) -> Any:
    return reshape(x, (_numel(x),))


as_strided_op = register(AsStrided())


@composite("gt", "Tensor")
def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """A view of ``input``'s storage: sizes and strides in elements, from ``storage_offset`` (default: the input's own).

    ArgumentError GT302 for what reaches beyond the storage, GT304 for negative strides. Gradients are added up where
    elements of the view share memory.
    """
    at = input.storage_offset() if storage_offset is None else as_int(storage_offset, "storage_offset")
    memory = input._memory() if hasattr(input, "_memory") else input  # values of a graph are dense
    shape, steps = sizes((tuple(size),), "size"), sizes((tuple(stride),), "stride")
    return bind.bind(as_strided_op, memory, size=shape, stride=steps, storage_offset=at)
