"""fmod: what a division towards zero leaves, exactly.

r = a - n b is a multiple of the last bit of b and no greater than b, so it is a number, and one fused multiply-add
gives it where n is: n = trunc(a / b) is at most one too great as long as its last bit is worth 1. Where a / b is
greater than that, multiples of b by powers of two are taken off first, as in long division. Without fused multiply-add
b is the difference of two numbers of few bits, whose products with a short n are exact.
"""

from __future__ import annotations

import math

from graphtorch.codegen.vector_math.base import Lanes, absolute, fma, select, signed, truncated
from graphtorch.codegen.vector_math.control import rarely, until_none


def fmod(x: Lanes, y: Lanes) -> Lanes:
    a, b = absolute(x), absolute(y)
    far = (a > b * 2.0 ** _bits(a)) & (a < math.inf) & (b > 0.0)
    (rest,) = rarely(far, (_step(a, b),), lambda: (_long(a, b, far),))
    rest = select(b.eq(math.inf), a, rest)
    defined = (a < math.inf) & (b > 0.0)
    return signed(select(defined, rest, x.like(math.nan)), x)


def _bits(a: Lanes) -> int:
    """Quotients below 2**bits may be taken at once."""
    whole = a.format.mantissa
    return whole - 2 if a.place.fused else (whole + 1) // 2 - 2


def _step(a: Lanes, b: Lanes) -> Lanes:
    """a - trunc(a / b) b; below 0 the quotient was one too great."""
    n = truncated(a / b)
    rest = fma(-n, b, a) if a.place.fused else _in_halves(a, n, b)
    return select(rest < 0.0, rest + b, rest)


def _in_halves(a: Lanes, n: Lanes, b: Lanes) -> Lanes:
    """a - n b: b is rounded up to half its bits, so that what is left after that part is no longer than b."""
    low = (1 << ((a.format.mantissa + 1) // 2)) - 1
    high = ((b.bits + low) & ~low).floats  # infinite for the greatest b, whose n is 0 or 1
    return select(n > 1.0, (a - n * high) - n * (b - high), a - n * b)


def _long(a: Lanes, b: Lanes, far: Lanes) -> Lanes:
    """Right in the lanes that are ``far``."""
    return until_none(
        lambda left: far & (left >= b),
        lambda left: select(far & (left >= b), _step(left, _towards(b, left)), left),
        a,
    )


def _towards(b: Lanes, a: Lanes) -> Lanes:
    """b 2**k for the k >= 0 that makes a divided by it a quotient of about `_bits`, and not below 1 where a >= b."""
    k = _exponent(a) - _exponent(b) - (_bits(a) - 1)
    k = select(k > 0, k, k.like(0))
    third = (k * 11) >> 5  # in parts, for 2**k need not be a number
    return b * _power(third) * _power(third) * _power(k - third - third)


def _power(k: Lanes) -> Lanes:
    """2**k"""
    return ((k + k.format.bias) << k.format.mantissa).floats


def _exponent(x: Lanes) -> Lanes:
    """The exponent in the format of x > 0, as if there were no subnormal numbers."""
    f = x.format
    up = f.mantissa + 1
    small = x < f.least
    pattern = select(small, x * 2.0**up, x).bits >> f.mantissa
    return pattern - select(small, pattern.like(up), 0)
