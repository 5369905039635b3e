"""exp, exp2 and expm1.

Reduction (Cody and Waite, *Software Manual for the Elementary Functions*, 1980): x = n ln 2 + r, with ln 2 in two parts
so that the first product is exact; n is rounded by adding a number so great that a unit is its last bit. Polynomials
are minimax (tools/vector_math.py).
"""

from __future__ import annotations

from graphtorch.codegen.vector_math import coefficients as C
from graphtorch.codegen.vector_math.base import (
    F32,
    Format,
    Lanes,
    absolute,
    at_least,
    at_most,
    fma,
    polynomial,
    polynomial_in_pairs,
    select,
)

#: beyond these the results are infinite, and 0; of exp, and of exp2
_EXP_RANGE = {32: (-104.0, 89.0), 64: (-746.0, 710.0)}
_EXP2_RANGE = {32: (-151.0, 129.0), 64: (-1076.0, 1025.0)}
#: expm1(x) is -1 below
_LEAST = {32: -18.0, 64: -38.0}


def scaled(x: Lanes, factor: float, bias: int) -> tuple[Lanes, Lanes]:
    """(n, the number with n + bias in its exponent's place), n the integer next to x * factor."""
    n, exponent = integer(x, factor, bias)
    return n, (exponent << x.format.mantissa).floats


def integer(x: Lanes, factor: float, added: int) -> tuple[Lanes, Lanes]:
    """(n, integers whose last bits are n + added), n the integer next to x * factor."""
    magic = x.format.magic + added
    shifted = fma(x, factor, magic)
    return shifted - magic, shifted.bits


def times_power(p: Lanes, doubled: Lanes) -> Lanes:
    """p * 2**n, where the last bits of ``doubled`` are n + 2 bias.

    By two factors of half the exponent each: neither overflows, and a subnormal result is rounded once, at the end.
    """
    low, high = halves(doubled)
    return p * low * high


def halves(doubled: Lanes) -> tuple[Lanes, Lanes]:
    """Powers of 2 whose product is 2**n, where the last bits of ``doubled`` are n + 2 bias."""
    shift = doubled.format.mantissa
    half = doubled >> 1
    return (half << shift).floats, ((doubled - half) << shift).floats


def exp(x: Lanes) -> Lanes:
    """2**n (1 + q), q = exp(r) - 1, with the first factor of 2**n put in before 1 + q is rounded."""
    f = x.format
    least, most = _EXP_RANGE[f.bits]
    x = at_least(at_most(x, most), least)
    n, exponent = integer(x, C.LOG2E[64][0], 2 * f.bias)
    high, low = C.LN2[f.bits]
    r = fma(n, -low, fma(n, -high, x))
    square = r * r
    q = fma(polynomial_in_pairs(r, square, C.EXP[f.bits]), square, r)
    first, second = halves(exponent)
    return fma(first, q, first) * second


def sigmoid(x: Lanes) -> Lanes:
    """1 / (1 + exp(-x)) = c / (2**n c + (c - 2**n c q)), q = 1 - exp(-r) for x = r - n ln 2.

    The power c of 2 keeps 2**n c below infinity: a subnormal result is rounded once, by the division. The two sums are
    rounded by less than one of 1 and a rounded exp(-x) would be.
    """
    f = x.format
    digits = f.mantissa + 1
    x = at_least(at_most(x, float(digits)), _EXP_RANGE[f.bits][0])  # it is 1 from ln 2 * digits on
    n, scale = scaled(x, -C.LOG2E[64][0], f.bias - digits)
    high, low = C.LN2[f.bits]
    q = below_one(fma(n, low, fma(n, high, x)), C.EXP)
    c = 2.0**-digits
    return c / (scale + fma(-scale, q, c))


def below_one(r: Lanes, numbers: C.Numbers) -> Lanes:
    """1 - exp(-r), from the polynomial for (exp(x) - 1 - x) / x**2."""
    square = r * r
    signs = [c * (-1) ** (i + 1) for i, c in enumerate(numbers[r.format.bits])]
    return fma(polynomial_in_pairs(r, square, signs), square, r)


def exp2(x: Lanes) -> Lanes:
    least, most = _EXP2_RANGE[x.format.bits]
    return exp2_of(at_least(at_most(x, most), least))


def exp2_of(x: Lanes, low: Lanes | None = None) -> Lanes:
    """2**(x + low), for x not far out of the range of results. The remainder of x is exact."""
    n, exponent = integer(x, 1.0, 2 * x.format.bias)
    r = x - n if low is None else (x - n) + low
    return times_power(polynomial(r, (1.0, *C.EXP2[x.format.bits])), exponent)


def expm1(x: Lanes) -> Lanes:
    """2**n (p + 1) - 1 = 2**n p + (2**n - 1), p = exp(r) - 1; all by half, for 2**n may be too great.

    Numbers so small that exp(x) - 1 is x stay as they are: halves of the least would be rounded.
    """
    f = x.format
    near = at_least(at_most(x, _EXP_RANGE[f.bits][1]), _LEAST[f.bits])
    n, half = scaled(near, C.LOG2E[64][0], f.bias - 1)
    high, low = C.LN2[f.bits]
    r = fma(n, -low, fma(n, -high, near))
    p = fma(polynomial(r, C.EXPM1[f.bits]), r * r, r)
    y = fma(half, p, half - 0.5)
    return select(absolute(x) < _tiny(f), x, y + y)


def _tiny(f: Format) -> float:
    return 2.0**-26 if f is F32 else 2.0**-55
