"""Rows of a table at computed indices: reading them, adding to them, and embeddings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, DTypeError, IndexRangeError, check
from graphtorch.ir.expr import Compute, Expr, Scatter, Source, Values, compute
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.common import (
    as_int,
    aval_of,
    broadcast,
    check_dim,
    dtype_of,
    lift,
    normalize_dim,
    same_dtype,
    shape_of,
    to_dtype,
)
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.types import DType, TensorType, int32, int64


class IndexSelect(Op):
    """The rows of ``input`` along ``dim`` that ``index`` names. Its shape, any shape, takes the place of ``dim``.

    An index out of range is an IndexRangeError GT302 in eager mode. A program cannot stop: the row is nan there (0 for
    dtypes that have no nan), and nothing else is read.
    """

    name = "index_select"

    def infer(self, input: TensorType, index: TensorType, *, dim: int) -> TensorType:
        _check_index(index)
        check_dim(dim, input.ndim)
        return input.with_shape(_selected(input.shape, index.shape, dim))

    def ref(self, input: Array, index: Array, *, dim: int) -> Array:
        _check_range(index, input.shape[dim])
        return np.take(input, index, axis=dim)

    def vjp(self, g: Any, _y: Any, _input: Any, index: Any, *, dim: int) -> Any:
        zeros = broadcast(lift(0, dtype_of(_input)), shape_of(_input))
        return bind.bind(index_add_op, zeros, index, g, dim=dim), None

    def lower(self, input: Source, index: Source, *, dim: int) -> Compute:
        size, end, unknown = input.shape[dim], dim + len(index.shape), _unknown(input.dtype)

        def body(*i: Expr) -> Expr:
            at = index[i[dim:end]]
            if not size:
                return unknown
            inside = expr.minimum(expr.maximum(at, 0), size - 1)
            return expr.select(_known(at, size), input[(*i[:dim], inside, *i[end:])], unknown)

        return compute(_selected(input.shape, index.shape, dim), input.dtype, body)


class IndexAdd(Op):
    """``input`` with the rows of ``source`` added to the rows along ``dim`` that ``index`` names, in order.

    ``source`` is shaped as what `index_select` gives. An index out of range is an IndexRangeError GT302 in eager mode.
    A program cannot stop: everything is nan then (or, for dtypes that have no nan, that row is left out).
    """

    name = "index_add"

    def infer(self, input: TensorType, index: TensorType, source: TensorType, *, dim: int) -> TensorType:
        _check_index(index)
        check_dim(dim, input.ndim)
        same_dtype(input, source)
        check(
            input.dtype.kind != "b",
            "GT203",
            f"index_add does not take {input.dtype!r}",
            "expected a dtype of kind float, int, uint",
            kind=DTypeError,
        )
        wanted = _selected(input.shape, index.shape, dim)
        check(
            source.shape == wanted,
            "GT103",
            "source does not match the rows of input that index names",
            f"expected {list(wanted)}, got {list(source.shape)}",
        )
        return input

    def ref(self, input: Array, index: Array, source: Array, *, dim: int) -> Array:
        _check_range(index, input.shape[dim])
        out = np.array(input, order="C")
        np.add.at(out, (*(slice(None),) * dim, index), source)
        return out

    def vjp(self, g: Any, _y: Any, _input: Any, index: Any, _source: Any, *, dim: int) -> Any:
        return g, None, bind.bind(index_select_op, g, index, dim=dim)

    def lower(self, input: Source, index: Source, source: Source, *, dim: int) -> Scatter:
        def term(i: Values, k: Values) -> Expr:
            return source[(*i[:dim], *k, *i[dim + 1 :])]

        return Scatter(
            input.shape, dim, index.shape, input.dtype, lambda i: input[i], lambda k: index[k], term,
            _unknown(input.dtype),
        )  # fmt: skip


index_select_op, index_add_op = register(IndexSelect()), register(IndexAdd())


def _selected(shape: tuple[int, ...], index: tuple[int, ...], dim: int) -> tuple[int, ...]:
    return (*shape[:dim], *index, *shape[dim + 1 :])


def _unknown(dtype: DType) -> expr.Const:
    """What a program says of a row that does not exist."""
    return expr.const(math.nan if dtype.kind == "f" else 0, dtype)


def _known(at: Expr, size: int) -> Expr:
    return (at >= 0) & (at < size)


def _check_index(index: TensorType) -> None:
    check(
        index.dtype == int64,
        "GT203",
        "indices must be int64",
        f"expected graphtorch.int64, got {index.dtype!r}",
        kind=DTypeError,
    )


def _check_range(index: Array, size: int) -> None:
    wrong = index[(index < 0) | (index >= size)]
    if wrong.size:
        raise IndexRangeError("GT302", f"index {wrong[0]} is out of range", [f"expected 0 <= index < {size}"])


# ---- torch's functions ----------------------------------------------------------------------------


@composite(*EVERYWHERE)
def index_select(input: Any, dim: int, index: Any) -> Any:
    """The rows of ``input`` along ``dim`` at the indices ``index`` [n], int64 or int32, in that order.

    ShapeError GT107 for an index of several dimensions, DTypeError GT203 for another dtype. An index outside of
    [0, input.shape[dim]) is an IndexRangeError GT302 in eager mode, and a row of nan in a compiled program.
    """
    return bind.bind(index_select_op, input, _line(index), dim=normalize_dim(dim, aval_of(input).ndim))


@composite(*EVERYWHERE)
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """``input`` with ``alpha`` times row k of ``source`` added to its row ``index[k]`` along ``dim``, for every k.

    ``index`` is int64 or int32 [n], and may name a row several times: terms are added in order, so the result does
    not depend on the number of threads. Errors are those of `index_select`; a compiled program makes everything nan
    where an index is out of range.
    """
    scaled = source if alpha == 1 else source * alpha
    return bind.bind(index_add_op, input, _line(index), scaled, dim=normalize_dim(dim, aval_of(input).ndim))


def _line(index: Any) -> Any:
    ndim = aval_of(index).ndim
    check(ndim <= 1, "GT107", "index must be [n]", f"expected at most 1 dimension, got {ndim}")
    return _wide(index if ndim else reshape(index, (1,)))


def _wide(index: Any) -> Any:
    """Indices as the ops take them, which refuse what is neither int64 nor int32."""
    return to_dtype(index, int64) if dtype_of(index) == int32 else index


@composite("F")
def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """The rows of ``weight`` [rows, size] at the indices ``input``, int64 or int32 of any shape: [*input.shape, size].

    The row ``padding_idx`` gets no gradient. ``max_norm``, ``scale_grad_by_freq`` and ``sparse`` are refused:
    ArgumentError GT304. An index out of range is an IndexRangeError GT302 in eager mode, and a row of nan in a
    compiled program, where the gradient of the whole table is nan then.
    """
    refuse_options(max_norm, scale_grad_by_freq, sparse)
    shape = aval_of(weight).shape
    check(
        len(shape) == 2,
        "GT107",
        "weight must be [rows, size]",
        f"expected 2 dimensions, got {len(shape)}",
    )
    input = _wide(input)
    rows = bind.bind(index_select_op, weight, input, dim=0)
    if padding_idx is None:
        return rows
    padded = eq(input, padding_row(padding_idx, shape[0]))
    return where(reshape(padded, (*shape_of(input), 1)), rows.detach(), rows)


def padding_row(padding_idx: int, rows: int) -> int:
    """``padding_idx`` in [0, rows); negative ones count from the end; IndexRangeError GT302."""
    row = as_int(padding_idx, "padding_idx")
    check(
        -rows <= row < rows,
        "GT302",
        f"padding_idx={padding_idx} is out of range",
        f"expected {-rows} <= padding_idx < {rows}",
        kind=IndexRangeError,
    )
    return row % rows


def refuse_options(max_norm: Any, scale_grad_by_freq: bool, sparse: bool) -> None:
    """ArgumentError GT304 for options of embeddings that are not there yet."""
    options = {"max_norm": max_norm, "scale_grad_by_freq": scale_grad_by_freq, "sparse": sparse}
    for name, value in options.items():
        off = None if name == "max_norm" else False
        check(
            value is off or value == off,
            "GT304",
            f"{name}={value!r} is not supported",
            f"expected {name}={off}",
            kind=ArgumentError,
        )
