"""tanh, sinh and cosh."""

from __future__ import annotations

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
)
from graphtorch.codegen.vector_math.exponential import below_one, scaled

#: tanh is 1 from here on; sinh and cosh are infinite
_ONE = {32: 10.0, 64: 20.0}
_INFINITE = {32: 90.0, 64: 711.0}


def tanh(x: Lanes) -> Lanes:
    """t / d with t = 1 - e and d = 1 + e, e = exp(-2 |x|) = 2**n (1 - q): both are rounded once, and t <= d <= 2.

    2 |x| = r - n ln 2. In float32 the nearest number to ln 2 is near enough for one product; in float64 the quotient
    gets what was lost in t, d and itself, times 1 / d = (1 + t / d) / 2.
    """
    f = x.format
    a = at_most(absolute(x + x), 2 * _ONE[f.bits])
    n, scale = scaled(a, -C.LOG2E[64][0], f.bias)
    high, low = C.LN2[f.bits]
    r = fma(n, high + low, a) if f is F32 else fma(n, low, fma(n, high, a))
    q = below_one(r, C.EXPM1)
    less, more = 1.0 - scale, 1.0 + scale
    t, d = fma(scale, q, less), fma(-scale, q, more)
    y = t / d
    if f is F64:
        lost = fma(-y, d, t) + fma(scale, q, less - t) - y * fma(-scale, q, more - d)
        y = fma(lost, fma(y, 0.5, 0.5), y)
    return signed(y, x)


def sinh(x: Lanes) -> Lanes:
    """(exp(a) - exp(-a)) / 2 for a = |x| > 1, and an odd polynomial."""
    a = absolute(x)
    half = _half_exp(a)
    z = x * x
    near = fma(polynomial(z, C.SINH[x.format.bits]) * z, x, x)
    return select(a < 1.0, near, signed(half - 0.25 / half, x))


def cosh(x: Lanes) -> Lanes:
    half = _half_exp(absolute(x))
    return half + 0.25 / half


def _half_exp(a: Lanes) -> Lanes:
    """exp(a) / 2 for a >= 0, without overflow where that is finite: by 2**(n - 3) and 4."""
    f = a.format
    a = at_most(a, _INFINITE[f.bits])
    n, s = scaled(a, C.LOG2E[64][0], f.bias - 3)
    high, low = C.LN2[f.bits]
    rough, less = fma(n, -high, a), n * low
    r = rough - less
    p = fma(polynomial(r, C.EXPM1[f.bits]), r * r, (rough - r) - less) + r
    return (p + 1.0) * s * 4.0
