"""Rows of a table at computed indices: reading them, adding to them, and embeddings."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, IndexRangeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import as_int, aval_of, dtype_of, normalize_dim, shape_of, to_dtype
from graphtorch.ir.ops.elementwise import EVERYWHERE
from graphtorch.ir.ops.gather import index_op, index_put_op
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.types import int32, int64


@composite(*EVERYWHERE)
def index_select(input: Any, dim: int, index: Any) -> Any:
    """The rows of ``input`` along ``dim`` at the indices ``index`` [n], int64 or int32, in that order.

    ShapeError GT107 for an index of several dimensions, DTypeError GT203 for another dtype. An index outside of
    [0, input.shape[dim]) is an IndexRangeError GT302 in eager mode, and a row of nan in a compiled program.
    """
    if not shape_of(input):
        return _only(input, dim, line(index))
    return select_rows(input, line(index), normalize_dim(dim, aval_of(input).ndim))


def _only(input: Any, dim: int, index: Any) -> Any:
    """torch's: a number, for an index of one element."""
    count = shape_of(index)[0]
    check(count == 1, "GT103", "index must have one element for a 0-d tensor", f"expected [1], got [{count}]")
    return reshape(select_rows(reshape(input, (1,)), index, normalize_dim(dim, 0)), ())


@composite(*EVERYWHERE)
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """``input`` with ``alpha`` times row k of ``source`` added to its row ``index[k]`` along ``dim``, for every k.

    ``index`` is int64 or int32 [n], and may name a row several times: terms are added in order, so the result does
    not depend on the number of threads. Errors are those of `index_select`; a compiled program makes everything nan
    where an index is out of range.
    """
    scaled = source if alpha == 1 else source * alpha
    return put_rows(input, line(index), scaled, normalize_dim(dim, aval_of(input).ndim), accumulate=True)


def select_rows(input: Any, index: Any, dim: int) -> Any:
    """The rows along ``dim`` that ``index``, of any shape, names."""
    return bind.bind(index_op, input, index, dims=(dim,), negative=False)


def put_rows(input: Any, index: Any, source: Any, dim: int, *, accumulate: bool) -> Any:
    """``input`` with ``source`` at, or added to, the rows along ``dim`` that ``index`` names."""
    return bind.bind(index_put_op, input, source, index, dims=(dim,), negative=False, accumulate=accumulate)


def line(index: Any) -> Any:
    """An index [n] of one dimension or none, int64."""
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
    rows = select_rows(weight, input, 0)
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
