"""Where values stand among others: in a sorted sequence, in a set, in bins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, DTypeError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.casts import detach
from graphtorch.ir.ops.common import (
    as_int,
    aval_of,
    broadcast,
    dtype_of,
    is_handle,
    lift,
    require_float,
    result_dtype,
    same_dtype,
    shape_of,
    to_dtype,
)
from graphtorch.ir.ops.data import numbers
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array
from graphtorch.ir.ops.gather import index_op, index_put_op
from graphtorch.ir.ops.gathering import take_along_dim
from graphtorch.ir.ops.logic import eq, ge, le, logical_and, logical_not, where
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.reduce import amax, amin
from graphtorch.ir.ops.sorting import sort
from graphtorch.ir.types import TensorType, bool_, float32, float64, int32, int64

#: sets of no more elements are compared with one by one
FEW = 16


class SearchSorted(Op):
    """How many elements of a sorted ``sequence``, along its last dimension, are less than ``values`` (or not greater,
    if ``right``). nan is the greatest. ``sequence`` is [n], or has the leading dimensions of ``values``."""

    name = "searchsorted"
    nondifferentiable = True

    def infer(self, sequence: TensorType, values: TensorType, *, right: bool) -> TensorType:
        same_dtype(sequence, values)
        alike = sequence.ndim == 1 or (values.ndim > 0 and sequence.shape[:-1] == values.shape[:-1])
        check(
            sequence.ndim > 0 and alike,
            "GT103",
            "the sequence does not match the values",
            f"expected one dimension, or all but the last of {list(values.shape)}; got {list(sequence.shape)}",
        )
        return values.with_dtype(int64)

    def ref(self, sequence: Array, values: Array, *, right: bool) -> Array:
        side: Any = "right" if right else "left"
        if sequence.ndim == 1:
            return np.asarray(np.searchsorted(sequence, values, side), np.int64)
        out = np.empty(values.shape, np.int64)
        for row in np.ndindex(values.shape[:-1]):
            out[row] = np.searchsorted(sequence[row], values[row], side)
        return out

    def lower(self, sequence: Source, values: Source, *, right: bool) -> Compute:
        """Halves of what is left, without branches."""

        def body(*i: Expr) -> Expr:
            value = values[i]
            outer = i[:-1] if len(sequence.shape) > 1 else ()

            def passes(at: Expr) -> Expr:
                element = sequence[(*outer, at)]
                return expr.unary("not", _less(value, element)) if right else _less(element, value)

            length = sequence.shape[-1]
            at: Expr = expr.const(0, int64)
            while length > 1:
                half = length // 2
                at = expr.select(passes(at + (half - 1)), at + half, at)
                length -= half
            return at + expr.cast(passes(at), int64) if length else at

        return compute(values.shape, int64, body)


def _less(a: Expr, b: Expr) -> Expr:
    """nan is the greatest."""
    return expr.unary("not", b <= a) & a.eq(a) if a.dtype.kind == "f" else a < b


searchsorted_op = register(SearchSorted())


def _search(sequence: Any, values: Any, right: bool, out_int32: bool) -> Any:
    dtype = result_dtype(sequence, values)
    found = bind.bind(
        searchsorted_op, to_dtype(sequence, dtype), to_dtype(lift(values, dtype), dtype), right=bool(right)
    )
    return to_dtype(found, int32) if out_int32 else found


@composite("gt")
def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Where ``input`` would be put in ``sorted_sequence`` [..., n], so that it stays in order: before equal elements,
    or after them if ``right`` (``side`` "right"). int64, or int32 if ``out_int32``.

    The sequence is [n], or has the leading dimensions of ``input``; ``sorter`` (int64) is what puts it in order. What
    a sequence that is not in order gives is unspecified.
    """
    check(
        side in (None, "left", "right"),
        "GT304",
        f"side={side!r} is not allowed",
        "expected left or right",
        kind=ArgumentError,
    )
    check(
        not (right and side == "left"),
        "GT304",
        "side='left' contradicts right=True",
        "give one of them",
        kind=ArgumentError,
    )
    shape = shape_of(sorted_sequence)
    check(len(shape) > 0, "GT107", "sorted_sequence must have a dimension", "got a 0-d tensor")
    if sorter is not None:
        check(
            aval_of(sorter).dtype == int64,
            "GT203",
            "sorter must be int64",
            f"got {dtype_of(sorter)!r}",
            kind=DTypeError,
        )
        check(
            shape_of(sorter) == shape,
            "GT103",
            "sorter does not match sorted_sequence",
            f"expected {list(shape)}, got {list(shape_of(sorter))}",
        )
        sorted_sequence = take_along_dim(sorted_sequence, sorter, -1)
    return _search(sorted_sequence, input, right or side == "right", out_int32)


@composite("gt")
def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """The number of the interval between sorted ``boundaries`` [n] that each element lies in, its upper end included
    (the lower one if ``right``). int64, or int32 if ``out_int32``."""
    ndim = len(shape_of(boundaries))
    check(ndim == 1, "GT107", "boundaries must be [n]", f"expected 1 dimension, got {ndim}")
    return _search(boundaries, input, right, out_int32)


@composite("gt")
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each of ``elements`` is one of ``test_elements``; either may be a number. nan is in no set."""
    check(
        is_handle(elements) or is_handle(test_elements),
        "GT301",
        "elements or test_elements must be a tensor",
        f"got {type(elements).__name__} and {type(test_elements).__name__}",
        kind=ArgumentTypeError,
    )
    dtype = result_dtype(elements, test_elements)
    check(dtype != bool_, "GT203", f"isin does not take {dtype!r}", "convert it first", kind=DTypeError)
    x, of = (to_dtype(lift(v, dtype), dtype) for v in (elements, test_elements))
    n, shape = math.prod(shape_of(of)), shape_of(x)
    of = reshape(of, (n,))
    if not n:
        found = broadcast(lift(False, bool_), shape)
    elif n <= FEW:
        hits = eq(reshape(x, (*shape, 1)), of)
        found = to_dtype(amax(to_dtype(hits, int32), -1), bool_)
    else:
        line = sort(of).values
        at = bind.bind(searchsorted_op, line, x, right=False)
        nearest = bind.bind(index_op, line, where(eq(at, n), 0, at), dims=(0,), negative=False)
        found = eq(nearest, x)
    return logical_not(found) if invert else found


@composite(*EVERYWHERE)
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each number occurs in ``input``, integers >= 0 [n]: int64 [max(input) + 1, or ``minlength`` if that is
    more]. With ``weights`` [n] the sum of these, float32 if they are, else float64. No gradient; eager mode alone."""
    check(
        aval_of(input).ndim == 1 and dtype_of(input).kind in "iu",
        "GT203",
        "input must be integers [n]",
        f"got {aval_of(input)}",
        kind=DTypeError,
    )
    least = as_int(minlength, "minlength")
    check(least >= 0, "GT304", f"minlength={least} is not allowed", "expected minlength >= 0", kind=ArgumentError)
    found = numbers(
        input,
        "what bincount gives",
        "say how many there are, and add up: gt.zeros(count).scatter_add(0, input, weights)",
    )
    low, high = (int(found.min()), int(found.max())) if found.size else (0, -1)
    check(low >= 0, "GT304", f"input holds {low}", "expected integers >= 0", kind=ArgumentError)
    size = max(high + 1, least)
    if weights is None:
        weights, dtype = broadcast(lift(1, int64), shape_of(input)), int64
    else:
        same = shape_of(weights) == shape_of(input)
        check(same, "GT103", "weights must have the shape of input", f"expected {list(shape_of(input))}")
        dtype = float32 if dtype_of(weights) == float32 else float64
    return _counted(to_dtype(input, int64), to_dtype(detach(weights), dtype), size)


def _counted(places: Any, weights: Any, size: int) -> Any:
    zeros = broadcast(lift(0, dtype_of(weights)), (size,))
    return bind.bind(index_put_op, zeros, weights, places, dims=(0,), negative=False, accumulate=True)


@composite(*EVERYWHERE)
def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements lie in each of ``bins`` equal parts of [min, max], in the dtype of ``input``.

    Where min and max are equal, they are those of the elements (less and plus 1, if these are equal).
    """
    require_float(aval_of(input), "the operand of histc")
    count = as_int(bins, "bins")
    check(count > 0, "GT304", f"bins={count} is not allowed", "expected bins > 0", kind=ArgumentError)
    check(min <= max, "GT304", f"min={min} is greater than max={max}", "expected min <= max", kind=ArgumentError)
    n, dtype = math.prod(shape_of(input)), dtype_of(input)
    x = reshape(detach(input), (n,))
    low, high = lift(min, dtype), lift(max, dtype)
    if min == max and n:
        low, high = amin(x), amax(x)
        _check_finite(low, high)
        same = eq(low, high)
        low, high = where(same, low - 1, low), where(same, high + 1, high)
    inside = logical_and(ge(x, low), le(x, high))
    place = to_dtype(where(inside, (x - low) / (high - low) * count, 0), int64)
    return _counted(where(place >= count, count - 1, place), to_dtype(inside, dtype), count)


def _check_finite(low: Any, high: Any) -> None:
    """In eager mode; in a program nothing is counted then."""
    if bind.current().tracing:
        return
    found = [float(bind.current().data(x, "histc")) for x in (low, high)]
    check(
        all(map(math.isfinite, found)),
        "GT304",
        f"the range of input, {found}, is not finite",
        "expected finite elements, or min and max",
        kind=ArgumentError,
    )
