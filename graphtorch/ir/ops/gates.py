"""Smooth activations that are formulas over other ops."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.activation import logsigmoid, mish_op
from graphtorch.ir.ops.arguments import number, placed, spared
from graphtorch.ir.ops.arithmetic import abs_
from graphtorch.ir.ops.common import aval_of, normalize_dim, require_float, shape_of
from graphtorch.ir.ops.functions import sigmoid
from graphtorch.ir.ops.logic import where
from graphtorch.ir.ops.reduce import softmax
from graphtorch.ir.ops.shapes import narrow
from graphtorch.ir.ops.trigonometry import tanh
from graphtorch.ir.types import DType


@composite("F")
def softplus(input: Any, beta: float = 1, threshold: float = 20) -> Any:
    """log(1 + exp(beta * x)) / beta, with no overflow; x itself where beta * x is greater than ``threshold``.

    DTypeError GT202 for integers.
    """
    require_float(aval_of(input), "the operand of softplus")
    scaled = input * number(beta, "beta")
    soft = -logsigmoid(-scaled)
    return where(scaled > number(threshold, "threshold"), input, soft if beta == 1 else soft / beta)


@composite("F")
def mish(input: Any, inplace: bool = False) -> Any:
    """x * tanh(softplus(x)) of each element. ``inplace`` writes the result into ``input``."""
    require_float(aval_of(input), "the operand of mish")
    return placed(input, bind.bind(mish_op, spared(input, inplace)), inplace)


@composite("F")
def glu(input: Any, dim: int = -1) -> Any:
    """The first half along ``dim`` times the sigmoid of the second (Y. Dauphin et al., arXiv:1612.08083 (2016)).

    ShapeError GT107 for a tensor without dimensions, GT103 for an odd size.
    """
    shape = shape_of(input)
    check(len(shape) > 0, "GT107", "input must have a dimension to split", "expected at least 1 dimension, got 0")
    dim = normalize_dim(dim, len(shape))
    check(shape[dim] % 2 == 0, "GT103", f"the size at dim={dim} has no half", f"expected an even one, got {shape[dim]}")
    require_float(aval_of(input), "the operand of glu")
    half = shape[dim] // 2
    return narrow(input, dim, 0, half) * sigmoid(narrow(input, dim, half, half))


@composite("F")
def softsign(input: Any) -> Any:
    """x / (1 + |x|) of each element; integers are computed in the default dtype."""
    return input / (abs_(input) + 1)


@composite("F")
def tanhshrink(input: Any) -> Any:
    """x - tanh(x) of each element; integers are computed in the default dtype."""
    return input - tanh(input)


@composite("F")
def softmin(input: Any, dim: int, dtype: DType | None = None) -> Any:
    """softmax(-input, dim)."""
    return softmax(-input, dim, dtype)
