"""Activations that are written with other functions."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import aval_of, require_float
from graphtorch.ir.ops.functions import erf, sigmoid, tanh


@composite("F")
def gelu(input: Any, approximate: str = "none") -> Any:
    """x times the normal distribution's cumulative function at x (D. Hendrycks, K. Gimpel, 2016).

    ``approximate="tanh"`` takes 0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) for that function.
    ArgumentError GT304 for another ``approximate``, DTypeError GT202 for an input that is not floating point.
    """
    check(
        approximate in ("none", "tanh"),
        "GT304",
        f"approximate={approximate!r} is not allowed",
        'expected "none" or "tanh"',
        kind=ArgumentError,
    )
    require_float(aval_of(input), "the operand of gelu")
    if approximate == "none":
        return input * 0.5 * (erf(input * math.sqrt(0.5)) + 1)
    inner = (input + input * input * input * 0.044715) * math.sqrt(2 / math.pi)
    return input * 0.5 * (tanh(inner) + 1)


@composite("F")
def silu(input: Any) -> Any:
    """x * sigmoid(x) of each element; DTypeError GT202 for an input that is not floating point."""
    require_float(aval_of(input), "the operand of silu")
    return input * sigmoid(input)
