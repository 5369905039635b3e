"""Functions of two and three tensors, element by element."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.expr import Expr
from graphtorch.ir.op import composite, register
from graphtorch.ir.ops.arithmetic import add, clamp, div, maximum, minimum, mul
from graphtorch.ir.ops.common import aval_of, dtype_of, is_handle, result_dtype, shape_of, to_dtype, unify
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array, Binary, Elementwise
from graphtorch.ir.ops.functions import log, logit_of, sigmoid
from graphtorch.ir.ops.logic import eq, ge, isnan, le, logical_and, logical_or, where
from graphtorch.ir.ops.rounding import no_change
from graphtorch.ir.types import TensorType, defaults

# ---- the greater and the smaller, numbers in the place of nan ----------------------------------------


@composite(*EVERYWHERE)
def fmax(input: Any, other: Any) -> Any:
    """The greater of two, and of nan and a number the number. Equal elements have input's gradient."""
    return _picked(ge, maximum, input, other)


@composite(*EVERYWHERE)
def fmin(input: Any, other: Any) -> Any:
    """The smaller of two, and of nan and a number the number. Equal elements have input's gradient."""
    return _picked(le, minimum, input, other)


def _picked(order: Any, whole: Any, input: Any, other: Any) -> Any:
    if result_dtype(input, other).kind != "f":
        return whole(input, other)
    a, b = unify(input, other)
    return where(logical_or(order(a, b), isnan(b)), a, b)


#: the greatest finite number of each dtype
_GREATEST = {
    "float64": math.ldexp(1 - 2.0**-53, 1024),
    "float32": math.ldexp(1 - 2.0**-24, 128),
    "float16": math.ldexp(1 - 2.0**-11, 16),
    "bfloat16": math.ldexp(1 - 2.0**-8, 128),
}


@composite(*EVERYWHERE)
def nan_to_num(input: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Any:
    """Numbers in the place of nan (0 unless given) and of infinities (the greatest and the least finite number).

    What is replaced passes no gradient. Integers are as they are.
    """
    dtype = dtype_of(input)
    if dtype.kind != "f":
        return input.clone() if hasattr(input, "clone") else input
    most = _GREATEST[dtype.name]
    high, low = most if posinf is None else float(posinf), -most if neginf is None else float(neginf)
    finite = where(eq(input, math.inf), high, where(eq(input, -math.inf), low, input))
    return where(isnan(input), 0.0 if nan is None else float(nan), finite)


# ---- sums and products ------------------------------------------------------------------------------


class Lerp(Elementwise):
    """input + weight * (end - input), from the nearer end."""

    name = "lerp"
    kinds = "f"
    surface = EVERYWHERE

    def prepare(self, input: Any, end: Any, weight: Any) -> Any:
        dtype = aval_of(input).dtype
        for name, x in (("end", end), ("weight", weight)):
            if name == "weight" and (not is_handle(x) or not shape_of(x)):
                continue
            found = aval_of(x).dtype
            facts = f"expected {dtype!r}, got {found!r}"
            check(found == dtype, "GT201", f"{name} must have the dtype of input", facts, kind=DTypeError)
        return unify(input, end, weight, dtype=dtype), {}

    def infer(self, input: TensorType, end: TensorType, weight: TensorType) -> TensorType:
        return self.typed(input, end, weight)

    def ref(self, a: Array, b: Array, w: Array) -> Array:
        one = a.dtype.type(1)
        with np.errstate(all="ignore"):
            return np.where(np.abs(w) < 0.5, a + w * (b - a), b - (b - a) * (one - w))

    def vjp(self, g: Any, _y: Any, a: Any, b: Any, w: Any) -> Any:
        return g * (1 - w), g * w, g * (b - a)

    def scalar(self, a: Expr, b: Expr, w: Expr) -> Expr:
        far = b - (b - a) * (expr.const(1, a.dtype) - w)
        return expr.select(expr.unary("abs", w) < 0.5, a + w * (b - a), far)


lerp = register(Lerp())


@composite(*EVERYWHERE)
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value * tensor1 * tensor2. Of integers, ``value`` is cut to one. DTypeError GT203 for bools."""
    return add(input, mul(_scaled(input, tensor1, tensor2, value), tensor2))


@composite(*EVERYWHERE)
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value * tensor1 / tensor2. DTypeError GT203 where both are integers: convert one first."""
    dtype = result_dtype(tensor1, tensor2)
    facts = f"expected a floating-point dtype of tensor1 or tensor2, got {dtype!r}"
    check(dtype.kind == "f", "GT203", "addcdiv does not divide integers", facts, kind=DTypeError)
    return add(input, div(_scaled(input, tensor1, tensor2, value), tensor2))


def _scaled(input: Any, tensor1: Any, tensor2: Any, value: Any) -> Any:
    """value * tensor1, in the dtype of the result."""
    for x in (input, tensor1, tensor2):
        aval_of(x)
    dtype = result_dtype(input, tensor1, tensor2)
    check(dtype.kind != "b", "GT203", "bools have no such sum", "expected numbers", kind=DTypeError)
    factor = value if dtype.kind == "f" or is_handle(value) else int(value)
    scaled = to_dtype(tensor1, dtype)
    return scaled if type(factor) in (int, float) and factor == 1 else mul(scaled, factor)


# ---- logarithms -------------------------------------------------------------------------------------


class LogAddExp(Binary):
    """log(exp(a) + exp(b)), with no overflow on the way."""

    name = "logaddexp"
    kinds = "f"
    function: ClassVar[Any] = np.logaddexp
    #: the exponential, and what is the natural logarithm of its base
    power: ClassVar[str] = "exp"
    base: ClassVar[float] = 1.0

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return type(self).function(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        share = sigmoid((a - b) * self.base)
        return g * share, g * sigmoid((b - a) * self.base)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        below = -expr.unary("abs", a - b)
        rest = expr.unary("log1p", expr.unary(self.power, below))
        rest = rest if self.base == 1 else rest * (1 / self.base)
        return expr.select(a.eq(b) & below.ne(below), a, expr.maximum(a, b) + rest)  # equal infinities


class LogAddExp2(LogAddExp):
    """log2(2**a + 2**b), with no overflow on the way."""

    name = "logaddexp2"
    function = np.logaddexp2
    power = "exp2"
    base = math.log(2)


class Xlogy(Binary):
    """a * log(b), but 0 where a is 0 and b is a number. Integers are computed in the default dtype."""

    name = "xlogy"
    to_float = True
    kinds = "f"

    def prepare(self, input: Any, other: Any) -> Any:
        if not (is_handle(input) or is_handle(other)):
            aval_of(input)
        return super().prepare(input, other)

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.where((a == 0) & (b == b), np.zeros_like(a), a * np.log(b))

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        nothing = logical_and(eq(a, 0), le(b, 0))
        return where(nothing, 0, g * log(b)), g * a / b

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return expr.select(a.eq(0) & b.eq(b), expr.const(0, a.dtype), a * expr.unary("log", b))


logaddexp, logaddexp2, xlogy = register(LogAddExp()), register(LogAddExp2()), register(Xlogy())


@composite(*EVERYWHERE)
def logit(input: Any, eps: float | None = None) -> Any:
    """log(x / (1 - x)), of x brought into [eps, 1 - eps] where ``eps`` is given.

    Integers are computed in the default dtype.
    """
    x = input if dtype_of(input).kind == "f" else to_dtype(input, defaults.dtype)
    return logit_of(x if eps is None else clamp(x, eps, 1 - eps))


# ---- signs ------------------------------------------------------------------------------------------


class CopySign(Binary):
    """|a| with the sign of b, which may be that of a zero. b has no gradient.

    Integers are computed in the default dtype.
    """

    name = "copysign"
    to_float = True
    kinds = "f"

    def ref(self, a: Array, b: Array) -> Array:
        return np.copysign(a, b)

    def vjp(self, g: Any, y: Any, a: Any, _b: Any) -> Any:
        return where(eq(a, 0), 0, g * (y / a)), no_change(_b)


copysign = register(CopySign())
