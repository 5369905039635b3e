"""Losses of yes or no, by probabilities and by logits, and the check of numbers that must lie in a range."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.activation import logsigmoid
from graphtorch.ir.ops.arithmetic import maximum
from graphtorch.ir.ops.common import (
    aval_of,
    broadcast,
    broadcast_shapes,
    dtype_of,
    require_float,
    shape_of,
    to_dtype,
)
from graphtorch.ir.ops.elementwise import Array, Binary
from graphtorch.ir.ops.functions import log, log1p
from graphtorch.ir.ops.in_float32 import in_float32
from graphtorch.ir.ops.logic import ge, le, logical_and, where
from graphtorch.ir.ops.loss_common import reduced, reduction_of
from graphtorch.ir.ops.loss_contract import check_binary_order, check_same_dtype, check_same_shape
from graphtorch.ir.ops.reduce import mean
from graphtorch.ir.types import TensorType


class CheckRange(Op):
    """``x`` itself, for numbers in [low, high].

    Any other one is an ArgumentError GT304 in eager mode, which names the parameter. A program cannot stop: it says
    nan, in the gradient too. nan stays nan.
    """

    name = "check_range"
    elementwise = True

    def infer(self, x: TensorType, *, low: float, high: float, parameter: str) -> TensorType:
        require_float(x, parameter)
        return x

    def ref(self, x: Array, *, low: float, high: float, parameter: str) -> Array:
        wrong = x[(x < low) | (x > high)]
        check(
            not wrong.size,
            "GT304",
            f"{parameter} has the element {wrong.flat[0] if wrong.size else None}",
            f"expected numbers in [{low:g}, {high:g}]",
            kind=ArgumentError,
        )
        return x

    def vjp(self, g: Any, _y: Any, x: Any, *, low: float, high: float, parameter: str) -> Any:
        return where(logical_and(ge(x, low), le(x, high)), g, math.nan)

    def lower(self, x: Source, *, low: float, high: float, parameter: str) -> Compute:
        nan = expr.const(math.nan, x.dtype)
        return compute(x.shape, x.dtype, lambda *i: expr.select((x[i] >= low) & (x[i] <= high), x[i], nan))


class BinaryCrossEntropy(Binary):
    """-(target * log(input) + (1 - target) * log(1 - input)), with logarithms of at least -100.

    The gradient is torch's: the denominator input * (1 - input) is at least 1e-12, whatever the logarithms are, and
    that of the target has no limit.
    """

    name = "binary_cross_entropy"
    kinds = "f"
    surface = ()

    def ref(self, input: Array, target: Array) -> Array:
        low = input.dtype.type(_LEAST_LOG)
        with np.errstate(all="ignore"):
            no, yes = np.maximum(np.log1p(-input), low), np.maximum(np.log(input), low)
            return (target - 1) * no - target * yes

    def vjp(self, g: Any, _y: Any, input: Any, target: Any) -> Any:
        slope = (input - target) / maximum(input * (1 - input), 1e-12)
        return g * slope, g * (log1p(-input) - log(input))

    def scalar(self, a: Expr, b: Expr) -> Expr:
        low = expr.const(_LEAST_LOG, a.dtype)
        no = expr.maximum(expr.unary("log1p", -a), low)
        yes = expr.maximum(expr.unary("log", a), low)
        return (b - 1.0) * no - b * yes


_LEAST_LOG = -100.0
check_range, binary_cross_entropy_op = register(CheckRange()), register(BinaryCrossEntropy())


def in_range(x: Any, low: float, high: float, parameter: str) -> Any:
    """``x``, which must lie in [low, high]: see `CheckRange`."""
    return bind.bind(check_range, x, low=low, high=high, parameter=parameter)


@composite("F", noted=True)
@in_float32("input", "target", "weight")
def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """-(target * log(input) + (1 - target) * log(1 - input)) of probabilities, times ``weight``, which broadcasts.

    Logarithms are at least -100. ContractError GT320 for integer labels first; ShapeError GT103 where the target's
    shape is not the input's, GT104 where the weight does not broadcast to it; DTypeError GT201 where the target's dtype
    is not the input's, GT202 for integers. A probability outside of [0, 1] is an ArgumentError GT304 in eager mode, and
    makes the loss and the gradient nan in a compiled program.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_binary_order("binary_cross_entropy", input, target)
    check_same_shape(input, target)
    require_float(aval_of(input), "input")
    check_same_dtype(input, target)
    loss = bind.bind(binary_cross_entropy_op, in_range(input, 0.0, 1.0, "input"), target)
    return reduced(_scaled(loss, weight), reduction)


@composite("F", noted=True)
@in_float32("input", "target", "weight", "pos_weight")
def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """`binary_cross_entropy` of sigmoid(input), exact for logits of any size.

    ``weight`` scales each element, ``pos_weight`` what a target says yes to; both broadcast. ShapeError GT103 where the
    target's shape is not the input's, GT104 where a weight does not; DTypeError GT202 for integers.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_binary_order("binary_cross_entropy_with_logits", input, target)
    check_same_shape(input, target)
    require_float(aval_of(input), "input")
    return reduced(_scaled(of_logits(input, target, pos_weight), weight), reduction)


def of_logits(x: Any, target: Any, pos_weight: Any = None) -> Any:
    """The loss of each logit: a multiple of x, and of log(1 + exp(-|x|)).

    No two large numbers are subtracted, neither here nor in the gradient, which is exact where the answer is nearly
    right. -x where x is 0 gives the gradient there.
    """
    if not dtype_of(target).is_floating_point:
        target = to_dtype(target, dtype_of(x))  # -target of a dtype without a sign wraps
    yes = target if pos_weight is None else target * broadcast(pos_weight, shape_of(x))
    small = -logsigmoid(where(x > 0, x, -x))
    return x * where(x > 0, 1 - target, -yes) + (small if pos_weight is None else small * (yes - target + 1))


def _scaled(loss: Any, weight: Any) -> Any:
    return loss if weight is None else loss * broadcast(weight, shape_of(loss))


@composite("F")
@in_float32("input", "target")
def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """log(1 + exp(-target * input)) for targets of 1 and -1, which broadcast to the input, with no overflow.

    ShapeError GT104 where they do not, DTypeError GT202 for integers.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    require_float(aval_of(input), "input")
    return reduced(-logsigmoid(input * broadcast(target, shape_of(input))), reduction)


@composite("F")
@in_float32("input", "target", "weight")
def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The mean over the last dimension of `binary_cross_entropy_with_logits`, times ``weight``, which broadcasts.

    ShapeError GT107 for an input without dimensions; DTypeError GT202 for integers.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    require_float(aval_of(input), "input")
    ndim = aval_of(input).ndim
    check(ndim > 0, "GT107", "input must have a dimension of classes", "expected at least 1 dimension, got 0")
    shape = broadcast_shapes(shape_of(input), shape_of(target))
    loss = of_logits(broadcast(input, shape), broadcast(target, shape))
    return reduced(mean(_scaled(loss, weight), ndim - 1), reduction)
