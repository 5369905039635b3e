"""Integers and bools bit by bit."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.expr import Expr
from graphtorch.ir.op import composite, register
from graphtorch.ir.ops.common import dtype_of
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array, Binary
from graphtorch.ir.ops.logic import logical_not


class Bitwise(Binary):
    nondifferentiable = True
    kinds = "iub"
    function: ClassVar[Any]
    #: what ir/expr calls it
    short: ClassVar[str]

    def ref(self, a: Array, b: Array) -> Array:
        return type(self).function(a, b)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return expr.binary(self.short, a, b)


class BitwiseAnd(Bitwise):
    name, short = "bitwise_and", "and"
    function = np.bitwise_and


class BitwiseOr(Bitwise):
    name, short = "bitwise_or", "or"
    function = np.bitwise_or


class BitwiseXor(Bitwise):
    name, short = "bitwise_xor", "xor"
    function = np.bitwise_xor


bitwise_and, bitwise_or, bitwise_xor = register(BitwiseAnd()), register(BitwiseOr()), register(BitwiseXor())


class Shift(Binary):
    """Of integers, in their dtype. A count below 0 is as one beyond the bits: everything is shifted out."""

    nondifferentiable = True
    kinds = "iu"


class LeftShift(Shift):
    """Zeros come in from the right."""

    name = "bitwise_left_shift"

    def ref(self, a: Array, b: Array) -> Array:
        inside = (b >= 0) & (b < 8 * a.itemsize)
        return np.where(inside, np.left_shift(a, np.where(inside, b, 0)), 0).astype(a.dtype)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        inside, zero = _inside(a, b), expr.const(0, a.dtype)
        return expr.select(inside, expr.binary("shl", a, expr.select(inside, b, zero)), zero)


class RightShift(Shift):
    """Copies of the sign come in from the left."""

    name = "bitwise_right_shift"

    def ref(self, a: Array, b: Array) -> Array:
        most = 8 * a.itemsize - 1
        inside = (b >= 0) & (b <= most)
        shifted = np.right_shift(a, np.where(inside, b, most).astype(a.dtype))
        return shifted if a.dtype.kind == "i" else np.where(inside, shifted, 0).astype(a.dtype)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        inside, most = _inside(a, b), expr.const(8 * a.dtype.itemsize - 1, a.dtype)
        shifted = expr.binary("shr", a, expr.select(inside, b, most))
        return shifted if a.dtype.kind == "i" else expr.select(inside, shifted, expr.const(0, a.dtype))


def _inside(a: Expr, b: Expr) -> Expr:
    fits = b < 8 * a.dtype.itemsize
    return fits & (b >= 0) if b.dtype.kind == "i" else fits


bitwise_left_shift, bitwise_right_shift = register(LeftShift()), register(RightShift())


@composite(*EVERYWHERE)
def bitwise_not(input: Any) -> Any:
    """Every bit flipped, `logical_not` of bools; DTypeError GT203 for floats."""
    dtype = dtype_of(input)
    check(
        dtype.kind in "iub",
        "GT203",
        f"bitwise_not does not take {dtype!r}",
        "expected a dtype of kind int, uint, bool",
        kind=DTypeError,
    )
    if dtype.kind == "b":
        return logical_not(input)
    return bitwise_xor(input, -1)
