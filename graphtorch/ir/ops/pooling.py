"""Pooling as torch has it: maxima, means and norms of windows, of 1 to 3 dimensions.

``input`` is [n, c, *size] or [c, *size]; kernels and the like are an int, or one for each dimension of ``size``.
"""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arguments import ints
from graphtorch.ir.ops.arithmetic import maximum, minimum, sign
from graphtorch.ir.ops.common import Shape, as_int, aval_of, broadcast, dtype_of, require_float, shape_of
from graphtorch.ir.ops.functions import relu
from graphtorch.ir.ops.max_pooling import max_pool_gather, max_pool_op, pool_sizes
from graphtorch.ir.ops.movement import iota, reshape
from graphtorch.ir.ops.windows import window_sum
from graphtorch.ir.types import DType, int64

_SIZE = {1: "l", 2: "h, w", 3: "d, h, w"}


@composite("gt", "F")
def max_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum over windows of [n, c, l] or [c, l]; see `max_pool2d`."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composite("gt", "F")
def max_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum over windows of [n, c, h, w] or [c, h, w]; stride is kernel_size unless given.

    With ``return_indices`` also where it stands in the flattened plane h * w, int64. nan is the greatest; of equal
    elements the first counts. ArgumentError GT304 when padding exceeds half of the window, ShapeError GT111 when
    no window fits.
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composite("gt", "F")
def max_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum over windows of [n, c, d, h, w] or [c, d, h, w]; see `max_pool2d`."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _max_pool(
    rank: int, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: bool
) -> Any:
    x = batched(rank, input)
    kernel, stride, padding, dilation = _window(rank, kernel_size, stride, padding, dilation)
    window = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    values, places = bind.bind(max_pool_op, x, ceil_mode=bool(ceil_mode), **window)
    if not indices:
        return unbatched(rank, input, values)
    plane = broadcast(plane_of(shape_of(x)[2:]), shape_of(x))
    at = bind.bind(max_pool_gather, plane, places, **window)
    return unbatched(rank, input, values), unbatched(rank, input, at)


def plane_of(size: Shape) -> Any:
    """0, 1, 2, ... in row-major order, int64 of shape ``size``."""
    return reshape(bind.bind(iota, shape=(math.prod(size),), dim=0, dtype=int64), size)


@composite("gt", "F")
def avg_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:  # fmt: skip
    """The mean over windows of [n, c, l] or [c, l]; see `avg_pool2d`."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@composite("F")
def avg_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:  # fmt: skip
    """The mean over windows of [n, c, h, w] or [c, h, w]; stride is kernel_size unless given.

    Zeros of the padding count as elements with ``count_include_pad``; ``divisor_override`` divides instead of the
    count. Floating point alone. ArgumentError GT304 when padding exceeds half of the window or the divisor is 0,
    ShapeError GT111 when no window fits.
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@composite("F")
def avg_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:  # fmt: skip
    """The mean over windows of [n, c, d, h, w] or [c, d, h, w]; see `avg_pool2d`."""
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _avg_pool(
    rank: int, input: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, with_pad: bool, divisor: Any
) -> Any:
    require_float(aval_of(input), "what is averaged")
    x = batched(rank, input)
    kernel, stride, padding, dilation = _window(rank, kernel_size, stride, padding, 1)
    size = shape_of(x)[2:]
    out = pool_sizes(size, kernel, stride, padding, dilation, bool(ceil_mode))
    window = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "out": out}
    total = bind.bind(window_sum, x, **window)
    if divisor is not None:
        by = as_int(divisor, "divisor_override")
        check(by != 0, "GT304", "divisor_override=0 is not allowed", "expected another divisor", kind=ArgumentError)
        return unbatched(rank, input, total * (1 / by))
    number = 1
    for axis, along in enumerate(zip(size, kernel, stride, padding, out, strict=True)):
        counts = _counts(*along, bool(with_pad))
        if len(set(counts)) == 1:
            number *= counts[0]
        else:
            total = total / _counted(rank - axis, *along, bool(with_pad), dtype_of(x))
    return unbatched(rank, input, total if number == 1 else total * (1 / number))


def _ends(n: int, p: int, with_pad: bool) -> tuple[int, int]:
    """Between which positions elements count."""
    return (-p, n + p) if with_pad else (0, n)


def _counts(n: int, k: int, s: int, p: int, out: int, with_pad: bool) -> list[int]:
    """How many elements of each window count, along one dimension."""
    low, high = _ends(n, p, with_pad)
    return [min(o * s - p + k, high) - max(o * s - p, low) for o in range(out)]


def _counted(back: int, n: int, k: int, s: int, p: int, out: int, with_pad: bool, dtype: DType) -> Any:
    """`_counts` as a tensor that broadcasts along dimension -``back``."""
    low, high = _ends(n, p, with_pad)
    begin = bind.bind(iota, shape=(out, *(1,) * (back - 1)), dim=0, dtype=dtype) * s - p
    return minimum(begin + k, high) - maximum(begin, low)


@composite("F")
def lp_pool1d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The ``norm_type``-norm of windows of [n, c, l] or [c, l]: (sum of x^p)^(1/p), without absolute values."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@composite("F")
def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The ``norm_type``-norm of windows of [n, c, h, w] or [c, h, w]; see `lp_pool1d`."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@composite("F")
def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The ``norm_type``-norm of windows of [n, c, d, h, w] or [c, d, h, w]; see `lp_pool1d`."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(rank: int, input: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    mean = _avg_pool(rank, input**norm_type, kernel_size, stride, 0, ceil_mode, True, None)
    count = math.prod(ints(kernel_size, "kernel_size", rank, 1))
    # as torch has it: its gradient is nan where the norm is 0
    return (sign(mean) * relu(abs(mean)) * count) ** (1.0 / norm_type)


# ---- what pooling shares --------------------------------------------------------------------------


def batched(rank: int, input: Any) -> Any:
    """``input`` as [n, c, *size]; ShapeError GT107 where it has another number of dimensions."""
    dims = len(shape_of(input))
    check(
        dims in (rank + 1, rank + 2),
        "GT107",
        f"input must be [n, c, {_SIZE[rank]}] or [c, {_SIZE[rank]}]",
        f"expected {rank + 1} or {rank + 2} dimensions, got {dims}",
    )
    return reshape(input, (1, *shape_of(input))) if dims == rank + 1 else input


def unbatched(rank: int, input: Any, out: Any) -> Any:
    """``out`` with as many dimensions as ``input`` came with."""
    return reshape(out, shape_of(out)[1:]) if len(shape_of(input)) == rank + 1 else out


def _window(rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Shape, ...]:
    """kernel, stride, padding and dilation, checked."""
    kernel = ints(kernel_size, "kernel_size", rank, 1)
    steps = kernel if stride is None or stride == [] else ints(stride, "stride", rank, 1)
    pads, apart = ints(padding, "padding", rank, 0), ints(dilation, "dilation", rank, 1)
    check(
        all(2 * p <= d * (k - 1) + 1 for p, k, d in zip(pads, kernel, apart, strict=True)),
        "GT304",
        f"padding={padding!r} is not allowed with kernel_size={kernel_size!r}",
        "expected padding <= kernel_size / 2",
        kind=ArgumentError,
    )
    return kernel, steps, pads, apart
