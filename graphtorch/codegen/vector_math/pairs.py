"""Numbers as unevaluated sums of two: what a rounded sum or product leaves is the second."""

from __future__ import annotations

import math

from graphtorch.codegen.vector_math.base import Lanes, fma


def two_sum(a: Lanes, b: Lanes) -> tuple[Lanes, Lanes]:
    """(s, e): s = a + b rounded, and s + e = a + b exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def fast_two_sum(a: Lanes, b: Lanes) -> tuple[Lanes, Lanes]:
    """`two_sum` where |a| >= |b| or a = 0 (Dekker)."""
    s = a + b
    return s, b - (s - a)


def two_product(a: Lanes, b: Lanes) -> tuple[Lanes, Lanes]:
    """(p, e): p = a * b rounded, and p + e = a * b exactly; without fma by halves of the operands (Dekker)."""
    p = a * b
    if a.place.fused:
        return p, fma(a, b, -p)
    (ah, al), (bh, bl) = _halves(a), _halves(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def _halves(x: Lanes) -> tuple[Lanes, Lanes]:
    """x as a sum of two with half the bits each (Veltkamp)."""
    scaled = x * (2.0 ** math.ceil((x.format.mantissa + 1) / 2) + 1)
    high = scaled - (scaled - x)
    return high, x - high
