"""Initialisation in place, with random numbers of the default generator unless another is given.

Every function writes into ``tensor`` without recording for autograd, and returns it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.random import Generator, randn, stream_of
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check

M = TypeVar("M")


class _Mode(threading.local):
    skips = False


#: what `skipped` sets for the thread that it is called in
mode = _Mode()


@contextmanager
def skipped() -> Iterator[None]:
    """In the block nothing draws or fills parameters; memory that is not touched is not taken."""
    before, mode.skips = mode.skips, True
    try:
        yield
    finally:
        mode.skips = before


def skip_init(module_cls: Callable[..., M], *args: Any, **kwargs: Any) -> M:
    """``module_cls(*args, **kwargs)`` whose parameters hold whatever is in memory: for weights to be loaded."""
    with skipped():
        return module_cls(*args, **kwargs)


_GAINS = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "selu": 0.75}
_GAINS["relu"] = math.sqrt(2)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which ``nonlinearity`` shrinks a signal, undone; ``param`` is leaky_relu's slope (0.01)."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    check(
        nonlinearity in _GAINS,
        "GT304",
        f"nonlinearity={nonlinearity!r} is not allowed",
        f"expected one of {', '.join(sorted((*_GAINS, 'leaky_relu')))}",
        kind=ArgumentError,
    )
    return _GAINS[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """(inputs, outputs) of one unit of a weight [out, in, ...]; ShapeError GT107 below 2 dimensions."""
    shape = tensor.aval.shape
    check(
        len(shape) >= 2,
        "GT107",
        "fan in and fan out need a weight [out, in, ...]",
        f"expected at least 2 dimensions, got {len(shape)}",
    )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in [a, b)."""
    if mode.skips:
        return tensor
    drawn = stream_of(generator).uniform(tensor.aval.shape, tensor.dtype)
    return tensor.copy_(drawn.mul_(b - a).add_(a))


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with ``mean`` and standard deviation ``std``."""
    if mode.skips:
        return tensor
    drawn = randn(*tensor.aval.shape, generator=generator, dtype=tensor.dtype)
    return tensor.copy_(drawn.mul_(std).add_(mean))


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """``val`` everywhere."""
    return tensor if mode.skips else tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform with variance 2 / (fan_in + fan_out), times gain^2 (X. Glorot, Y. Bengio, 2010)."""
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with variance 2 / (fan_in + fan_out), times gain^2."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform with variance gain^2 / fan (K. He et al., 2015); ``a`` is the slope of leaky_relu."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with variance gain^2 / fan (K. He et al., 2015); ``a`` is the slope of leaky_relu."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _kaiming_std(tensor: Tensor, a: float, fan: str, nonlinearity: str) -> float:
    by_mode: dict[Any, int] = dict(zip(("fan_in", "fan_out"), fans(tensor), strict=True))
    check(
        fan in by_mode,
        "GT304",
        f"mode={fan!r} is not allowed",
        'expected "fan_in" or "fan_out"',
        kind=ArgumentError,
    )
    return calculate_gain(nonlinearity, a) / math.sqrt(by_mode[fan])


def weight_and_bias_(weight: Tensor, bias: Tensor | None) -> None:
    """torch's default for linear and convolution layers: both uniform within 1 / sqrt(fan_in)."""
    kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(fans(weight)[0])
        uniform_(bias, -bound, bound)
