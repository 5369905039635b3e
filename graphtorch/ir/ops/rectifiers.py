"""Activations with a kink: which piece counts where they meet, and at nan, is torch's choice.

What a piece is not used for must not reach its gradient: infinity times 0 is nan. So pieces that multiply by the input
are given a number of their own where another piece counts.
"""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.activation import elu_op
from graphtorch.ir.ops.arguments import number, placed, spared
from graphtorch.ir.ops.arithmetic import maximum, minimum
from graphtorch.ir.ops.casts import detach
from graphtorch.ir.ops.common import aval_of, dtype_of, require_float, shape_of
from graphtorch.ir.ops.elementwise import EVERYWHERE
from graphtorch.ir.ops.logic import logical_and, where
from graphtorch.ir.ops.movement import reshape

#: of SELU: G. Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def _require_float(input: Any, op: str) -> None:
    require_float(aval_of(input), f"the operand of {op}")


def _bound(value: Any, name: str, input: Any) -> float:
    """A number to compare ``input`` with, as its dtype holds it: integers are compared with integers."""
    kind = dtype_of(input).kind
    number(value, name)
    check(
        kind != "b",
        "GT203",
        f"input must not be {dtype_of(input)!r}",
        "expected a dtype of kind float, int, uint",
        kind=DTypeError,
    )
    check(
        kind != "u" or value >= 0,
        "GT304",
        f"{name}={value} is not allowed for {dtype_of(input)!r}",
        f"expected {name} >= 0",
        kind=ArgumentError,
    )
    return value if kind == "f" else int(value)


@composite("F")
def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Each element limited to [min_val, max_val]; the limits themselves pass no gradient. nan stays nan.

    ``inplace`` writes the result into ``input``. ArgumentError GT304 where ``min_val`` is greater than ``max_val``, or
    negative for a dtype without a sign.
    """
    low, high = _bound(min_val, "min_val", input), _bound(max_val, "max_val", input)
    check(
        low <= high,
        "GT304",
        f"min_val={min_val} is not allowed with max_val={max_val}",
        "expected min_val <= max_val",
        kind=ArgumentError,
    )
    return placed(input, limited(input, low, high), inplace)


def limited(x: Any, low: float, high: float) -> Any:
    """``x`` limited to [low, high]; the limits themselves pass no gradient."""
    return where(x <= low, low, where(x >= high, high, x))


@composite("F")
def relu6(input: Any, inplace: bool = False) -> Any:
    """Each element limited to [0, 6]; the limits pass no gradient. ``inplace`` writes the result into ``input``."""
    return placed(input, limited(input, _bound(0, "0", input), 6), inplace)


@composite("gt", "F")
def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """Each element that is greater than ``threshold``, and ``value`` for the others, which pass no gradient."""
    least, other = _bound(threshold, "threshold", input), _bound(value, "value", input)
    return placed(input, where(input <= least, other, input), inplace)


@composite("F")
def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x above 0, ``negative_slope`` times x elsewhere. DTypeError GT202 for integers."""
    _require_float(input, "leaky_relu")
    out = where(input > 0, input, input * number(negative_slope, "negative_slope"))
    return placed(input, out, inplace)


@composite(*EVERYWHERE, "F")
def prelu(input: Any, weight: Any) -> Any:
    """x above 0, ``weight`` times x elsewhere. ``weight`` is one number, or [c] for input [n, c, ...].

    K. He et al., "Delving deep into rectifiers", ICCV 2015. ShapeError GT107 for a weight of several dimensions, GT102
    for one that does not match the channels; DTypeError GT201 for another dtype than the input's, GT202 for integers.
    """
    _require_float(input, "prelu")
    check(
        dtype_of(weight) == dtype_of(input),
        "GT201",
        "weight must have the dtype of the input",
        f"expected {dtype_of(input)!r}, got {dtype_of(weight)!r}",
        kind=DTypeError,
    )
    shape, given = shape_of(input), shape_of(weight)
    check(len(given) <= 1, "GT107", "weight must be [] or [c]", f"expected at most 1 dimension, got {len(given)}")
    channels = shape[1] if len(shape) > 1 else 1
    check(
        given in ((), (1,), (channels,)),
        "GT102",
        "weight does not match the channels of the input",
        f"expected [1] or [{channels}], got {list(given)}",
    )
    alone = given in ((), (1,))
    slope = reshape(weight, () if alone else tuple(n if d == 1 else 1 for d, n in enumerate(shape)))
    return where(input > 0, input, slope * where(input > 0, 0, input))


@composite("F")
def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """(x + 3) / 6 limited to [0, 1]; no gradient at the limits or at nan. DTypeError GT202 for integers."""
    _require_float(input, "hardsigmoid")
    outside = minimum(maximum(detach(input) + 3, 0), 6) * (1 / 6)
    inside = logical_and(input > -3, input < 3)
    return placed(input, where(inside, (input + 3) * (1 / 6), outside), inplace)


@composite("F")
def hardswish(input: Any, inplace: bool = False) -> Any:
    """x * hardsigmoid(x); A. Howard et al., "Searching for MobileNetV3", ICCV 2019. DTypeError GT202 for integers."""
    _require_float(input, "hardswish")
    x = spared(input, inplace)
    gate = where(x <= -3, 0, where(x < 3, (x + 3) * (1 / 6), 1))
    return placed(input, x * gate, inplace)


def _near_zero(input: Any, lambd: float) -> Any:
    return logical_and(input >= -lambd, input <= lambd)


@composite(*EVERYWHERE, "F")
def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """0 for each element in [-lambd, lambd], x elsewhere. DTypeError GT202 for integers."""
    _require_float(input, "hardshrink")
    return where(_near_zero(input, number(lambd, "lambd")), 0, input)


@composite("F")
def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """Each element ``lambd`` nearer to 0, and 0 in [-lambd, lambd]. ArgumentError GT304 for lambd < 0."""
    _require_float(input, "softshrink")
    number(lambd, "lambd", 0)
    return where(_near_zero(input, lambd), 0, where(input > 0, input - lambd, input + lambd))


@composite("F")
def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x above 0, alpha * (exp(x) - 1) elsewhere; ``inplace`` writes it into ``input``. DTypeError GT202 for ints."""
    return _elu("elu", input, number(alpha, "alpha"), 1.0, 1.0, inplace)


@composite("gt", "F")
def selu(input: Any, inplace: bool = False) -> Any:
    """elu with the alpha and the scale that keep mean 0 and variance 1 (G. Klambauer et al., NeurIPS 2017)."""
    return _elu("selu", input, SELU_ALPHA, SELU_SCALE, 1.0, inplace)


@composite("gt", "F")
def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x above 0, alpha * (exp(x / alpha) - 1) elsewhere (J. T. Barron, arXiv:1704.07483 (2017)).

    ArgumentError GT304 for alpha = 0.
    """
    number(alpha, "alpha")
    check(alpha != 0, "GT304", f"alpha={alpha} is not allowed", "expected alpha other than 0", kind=ArgumentError)
    return _elu("celu", input, alpha, 1.0, 1 / alpha, inplace)


def _elu(op: str, input: Any, alpha: float, scale: float, input_scale: float, inplace: bool) -> Any:
    _require_float(input, op)
    attrs = {"alpha": float(alpha), "scale": scale, "input_scale": float(input_scale)}
    return placed(input, bind.bind(elu_op, spared(input, inplace), **attrs), inplace)
