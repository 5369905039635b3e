"""Dropouts of whole channels, and those that keep mean and variance."""

from __future__ import annotations

import math

from graphtorch.frontend.nn.arguments import flag, number
from graphtorch.frontend.random import default_generator
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import aval_of, require_float
from graphtorch.ir.types import float32

#: the negative saturation of selu, -scale * alpha
_SATURATION = -1.7580993408473766


@composite("F", noted=True)
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each channel of [n, c, l] or [c, l] with probability ``p``, scale others by 1 / (1 - p), if ``training``.

    J. Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015. Drawn as in `dropout`.
    """
    return _channels(input, p, training, inplace, (2, 3), 1)


@composite("F", noted=True)
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout1d` of [n, c, h, w]; three dimensions are [n, c, l], as in torch."""
    return _channels(input, p, training, inplace, (3, 4), 0)


@composite("F", noted=True)
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout1d` of [n, c, d, h, w] or [c, d, h, w]."""
    return _channels(input, p, training, inplace, (4, 5), 3)


def _channels(input: Tensor, p: float, training: bool, inplace: bool, dims: tuple[int, int], unbatched: int) -> Tensor:
    """``unbatched``: how many dimensions follow the channels where there is no batch."""
    number(p, "p", 0, 1)
    shape = aval_of(input).shape
    check(len(shape) in dims, "GT107", f"input is of {len(shape)} dimensions", f"expected {dims[0]} or {dims[1]}")
    lead = 1 if len(shape) == unbatched + 1 else 2
    if not training or p == 0:
        return input
    kept = _kept(input, p, (*shape[:lead], *(1 for _ in shape[lead:])))
    out = input * (kept * (1 / (1 - p) if p < 1 else 0.0))
    return input.copy_(out) if flag(inplace, "inplace") else out


def _kept(input: Tensor, p: float, shape: tuple[int, ...]) -> Tensor:
    """1 with probability 1 - p, else 0."""
    require_float(aval_of(input), "what is dropped")
    kept: Tensor = (default_generator.uniform(shape, float32) >= p).to(input.dtype)
    return kept


@composite("F", noted=True)
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Set each element to selu's saturation with probability ``p``; scaled and moved so that mean 0, variance 1 stay.

    G. Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017. Drawn as in `dropout`.
    """
    return _alpha(input, p, training, inplace, aval_of(input).shape)


@composite("F", noted=True)
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels of [n, c, ...]."""
    shape = aval_of(input).shape
    check(len(shape) >= 2, "GT107", "input must be [n, c, ...]", f"expected at least 2 dimensions, got {len(shape)}")
    return _alpha(input, p, training, inplace, (*shape[:2], *(1 for _ in shape[2:])))


def _alpha(input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...]) -> Tensor:
    number(p, "p", 0, 1)
    if not training or p == 0:
        return input
    kept = _kept(input, p, shape)
    if p == 1:
        out = input * kept
    else:
        scale = 1 / math.sqrt((_SATURATION**2 * p + 1) * (1 - p))
        out = input * (kept * scale) + ((1 - kept) - p) * (_SATURATION * scale)
    return input.copy_(out) if flag(inplace, "inplace") else out
