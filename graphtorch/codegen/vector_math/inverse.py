"""asin, acos, atan and atan2: one polynomial each, and the identities that bring arguments into its range."""

from __future__ import annotations

import math

from graphtorch.codegen.vector_math import coefficients as C
from graphtorch.codegen.vector_math.base import Lanes, absolute, fma, polynomial, select, signed, sqrt


def atan(x: Lanes) -> Lanes:
    a = absolute(x)
    steep = a > 1.0
    y = _atan(select(steep, 1.0 / a, a))
    return signed(select(steep, _less(1.0, y), y), x)


def atan2(y: Lanes, x: Lanes) -> Lanes:
    """The quotient of the smaller by the greater, then by octants. 0/0 is 0 here, and inf/inf is 1."""
    a, b = absolute(x), absolute(y)
    steep = b > a
    low, high = select(steep, a, b), select(steep, b, a)
    ratio = select(low.eq(math.inf), 1.0, select(high.eq(0.0), 0.0, low / high))
    angle = _atan(ratio)
    angle = select(steep, _less(1.0, angle), angle)
    angle = select(x.bits < 0, _less(2.0, angle), angle)
    either = x + y
    return select(x.ne(x), either, select(y.ne(y), either, signed(angle, y)))


def _atan(t: Lanes) -> Lanes:
    """For t in [0, 1]."""
    z = t * t
    return fma(polynomial(z, C.ATAN[t.format.bits]) * z, t, t)


def asin(x: Lanes) -> Lanes:
    """For a = |x| > 1/2: pi/2 - 2 asin(sqrt((1 - a) / 2)), with what is lost where twice the root is taken off."""
    far, root, tail = _asin(x)
    high, low = C.HALF_PI[x.format.bits]
    twice = root + root
    rough = high - twice
    lost = (high - rough) - twice
    return signed(select(far, rough - ((tail + tail) - (low + lost)), root + tail), x)
    high, low = C.HALF_PI[x.format.bits]
    return signed(select(far, (high - (root + root)) - ((tail + tail) - low), root + tail), x)


def acos(x: Lanes) -> Lanes:
    far, root, tail = _asin(x)
    y = root + tail
    twice = select(x < 0.0, _less(2.0, y + y), y + y)
    return select(far, twice, _less(1.0, signed(y, x)))


def _asin(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """(|x| > 1/2, t, asin(t) - t), t = |x|, or there sqrt((1 - |x|) / 2)."""
    a = absolute(x)
    far = a > 0.5
    z = select(far, 0.5 - a * 0.5, x * x)
    root = select(far, sqrt(z), a)
    return far, root, polynomial(z, C.ASIN[x.format.bits]) * z * root


def _less(quarters: float, y: Lanes) -> Lanes:
    """quarters * pi/2 - y"""
    high, low = C.HALF_PI[y.format.bits]
    return quarters * high - (y - quarters * low)
