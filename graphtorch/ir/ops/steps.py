"""Steps and powers of two: what looks at the sign or the exponent of a number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.expr import Expr
from graphtorch.ir.op import composite, register
from graphtorch.ir.ops.arithmetic import abs_, mul
from graphtorch.ir.ops.casts import detach
from graphtorch.ir.ops.common import aval_of, dtype_of, require_float, to_dtype
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array, Binary
from graphtorch.ir.ops.functions import exp2, log2
from graphtorch.ir.ops.logic import eq, logical_not, logical_or, lt, where
from graphtorch.ir.ops.return_types import frexp_type
from graphtorch.ir.ops.rounding import floor, trunc
from graphtorch.ir.types import defaults, float32, int32


class Heaviside(Binary):
    """0 below 0 and at nan, 1 above, and ``values`` at 0. It has no gradient. Both of one dtype: DTypeError GT201."""

    name = "heaviside"
    nondifferentiable = True

    def prepare(self, input: Any, values: Any) -> Any:
        dtype, found = aval_of(input).dtype, aval_of(values).dtype
        facts = f"expected {dtype!r}, got {found!r}"
        check(dtype == found, "GT201", "values must have the dtype of input", facts, kind=DTypeError)
        return super().prepare(input, values)

    def ref(self, input: Array, values: Array) -> Array:
        return np.where(input == 0, values, (input > 0).astype(input.dtype))

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return expr.select(a.eq(0), b, expr.cast(expr.const(0, a.dtype) < a, a.dtype))


heaviside = register(Heaviside())


@composite(*EVERYWHERE)
def ldexp(input: Any, other: Any) -> Any:
    """input * 2 ** other; integers are computed in the default dtype.

    2 ** other may be beyond the dtype where the result is not: up to other = 252 for float32, 2044 for float64.
    """
    exponent = other if dtype_of(other).is_floating_point else to_dtype(other, defaults.dtype)
    half = trunc(detach(exponent) * 0.5)
    return mul(mul(input, exp2(half)), exp2(exponent - half))


@composite(*EVERYWHERE)
def frexp(input: Any) -> Any:
    """(mantissa, exponent): input is mantissa * 2 ** exponent, in which the first is in [1/2, 1), its sign aside.

    The exponent, int32, is 0 of 0, of infinities and of nan, which are their own mantissas.
    DTypeError GT202 for integers.
    """
    dtype = dtype_of(input)
    require_float(aval_of(input), "the operand of frexp")
    x = to_dtype(input, float32) if dtype.itemsize == 2 else input
    plain = logical_or(eq(x, 0), logical_not(lt(abs_(x), math.inf)))
    small = lt(abs_(x), 2.0**-100)  # what may be subnormal is made 2^100 times as large
    near = where(small, x * 2.0**100, x)
    guess = floor(log2(abs_(where(plain, 1, detach(near))))) + 1
    found = _scaled(near, guess)
    over, under = abs_(found) >= 1, abs_(found) < 0.5  # where the logarithm was rounded
    mantissa = where(over, found * 0.5, where(under, found * 2, found))
    exponent = guess + to_dtype(over, dtype_of(guess)) - to_dtype(under, dtype_of(guess)) - where(small, 100, 0)
    return frexp_type(to_dtype(where(plain, x, mantissa), dtype), to_dtype(where(plain, 0, exponent), int32))


def _scaled(x: Any, exponent: Any) -> Any:
    """x / 2 ** exponent, in two steps, so that no power of two is beyond the dtype."""
    half = trunc(exponent * 0.5)
    return x * exp2(-half) * exp2(half - exponent)
