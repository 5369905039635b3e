"""Normalization of instances, across channels, and to length 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import as_int, aval_of, require_float, shape_of, to_dtype
from graphtorch.ir.ops.functions import rsqrt, sqrt
from graphtorch.ir.ops.logic import eq, ne, where
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.norm import check_channels, normalize_channels, per_channel, track
from graphtorch.ir.ops.reduce import amax, mean
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.windows import window_sum


@composite("F")
def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalize each channel of each sample of [n, c, ...] by itself, or with the running statistics.

    D. Ulyanov et al., "Instance normalization", 2016. With ``use_input_stats`` running_mean and running_var (both or
    neither) move by ``momentum`` towards the samples' averages, the variance unbiased. ArgumentError GT305 for a
    channel of one value, GT304 where there are no statistics to use.
    """
    require_float(aval_of(input), "the operand of instance_norm")
    shape = shape_of(input)
    check(
        len(shape) >= 3, "GT107", "instance_norm needs [n, c, ...]", f"expected at least 3 dimensions, got {len(shape)}"
    )
    check_channels(shape[1], running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not use_input_stats:
        check(
            running_mean is not None and running_var is not None,
            "GT304",
            "use_input_stats=False is not allowed",
            "expected running_mean and running_var to use instead",
            kind=ArgumentError,
        )
        return normalize_channels(input, running_mean, running_var, weight, bias, eps)
    count, dims = math.prod(shape[2:]), tuple(range(2, len(shape)))
    check(
        count != 1,
        "GT305",
        "a channel of a sample has one value: it has no variance",
        f"expected more than 1 value per channel, got input {list(shape)}",
        kind=ArgumentError,
    )
    center = mean(input, dims, True)
    centered = input - center
    variance = mean(centered * centered, dims, True)
    if running_mean is not None and count:
        track(running_mean, mean(reshape(center, shape[:2]), 0), momentum)
        track(running_var, mean(reshape(variance, shape[:2]), 0) * (count / (count - 1)), momentum)
    out = centered * rsqrt(variance + eps)
    out = out if weight is None else out * reshape(weight, per_channel(shape))
    return out if bias is None else out + reshape(bias, per_channel(shape))


@composite("F")
def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """x / (k + alpha * mean of squares of the ``size`` channels around)^beta, for [n, c, ...]; missing ones are 0.

    A. Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", NeurIPS 2012.
    """
    require_float(aval_of(input), "the operand of local_response_norm")
    width, ndim = as_int(size, "size"), len(shape_of(input))
    check(ndim >= 3, "GT107", "input must be [n, c, ...]", f"expected at least 3 dimensions, got {ndim}")
    check(width > 0, "GT304", f"size={size} is not allowed", "expected size > 0", kind=ArgumentError)
    return input / (_near_channels(input, width, width // 2) * (alpha / width) + k) ** beta


def _near_channels(input: Any, width: int, before: int) -> Any:
    """The sum of squares of ``width`` channels, from ``before`` before each one."""
    n, c, *size = shape_of(input)
    lines = reshape(input * input, (n, c, math.prod(size)))
    window = {"kernel": (width, 1), "stride": (1, 1), "padding": (before, 0), "dilation": (1, 1)}
    return reshape(bind.bind(window_sum, lines, out=shape_of(lines)[1:], **window), shape_of(input))


@composite("F")
def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    """``input`` over the greater of its ``p``-norm along ``dim`` (an int, several, or None for all) and ``eps``."""
    require_float(aval_of(input), "the operand of normalize")
    length = _length(input, float(p), dim)
    return input / where(length < eps, eps, length)


def _length(x: Any, p: float, dim: Any) -> Any:
    """The p-norm along ``dim``, which stays; its gradient is 0 where that is 0."""
    dims = tuple(dim) if isinstance(dim, Sequence) else dim
    if p == 0:
        return sum_(to_dtype(ne(x, 0), aval_of(x).dtype), dims, True)
    if p == 1:
        return sum_(abs(x), dims, True)
    if math.isinf(p):
        return (
            amax(abs(x), () if dims is None else dims, True)
            if p > 0
            else -amax(-abs(x), () if dims is None else dims, True)
        )
    if p == 2:
        return _root(sum_(x * x, dims, True), sqrt)
    return _root(sum_(abs(x) ** p, dims, True), lambda s: s ** (1 / p))


def _root(total: Any, root: Any) -> Any:
    zero = eq(total, 0)
    return where(zero, 0, root(where(zero, 1, total)))
