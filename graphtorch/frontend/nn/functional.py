"""torch.nn.functional's names: every op whose surface says "F", and what needs the frontend's generator."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.nn.arguments import flag, number
from graphtorch.frontend.random import default_generator
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.op import PUBLIC, composite
from graphtorch.ir.ops.common import aval_of, require_float
from graphtorch.ir.types import float32


@composite()
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p`` and scale the others by 1 / (1 - p), when ``training``.

    An element stays where the default generator's next draw, uniform in [0, 1), is at least ``p``: eager and
    compiled mode drop the same ones. ArgumentError GT304 for p outside of [0, 1], DTypeError GT202 for
    an input that is not floating point.
    """
    number(p, "p", 0, 1)
    type_ = aval_of(input)
    if not training or p == 0:
        return input
    require_float(type_, "the operand of dropout")
    kept = default_generator.uniform(type_.shape, float32) >= p
    scale = 1 / (1 - p) if p < 1 else 0.0  # with p=1 nothing is kept
    out = input * scale * kept.to(type_.dtype)  # products, so that nan stays nan
    return input.copy_(out) if flag(inplace, "inplace") else out


@composite()
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0) of each element; nan stays nan. ``inplace`` writes the result into ``input``."""
    out = PUBLIC["gt"]["relu"](input)
    return input.copy_(out) if flag(inplace, "inplace") else out


@composite()
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x) of each element. ``inplace`` writes the result into ``input``."""
    out = PUBLIC["F"]["silu"](input)
    return input.copy_(out) if flag(inplace, "inplace") else out


def __getattr__(name: str) -> Any:
    if name not in PUBLIC["F"]:
        raise AttributeError(f"module 'graphtorch.nn.functional' has no attribute {name!r}")
    globals()[name] = PUBLIC["F"][name]
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*PUBLIC["F"], "dropout", "relu", "silu"})
