"""Activations whose gradient is worth a function of its own.

`vjp` is g times a function of the input alone. So a compiled step has that function in the kernel that makes the input,
where its exponentials are at hand, and stores one array for backward; what the formulas differentiate to would read
three.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import aval_of, require_float
from graphtorch.ir.ops.elementwise import Array, Unary
from graphtorch.ir.ops.error_function import erf
from graphtorch.ir.ops.functions import exp, sigmoid
from graphtorch.ir.ops.logic import where
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


class Smooth(Unary):
    """A function of a floating-point number; DTypeError GT202 for anything else."""

    surface: ClassVar[tuple[str, ...]] = ("F",)

    def prepare(self, input: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        require_float(aval_of(input), f"the operand of {self.name}")
        return (input,), {}

    def infer(self, input: TensorType) -> TensorType:
        require_float(input, f"the operand of {self.name}")
        return input


class Silu(Smooth):
    """x * sigmoid(x) of each element; DTypeError GT202 for an input that is not floating point."""

    name = "silu"

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return x * sigmoid.ref(x)

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        s = sigmoid(x)
        return g * (s + x * s * (1 - s))

    def scalar(self, x: Expr) -> Expr:
        return x * sigmoid.scalar(x)


class LogSigmoid(Smooth):
    """log(1 / (1 + exp(-x))) of each element, with no overflow; DTypeError GT202 where it is not floating point."""

    name = "logsigmoid"

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.minimum(x, x.dtype.type(0)) - np.log1p(np.exp(-np.abs(x)))

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * sigmoid(-x)

    def scalar(self, x: Expr) -> Expr:
        small = expr.unary("exp", -expr.unary("abs", x))
        return expr.minimum(x, expr.const(0, x.dtype)) - expr.unary("log1p", small)


class Mish(Smooth):
    """x * tanh(log(1 + exp(x))) of each element; DTypeError GT202 where it is not floating point.

    D. Misra, "Mish", arXiv:1908.08681 (2019). The tangent of a logarithm is a quotient of polynomials in s = exp(-|x|):
    one function instead of three, and no overflow.
    """

    name = "mish"
    surface = ()

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return x * np.tanh(np.logaddexp(x, x.dtype.type(0)))

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        gate = tanh(-logsigmoid(-x))
        return g * (gate + x * sigmoid(x) * (1 - gate * gate))

    def scalar(self, x: Expr) -> Expr:
        s = expr.unary("exp", -expr.unary("abs", x))
        above, below = s * 2.0 + 1.0, s * (s + 2.0)
        return x * expr.select(x < 0, below / (below + 2.0), above / (above + s * s * 2.0))


class Elu(Op):
    """scale * x above 0, scale * alpha * (exp(x * input_scale) - 1) below: ELU, CELU and SELU.

    D.-A. Clevert, T. Unterthiner, S. Hochreiter, arXiv:1511.07289 (2015). At 0 the gradient is that from below.
    """

    name = "elu"
    elementwise = True

    def infer(self, input: TensorType, *, alpha: float, scale: float, input_scale: float) -> TensorType:
        require_float(input, "the operand of elu")
        return input

    def ref(self, x: Array, *, alpha: float, scale: float, input_scale: float) -> Array:
        of = x.dtype.type
        with np.errstate(all="ignore"):
            return np.where(x <= 0, np.expm1(x * of(input_scale)) * of(alpha * scale), x * of(scale))

    def vjp(self, g: Any, _y: Any, x: Any, *, alpha: float, scale: float, input_scale: float) -> Any:
        low = where(x <= 0, x, 0)  # exp of what is above may be infinite, and its gradient nan
        return g * where(x <= 0, exp(low * input_scale) * (alpha * scale * input_scale), scale)

    def lower(self, x: Source, *, alpha: float, scale: float, input_scale: float) -> Compute:
        def element(*i: Expr) -> Expr:
            e = x[i]
            return expr.select(e <= 0, expr.unary("expm1", e * input_scale) * (alpha * scale), e * scale)

        return compute(x.shape, x.dtype, element)


gelu, silu, logsigmoid = register(Gelu()), register(Silu()), register(LogSigmoid())
mish_op, elu_op = register(Mish()), register(Elu())
