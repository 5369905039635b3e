"""pow: exp2(y log2 |x|), with the logarithm exact enough for the greatest exponents, and C's special cases (Annex F).

log2 of m between sqrt(1/2) and sqrt(2) is the series of artanh at s = (m - 1) / (m + 1). float32 is computed in
float64, which has bits to spare; in float64 the quotient, the first two terms and the product with y are sums of two
numbers (T. J. Dekker, "A Floating-Point Technique for Extending the Available Precision", 1971), good for 2**-66.
"""

from __future__ import annotations

import math

from graphtorch.codegen.vector_math import coefficients as C
from graphtorch.codegen.vector_math.base import (
    F32,
    F64,
    Lanes,
    absolute,
    at_least,
    at_most,
    fma,
    polynomial,
    select,
    signed,
)
from graphtorch.codegen.vector_math.exponential import exp2_of, scaled
from graphtorch.codegen.vector_math.logarithm import split
from graphtorch.codegen.vector_math.pairs import fast_two_sum, two_product

Pair = tuple[Lanes, Lanes]
#: 2**x is 0 or infinite beyond
_RANGE_32, _RANGE = 160.0, 1100.0


def pow_(x: Lanes, y: Lanes) -> Lanes:
    a = absolute(x)
    power = _power_32(a, y) if x.format is F32 else _power_64(a, y)
    whole, half_whole = _is_whole(absolute(y)), _is_whole(absolute(y) * 0.5)
    power = select(whole & ~half_whole, signed(power, x), power)
    power = select((x < 0.0) & (x > -math.inf) & ~whole, math.nan, power)
    power = select(y.eq(0.0), 1.0, select(x.eq(1.0), 1.0, power))
    return select(a.eq(1.0) & absolute(y).eq(math.inf), 1.0, power)


def _is_whole(a: Lanes) -> Lanes:
    """Whether ``a`` >= 0 is an integer; from ``unit`` on there are no others."""
    unit = 2.0**a.format.mantissa
    return ((a + unit) - unit).eq(a) | (a >= unit)


def _power_32(a: Lanes, y: Lanes) -> Lanes:
    e, m = split(a)
    m = m.to(F64)
    s = (m - 1.0) / (m + 1.0)
    log2 = fma(polynomial(s * s, C.POW_LOG2[32]), s, e.to(F64))
    power = y.to(F64) * _at_ends(log2, a.to(F64))
    power = at_least(at_most(power, _RANGE_32), -_RANGE_32)
    n, scale = scaled(power, 1.0, F64.bias)
    return (polynomial(power - n, (1.0, *C.EXP2[32])) * scale).to(F32)


def _at_ends(log2: Lanes, a: Lanes) -> Lanes:
    """The logarithm of 0, of infinity and of nan."""
    return select(a < math.inf, select(a.eq(0.0), -math.inf, log2), a)


def _power_64(a: Lanes, y: Lanes) -> Lanes:
    high, low = _log2(a)
    high = _at_ends(high, a)
    power, rest = two_product(y, high)
    rest = select(absolute(power) < _RANGE, fma(y, low, rest), 0.0)
    return exp2_of(at_least(at_most(power, _RANGE), -_RANGE), rest)


def _log2(a: Lanes) -> Pair:
    """s (c1 + z (c3 + z P(z))) with z = s**2, from the inside out; P is rounded, the rest are pairs."""
    e, m = split(a)
    s, s_low = _quotient(m)
    z, z_low = _times((s, s_low), (s, s_low))
    inner = polynomial(z, C.POW_LOG2[64])
    t, t_low = two_product(z, inner)
    u = _plus(C.POW_C3[64], (t, fma(z_low, inner, t_low)))
    v = _plus(C.POW_C1[64], _times((z, z_low), u))
    w, w_low = _times((s, s_low), v)
    high, lost = fast_two_sum(e, w)
    return high, lost + w_low


def _quotient(m: Lanes) -> Pair:
    """(m - 1) / (m + 1)"""
    below = m + 1.0
    below_low = m - (below - 1.0)
    inverse = 1.0 / below
    s = (m - 1.0) * inverse
    product, rest = two_product(s, below)
    return s, ((m - 1.0 - product) - rest - s * below_low) * inverse


def _times(a: Pair, b: Pair) -> Pair:
    product, rest = two_product(a[0], b[0])
    return product, rest + (a[0] * b[1] + a[1] * b[0])


def _plus(c: tuple[float, ...], x: Pair) -> Pair:
    """The constant is the greater."""
    total, rest = fast_two_sum(x[0].like(c[0]), x[0])
    return total, rest + (x[1] + c[1])
