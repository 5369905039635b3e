"""Embeddings: rows of a table that is learnt, by index; and what else torch does with such a table at a look."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import ArgumentError, IndexRangeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arguments import flag, number
from graphtorch.ir.ops.common import as_int, aval_of, broadcast, dtype_of, lift, shape_of
from graphtorch.ir.ops.index import put_rows, select_rows, wide
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.norms import vector_norm_of


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

    The row ``padding_idx`` gets no gradient. With ``max_norm`` rows that are looked up are first scaled, in place,
    to a ``norm_type``-norm of at most that. With ``scale_grad_by_freq`` the gradient of a row is divided by how often
    it is looked up. ``sparse`` is refused: ArgumentError GT304, for there are no sparse tensors. An index out of range
    is an IndexRangeError GT302 in eager mode, and a row of nan in a compiled program, where the gradient of the whole
    table is nan then.
    """
    refuse_sparse(sparse)
    shape = aval_of(weight).shape
    check(
        len(shape) == 2,
        "GT107",
        "weight must be [rows, size]",
        f"expected 2 dimensions, got {len(shape)}",
    )
    input = wide(input)
    if max_norm is not None:
        renormalize(weight, input, max_norm, norm_type)
    rows = looked_up(weight, input, scale_grad_by_freq)
    if padding_idx is None:
        return rows
    padded = eq(input, padding_row(padding_idx, shape[0]))
    return where(reshape(padded, (*shape_of(input), 1)), rows.detach(), rows)


def looked_up(weight: Any, input: Any, scale_grad_by_freq: bool) -> Any:
    """Rows of ``weight``, whose gradient is divided by how often each of them occurs where that is asked for."""
    rows = select_rows(weight, input, 0)
    if not flag(scale_grad_by_freq, "scale_grad_by_freq"):
        return rows
    flat = reshape(input, (-1,)) if input.numel() else reshape(input, (0,))
    none = broadcast(lift(0, dtype_of(weight)), (shape_of(weight)[0],))
    one = broadcast(lift(1, dtype_of(weight)), shape_of(flat))
    counts = select_rows(put_rows(none, flat, one, 0, accumulate=True), input, 0)
    scaled = rows / reshape(counts, (*shape_of(input), 1))
    return rows.detach() + (scaled - scaled.detach())


def renormalize(weight: Any, input: Any, max_norm: float, norm_type: float) -> None:
    """Scale the rows of ``weight`` at ``input`` whose norm is above ``max_norm``, in place and with no gradient."""
    most, table = number(max_norm, "max_norm"), weight.detach()
    flat = reshape(input, (-1,)) if input.numel() else reshape(input, (0,))
    rows = select_rows(table, flat, 0)
    norms = vector_norm_of(rows, float(norm_type), -1, True)
    # a row that occurs twice is written twice, with the same numbers
    table.index_copy_(0, flat, where(norms > most, rows * (most / (norms + 1e-7)), rows))


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


def refuse_sparse(sparse: bool) -> None:
    """ArgumentError GT304 where a sparse gradient is wanted."""
    check(
        not flag(sparse, "sparse"),
        "GT304",
        f"sparse={sparse!r} is not supported",
        "expected sparse=False",
        kind=ArgumentError,
    )
