"""tanh, sinh and cosh."""

from __future__ import annotations

from graphtorch.codegen.vector_math import coefficients as C
from graphtorch.codegen.vector_math.base import F32, Lanes, absolute, at_most, fma, polynomial, select, signed
from graphtorch.codegen.vector_math.exponential import scaled

#: tanh is 1 from here on; sinh and cosh are infinite
_ONE = {32: 10.0, 64: 20.0}
_INFINITE = {32: 90.0, 64: 711.0}
#: where the rounding of t + 1 shows in tanh
_SMALL = 0.35


def tanh(x: Lanes) -> Lanes:
    """y = t / (t + 1) with t = (exp(2 a) - 1) / 2, a = |x|: errors of t shrink in the quotient.

    a = n ln 2 / 2 + r. In float32 the nearest number to ln 2 / 2 is near enough for one product. Small values are
    t - t y, which is the same but for the rounding of t + 1; in float64 with what was lost in t.
    """
    f = x.format
    a = at_most(absolute(x), _ONE[f.bits])
    n, s = scaled(a, 2 * C.LOG2E[64][0], f.bias)
    high, low = C.LN2[f.bits]
    r = fma(n, -(high + low) / 2, a) if f is F32 else fma(n, -low / 2, fma(n, -high / 2, a))
    p = fma(polynomial(r, [c * 2.0 ** (i + 1) for i, c in enumerate(C.EXPM1[f.bits])]), r * r, r)
    first = fma(s, 0.5, -0.5)
    t = fma(s, p, first)
    y = t / (t + 1.0)
    near = fma(-t, y, t) if f is F32 else t + fma(-t, y, fma(s, p, first - t))
    return signed(select(a < _SMALL, near, y), x)


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
