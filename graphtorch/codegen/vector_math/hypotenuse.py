"""hypot: the root of a sum of squares. float32 in float64, whose range has room for the squares; float64 scaled."""

from __future__ import annotations

import math

from graphtorch.codegen.vector_math.base import F32, F64, Lanes, absolute, fma, select, sqrt

#: from here on, and below the inverse, squares may leave the range
_FAR = 2.0**500
_SCALE = 2.0**600


def hypot(x: Lanes, y: Lanes) -> Lanes:
    a, b = absolute(x), absolute(y)
    root = _root(a.to(F64), b.to(F64)).to(F32) if x.format is F32 else _scaled(a, b)
    return select(a.eq(math.inf) | b.eq(math.inf), root.like(math.inf), root)  # beside nan, too


def _root(a: Lanes, b: Lanes) -> Lanes:
    return sqrt(fma(a, a, b * b))


def _scaled(a: Lanes, b: Lanes) -> Lanes:
    great = (a > _FAR) | (b > _FAR)
    small = (a < 1 / _FAR) & (b < 1 / _FAR)
    scale = select(great, a.like(1 / _SCALE), select(small, a.like(_SCALE), 1.0))
    back = select(great, a.like(_SCALE), select(small, a.like(1 / _SCALE), 1.0))
    return _root(a * scale, b * scale) * back
