"""Many divisions by one number.

By its reciprocal r, which is had once: q = x r is within one unit in the last place, and q + r (x - q d) is x / d,
rounded once (P. W. Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor", IBM J. Res.
Dev. 34 (1990)), but for subnormal quotients, which are rounded twice. A division takes six cycles for eight numbers on
Zen 3, these five instructions two.
"""

from __future__ import annotations

from graphtorch.codegen.vector_math.base import Lanes, absolute, fma, select
from graphtorch.codegen.vector_math.control import rarely


def quotient(x: Lanes, d: Lanes) -> Lanes:
    """x / d, on a CPU with fused multiply-add, for ``d`` that is the same in all lanes and all rounds of a loop."""
    r = 1.0 / d
    q = x * r
    better = fma(fma(-q, d, x), r, q)  # nan where q is infinite, and without its sign where it is 0
    better = select(better.nonzero(), better, q)
    least = d.format.least
    size = absolute(d)
    return rarely((size < least) | (size > 1.0 / least), (better,), lambda: (x / d,))[0]
