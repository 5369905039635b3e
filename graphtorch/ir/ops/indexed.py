"""Rows along a dimension, and elements of the whole, at given indices: copied, filled, reduced, taken and put."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, DTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arithmetic import minimum
from graphtorch.ir.ops.casts import row_major
from graphtorch.ir.ops.common import (
    aval_of,
    broadcast,
    broadcast_shapes,
    dtype_of,
    is_handle,
    lift,
    normalize_dim,
    same_dtype,
    shape_of,
)
from graphtorch.ir.ops.data import numbers
from graphtorch.ir.ops.elementwise import EVERYWHERE
from graphtorch.ir.ops.gather import index_op, index_put_op, index_reduce_op, selected
from graphtorch.ir.ops.gathering import averaged, check_reduction, neutral
from graphtorch.ir.ops.index import line
from graphtorch.ir.ops.logic import eq, logical_not, where
from graphtorch.ir.ops.masks import check_mask, filling
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.sorting import argsort
from graphtorch.ir.types import int64


def _long(index: Any, name: str = "index") -> Any:
    check(
        aval_of(index).dtype == int64,
        "GT203",
        f"{name} must be int64",
        f"expected graphtorch.int64, got {dtype_of(index)!r}",
        kind=DTypeError,
    )
    return index


def _rows(input: Any, dim: int, index: Any, source: Any) -> tuple[Any, int, Any, Any]:
    """(input, dimension, index [n], source) with at least one dimension each."""
    same_dtype(aval_of(input), aval_of(source))
    shape = shape_of(input)
    d, index = normalize_dim(dim, len(shape)), line(_long(index))
    if not shape:
        return reshape(input, (1,)), 0, index, source if shape_of(source) else reshape(source, (1,))
    return input, d, index, source


@composite(*EVERYWHERE)
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """``input`` with row k of ``source`` as its row ``index[k]`` along ``dim``; the last one of those at one place."""
    x, d, index, source = _rows(input, dim, index, source)
    out = bind.bind(index_put_op, x, source, index, dims=(d,), negative=False, accumulate=False)
    return out if shape_of(input) else reshape(out, ())


@composite(*EVERYWHERE)
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """``input`` with ``value``, a number or a 0-d tensor, in the rows ``index`` (int64 [n]) along ``dim``; negative
    ones count from the end."""
    shape = shape_of(input) or (1,)
    d, index = normalize_dim(dim, len(shape_of(input))), line(_long(index))
    number = filling(value, dtype_of(input), "value")
    rows = broadcast(number, selected(shape, shape_of(index), (d,)))
    out = bind.bind(
        index_put_op, reshape(input, shape), rows, index, dims=(d,), negative=True, accumulate=False
    )  # fmt: skip
    return reshape(out, shape_of(input))


@composite(*EVERYWHERE)
def index_reduce(input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """``input`` with its row ``index[k]`` along ``dim`` and all rows k of ``source`` for it reduced to their "prod",
    "mean", "amax" or "amin"; without what is there, if ``include_self`` is False."""
    check_reduction(reduce, ("prod", "mean", "amax", "amin"))
    x, d, index, source = _rows(input, dim, index, source)
    dtype = dtype_of(x)
    attrs: dict[str, Any] = {"dims": (d,), "negative": False}

    def constant(number: Any, like: Any) -> Any:
        return broadcast(lift(number, dtype), shape_of(like))

    start = x
    if not include_self:
        rows = constant(neutral(dtype, reduce), source)
        start = bind.bind(index_put_op, x, rows, index, **attrs, accumulate=False)
    if reduce == "mean":
        ones, first = constant(1, source), constant(1 if include_self else 0, x)
        count = bind.bind(index_put_op, first, ones, index, **attrs, accumulate=True)
        total = bind.bind(index_put_op, start, source, index, **attrs, accumulate=True)
        out = averaged(total, where(eq(count, 0), 1, count))
    else:
        kind = {"prod": "mul", "amax": "max", "amin": "min"}[reduce]
        out = bind.bind(index_reduce_op, start, source, index, **attrs, kind=kind)
    return out if shape_of(input) else reshape(out, ())


@composite(*EVERYWHERE)
def take(input: Any, index: Any) -> Any:
    """The elements of ``input`` in a row that ``index`` (int64) names, in its shape; negative ones count from the
    end."""
    flat = reshape(input, (math.prod(shape_of(input)),))
    return bind.bind(index_op, flat, _long(index), dims=(0,), negative=True)


@composite(*EVERYWHERE)
def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """``input`` with the elements of ``source`` in a row at ``index`` (int64) of its elements in a row, or added to
    them; the last one of those at one place."""
    same_dtype(aval_of(input), aval_of(source))
    counts = [math.prod(shape_of(x)) for x in (input, _long(index), source)]
    check(
        counts[1] == counts[2],
        "GT103",
        "source and index must have as many elements",
        f"got {counts[2]} and {counts[1]}",
        kind=ArgumentError,
    )
    flat = [reshape(x, (n,)) for x, n in zip((input, index, source), counts, strict=True)]
    out = bind.bind(
        index_put_op, flat[0], flat[2], flat[1], dims=(0,), negative=True, accumulate=bool(accumulate)
    )  # fmt: skip
    return reshape(out, shape_of(input))


@composite(*EVERYWHERE)
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """``input`` with the elements of ``source`` in order where ``mask`` is true; both are broadcast.

    ``source`` has the dtype of ``input``, and as many elements as ``mask`` has true ones, or more.
    """
    check_mask(mask)
    check(is_handle(source), "GT301", f"source must be a tensor, got {type(source).__name__}", kind=ArgumentTypeError)
    same_dtype(aval_of(input), aval_of(source))
    shape = broadcast_shapes(shape_of(input), shape_of(mask))
    n, most = math.prod(shape), math.prod(shape_of(source))
    chosen, flat = reshape(broadcast(mask, shape), (n,)), reshape(source, (most,))
    if not bind.current().tracing:
        count = int(np.count_nonzero(numbers(chosen, "masked_scatter")))
        check(count <= most, "GT103", "source has too few elements", f"expected at least {count}, got {most}")
    if not most or not n:
        return row_major(broadcast(input, shape))
    place = argsort(argsort(logical_not(chosen)))  # the true ones come first, in order
    taken = bind.bind(index_op, flat, minimum(place, most - 1), dims=(0,), negative=False)
    return where(reshape(chosen, shape), reshape(taken, shape), broadcast(input, shape))
