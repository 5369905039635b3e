"""Tensors from what Python holds, beside `tensor` and `from_numpy`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.frontend.construction import from_numpy, tensor
from graphtorch.frontend.tensor import Size, Tensor
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import as_int, sizes
from graphtorch.ir.ops.common import broadcast_shapes as common_shape
from graphtorch.ir.types import DType, dtype_from_numpy, int64


@composite("gt")
def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A tensor of ``data``, without a copy where it can be had: of a tensor itself, and over a numpy array's memory."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and data.flags.writeable and dtype in (None, dtype_from_numpy(data.dtype)):
        return from_numpy(data)
    return tensor(data, dtype=dtype)


@composite("Tensor")
def new_tensor(
    input: Tensor, data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`tensor` of ``data`` in this tensor's dtype, unless ``dtype`` is given."""
    return tensor(data, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


@composite("gt")
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """int64[2, n]: rows and columns of the lower triangle, up to diagonal number ``offset``, row by row."""
    return _triangle(np.tril_indices, row, col, offset, dtype, device)


@composite("gt")
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """int64[2, n]: rows and columns of the upper triangle, from diagonal number ``offset`` on, row by row."""
    return _triangle(np.triu_indices, row, col, offset, dtype, device)


def _triangle(find: Any, row: int, col: int, offset: int, dtype: DType | None, device: Any) -> Tensor:
    rows, columns = as_int(row, "row"), as_int(col, "col")
    check(
        rows >= 0 and columns >= 0,
        "GT304",
        f"row={row}, col={col} are not allowed",
        "expected sizes >= 0",
        kind=ArgumentError,
    )
    found = np.stack(find(rows, as_int(offset, "offset"), columns))
    return tensor(found.astype(np.int64), dtype=dtype or int64)


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these ``shapes`` (or numbers of elements) broadcast to; ShapeError GT101 if to none."""
    return Size(common_shape(*(sizes((shape,), "shapes") for shape in shapes), ()))
