"""Triangles and diagonals of matrices."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.casts import row_major
from graphtorch.ir.ops.common import as_int, dtype_of, lift, normalize_dim, shape_of
from graphtorch.ir.ops.logic import where
from graphtorch.ir.ops.movement import broadcast_to, iota, pad_op, permute, slice_op
from graphtorch.ir.ops.shapes import flatten, unsqueeze
from graphtorch.ir.types import int64


@composite("gt", "Tensor")
def tril(input: Any, diagonal: int = 0) -> Any:
    """The lower triangle of the last two dimensions up to diagonal number ``diagonal``, and zeros."""
    return _triangle(input, diagonal, lower=True)


@composite("gt", "Tensor")
def triu(input: Any, diagonal: int = 0) -> Any:
    """The upper triangle of the last two dimensions from diagonal number ``diagonal`` on, and zeros."""
    return _triangle(input, diagonal, lower=False)


def _triangle(x: Any, diagonal: int, lower: bool) -> Any:
    shape, k = shape_of(x), as_int(diagonal, "diagonal")
    check(len(shape) >= 2, "GT107", f"expected at least 2 dimensions, got {len(shape)}", "a matrix has a triangle")
    number = _diagonal_numbers(shape[-2], shape[-1])
    inside = number <= k if lower else number >= k
    return where(inside, x, lift(0, dtype_of(x)))


def _diagonal_numbers(rows: int, columns: int) -> Any:
    """Which diagonal each element of a matrix is in: column - row."""
    matrix = rows, columns
    return bind.bind(iota, shape=matrix, dim=1, dtype=int64) - bind.bind(iota, shape=matrix, dim=0, dtype=int64)


@composite("gt", "Tensor")
def diag(input: Any, diagonal: int = 0) -> Any:
    """Diagonal number ``diagonal`` of a matrix; of a vector, the matrix that has it there."""
    ndim = len(shape_of(input))
    check(ndim in (1, 2), "GT107", f"expected 1 or 2 dimensions, got {ndim}", "use diagonal or diag_embed")
    return diag_embed(input, diagonal) if ndim == 1 else row_major(_diagonal(input, as_int(diagonal, "diagonal")))


def _diagonal(x: Any, k: int) -> Any:
    """In the flattened matrix, every (columns + 1)-th element."""
    rows, columns = shape_of(x)
    first, count = (k, min(rows, columns - k)) if k >= 0 else (-k * columns, min(rows + k, columns))
    if count <= 0:
        return bind.bind(slice_op, flatten(x), start=(0,), stop=(0,), step=(1,))
    stop = first + (count - 1) * (columns + 1) + 1
    return bind.bind(slice_op, flatten(x), start=(first,), stop=(stop,), step=(columns + 1,))


@composite("gt", "Tensor")
def diagflat(input: Any, offset: int = 0) -> Any:
    """The matrix whose diagonal number ``offset`` holds the elements of ``input``, flattened."""
    return diag_embed(flatten(input), offset)


@composite("gt", "Tensor")
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices in dimensions ``dim1`` and ``dim2`` whose diagonals number ``offset`` are the vectors of ``input``."""
    shape, k = shape_of(input), as_int(offset, "offset")
    check(len(shape) >= 1, "GT107", "expected at least 1 dimension, got 0", "a number has no diagonal")
    ndim = len(shape) + 1
    a, b = normalize_dim(dim1, ndim, "dim1"), normalize_dim(dim2, ndim, "dim2")
    check(a != b, "GT303", f"dim1={dim1} and dim2={dim2} are one", "expected two different ones", kind=ArgumentError)
    size = shape[-1] + abs(k)
    none, high = (0,) * len(shape), (*(0,) * (len(shape) - 1), abs(k))
    # element i of the vector is in row i above the diagonal, and in column i below it
    line = unsqueeze(bind.bind(pad_op, input, low=none, high=high, interior=none), -1 if k >= 0 else -2)
    square = bind.bind(broadcast_to, line, shape=(*shape[:-1], size, size))
    out = where(_diagonal_numbers(size, size).eq(k), square, lift(0, dtype_of(input)))
    order = list(range(ndim - 2))
    for d, source in sorted([(a, ndim - 2), (b, ndim - 1)]):
        order.insert(d, source)
    return permute(out, tuple(order))
