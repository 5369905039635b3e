"""Division with a whole quotient, and what it leaves: floor_divide, remainder, fmod."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.expr import Expr
from graphtorch.ir.op import register
from graphtorch.ir.ops.common import aval_of, is_handle, result_dtype
from graphtorch.ir.ops.elementwise import Array, Binary
from graphtorch.ir.ops.rounding import no_change

#: where floor(a / b) is one less than the quotient that was found
_HALF = 0.5


class Quotient(Binary):
    """A division of floats or integers. Integers have no quotient by zero: ArgumentError GT304 in eager mode, 0 in
    compiled code, which cannot raise."""

    kinds = "fiu"

    def prepare(self, input: Any, other: Any) -> Any:
        if not is_handle(other):
            whole = result_dtype(input, other).kind in "iu"
            _check_divisor(not (whole and other == 0))
        return self.unified(input, other)

    def ref(self, a: Array, b: Array) -> Array:
        if a.dtype.kind != "f":
            _check_divisor(bool(np.all(b)))
        with np.errstate(all="ignore"):
            return self.floats(a, b) if a.dtype.kind == "f" else self.wholes(a, b)

    def floats(self, a: Array, b: Array) -> Array:
        raise NotImplementedError

    def wholes(self, a: Array, b: Array) -> Array:
        raise NotImplementedError


def _check_divisor(ok: bool) -> None:
    check(ok, "GT304", "other holds 0, by which no integer is divided", "expected other != 0", kind=ArgumentError)


class Fmod(Quotient):
    """What a division towards zero leaves: exactly a - n b, with the sign of a. nan where b is 0 or a infinite."""

    name = "fmod"

    def prepare(self, input: Any, other: Any) -> Any:
        aval_of(input)  # torch takes no number here
        return super().prepare(input, other)

    def floats(self, a: Array, b: Array) -> Array:
        return np.fmod(a, b)

    wholes = floats

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        return g, -(g * trunc_divide(a, b))


class Remainder(Quotient):
    """What a division towards minus infinity leaves, with the sign of b: Python's ``%``. nan as for fmod."""

    name = "remainder"

    def floats(self, a: Array, b: Array) -> Array:
        rest = np.fmod(a, b)
        return np.where((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest)

    def wholes(self, a: Array, b: Array) -> Array:
        return np.remainder(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        return g, -(g * floor_divide(a, b))

    def scalar(self, a: Expr, b: Expr) -> Expr:
        if a.dtype.kind != "f":
            return expr.binary("mod", a, b)
        rest = expr.binary("fmod", a, b)
        return expr.select(_apart(rest, b), rest + b, rest)


class FloorDivide(Quotient):
    """The greatest whole number that is not above a / b: Python's ``//``. The gradient is 0.

    Of floats it is the exact one, found through the remainder, even where a / b rounds up to a whole number; by 0 it
    is a / b.
    """

    name = "floor_divide"

    def floats(self, a: Array, b: Array) -> Array:
        rest = np.fmod(a, b)
        whole = (a - rest) / b
        whole = np.where((rest != 0) & ((rest < 0) != (b < 0)), whole - 1, whole)
        down = np.floor(whole)
        down = np.where(whole - down > _HALF, down + 1, down)  # the division by b may have rounded
        down = np.where(whole == 0, np.copysign(0, a / b), down)
        return np.where(b == 0, a / b, down).astype(a.dtype)

    def wholes(self, a: Array, b: Array) -> Array:
        return np.floor_divide(a, b)

    def vjp(self, _g: Any, _y: Any, _a: Any, _b: Any) -> Any:
        return no_change(_a), no_change(_b)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        if a.dtype.kind != "f":
            return expr.binary("floordiv", a, b)
        zero, one = expr.const(0, a.dtype), expr.const(1, a.dtype)
        ratio, rest = a / b, expr.binary("fmod", a, b)
        whole = (a - rest) / b - expr.select(_apart(rest, b), one, zero)
        down = expr.unary("floor", whole)
        down = down + expr.select(whole - down > _HALF, one, zero)
        down = expr.select(whole.eq(0), expr.binary("copysign", zero, ratio), down)
        return expr.select(b.eq(0), ratio, down)


class TruncDivide(Quotient):
    """a / b rounded towards zero: `div` with rounding_mode="trunc". The gradient is 0."""

    name = "trunc_divide"
    surface = ()

    def floats(self, a: Array, b: Array) -> Array:
        return np.trunc(a / b)

    def wholes(self, a: Array, b: Array) -> Array:
        return np.floor_divide(a - np.fmod(a, b), b)

    def vjp(self, _g: Any, _y: Any, _a: Any, _b: Any) -> Any:
        return no_change(_a), no_change(_b)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        ratio = expr.binary("div", a, b)
        return expr.unary("trunc", ratio) if a.dtype.kind == "f" else ratio


def _apart(rest: Expr, b: Expr) -> Expr:
    """Whether a remainder that is not 0 has another sign than ``b``."""
    return rest.ne(0) & expr.binary("xor", rest < 0, b < 0)


fmod, remainder = register(Fmod()), register(Remainder())
floor_divide, trunc_divide = register(FloorDivide()), register(TruncDivide())


def rounded(input: Any, other: Any, rounding_mode: Any) -> Any:
    """`div` with a ``rounding_mode`` that is not None; ArgumentTypeError GT301 unless it is "trunc" or "floor"."""
    modes = {"trunc": trunc_divide, "floor": floor_divide}
    op = modes.get(rounding_mode) if isinstance(rounding_mode, str) else None
    if op is None:
        message = f"rounding_mode={rounding_mode!r} is not allowed"
        raise ArgumentTypeError("GT301", message, ['expected None, "trunc" or "floor"'])
    return op(input, other)
