"""Comparisons, logic, and the choice between two values."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.common import (
    broadcast,
    broadcast_shapes,
    common_type,
    dtype_of,
    fitting,
    lift,
    result_dtype,
    same_types,
    shape_of,
    to_dtype,
    unify,
)
from graphtorch.ir.ops.elementwise import Array, Binary, Unary, beside_number
from graphtorch.ir.types import TensorType, bool_


class Compare(Binary):
    nondifferentiable = True
    result = bool_
    function: ClassVar[Any]

    def ref(self, a: Array, b: Array) -> Array:
        return type(self).function(a, b)


class Eq(Compare):
    name = "eq"
    function = np.equal


class Ne(Compare):
    name = "ne"
    function = np.not_equal


class Lt(Compare):
    name = "lt"
    function = np.less


class Le(Compare):
    name = "le"
    function = np.less_equal


class Gt(Compare):
    name = "gt"
    function = np.greater


class Ge(Compare):
    name = "ge"
    function = np.greater_equal


eq, ne, lt = register(Eq()), register(Ne()), register(Lt())
le, gt, ge = register(Le()), register(Gt()), register(Ge())


class Logical(Binary):
    """Works on truth values: what is not bool is compared with 0 first."""

    nondifferentiable = True
    kinds = "b"
    result = bool_
    function: ClassVar[Any]

    def prepare(self, input: Any, other: Any) -> Any:
        return unify(to_dtype(input, bool_), to_dtype(other, bool_), dtype=bool_), {}

    def ref(self, a: Array, b: Array) -> Array:
        return type(self).function(a, b)


class LogicalAnd(Logical):
    name = "logical_and"
    function = np.logical_and

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a & b


class LogicalOr(Logical):
    name = "logical_or"
    function = np.logical_or

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a | b


logical_and, logical_or = register(LogicalAnd()), register(LogicalOr())


class LogicalNot(Unary):
    name = "logical_not"
    nondifferentiable = True
    result = bool_

    def ref(self, x: Array) -> Array:
        return np.logical_not(x)

    def scalar(self, x: Expr) -> Expr:
        return expr.unary("not", x) if x.dtype == bool_ else x.eq(0)


logical_not = register(LogicalNot())


class Where(Op):
    """``input`` where the condition holds, else ``other``."""

    name = "where"
    elementwise = True

    def prepare(self, condition: Any, input: Any, other: Any) -> Any:
        check(
            dtype_of(condition) == bool_,
            "GT204",
            "the condition must be bool",
            f"expected graphtorch.bool, got {dtype_of(condition)!r}",
            kind=DTypeError,
        )
        same = _as_they_are(input, other, shape_of(condition))
        if same is not None:
            return (condition, *same), {}
        dtype = result_dtype(input, other)
        fitting(input, dtype, "input")
        fitting(other, dtype, "other")
        values = [to_dtype(lift(v, dtype), dtype) for v in (input, other)]
        shape = broadcast_shapes(shape_of(condition), *map(shape_of, values))
        return (broadcast(condition, shape), *(broadcast(v, shape) for v in values)), {}

    def infer(self, condition: TensorType, input: TensorType, other: TensorType) -> TensorType:
        check(
            condition.dtype == bool_,
            "GT204",
            "the condition must be bool",
            f"expected graphtorch.bool, got {condition.dtype!r}",
            kind=DTypeError,
        )
        same_types(condition.with_dtype(input.dtype), input, other)
        return input

    def ref(self, condition: Array, input: Array, other: Array) -> Array:
        return np.where(condition, input, other)

    def vjp(self, g: Any, _y: Any, condition: Any, _input: Any, _other: Any) -> Any:
        return None, lambda: where(condition, g, 0), lambda: where(condition, 0, g)

    def lower(self, condition: Source, input: Source, other: Source) -> Compute:
        return compute(input.shape, input.dtype, lambda *i: expr.select(condition[i], input[i], other[i]))


def _as_they_are(input: Any, other: Any, shape: tuple[int, ...]) -> tuple[Any, Any] | None:
    """Floating-point tensors of ``shape`` that need no conversion, one of them for a number; else None."""
    one = getattr(input, "aval", None) or getattr(other, "aval", None)
    if one is None or one.shape != shape or not one.dtype.is_floating_point:
        return None
    return (input, other) if common_type((input, other)) else beside_number(input, other, floating=True)


where = register(Where())


@composite("gt", "Tensor")
def isnan(input: Any) -> Any:
    """True where the element is nan."""
    return ne(input, input)
