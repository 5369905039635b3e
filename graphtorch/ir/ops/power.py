"""Powers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.expr import Expr
from graphtorch.ir.op import composite, register
from graphtorch.ir.ops.arithmetic import abs_, mul
from graphtorch.ir.ops.common import aval_of, dtype_of, fitting, is_handle, lift, result_dtype, to_dtype
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array, Binary
from graphtorch.ir.ops.functions import log, rsqrt, sqrt
from graphtorch.ir.ops.logic import eq, ge, logical_and, logical_not, where
from graphtorch.ir.types import bool_, float64, int64, least


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
        """0 to a at an exponent of 0, where 0 * 1/a may be no number; the formula holds its derivative by b, 1/a."""
        least_normal = float(np.finfo(np.float64 if dtype_of(a) == float64 else np.float32).tiny)
        flat, small = eq(b, 0), logical_not(ge(abs_(a), least_normal))
        slope = b * pow_(where(flat, where(small, 1, a), a), b - 1)
        nothing = logical_and(eq(a, 0), ge(b, 0))
        grows = where(nothing, 0, y * log(where(nothing, 1, a)))
        return g * where(flat, where(small, 0, slope), slope), g * grows

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


def _square(a: Expr) -> Expr:
    """a * a; a known number wraps here, for those of Python grow and grow."""
    if not isinstance(a, expr.Const):
        return a * a
    values, low = 2 ** (8 * a.dtype.itemsize), least(a.dtype)
    return expr.const((int(a.value) ** 2 - low) % values + low, a.dtype)


def _int_pow(a: Expr, b: Expr) -> Expr:
    """By squaring: a to the 1, 2, 4, ..., multiplied where the bit of b is set."""
    one, signed = expr.const(1, a.dtype), a.dtype.kind == "i"
    known = int(b.value) if isinstance(b, expr.Const) and b.value >= 0 else None
    result: Expr = one
    factor = a
    for bit in range(8 * a.dtype.itemsize - signed if known is None else known.bit_length()):
        factor = _square(factor) if bit else a
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


@composite(*EVERYWHERE)
def square(input: Any) -> Any:
    """The square of each element; bools are squared in int64."""
    x = to_dtype(input, int64) if dtype_of(input) == bool_ else input
    return mul(x, x)


@composite(*EVERYWHERE)
def float_power(input: Any, exponent: Any) -> Any:
    """input ** exponent, computed in float64. Either, but not both, may be a number."""
    if not (is_handle(input) or is_handle(exponent)):
        aval_of(input)
    return pow_(to_dtype(lift(input, float64), float64), to_dtype(lift(exponent, float64), float64))
