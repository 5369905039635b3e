"""asinh, acosh and atanh: logarithms of 1 + u, u with what its rounding lost where the format is float64.

float32 is computed in float64, which has bits to spare: the plain formulas lose 2**-42 at most, and where they would
lose more two terms of the series are enough.
"""

from __future__ import annotations

import math

from graphtorch.codegen.vector_math import coefficients as C
from graphtorch.codegen.vector_math.base import F32, F64, Lanes, absolute, fma, polynomial, select, signed, sqrt
from graphtorch.codegen.vector_math.logarithm import log1p, split
from graphtorch.codegen.vector_math.pairs import two_product, two_sum

Pair = tuple[Lanes, Lanes]
_SMALL = 2.0**-11
#: x and sqrt(x**2 + 1) are the same from here on, for these formulas
_GREAT = 2.0**28
_LN2 = math.log(2.0)


def asinh(x: Lanes) -> Lanes:
    a = absolute(x)
    y = _asinh_32(a.to(F64)).to(F32) if x.format is F32 else _asinh_64(a)
    return signed(select(a < math.inf, y, a), x)


def acosh(x: Lanes) -> Lanes:
    y = _acosh_32(x.to(F64)).to(F32) if x.format is F32 else _acosh_64(x)
    return select(x < 1.0, y.like(math.nan), select(x < math.inf, y, x))


def atanh(x: Lanes) -> Lanes:
    a = absolute(x)
    y = _atanh_32(a.to(F64)).to(F32) if x.format is F32 else _atanh_64(a)
    return signed(select(a < 1.0, y, select(a.eq(1.0), y.like(math.inf), math.nan)), x)


# ---- float32, in float64 -----------------------------------------------------------------------------


def _asinh_32(a: Lanes) -> Lanes:
    return select(a < _SMALL, fma(a * a * a, -1 / 6, a), log_32(a + sqrt(fma(a, a, 1.0))))


def _acosh_32(x: Lanes) -> Lanes:
    return log_32(x + sqrt((x - 1.0) * (x + 1.0)))


def _atanh_32(a: Lanes) -> Lanes:
    return select(a < _SMALL, fma(a * a * a, 1 / 3, a), log_32((1.0 + a) / (1.0 - a)) * 0.5)


def log_32(x: Lanes) -> Lanes:
    """The logarithm of a float64, as good as float32 needs it, for finite x > 0."""
    e, m = split(x)
    s = (m - 1.0) / (m + 1.0)
    return fma(polynomial(s * s, C.POW_LOG2[32]), s, e) * _LN2


# ---- float64 ----------------------------------------------------------------------------------------


def _asinh_64(a: Lanes) -> Lanes:
    """u = a + a**2 / (1 + sqrt(a**2 + 1))"""
    square = two_product(a, a)
    under, lost = two_sum(square[0], a.like(1.0))
    root = _root((under, lost + square[1]))
    below, lost = two_sum(root[0], a.like(1.0))
    ratio = _quotient(square, (below, lost + root[1]))
    u, lost = two_sum(a, ratio[0])
    return _of_great(a, (u, lost + ratio[1]))


def _acosh_64(x: Lanes) -> Lanes:
    """u = t + sqrt(t (t + 2)), t = x - 1"""
    t, t_lost = two_sum(x, x.like(-1.0))
    more, more_lost = two_sum(t, t.like(2.0))
    square, square_lost = two_product(t, more)
    root, root_lost = _root((square, fma(t, more_lost, square_lost)))
    u, lost = two_sum(t, root)
    lost = lost + fma(t_lost, 2.0, root_lost)
    return _of_great(x, (u, select(t > 0.0, lost, t.like(0.0))))


def _of_great(a: Lanes, u: Pair) -> Lanes:
    """The logarithm of 1 + u, and of 2 a where a is great: there u is a - 1."""
    great = a > _GREAT
    y = _log1p((select(great, a, u[0]), select(great, a.like(-1.0), u[1])))
    return select(great, y + _LN2, y)


def _atanh_64(a: Lanes) -> Lanes:
    """u = 2 a / (1 - a), and half of the logarithm"""
    below = two_sum(-a, a.like(1.0))
    return _log1p(_quotient((a + a, a.like(0.0)), below)) * 0.5


def _log1p(u: Pair) -> Lanes:
    return log1p(u[0]) + u[1] / (u[0] + 1.0)


def _root(x: Pair) -> Pair:
    root = sqrt(x[0])
    return root, (_left(x[0], root, root) + x[1]) / (root + root)


def _quotient(a: Pair, b: Pair) -> Pair:
    q = a[0] / b[0]
    return q, (_left(a[0], q, b[0]) + a[1] - q * b[1]) / b[0]


def _left(a: Lanes, b: Lanes, c: Lanes) -> Lanes:
    """a - b c, which is nearly 0."""
    product, lost = two_product(b, c)
    return (a - product) - lost
