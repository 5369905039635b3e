"""Rows at computed indices: reading them, and adding to them."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import aval_of, dtype_of, normalize_dim, shape_of, to_dtype
from graphtorch.ir.ops.elementwise import EVERYWHERE
from graphtorch.ir.ops.gather import index_op, index_put_op
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
    return wide(index if ndim else reshape(index, (1,)))


def wide(index: Any) -> Any:
    """Indices as the ops take them, which refuse what is neither int64 nor int32."""
    return to_dtype(index, int64) if dtype_of(index) == int32 else index
