"""Floating-point numbers made whole: floor, ceil, trunc, round; and what that leaves."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.expr import Expr
from graphtorch.ir.op import composite, register
from graphtorch.ir.ops.common import as_int, aval_of, broadcast, dtype_of, lift, require_float, shape_of
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array, Unary


def no_change(x: Any) -> Any:
    """The gradient of what is constant wherever it has one: zeros of the type of ``x``."""
    return broadcast(lift(0, dtype_of(x)), shape_of(x))


class Whole(Unary):
    """A whole number near each element; integers are copied. The gradient is 0."""

    kinds = "fiu"
    function: ClassVar[Any]

    def ref(self, x: Array) -> Array:
        return type(self).function(x) if x.dtype.kind == "f" else x.copy()

    def vjp(self, _g: Any, _y: Any, _x: Any) -> Any:
        return no_change(_x)

    def scalar(self, x: Expr) -> Expr:
        return expr.unary(self.name, x) if x.dtype.kind == "f" else x


class Floor(Whole):
    name = "floor"
    function = np.floor


class Ceil(Whole):
    name = "ceil"
    function = np.ceil


class Trunc(Whole):
    name = "trunc"
    function = np.trunc


class Round(Whole):
    """The nearest whole number, an even one between two."""

    name = "round"
    surface = ()
    function = np.rint


floor, ceil, trunc, nearest = register(Floor()), register(Ceil()), register(Trunc()), register(Round())


@composite(*EVERYWHERE)
def round(input: Any, *, decimals: int = 0) -> Any:
    """The nearest number of so many decimals, a half to the even one; fewer than 0 count to the left of the point.

    Integers are copied; DTypeError GT202 for ``decimals`` of them. The gradient is 0.
    """
    places = as_int(decimals, "decimals")
    if not places:
        return nearest(input)
    require_float(aval_of(input), "what is rounded to decimals")
    scale = 10.0 ** abs(places)
    return nearest(input * scale) / scale if places > 0 else nearest(input / scale) * scale


@composite(*EVERYWHERE)
def frac(input: Any) -> Any:
    """What follows the point, with the sign of the number: x - trunc(x). DTypeError GT202 for integers."""
    require_float(aval_of(input), "the operand of frac")
    return input - trunc(input)


@composite(*EVERYWHERE)
def positive(input: Any) -> Any:
    """The input itself; DTypeError GT203 for bools."""
    check(
        dtype_of(input).kind != "b",
        "GT203",
        "positive does not take graphtorch.bool",
        "expected a dtype of kind float, int, uint",
        kind=DTypeError,
    )
    return input
