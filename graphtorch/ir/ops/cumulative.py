"""Scans: what becomes of all elements up to each one, along a dimension, or from it on with ``reverse``."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.expr import Expr, Scan, Source, Values
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import check_dim, require_float, shape_of
from graphtorch.ir.ops.functions import exp, log
from graphtorch.ir.ops.logic import eq, gt, lt, where
from graphtorch.ir.ops.movement import iota
from graphtorch.ir.ops.recurrence import before, recurrence
from graphtorch.ir.types import DType, TensorType, bool_, greatest, int64, least

Array = Any


def along(function: Any, x: Array, dim: int, reverse: bool) -> Array:
    """numpy's ``function`` of (array, axis), in the order of the scan."""
    with np.errstate(all="ignore"):
        if reverse:
            return np.flip(function(np.flip(x, dim), axis=dim), dim)
        return np.asarray(function(x, axis=dim))


def _check_numbers(name: str, dtype: DType) -> None:
    check(
        dtype != bool_,
        "GT203",
        f"{name} does not take {dtype!r}",
        "convert it first, e.g. with .to(graphtorch.int64)",
        kind=DTypeError,
    )


def _scan(input: Source, dim: int, reverse: bool, init: Any, body: Any, combine: Any, post: Any = None) -> Scan:
    return Scan(input.shape, dim, reverse, init, body, combine, post or (lambda acc: acc))


class CumSum(Op):
    """Sums; floats are added in float64 in eager mode, as torch does, and in their own dtype in a program."""

    name = "cumsum"

    def infer(self, input: TensorType, *, dim: int, reverse: bool) -> TensorType:
        check_dim(dim, input.ndim)
        _check_numbers(self.name, input.dtype)
        return input

    def ref(self, input: Array, *, dim: int, reverse: bool) -> Array:
        wide = np.float64 if input.dtype.kind == "f" else input.dtype
        return along(lambda x, axis: np.cumsum(x, axis, wide), input, dim, reverse).astype(input.dtype)

    def vjp(self, g: Any, _y: Any, _input: Any, *, dim: int, reverse: bool) -> Any:
        return bind.bind(cumsum_op, g, dim=dim, reverse=not reverse)

    def lower(self, input: Source, *, dim: int, reverse: bool) -> Scan:
        zero = (expr.const(0, input.dtype),)
        return _scan(input, dim, reverse, zero, lambda i: (input[i],), lambda a, b: (a[0] + b[0],))


class CumProd(Op):
    """Products."""

    name = "cumprod"

    def infer(self, input: TensorType, *, dim: int, reverse: bool) -> TensorType:
        check_dim(dim, input.ndim)
        _check_numbers(self.name, input.dtype)
        return input

    def ref(self, input: Array, *, dim: int, reverse: bool) -> Array:
        wide = np.float64 if input.dtype.kind == "f" else input.dtype
        with np.errstate(all="ignore"):
            return along(lambda x, axis: np.cumprod(x, axis, wide), input, dim, reverse).astype(input.dtype)

    def vjp(self, g: Any, _y: Any, input: Any, *, dim: int, reverse: bool) -> Any:
        """Of element k: the product of those before it, times the sum over i >= k of g[i] and of the product of those
        between k and i. No division: zeros need no care, and derivatives of any order are exact."""
        products = before(bind.bind(cumprod_op, input, dim=dim, reverse=reverse), dim, reverse, 1)
        return products * bind.bind(recurrence, g, before(input, dim, not reverse, 0), dim=dim, reverse=not reverse)

    def lower(self, input: Source, *, dim: int, reverse: bool) -> Scan:
        one = (expr.const(1, input.dtype),)
        return _scan(input, dim, reverse, one, lambda i: (input[i],), lambda a, b: (a[0] * b[0],))


def _run_sums(x: Array, names: Array) -> Array:
    """Sums of all rows so far, less what they were before the run began."""
    total = np.cumsum(x, 0, np.longdouble)
    begins = np.concatenate([np.ones((min(len(x), 1), *x.shape[1:]), bool), names[1:] != names[:-1]])
    steps = np.arange(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    first = np.maximum.accumulate(np.where(begins, steps, 0), 0)
    return total - np.take_along_axis(total - x, first, 0)


def _run_sums_in_order(x: Array, names: Array) -> Array:
    """Row by row, so that what is not finite stays in its run."""
    out = np.array(x, np.float64)
    for now in range(1, len(x)):
        out[now] += np.where(names[now] == names[now - 1], out[now - 1], 0)
    return out


class RunSum(Op):
    """Sums that begin again wherever ``label`` differs from the one before; equal labels stand side by side."""

    name = "run_sum"

    def infer(self, input: TensorType, label: TensorType, *, dim: int, reverse: bool) -> TensorType:
        check_dim(dim, input.ndim)
        require_float(input, "the operand of run_sum")
        check(
            label.shape == input.shape and label.dtype.kind == "i",
            "GT103",
            "each element needs an integer for a label",
            f"expected {list(input.shape)}, got {label}",
        )
        return input

    def ref(self, input: Array, label: Array, *, dim: int, reverse: bool) -> Array:
        way = -1 if reverse else 1
        x, names = (np.moveaxis(a, dim, 0)[::way] for a in (input, label))
        sums = _run_sums if np.isfinite(x).all() else _run_sums_in_order
        with np.errstate(all="ignore"):
            return np.moveaxis(sums(x, names)[::way].astype(input.dtype), 0, dim)

    def vjp(self, g: Any, _y: Any, _input: Any, label: Any, *, dim: int, reverse: bool) -> Any:
        return bind.bind(run_sum, g, label, dim=dim, reverse=not reverse), None

    def lower(self, input: Source, label: Source, *, dim: int, reverse: bool) -> Scan:
        def combine(a: Values, b: Values) -> Values:
            return expr.select(a[1].eq(b[1]), a[0] + b[0], b[0]), b[1]

        init = (expr.const(0, input.dtype), expr.const(least(label.dtype), label.dtype))
        return _scan(input, dim, reverse, init, lambda i: (input[i], label[i]), combine, lambda acc: acc[:1])


class CumExtremum(Op):
    """(extrema so far, the last position that has each); nan is one from where it stands. The gradient goes to those
    positions."""

    is_greatest: ClassVar[bool]

    def infer(self, input: TensorType, *, dim: int) -> tuple[TensorType, TensorType]:
        check_dim(dim, input.ndim)
        _check_numbers(self.name, input.dtype)
        return input, input.with_dtype(int64)

    def ref(self, input: Array, *, dim: int) -> tuple[Array, Array]:
        x = np.moveaxis(input, dim, 0)
        values = (np.maximum if self.is_greatest else np.minimum).accumulate(x, 0)
        before = values[:-1]
        better = x[1:] >= before if self.is_greatest else x[1:] <= before
        here = np.isnan(x[1:]) | (better & ~np.isnan(before)) if x.dtype.kind == "f" else better
        first = np.ones((min(len(x), 1), *x.shape[1:]), bool)
        steps = np.arange(len(x)).reshape(-1, *[1] * (x.ndim - 1))
        indices = np.maximum.accumulate(np.where(np.concatenate([first, here]), steps, 0), 0)
        return np.moveaxis(values, 0, dim), np.moveaxis(indices, 0, dim)

    def vjp(self, g: Any, y: Any, _input: Any, *, dim: int) -> Any:
        sums = bind.bind(run_sum, g[0], y[1], dim=dim, reverse=True)
        own: Any = bind.bind(iota, shape=shape_of(_input), dim=dim, dtype=int64)
        return where(eq(y[1], own), sums, 0)

    def lower(self, input: Source, *, dim: int) -> Scan:
        floating, kind = input.dtype.kind == "f", input.dtype
        low, high = (-math.inf, math.inf) if floating else (least(kind), greatest(kind))

        def combine(a: Values, b: Values) -> Values:
            better = b[0] >= a[0] if self.is_greatest else b[0] <= a[0]
            new = b[0].ne(b[0]) | (better & a[0].eq(a[0])) if floating else better
            return expr.select(new, b[0], a[0]), expr.select(new, b[1], a[1])

        init = (expr.const(low if self.is_greatest else high, kind), expr.const(0, int64))
        return _scan(input, dim, False, init, lambda i: (input[i], i[dim]), combine)


class CumMax(CumExtremum):
    name = "cummax"
    is_greatest = True


class CumMin(CumExtremum):
    name = "cummin"
    is_greatest = False


class LogCumSumExp(Op):
    """log(cumsum(exp(x))), without overflow. A scan carries the greatest so far, m, and the sum of exp(x - m)."""

    name = "logcumsumexp"

    def infer(self, input: TensorType, *, dim: int, reverse: bool) -> TensorType:
        check_dim(dim, input.ndim)
        require_float(input, "the operand of logcumsumexp")
        return input

    def ref(self, input: Array, *, dim: int, reverse: bool) -> Array:
        wide = input.astype(np.float64)
        return along(lambda x, axis: np.logaddexp.accumulate(x, axis), wide, dim, reverse).astype(input.dtype)

    def vjp(self, g: Any, y: Any, input: Any, *, dim: int, reverse: bool) -> Any:
        """The sum of g * exp(x - y) over what follows, in logarithms; positive and negative g each by itself."""

        def part(g: Any) -> Any:
            positive = gt(g, 0)
            logs = where(positive, log(where(positive, g, 1)) - y, -math.inf)
            return exp(bind.bind(logcumsumexp_op, logs, dim=dim, reverse=not reverse) + input)

        return part(g) - part(where(lt(g, 0), -g, 0))

    def lower(self, input: Source, *, dim: int, reverse: bool) -> Scan:
        dtype = input.dtype
        low, high, one = expr.const(-math.inf, dtype), expr.const(math.inf, dtype), expr.const(1, dtype)

        def finite(m: Expr) -> Expr:
            return expr.select(m.eq(low) | m.eq(high), expr.const(0, dtype), m)

        def combine(a: Values, b: Values) -> Values:
            top = expr.maximum(a[0], b[0])
            left, right = (x[1] * expr.unary("exp", x[0] - finite(top)) for x in (a, b))
            return top, left + right

        def post(acc: Values) -> Values:
            end = acc[0].eq(low) | acc[0].eq(high)
            return (expr.select(end, acc[0], acc[0] + expr.unary("log", acc[1])),)

        init = (low, expr.const(0, dtype))
        return _scan(input, dim, reverse, init, lambda i: (input[i], one), combine, post)


cumsum_op, cumprod_op, run_sum = register(CumSum()), register(CumProd()), register(RunSum())
cummax_op, cummin_op, logcumsumexp_op = register(CumMax()), register(CumMin()), register(LogCumSumExp())
