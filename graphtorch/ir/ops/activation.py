"""Activations whose gradient is worth a function of its own.

`vjp` is g times a function of the input alone. So a compiled step has that function in the kernel that makes the input,
where its exponentials are at hand, and stores one array for backward; what the formulas differentiate to would read
three.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import aval_of, require_float
from graphtorch.ir.ops.elementwise import Array, Unary
from graphtorch.ir.ops.error_function import erf
from graphtorch.ir.ops.functions import exp, sigmoid
from graphtorch.ir.ops.trigonometry import tanh
from graphtorch.ir.types import TensorType

#: of the approximation with tanh
_SLOPE, _CUBIC = math.sqrt(2 / math.pi), 0.044715


class Gelu(Op):
    """x times the normal distribution's cumulative function at x (D. Hendrycks, K. Gimpel, arXiv:1606.08415 (2016)).

    ``approximate="tanh"`` takes 0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) for that function.
    ArgumentError GT304 for another ``approximate``, DTypeError GT202 for an input that is not floating point.
    """

    name = "gelu"
    elementwise = True
    surface = ("F",)

    def prepare(self, input: Any, approximate: str = "none") -> tuple[tuple[Any, ...], dict[str, Any]]:
        require_float(aval_of(input), "the operand of gelu")
        return (input,), {"approximate": approximate}

    def infer(self, input: TensorType, *, approximate: str) -> TensorType:
        require_float(input, "the operand of gelu")
        check(
            approximate in ("none", "tanh"),
            "GT304",
            f"approximate={approximate!r} is not allowed",
            'expected "none" or "tanh"',
            kind=ArgumentError,
        )
        return input

    def ref(self, x: Array, *, approximate: str) -> Array:
        half, one = x.dtype.type(0.5), x.dtype.type(1)
        with np.errstate(all="ignore"):
            if approximate == "tanh":
                inner = (x + x * x * x * x.dtype.type(_CUBIC)) * x.dtype.type(_SLOPE)
                return x * half * (np.tanh(inner) + one)
            return x * half * (erf.ref(x * x.dtype.type(math.sqrt(0.5))) + one)

    def vjp(self, g: Any, _y: Any, x: Any, *, approximate: str) -> Any:
        if approximate == "tanh":
            t = tanh((x + x * x * x * _CUBIC) * _SLOPE)
            return g * ((t + 1) * 0.5 + x * (1 - t * t) * (x * x * (3 * _CUBIC) + 1) * (_SLOPE / 2))
        normal = (erf(x * math.sqrt(0.5)) + 1) * 0.5
        return g * (normal + x * exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)))

    def lower(self, x: Source, *, approximate: str) -> Compute:
        def element(*i: Expr) -> Expr:
            e = x[i]
            if approximate == "tanh":
                inner = (e + e * e * e * _CUBIC) * _SLOPE
                return e * 0.5 * (expr.unary("tanh", inner) + 1.0)
            return e * 0.5 * (expr.unary("erf", e * math.sqrt(0.5)) + 1.0)

        return compute(x.shape, x.dtype, element)


class Silu(Unary):
    """x * sigmoid(x) of each element; DTypeError GT202 for an input that is not floating point."""

    name = "silu"
    surface = ("F",)

    def prepare(self, input: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        require_float(aval_of(input), "the operand of silu")
        return (input,), {}

    def infer(self, input: TensorType) -> TensorType:
        require_float(input, "the operand of silu")
        return input

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return x * sigmoid.ref(x)

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        s = sigmoid(x)
        return g * (s + x * s * (1 - s))

    def scalar(self, x: Expr) -> Expr:
        return x * sigmoid.scalar(x)


gelu, silu = register(Gelu()), register(Silu())
