"""erf: an odd polynomial near 0, and 1 - (1 - q(x))**4 further out, 1 - q for the fourth root of erfc.

The root bends so little that a polynomial of modest degree follows it over all of the range, where an exponential and a
quotient would be needed for erfc itself; and errors of q count for nothing where erfc is small.
"""

from __future__ import annotations

from graphtorch.codegen.vector_math import coefficients as C
from graphtorch.codegen.vector_math.base import Lanes, absolute, at_most, fma, polynomial, select, signed

_NEAR = 0.9
#: erf is 1 from here on
_ONE = {32: 3.95, 64: 5.95}


def erf(x: Lanes) -> Lanes:
    size = x.format.bits
    a = at_most(absolute(x), _ONE[size])
    near = fma(polynomial(a * a, C.ERF[size]), a, a)
    q = polynomial(a, C.ERFC[size])
    return signed(select(a < _NEAR, near, _less_squared(_less_squared(q))), x)


def _less_squared(q: Lanes) -> Lanes:
    """1 - (1 - q)**2"""
    return fma(-q, q, q + q)
