"""Divisors and multiples of integers: Euclid's algorithm for all elements at once, a loop in a program, too."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.op import PUBLIC, composite
from graphtorch.ir.ops.arithmetic import abs_, mul
from graphtorch.ir.ops.common import aval_of, dtype_of, result_dtype, unify
from graphtorch.ir.ops.division import floor_divide, remainder
from graphtorch.ir.ops.elementwise import EVERYWHERE
from graphtorch.ir.ops.logic import eq, ne, where


@composite(*EVERYWHERE)
def gcd(input: Any, other: Any) -> Any:
    """The greatest common divisor of integers, not negative; of 0 and a number the number.

    DTypeError GT203 for other dtypes.
    """
    return _divisor("gcd", input, other)


@composite(*EVERYWHERE)
def lcm(input: Any, other: Any) -> Any:
    """The least common multiple of integers, not negative; 0 where either is. One beyond the dtype wraps.

    DTypeError GT203 for other dtypes.
    """
    divisor = _divisor("lcm", input, other)
    a, b = unify(input, other, dtype=dtype_of(divisor))
    return abs_(mul(floor_divide(a, where(eq(divisor, 0), 1, divisor)), b))


def _divisor(name: str, input: Any, other: Any) -> Any:
    for x in (input, other):
        aval_of(x)
    dtype = result_dtype(input, other)
    facts = f"expected integers, got {dtype!r}"
    check(dtype.kind in "iu", "GT203", f"{name} does not take {dtype!r}", facts, kind=DTypeError)
    from graphtorch.frontend.branches import while_loop  # which loads the tracer

    a, b = unify(input, other, dtype=dtype)
    return while_loop(_goes_on, _step, (abs_(a), abs_(b)))[0]


def _goes_on(_a: Any, b: Any) -> Any:
    return PUBLIC["gt"]["any"](ne(b, 0))


def _step(a: Any, b: Any) -> tuple[Any, Any]:
    """(b, a mod b); what has come to its end stays."""
    done = eq(b, 0)
    return where(done, a, b), where(done, 0, remainder(a, where(done, 1, b)))
