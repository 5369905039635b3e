"""erf, erfc and the inverse of erf.

erf is an odd polynomial near 0, and 1 - (1 - q(x))**4 further out, 1 - q for the fourth root of erfc. The root bends so
little that a polynomial of modest degree follows it over all of the range, where an exponential and a quotient would be
needed for erfc itself; and errors of q count for nothing where erfc is small.

erfc, where they do count, is exp(-a**2) times (1 + 2 a) erfcx(a), over 1 + 2 a, a = |x|. The middle factor is a
polynomial in (a - k) / (a + k) over all of the range (M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation
of (1 + 2x) exp(x**2) erfc x in 0 <= x < inf", Math. Comp. 36 (1981)).

erfinv is x times a polynomial in w = -log(1 - x**2), or in its root where x is near 1 (M. Giles, "Approximating the
erfinv function", GPU Computing Gems (2010)), with coefficients of our own.

float32 of the last two is computed in float64: the square, and 1 - x**2, need the bits.
"""

from __future__ import annotations

import math

from graphtorch.codegen.vector_math import coefficients as C
from graphtorch.codegen.vector_math.base import (
    F32,
    F64,
    Lanes,
    absolute,
    at_most,
    fma,
    polynomial,
    select,
    signed,
    sqrt,
)
from graphtorch.codegen.vector_math.control import rarely
from graphtorch.codegen.vector_math.exponential import exp, integer, scaled, times_power
from graphtorch.codegen.vector_math.inverse_hyperbolic import log_32
from graphtorch.codegen.vector_math.logarithm import log
from graphtorch.codegen.vector_math.pairs import fast_two_sum, two_product, two_sum

_NEAR = 0.9
#: erf is 1 from here on
_ONE = {32: 3.95, 64: 5.95}


def erf(x: Lanes) -> Lanes:
    size = x.format.bits
    a = at_most(absolute(x), _ONE[size])
    near = fma(polynomial(a * a, C.ERF[size]), a, a)
    q = polynomial(a, C.ERFC[size])
    return signed(select(a < _NEAR, near, _less_squared(_less_squared(q))), x)


def _less_squared(q: Lanes) -> Lanes:
    """1 - (1 - q)**2"""
    return fma(-q, q, q + q)


# ---- erfc -------------------------------------------------------------------------------------------

#: erfc is 0 from here on; k
_ZERO = {32: 10.2, 64: 27.3}
_MIDDLE = {32: 2.0, 64: 4.0}


def erfc(x: Lanes) -> Lanes:
    a = at_most(absolute(x), _ZERO[x.format.bits])
    y = _erfc_32(a.to(F64)) if x.format is F32 else _erfc_64(a)
    return select(x < 0.0, 2.0 - y, y).to(x.format)


def _erfc_32(a: Lanes) -> Lanes:
    power = a * a * -C.LOG2E[64][0]
    n, scale = scaled(power, 1.0, F64.bias)
    exponential = polynomial(power - n, (1.0, *C.EXP2[32])) * scale
    return polynomial(_quotient(a, 32), C.ERFCX[32]) / fma(a, 2.0, 1.0) * exponential


def _erfc_64(a: Lanes) -> Lanes:
    """2**n (s + s p), p = 2**r - 1: roundings of the quotient s and of the exponent are taken along. 1 - erf near 0."""
    high, low = C.LOG2E[64]
    square, square_low = two_product(a, a)
    power, power_low = two_product(square, a.like(-high))
    power_low = power_low - fma(square, low, square_low * high)
    n, exponent = integer(power, 1.0, 2 * F64.bias)
    r = (power - n) + power_low
    first, *others = C.EXP2[64]
    p, p_low = two_product(r, r.like(first))
    p_low = fma(polynomial(r, others), r * r, p_low)
    s, s_low = _over_1_plus_2a(a)
    far = times_power(fma(s, p, fma(s, p_low, s_low)) + s, exponent)
    return select(a < 0.5, 1.0 - fma(polynomial(a * a, C.ERF[64]), a, a), far)


def _over_1_plus_2a(a: Lanes) -> tuple[Lanes, Lanes]:
    """erfcx as a quotient, and what its rounding lost."""
    q = _quotient(a, 64)
    first, *others = C.ERFCX[64]
    t, t_low = two_product(q, polynomial(q, others))
    over, lost = fast_two_sum(q.like(first), t)
    under, under_low = two_sum(a + a, a.like(1.0))
    s = over / under
    product, product_low = two_product(s, under)
    return s, ((over - product) - product_low + (lost + t_low) - s * under_low) / under


def _quotient(a: Lanes, size: int) -> Lanes:
    return (a - _MIDDLE[size]) / (a + _MIDDLE[size])


# ---- erfinv -----------------------------------------------------------------------------------------


def erfinv(x: Lanes) -> Lanes:
    a = absolute(x)
    y = _erfinv_32(a.to(F64)).to(F32) if x.format is F32 else _erfinv_64(a)
    return signed(select(a < 1.0, y, select(a.eq(1.0), a.like(math.inf), math.nan)), x)


def _erfinv_32(a: Lanes) -> Lanes:
    w = -log_32((1.0 - a) * (1.0 + a))
    near = polynomial(w - 2.5, C.ERFINV[32])
    return a * rarely(w > 5.0, (near,), lambda: (polynomial(sqrt(w) - 3.118, C.ERFINV_FAR[32]),))[0]


def _erfinv_64(a: Lanes) -> Lanes:
    w = -log((1.0 - a) * (1.0 + a))
    near = a * polynomial(w - 1.5, C.ERFINV[64])
    return rarely(w > 3.0, (near,), lambda: (_far_64(a, w),))[0]


def _far_64(a: Lanes, w: Lanes) -> Lanes:
    """A guess of 26 bits, and a step of Halley's to where erfc is 1 - a, which is exact: errors of w count for less."""
    y = a * polynomial(sqrt(w) - 3.9, C.ERFINV_FAR[64])
    step = ((1.0 - a) - _erfc_64(y)) / (exp(-y * y) * (2 / math.sqrt(math.pi)))
    return y - step / fma(y, step, 1.0)
