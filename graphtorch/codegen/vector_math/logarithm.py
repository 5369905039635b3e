"""log, log2 and log1p.

x = 2**e (1 + f) with 1 + f between sqrt(1/2) and sqrt(2), taken apart by integer arithmetic on its bits. log(1 + f) is
f and a polynomial in float32; in float64, where that would be twice as long, f and the series of artanh at
s = f / (2 + f), arranged so that f itself is not rounded (K. C. Ng in fdlibm, 1993).
"""

from __future__ import annotations

import math

from graphtorch.codegen.vector_math import coefficients as C
from graphtorch.codegen.vector_math.base import F32, Lanes, fma, polynomial, select

#: added to a small integer in its last bits, it gives the pattern of a float64
_INTEGERS = 2.0**52
_BIAS = 2048


def split(x: Lanes) -> tuple[Lanes, Lanes]:
    """(e, m): x = 2**e m, m between sqrt(1/2) and sqrt(2), for positive and finite x; subnormal ones too."""
    f = x.format
    least, up = f.pattern(math.sqrt(0.5)), f.mantissa + 1
    small = x < f.least
    x = select(small, x * 2.0**up, x)
    k = x.bits - select(small, x.bits.like(least + (up << f.mantissa)), least)
    return exponent(k), ((k & ((1 << f.mantissa) - 1)) + least).floats


def exponent(k: Lanes) -> Lanes:
    """The signed integer in the exponent's place of ``k``, as a number."""
    f = k.format
    if f is F32:
        b = k.place.b
        whole = b.binary("ashr", k.value, k.like(f.mantissa).value)
        return Lanes(k.place, F32.kind, b.convert("sitofp", whole, k.place.type_of(F32.kind)))
    # AVX2 has neither an arithmetic shift nor a conversion of 64 bits
    biased = (k ^ f.sign) >> f.mantissa
    return (biased | f.pattern(_INTEGERS)).floats - (_INTEGERS + _BIAS)


def rest(f: Lanes) -> Lanes:
    """log(1 + f) - f, for f in [sqrt(1/2) - 1, sqrt(2) - 1]; -0 at both zeros."""
    square = f * f
    if f.format is F32:
        return polynomial(f, C.LOG[32]) * square
    s = f / (f + 2.0)
    z = s * s
    half = square * 0.5
    return -fma(-s, fma(polynomial(z, C.LOG[64]), z, half), half)


def in_domain(y: Lanes, x: Lanes, pole: float = 0.0) -> Lanes:
    """``y``, but infinity at infinity, -infinity at ``pole``, and nan below it."""
    y = select(x < math.inf, y, x)
    return select(x > pole, y, select(x.eq(pole), x.like(-math.inf), math.nan))


def log(x: Lanes) -> Lanes:
    e, m = split(x)
    return in_domain(_with_exponent(e, m - 1.0), x)


def _with_exponent(e: Lanes, f: Lanes) -> Lanes:
    """e ln 2 + log(1 + f); -0 where both are."""
    if f.format is F32:
        square = f * f
        return fma(e, math.log(2.0), fma(polynomial(f, C.LOG[32]), square, f))
    high, low = C.LN2[64]
    return fma(e, high, f + fma(e, low, rest(f)))


def log2(x: Lanes) -> Lanes:
    """1 / ln 2 in two parts, for the first product is the result where e is 0."""
    e, m = split(x)
    f = m - 1.0
    high, low = C.LOG2E[f.format.bits]
    y = fma(f, high, fma(f, low, rest(f) * high))
    return in_domain(e + y, x)


def log1p(x: Lanes) -> Lanes:
    """1 + x = 2**e (1 + f), e from the rounded sum, and f = 2**-e x - (1 - 2**-e), which is exact where it matters.

    2**(2 - e) is a normal number for all x, 2**-e is not.
    """
    f = x.format
    root, one = f.pattern(math.sqrt(2.0)), f.pattern(4.0)
    k = root - (1.0 + x).bits
    scale = ((k & -(1 << f.mantissa)) + one).floats
    rest_of = fma(scale, x, -(4.0 - scale)) * 0.25
    return in_domain(_with_exponent(-exponent(k), rest_of), x, -1.0)


def log10(x: Lanes) -> Lanes:
    """As log2; and log10 2 in two parts, of which the first, times any exponent, is exact."""
    e, m = split(x)
    f = m - 1.0
    high, low = C.LOG10E[f.format.bits]
    y = fma(f, high, fma(f, low, rest(f) * high))
    high, low = C.LOG10_2[f.format.bits]
    return in_domain(fma(e, high, fma(e, low, y)), x)
