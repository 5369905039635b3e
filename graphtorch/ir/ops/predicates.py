"""What kind of number an element is, and whether tensors are alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.expr import Expr
from graphtorch.ir.op import composite, register
from graphtorch.ir.ops.arithmetic import abs_, add, mul, sub
from graphtorch.ir.ops.common import aval_of, dtype_of, shape_of, to_dtype
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array, Unary
from graphtorch.ir.ops.logic import eq, isnan, le, logical_and, logical_not, logical_or, lt, ne
from graphtorch.ir.ops.reduce import sum as total
from graphtorch.ir.types import bool_, defaults


class SignBit(Unary):
    """Whether the sign is a minus: of -0.0 it is, of a nan it may be."""

    name = "signbit"
    nondifferentiable = True
    result = bool_

    def ref(self, x: Array) -> Array:
        return np.signbit(x) if x.dtype.kind == "f" else np.less(x, 0)

    def scalar(self, x: Expr) -> Expr:
        if x.dtype.kind == "f":
            return expr.binary("copysign", expr.const(1, x.dtype), x) < 0
        return x < 0 if x.dtype.kind == "i" else expr.const(False, bool_)


signbit = register(SignBit())


@composite(*EVERYWHERE)
def isinf(input: Any) -> Any:
    """Whether an element is infinite; no integer is."""
    return eq(abs_(input), math.inf) if dtype_of(input).kind == "f" else ne(input, input)


@composite(*EVERYWHERE)
def isposinf(input: Any) -> Any:
    """Whether an element is positive infinity; no integer is."""
    return eq(input, math.inf) if dtype_of(input).kind == "f" else ne(input, input)


@composite(*EVERYWHERE)
def isneginf(input: Any) -> Any:
    """Whether an element is negative infinity; no integer is."""
    return eq(input, -math.inf) if dtype_of(input).kind == "f" else ne(input, input)


@composite(*EVERYWHERE)
def isfinite(input: Any) -> Any:
    """Whether an element is neither infinite nor nan; every integer is."""
    return lt(abs_(input), math.inf) if dtype_of(input).kind == "f" else eq(input, input)


@composite(*EVERYWHERE)
def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Whether |input - other| <= atol + rtol * |other|, element by element; infinities are close to themselves alone.

    With ``equal_nan`` nan is close to nan. Integers are compared as they are, and then in the default dtype. DTypeError
    GT201 for tensors of different dtypes, ArgumentError GT304 for a negative tolerance.
    """
    dtype, found = aval_of(input).dtype, aval_of(other).dtype
    facts = f"expected {dtype!r}, got {found!r}"
    check(dtype == found, "GT201", "operands of one dtype are needed here", facts, kind=DTypeError)
    for name, value in (("rtol", rtol), ("atol", atol)):
        check(value >= 0, "GT304", f"{name}={value!r} is not allowed", f"expected {name} >= 0", kind=ArgumentError)
    close = eq(input, other)
    if equal_nan and dtype.kind == "f":
        close = logical_or(close, logical_and(isnan(input), isnan(other)))
    if not rtol and not atol:
        return close
    if dtype.kind != "f":
        input, other = to_dtype(input, defaults.dtype), to_dtype(other, defaults.dtype)
    actual, allowed = abs_(sub(input, other)), add(abs_(mul(other, float(rtol))), float(atol))
    return logical_or(close, logical_and(isfinite(actual), le(actual, allowed)))


@composite(*EVERYWHERE)
def allclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close, as a bool of Python: see `isclose`."""
    return _all(isclose(input, other, rtol, atol, equal_nan))


@composite(*EVERYWHERE)
def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and equal elements, as a bool of Python; nan equals nothing."""
    aval_of(other)
    return shape_of(input) == shape_of(other) and _all(eq(input, other))


def _all(condition: Any) -> bool:
    return not total(logical_not(condition)).item()


@composite(*EVERYWHERE)
def logical_xor(input: Any, other: Any) -> Any:
    """Whether one of two truth values holds and the other does not; what is not bool is compared with 0 first."""
    return ne(to_dtype(input, bool_), to_dtype(other, bool_))
