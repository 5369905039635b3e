"""Arithmetic: signs, sums, products, powers, the greater and the smaller, and limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.expr import Expr
from graphtorch.ir.op import composite, register
from graphtorch.ir.ops.casts import detach
from graphtorch.ir.ops.common import broadcast, dtype_of, fitting, is_handle, lift, result_dtype, shape_of, to_dtype
from graphtorch.ir.ops.elementwise import Array, Binary, Unary
from graphtorch.ir.ops.functions import log, rsqrt, sqrt
from graphtorch.ir.ops.logic import eq, ge, le, logical_and, where
from graphtorch.ir.types import bool_, int64


class Neg(Unary):
    name = "neg"
    kinds = "fiu"

    def ref(self, x: Array) -> Array:
        return np.negative(x)

    def vjp(self, g: Any, _y: Any, _x: Any) -> Any:
        return -g


neg = register(Neg())


class Abs(Unary):
    name = "abs"
    kinds = "fiu"

    def ref(self, x: Array) -> Array:
        return np.abs(x)

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * sign(x)


abs_ = register(Abs())


class Sign(Unary):
    """-1, 0 or 1; 0 at nan. The gradient is 0."""

    name = "sign"

    def ref(self, x: Array) -> Array:
        if x.dtype == np.bool_:
            return x.copy()
        return np.where(np.isnan(x), 0, np.sign(x)).astype(x.dtype) if x.dtype.kind == "f" else np.sign(x)

    def vjp(self, _g: Any, _y: Any, _x: Any) -> Any:
        return broadcast(lift(0, dtype_of(_x)), shape_of(_x))

    def scalar(self, x: Expr) -> Expr:
        if x.dtype == bool_:
            return x
        one, zero = expr.const(1, x.dtype), expr.const(0, x.dtype)
        return expr.select(x > 0, one, expr.select(x < 0, -one, zero) if x.dtype.kind != "u" else zero)


sign = register(Sign())


class Add(Binary):
    name = "add"

    def prepare(self, input: Any, other: Any, *, alpha: int | float = 1) -> Any:
        return self.unified(input, other if alpha == 1 else mul(other, alpha))

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.add(a, b)

    def vjp(self, g: Any, _y: Any, _a: Any, _b: Any) -> Any:
        return g, g

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a | b if a.dtype == bool_ else a + b


add = register(Add())


class Sub(Binary):
    name = "sub"
    kinds = "fiu"

    def prepare(self, input: Any, other: Any, *, alpha: int | float = 1) -> Any:
        return self.unified(input, other if alpha == 1 else mul(other, alpha))

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.subtract(a, b)

    def vjp(self, g: Any, _y: Any, _a: Any, _b: Any) -> Any:
        return g, -g


sub = register(Sub())


class Mul(Binary):
    name = "mul"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.multiply(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        return g * b, g * a

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a & b if a.dtype == bool_ else a * b


mul = register(Mul())


class Div(Binary):
    """True division; integers are computed in float32."""

    name = "div"
    to_float = True
    kinds = "f"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.divide(a, b)

    def vjp(self, g: Any, y: Any, _a: Any, b: Any) -> Any:
        return g / b, -(g * y / b)


div = register(Div())


class Pow(Binary):
    """input ** exponent. Of integers it wraps; to a negative exponent it is 0 unless the base is 1 or -1."""

    name = "pow"
    kinds = "fiu"

    def __call__(self, input: Any, exponent: Any) -> Any:
        if type(exponent) is float and abs(exponent) == 0.5:  # exact, where a power is not
            return (sqrt if exponent > 0 else rsqrt)(input)
        return super().__call__(input, exponent)

    def prepare(self, input: Any, exponent: Any) -> Any:
        fitting(exponent, result_dtype(input, exponent), "exponent")
        operands, attrs = self.unified(input, exponent)
        check(
            isinstance(exponent, float) or is_handle(exponent) or exponent >= 0 or dtype_of(operands[0]).kind == "f",
            "GT304",
            f"exponent={exponent!r} is not allowed for integers",
            "expected exponent >= 0; convert the base first with .to(graphtorch.float32)",
            kind=ArgumentError,
        )
        return operands, attrs

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            if a.dtype.kind != "i":
                return np.power(a, b)
            odd = np.where(a == -1, 1 - 2 * (b & 1), 0)
            return np.where(b < 0, np.where(a == 1, 1, odd), np.power(a, np.maximum(b, 0))).astype(a.dtype)

    def vjp(self, g: Any, y: Any, a: Any, b: Any) -> Any:
        at_zero = where(eq(b, 0), 0, b * pow_(a, b - 1))
        grows = where(logical_and(eq(a, 0), ge(b, 0)), 0, y * log(a))
        return g * at_zero, g * grows

    def scalar(self, a: Expr, b: Expr) -> Expr:
        if a.dtype.kind != "f":
            return _int_pow(a, b)
        if isinstance(b, expr.Const) and b.value in _SHORT:
            return _SHORT[b.value](a)
        return expr.binary("pow", a, b)


#: powers that products and quotients give to 2 ULP over the whole range
_SHORT: dict[float, Callable[[Expr], Expr]] = {
    1.0: lambda a: a,
    2.0: lambda a: a * a,
    3.0: lambda a: a * a * a,
    4.0: lambda a: (a * a) * (a * a),
    -1.0: lambda a: expr.const(1, a.dtype) / a,
}


def _int_pow(a: Expr, b: Expr) -> Expr:
    """By squaring: a to the 1, 2, 4, ..., multiplied where the bit of b is set."""
    one, signed = expr.const(1, a.dtype), a.dtype.kind == "i"
    known = int(b.value) if isinstance(b, expr.Const) and b.value >= 0 else None
    result: Expr = one
    factor = a
    for bit in range(8 * a.dtype.itemsize - signed if known is None else known.bit_length()):
        factor = factor * factor if bit else a
        if known is None:
            is_set = expr.binary("and", expr.binary("shr", b, bit), one).ne(0)
            result = expr.select(is_set, result * factor, result)
        elif known >> bit & 1:
            result = factor if result is one else result * factor
    if known is not None or not signed:
        return result
    odd = expr.select(a.eq(-1), one - (b & one) * 2, expr.const(0, a.dtype))
    return expr.select(b < 0, expr.select(a.eq(1), one, odd), result)


pow_ = register(Pow())


class Maximum(Binary):
    """The greater of two, nan if either is; equal operands share the gradient in halves, as in torch."""

    name = "maximum"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.maximum(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        half = where(eq(a, b), g * 0.5, g)
        return where(a < b, 0, half), where(b < a, 0, half)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a | b if a.dtype == bool_ else expr.maximum(a, b)


maximum = register(Maximum())


class Minimum(Binary):
    """The smaller of two, nan if either is; equal operands share the gradient in halves, as in torch."""

    name = "minimum"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.minimum(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        half = where(eq(a, b), g * 0.5, g)
        return where(a > b, 0, half), where(b > a, 0, half)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a & b if a.dtype == bool_ else expr.minimum(a, b)


minimum = register(Minimum())


@composite("gt", "Tensor")
def square(input: Any) -> Any:
    """The square of each element; bools are squared in int64."""
    x = to_dtype(input, int64) if dtype_of(input) == bool_ else input
    return mul(x, x)


@composite("gt", "Tensor")
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Each element limited to [min, max]; either bound may be left out. max counts where min is greater.

    The bounds pass gradients where they are met; nan stays nan, and passes none.
    """
    check(
        min is not None or max is not None,
        "GT301",
        "clamp needs min or max",
        "expected a number or a tensor for at least one of them",
        kind=ArgumentTypeError,
    )
    for name, bound in (("min", min), ("max", max)):
        if bound is not None:
            fitting(bound, result_dtype(input, bound), name)
    out = input if min is None else where(ge(input, min), input, maximum(detach(input), min))
    return out if max is None else where(le(out, max), out, minimum(detach(out), max))
