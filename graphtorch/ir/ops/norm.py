"""Normalization: composites over means and variances."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import aval_of, require_float, shape_of
from graphtorch.ir.ops.functions import rsqrt
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.reduce import mean


def batch_statistics(input: Any) -> tuple[Any, Any]:
    """(mean, biased variance) over every dimension but the second, each [c]."""
    shape = shape_of(input)
    dims = [d for d in range(len(shape)) if d != 1]
    center = mean(input, dims)
    centered = input - reshape(center, _per_channel(shape))
    return center, mean(centered * centered, dims)


def _per_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n if i == 1 else 1 for i, n in enumerate(shape))


def normalize_channels(input: Any, center: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    """(input - center) / sqrt(variance + eps) * weight + bias, all given per channel."""
    shape = _per_channel(shape_of(input))
    scale = rsqrt(variance + eps)
    if weight is not None:
        scale = scale * weight
    out = (input - reshape(center, shape)) * reshape(scale, shape)
    return out if bias is None else out + reshape(bias, shape)


@composite("F")
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
    for name, t in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        check(
            t is None or shape_of(t) == (shape[1],),
            "GT102",
            f"{name} does not match the channels of the input",
            f"expected [{shape[1]}], got {list(shape_of(t)) if t is not None else None}",
        )
    if not training:
        return normalize_channels(input, running_mean, running_var, weight, bias, eps)
    count = math.prod(n for d, n in enumerate(shape) if d != 1)
    check(
        count != 1,
        "GT305",
        "a channel has one value: it has no variance to train on",
        f"expected more than 1 value per channel, got input {list(shape)}",
        kind=ArgumentError,
    )
    center, variance = batch_statistics(input)
    if running_mean is not None and count:
        _track(running_mean, center, momentum)
        _track(running_var, variance * (count / (count - 1)), momentum)
    return normalize_channels(input, center, variance, weight, bias, eps)


def _track(running: Any, value: Any, momentum: float) -> None:
    """In place, and outside of the gradient: state does not need one."""
    running.copy_(running * (1 - momentum) + value.detach() * momentum)
