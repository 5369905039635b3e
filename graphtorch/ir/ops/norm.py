"""Normalization: composites over means and variances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.ir.dim import is_dynamic, same
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import as_int, aval_of, dtype_of, require_float, shape_of
from graphtorch.ir.ops.functions import rsqrt
from graphtorch.ir.ops.in_float32 import in_float32, widened
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.reduce import mean
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.reduction import averaged


def batch_statistics(input: Any) -> tuple[Any, Any]:
    """(mean, biased variance) over every dimension but the second, each [c].

    Of no values both are 0 and not nan, which gradients of weights, sums of nothing, would be then.
    """
    shape = shape_of(input)
    dims = [d for d in range(len(shape)) if d != 1]
    if any(same(shape[d], 0) for d in dims):
        nothing = sum_(input, dims)
        return nothing, nothing
    center = mean(input, dims)
    centered = input - reshape(center, per_channel(shape))
    return center, mean(centered * centered, dims)


def per_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n if i == 1 else 1 for i, n in enumerate(shape))


def normalize_channels(input: Any, center: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    """(input - center) / sqrt(variance + eps) * weight + bias, all given per channel."""
    shape = per_channel(shape_of(input))
    scale = rsqrt(widened(variance) + eps)
    if weight is not None:
        scale = scale * weight
    out = (input - reshape(center, shape)) * reshape(scale, shape)
    return out if bias is None else out + reshape(bias, shape)


@composite("F")
@in_float32("input")
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalize [n, c, ...] per channel, with the batch's statistics when training, else the running ones.

    When training, running_mean and running_var (both or neither) move by ``momentum`` towards the
    batch's mean and unbiased variance. ArgumentError GT305 when a channel has a single value to train on.
    """
    require_float(aval_of(input), "the operand of batch_norm")
    shape = shape_of(input)
    check(len(shape) >= 2, "GT107", "batch_norm needs [n, c, ...]", f"expected at least 2 dimensions, got {len(shape)}")
    check_channels(shape[1], running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not training:
        check(
            running_mean is not None and running_var is not None,
            "GT304",
            "running_mean and running_var are needed where training is False",
            "expected two tensors of one value per channel; pass training=True to use the batch's statistics",
            kind=ArgumentError,
        )
        return normalize_channels(input, running_mean, running_var, weight, bias, eps)
    count = math.prod(n for d, n in enumerate(shape) if d != 1)
    check(
        count != 1,
        "GT305",
        "a channel has one value: it has no variance to train on",
        f"expected more than 1 value per channel, got {_one_value(shape)}",
        "train on larger batches (drop_last=True of a DataLoader leaves out a last one of 1 sample), or call eval()",
        kind=ArgumentError,
    )
    center, variance = batch_statistics(input)
    if running_mean is not None and count:
        track(running_mean, center, momentum)
        spread = averaged(variance * count, count - 1) if is_dynamic(count) else variance * (count / (count - 1))
        track(running_var, spread, momentum)
    return normalize_channels(input, center, variance, weight, bias, eps)


def _one_value(shape: tuple[int, ...]) -> str:
    spatial = f" and a spatial size of {'x'.join(map(str, shape[2:]))}" if len(shape) > 2 else ""
    return f"n={shape[0]}{spatial} (input {list(shape)})"


def track(running: Any, value: Any, momentum: float) -> None:
    """In place, and outside of the gradient: state does not need one."""
    running.copy_(widened(running) * (1 - momentum) + value.detach() * momentum)


@composite("F")
@in_float32("input")
def layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """(x - mean) / sqrt(variance + eps) * weight + bias over the last dimensions, which are ``normalized_shape``.

    J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016. The variance is the biased one; ``weight`` and
    ``bias`` are of ``normalized_shape``. ShapeError GT103 where a shape is not, DTypeError GT202 for integers.
    """
    dims = _last_dims("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    return _affine(_standardized(input, dims, eps), weight, bias)


@composite("F")
@in_float32("input")
def rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions, which are ``normalized_shape``.

    B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019. ``eps`` is the dtype's epsilon
    unless given. ShapeError GT103 where a shape does not fit, DTypeError GT202 for integers.
    """
    dims = _last_dims("rms_norm", input, normalized_shape, weight=weight)
    kind: Any = dtype_of(input).np
    least = float(np.finfo(kind).eps) if eps is None else eps
    return _affine(input * rsqrt(mean(input * input, dims, True) + least), weight, None)


@composite("F")
@in_float32("input")
def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Normalize [n, c, ...] over each of ``num_groups`` equal groups of channels; weight and bias are [c].

    Y. Wu, K. He, "Group normalization", ECCV 2018. ShapeError GT102 where weight or bias does not match the channels,
    ArgumentError GT304 where ``num_groups`` does not divide them.
    """
    require_float(aval_of(input), "the operand of group_norm")
    shape, groups = shape_of(input), as_int(num_groups, "num_groups")
    check(len(shape) >= 2, "GT107", "group_norm needs [n, c, ...]", f"expected at least 2 dimensions, got {len(shape)}")
    check_channels(shape[1], weight=weight, bias=bias)
    check(
        groups > 0 and shape[1] % groups == 0,
        "GT304",
        f"num_groups={num_groups} is not allowed",
        f"expected a divisor of {shape[1]}, the number of channels",
        kind=ArgumentError,
    )
    grouped = (shape[0], groups, shape[1] // groups, *shape[2:])
    per_channel = (1, groups, shape[1] // groups, *(1 for _ in shape[2:]))
    weight, bias = (t if t is None else reshape(t, per_channel) for t in (weight, bias))
    out = _standardized(reshape(input, grouped), tuple(range(2, len(grouped))), eps)
    return reshape(_affine(out, weight, bias), shape)


def _standardized(input: Any, dims: tuple[int, ...], eps: float) -> Any:
    """Mean 0 and, but for ``eps``, variance 1 over ``dims``."""
    centered = input - mean(input, dims, True)
    return centered * rsqrt(mean(centered * centered, dims, True) + eps)


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _last_dims(op: str, input: Any, normalized_shape: Any, **parameters: Any) -> tuple[int, ...]:
    """The dimensions that ``normalized_shape`` names, after all shapes were checked."""
    require_float(aval_of(input), f"the operand of {op}")
    given = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    wanted, shape = tuple(as_int(n, "normalized_shape") for n in given), shape_of(input)
    check(
        bool(wanted) and shape[-len(wanted) :] == wanted,
        "GT103",
        f"normalized_shape={list(wanted)} does not match the input",
        f"expected the last sizes of the input, {list(shape)}",
    )
    for name, t in parameters.items():
        check(
            t is None or shape_of(t) == wanted,
            "GT103",
            f"{name} does not match normalized_shape",
            f"expected {list(wanted)}, got {list(shape_of(t)) if t is not None else None}",
        )
    return tuple(range(len(shape) - len(wanted), len(shape)))


def check_channels(channels: int, **parameters: Any) -> None:
    """ShapeError GT102 for a parameter that has not one number for each channel."""
    for name, t in parameters.items():
        check(
            t is None or shape_of(t) == (channels,),
            "GT102",
            f"{name} does not match the channels of the input",
            f"expected [{channels}], got {list(shape_of(t)) if t is not None else None}",
        )
