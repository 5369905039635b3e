"""The inverse of max pooling, as far as it has one."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arguments import ints
from graphtorch.ir.ops.arithmetic import maximum
from graphtorch.ir.ops.common import Shape, broadcast, dtype_of, lift, shape_of
from graphtorch.ir.ops.index import put_rows
from graphtorch.ir.ops.movement import iota, reshape
from graphtorch.ir.ops.pooling import batched, unbatched
from graphtorch.ir.types import int64


@composite("F")
def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """The maxima of [n, c, l] or [c, l] back where they stood; see `max_unpool2d`."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


@composite("F")
def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """The maxima of [n, c, h, w] or [c, h, w] where ``indices``, as `max_pool2d` gives them, say; 0 elsewhere.

    ``output_size`` (its last two sizes count) is (size - 1) * stride - 2 * padding + kernel_size unless given. Where
    several windows name one place it has the mean of theirs, which are equal if they come from a pooling.
    ShapeError GT103 where shapes differ, ArgumentError GT304 for an output_size of other windows, and in eager mode
    IndexRangeError GT302 for an index outside of the output.
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


@composite("F")
def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """The maxima of [n, c, d, h, w] or [c, d, h, w] back where they stood; see `max_unpool2d`."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _unpool(rank: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Any:
    check(
        dtype_of(indices) == int64 and shape_of(indices) == shape_of(input),
        "GT103",
        "indices do not fit the input",
        f"expected int64 of {list(shape_of(input))}, got {dtype_of(indices)!r} of {list(shape_of(indices))}",
    )
    x, at = batched(rank, input), batched(rank, indices)
    kernel = ints(kernel_size, "kernel_size", rank, 1)
    steps = kernel if stride is None or stride == [] else ints(stride, "stride", rank, 1)
    size = _size(shape_of(x)[2:], kernel, steps, ints(padding, "padding", rank, 0), output_size)
    n, c, *old = shape_of(x)
    plane = math.prod(size)
    planes = reshape(bind.bind(iota, shape=(n * c,), dim=0, dtype=int64) * plane, (n, c, *(1 for _ in old)))
    where = reshape(at + planes, (n * c * math.prod(old),))
    total, count = (_added(v, where, n * c * plane) for v in (x, broadcast(lift(1, dtype_of(x)), shape_of(x))))
    return unbatched(rank, input, reshape(total / maximum(count, 1), (n, c, *size)))


def _added(values: Any, where: Any, size: int) -> Any:
    zeros = broadcast(lift(0, dtype_of(values)), (size,))
    return put_rows(zeros, where, reshape(values, shape_of(where)), 0, accumulate=True)


def _size(old: Shape, kernel: Shape, stride: Shape, padding: Shape, wanted: Any) -> Shape:
    usual = tuple((n - 1) * s - 2 * p + k for n, k, s, p in zip(old, kernel, stride, padding, strict=True))
    given = usual if wanted is None else tuple(wanted)[-len(old) :]
    check(
        len(given) == len(old) and all(abs(a - b) < s for a, b, s in zip(given, usual, stride, strict=True)),
        "GT304",
        f"output_size={wanted!r} is not allowed",
        f"expected sizes that differ from {list(usual)} by less than stride={list(stride)}",
        kind=ArgumentError,
    )
    return given
