"""sin, cos and tan.

x = n pi/2 + r. For |x| up to a million by Cody and Waite: pi/2 in parts, of which all but the last are exact times n.
For more by Payne and Hanek's idea ("Radian Reduction for Trigonometric Functions", 1983): of 2/pi only those bits
matter that do not make multiples of 4, so a table has 2/pi * 2**e mod 4 for some e; here in parts that are float64
numbers, with exact products, where theirs are integers. That code is skipped unless a lane needs it.

float32 is computed in float64, where no remainder of it loses too many bits.
"""

from __future__ import annotations

from graphtorch.codegen.vector_math import coefficients as C
from graphtorch.codegen.vector_math.base import (
    F32,
    F64,
    Lanes,
    absolute,
    fma,
    polynomial,
    select,
)
from graphtorch.codegen.vector_math.control import looked_up, rarely
from graphtorch.codegen.vector_math.pairs import fast_two_sum, two_product, two_sum
from graphtorch.codegen.vector_math.turns import STEP, TURNS

_INFINITY = float("inf")
#: n is less than 2**20 below
_USUAL = 2.0**20
_TWO_OVER_PI = 0.6366197723675814
#: the sine and the tangent of what is smaller are x, which keeps the sign of 0
_TINY = 2.0**-27


def sin(x: Lanes) -> Lanes:
    n, s, c = _values(x)
    y = _negated(select(_is_odd(n), c, s), n).to(x.format)
    return y if x.format is F32 else select(absolute(x) < _TINY, x, y)


def cos(x: Lanes) -> Lanes:
    n, s, c = _values(x)
    return _negated(select(_is_odd(n), s, c), n + 1).to(x.format)


def tan(x: Lanes) -> Lanes:
    """s / c, or -c / s."""
    if x.format is F64:
        return _tan_64(x)
    n, s, c = _values(x)
    odd = _is_odd(n)
    return (select(odd, -c, s) / select(odd, s, c)).to(F32)


def _tan_64(x: Lanes) -> Lanes:
    """The quotient of the rounded values, and what its remainder and their rests add."""
    n, r, low = _reduced(x, 64)
    (s, s_low), (c, c_low) = (fast_two_sum(*part(r, low)) for part in (_sine, _cosine))
    odd = _is_odd(n)
    above, below = select(odd, -c, s), select(odd, s, c)
    above_low, below_low = select(odd, -c_low, s_low), select(odd, s_low, c_low)
    y = above / below
    product, rest = two_product(y, below)
    y = y + ((above - product) - rest + (above_low - y * below_low)) / below
    return select(absolute(x) < _TINY, x, y)


def _is_odd(n: Lanes) -> Lanes:
    return (n & 1).eq(1)


def _negated(y: Lanes, n: Lanes) -> Lanes:
    """-y where bit 1 of n is set."""
    return (y.bits ^ ((n & 2) << 62)).floats


def _values(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """(n, sin(x - n pi/2), cos(x - n pi/2)), in float64."""
    if x.format is F64:
        n, r, low = _reduced(x, 64)
        return n, _sum(_sine(r, low)), _sum(_cosine(r, low))
    n, r, _ = _reduced(x.to(F64), 32)
    z = r * r
    return n, polynomial(z, (1.0, *C.SIN[32])) * r, polynomial(z, (1.0, -0.5, *C.COS[32]))


def _sine(r: Lanes, low: Lanes) -> tuple[Lanes, Lanes]:
    """sin(r + low) as a sum."""
    z = r * r
    return r, fma(fma(z, -0.5, 1.0), low, polynomial(z, C.SIN[64]) * z * r)


def _cosine(r: Lanes, low: Lanes) -> tuple[Lanes, Lanes]:
    """cos(r + low) as a sum; 1 - z / 2 is rounded, and what that loses is in the second part."""
    z = r * r
    half = z * 0.5
    first = 1.0 - half
    return first, ((1.0 - first) - half) + (polynomial(z, C.COS[64]) * z * z - r * low)


def _reduced(x: Lanes, size: int) -> tuple[Lanes, Lanes, Lanes]:
    """(n, r, low): x = n pi/2 + r + low, |r| not much more than pi/4; of n the last bits alone."""
    magic = F64.magic
    shifted = fma(x, _TWO_OVER_PI, magic)
    n = shifted - magic
    usual = (shifted.bits, *_near(x, n, size))
    huge = (absolute(x) > _USUAL) & (absolute(x) < _INFINITY)
    found = rarely(huge, usual, lambda: (_far_32 if size == 32 else _far_64)(select(huge, x, 1.0)))
    return found[0], found[1], found[2]


def _near(x: Lanes, n: Lanes, size: int) -> tuple[Lanes, Lanes]:
    p = C.HALF_PI_PARTS[64]
    first = fma(n, -p[0], x)
    if size == 32:
        return fma(n, -(p[1] + p[2]), first), x.like(0.0)
    second, rest = two_sum(first, n * -p[1])
    third, more = two_sum(second, n * -p[2])
    return fast_two_sum(third, rest + more - n * p[3])


def _turns(x: Lanes, size: int, bits: int) -> tuple[Lanes, list[Lanes]]:
    """(m, parts of t): x * 2/pi = m * t mod 4, for x that is an integer of ``bits`` bits times a power of two."""
    step = STEP[size]
    shift = step.bit_length() - 1
    exponent = ((x.bits >> 52) & 2047) - (F64.bias + bits - 1)
    at = select(exponent < 0, 0, exponent) >> shift
    scale = (F64.pattern(1.0) - (at << (52 + shift))).floats
    columns = list(zip(*TURNS[size], strict=True))
    return x * scale, [looked_up(f"turns.{size}.{i}", column, at) for i, column in enumerate(columns)]


def _modulo(multiple: float, x: Lanes) -> Lanes:
    """x less a multiple of ``multiple``, at most half of it, for |x| up to 2**51 times as great."""
    magic = multiple * F64.magic
    return x - ((x + magic) - magic)


def _quarter(x: Lanes) -> tuple[Lanes, Lanes]:
    """(n, x - n), n the integer next to x."""
    shifted = x + F64.magic
    return shifted.bits, x - (shifted - F64.magic)


def _far_32(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    m, (first, second) = _turns(x, 32, 24)
    n, part = _quarter(_modulo(4, m * first))
    return n, fma(m, second, part) * C.HALF_PI[64][0], x.like(0.0)


def _far_64(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """Exact down to the third product; what is left has 2**-140 of a quarter turn."""
    m, parts = _turns(x, 64, 53)
    (a, a_low), (b, b_low), (c, c_low) = (two_product(m, part) for part in parts[:3])
    total, lost = two_sum(_modulo(4, _modulo(2.0**22, a)), _modulo(4, a_low))
    total, lost_too = two_sum(total, _modulo(4, b))
    n, part = _quarter(total)
    rest, tail = two_sum(b_low, c)
    tail = tail + c_low + m * parts[3]
    for term in (rest, lost, lost_too):
        part, error = two_sum(part, term)
        tail = tail + error
    part, tail = fast_two_sum(part, tail)
    high, low = C.HALF_PI[64]
    r, r_low = two_product(part, part.like(high))
    return n, *fast_two_sum(r, r_low + part * low + tail * high)


def _sum(pair: tuple[Lanes, Lanes]) -> Lanes:
    return pair[0] + pair[1]
