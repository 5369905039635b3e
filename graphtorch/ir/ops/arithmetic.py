"""Arithmetic: signs, sums, products, quotients, the greater and the smaller, and limits."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, DTypeError, check
from graphtorch.ir.expr import Expr
from graphtorch.ir.op import composite, register
from graphtorch.ir.ops import division
from graphtorch.ir.ops.casts import detach, holdable
from graphtorch.ir.ops.common import (
    aval_of,
    broadcast,
    dtype_of,
    is_handle,
    lift,
    result_dtype,
    shape_of,
    to_dtype,
)
from graphtorch.ir.ops.elementwise import Array, Binary, Unary
from graphtorch.ir.ops.logic import eq, ge, gt, le, lt, where
from graphtorch.ir.types import bool_


class Neg(Unary):
    name = "neg"
    kinds = "fiu"
    ufunc = np.negative

    def ref(self, x: Array) -> Array:
        return np.negative(x)

    def vjp(self, g: Any, _y: Any, _x: Any) -> Any:
        return -g


neg = register(Neg())


class Abs(Unary):
    name = "abs"
    kinds = "fiu"

    def ref(self, x: Array) -> Array:
        return np.abs(x)

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * sign(x)


abs_ = register(Abs())


class Sign(Unary):
    """-1, 0 or 1; 0 at nan. The gradient is 0."""

    name = "sign"

    def ref(self, x: Array) -> Array:
        if x.dtype == np.bool_:
            return x.copy()
        return np.where(np.isnan(x), 0, np.sign(x)).astype(x.dtype) if x.dtype.kind == "f" else np.sign(x)

    def vjp(self, _g: Any, _y: Any, _x: Any) -> Any:
        return broadcast(lift(0, dtype_of(_x)), shape_of(_x))

    def scalar(self, x: Expr) -> Expr:
        if x.dtype == bool_:
            return x
        one, zero = expr.const(1, x.dtype), expr.const(0, x.dtype)
        return expr.select(x > 0, one, expr.select(x < 0, -one, zero) if x.dtype.kind != "u" else zero)


sign = register(Sign())


def _times(other: Any, alpha: Any, input: Any) -> Any:
    """``other`` times the ``alpha`` of a sum with ``input``, in the dtype of the sum."""
    if type(alpha) is int and alpha == 1:
        return other
    dtype = result_dtype(input, other)
    check(
        dtype.is_floating_point or not isinstance(alpha, float),
        "GT304",
        f"alpha={alpha!r} is not allowed for {dtype!r}",
        "expected an int",
        kind=ArgumentError,
    )
    return mul(to_dtype(lift(other, dtype), dtype), bool(alpha) if dtype == bool_ else alpha)


class Add(Binary):
    """input + alpha * other."""

    name = "add"
    ufunc = np.add

    def prepare(self, input: Any, other: Any, *, alpha: int | float = 1) -> Any:
        return self.unified(input, _times(other, alpha, input))

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.add(a, b)

    def vjp(self, g: Any, _y: Any, _a: Any, _b: Any) -> Any:
        return g, g

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a | b if a.dtype == bool_ else a + b


add = register(Add())


class Sub(Binary):
    """input - alpha * other; DTypeError GT203 where either is bool."""

    name = "sub"
    kinds = "fiu"
    ufunc = np.subtract

    def prepare(self, input: Any, other: Any, *, alpha: int | float = 1) -> Any:
        for x in (input, other):
            is_bool = dtype_of(x) == bool_ if is_handle(x) else isinstance(x, bool)
            facts = "expected numbers; ~x inverts a mask"
            check(not is_bool, "GT203", "sub does not take graphtorch.bool", facts, kind=DTypeError)
        return self.unified(input, _times(other, alpha, input))

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.subtract(a, b)

    def vjp(self, g: Any, _y: Any, _a: Any, _b: Any) -> Any:
        return g, lambda: -g


sub = register(Sub())


@composite("gt", "Tensor")
def rsub(input: Any, other: Any, *, alpha: int | float = 1) -> Any:
    """other - alpha * input"""
    aval_of(input)
    return sub(other, input, alpha=alpha)


class Mul(Binary):
    name = "mul"
    ufunc = np.multiply

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.multiply(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        return lambda: g * b, lambda: g * a

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a & b if a.dtype == bool_ else a * b


mul = register(Mul())


class Div(Binary):
    """True division; integers are computed in the default dtype. With a ``rounding_mode``, "trunc" or "floor", the
    quotient is made whole, and integers stay integers."""

    name = "div"
    ufunc = np.divide
    to_float = True
    kinds = "f"

    def __call__(self, *args: Any, rounding_mode: str | None = None, **kwargs: Any) -> Any:
        if rounding_mode is None:
            return super().__call__(*args, **kwargs)
        return division.rounded(*args, **{"rounding_mode": rounding_mode, **kwargs})

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.divide(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        # not the result, which may be changed in place; a program computes it once
        return lambda: g / b, lambda: -(g * (a / b) / b)


div = register(Div())


class Maximum(Binary):
    """The greater of two, nan if either is; equal operands share the gradient in halves, as in torch."""

    name = "maximum"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.maximum(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        half = where(eq(a, b), g * 0.5, g)
        return where(a < b, 0, half), where(b < a, 0, half)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a | b if a.dtype == bool_ else expr.maximum(a, b)


maximum = register(Maximum())


class Minimum(Binary):
    """The smaller of two, nan if either is; equal operands share the gradient in halves, as in torch."""

    name = "minimum"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.minimum(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        half = where(eq(a, b), g * 0.5, g)
        return where(a > b, 0, half), where(b > a, 0, half)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a & b if a.dtype == bool_ else expr.minimum(a, b)


minimum = register(Minimum())


@composite("gt", "Tensor")
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Each element limited to [min, max]; either bound may be left out. max counts where min is greater.

    The bounds pass gradients where they are met; nan stays nan, and passes none.
    """
    check(
        min is not None or max is not None,
        "GT301",
        "clamp needs min or max",
        "expected a number or a tensor for at least one of them",
        kind=ArgumentTypeError,
    )
    for name, bound in (("min", min), ("max", max)):
        if bound is not None:
            holdable(bound, result_dtype(input, bound), name)
    dtype = result_dtype(*(x for x in (input, min, max) if x is not None))
    input, min, max = (to_dtype(x, dtype) if is_handle(x) else x for x in (input, min, max))
    out = input if min is None else where(ge(input, min), input, maximum(detach(input), _beyond(lt, input, min)))
    return out if max is None else where(le(out, max), out, minimum(detach(out), _beyond(gt, out, max)))


def _beyond(order: Any, x: Any, bound: Any) -> Any:
    """A tensor ``bound``, with a gradient only where it counts: not where either is nan."""
    return where(order(x, bound), bound, detach(bound)) if is_handle(bound) and bound.aval.dtype.kind == "f" else bound


@composite("gt", "Tensor")
def clamp_min(input: Any, min: Any) -> Any:
    """Each element, or ``min`` where that is greater: `clamp` from one side."""
    return clamp(input, min=min)


@composite("gt", "Tensor")
def clamp_max(input: Any, max: Any) -> Any:
    """Each element, or ``max`` where that is smaller: `clamp` from one side."""
    return clamp(input, max=max)
