"""Adaptive pooling: as many windows as asked for, element i from floor(i * n / m) to ceil((i + 1) * n / m)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.casts import row_major
from graphtorch.ir.ops.common import Shape, as_int, aval_of, broadcast, dtype_of, lift, require_float, shape_of
from graphtorch.ir.ops.max_pooling import max_pool_gather, max_pool_op
from graphtorch.ir.ops.pooling import batched, plane_of, unbatched
from graphtorch.ir.ops.reduce import mean
from graphtorch.ir.ops.resample import resample
from graphtorch.ir.ops.resample_taps import window
from graphtorch.ir.ops.windows import window_sum
from graphtorch.ir.types import int64


@composite("gt", "F")
def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """The means of ``output_size`` windows of [n, c, l] or [c, l]; see `adaptive_avg_pool2d`."""
    return _average(1, input, output_size)


@composite("F")
def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The means of windows of [n, c, h, w] or [c, h, w], as many along each dimension as ``output_size`` says.

    An int counts for both; None keeps a size. ArgumentError GT304 for a negative one, or an empty plane.
    """
    return _average(2, input, output_size)


@composite("F")
def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """The means of windows of [n, c, d, h, w] or [c, d, h, w]; see `adaptive_avg_pool2d`."""
    return _average(3, input, output_size)


def _average(rank: int, input: Any, output_size: Any) -> Any:
    require_float(aval_of(input), "what is averaged")
    x = batched(rank, input)
    out = _sizes(rank, shape_of(x)[2:], output_size)
    if out == shape_of(x)[2:]:
        return row_major(input)
    if all(m == 1 for m in out):
        return unbatched(rank, input, mean(x, tuple(range(2, rank + 2)), True))
    kernel = _even(shape_of(x)[2:], out)
    if max(kernel) > 1:
        ones, none = (1,) * rank, (0,) * rank
        places = tuple(n // k for n, k in zip(shape_of(x)[2:], kernel, strict=True))
        x = bind.bind(window_sum, x, kernel=kernel, stride=kernel, padding=none, dilation=ones, out=places)
        x = x * (1 / math.prod(kernel))
    for dim, m in enumerate(out, 2):
        if m != shape_of(x)[dim]:
            x = bind.bind(resample, x, dim=dim, size=m, kind="area", scale=0.0)
    return unbatched(rank, input, x)


@composite("gt", "F")
def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of ``output_size`` windows of [n, c, l] or [c, l]; see `adaptive_max_pool2d`."""
    return _greatest(1, input, output_size, return_indices)


@composite("F")
def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of windows of [n, c, h, w] or [c, h, w], as many along each dimension as ``output_size`` says.

    An int counts for both; None keeps a size. With ``return_indices`` also where each stands in the flattened plane
    h * w, int64. nan is the greatest; of equal elements the first counts.
    """
    return _greatest(2, input, output_size, return_indices)


@composite("F")
def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of windows of [n, c, d, h, w] or [c, d, h, w]; see `adaptive_max_pool2d`."""
    return _greatest(3, input, output_size, return_indices)


def _greatest(rank: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    require_float(aval_of(input), "what is pooled")
    x = batched(rank, input)
    size = shape_of(x)[2:]
    out = _sizes(rank, size, output_size)
    if 0 in out:
        shape = (*shape_of(x)[:2], *out)
        values, at = (broadcast(lift(0, dtype), shape) for dtype in (dtype_of(x), int64))
        return (unbatched(rank, input, values), unbatched(rank, input, at)) if return_indices else values
    # uneven windows are laid out one after the other, all of the longest one's length
    kernel = tuple(window(n, m) for n, m in zip(size, out, strict=True))
    frame = {"kernel": kernel, "stride": kernel, "padding": (0,) * rank, "dilation": (1,) * rank}
    values, places = bind.bind(max_pool_op, _covered(x, size, out), ceil_mode=False, **frame)
    if not return_indices:
        return unbatched(rank, input, values)
    plane = _covered(plane_of((1, 1, *size)), size, out)
    plane = broadcast(plane, (*shape_of(x)[:2], *shape_of(plane)[2:]))
    at = bind.bind(max_pool_gather, plane, places, **frame)
    return unbatched(rank, input, values), unbatched(rank, input, at)


def _covered(x: Any, size: Shape, out: Shape) -> Any:
    for dim, (n, m) in enumerate(zip(size, out, strict=True), 2):
        if n % m:
            x = bind.bind(resample, x, dim=dim, size=m, kind="cover", scale=0.0)
    return x


def _sizes(rank: int, size: Shape, output_size: Any) -> Shape:
    given = tuple(output_size) if isinstance(output_size, Sequence) else (output_size,) * rank
    given = given * rank if len(given) == 1 else given
    check(
        len(given) == rank,
        "GT304",
        f"output_size={output_size!r} is not allowed",
        f"expected an int, or {rank} of them; None keeps a size",
        kind=ArgumentError,
    )
    out = tuple(n if m is None else as_int(m, "output_size") for n, m in zip(size, given, strict=True))
    check(
        min(out) >= 0 and min(size) > 0,
        "GT304",
        f"output_size={output_size!r} is not allowed for a plane of {list(size)}",
        "expected numbers >= 0, and a plane that is not empty",
        kind=ArgumentError,
    )
    return out


def _even(size: Shape, out: Shape) -> Shape:
    """The length of windows that are all equal; 1 where they are not."""
    return tuple(n // m if m and n % m == 0 else 1 for n, m in zip(size, out, strict=True))
