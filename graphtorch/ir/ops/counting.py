"""Sums and counts of some elements: without nan, other than 0, on the diagonal."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import aval_of, dtype_of, require_float, shape_of, to_dtype
from graphtorch.ir.ops.logic import isnan, logical_not, ne, where
from graphtorch.ir.ops.movement import permute, reshape, slice_op
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.types import DType, TensorType, bool_, int64


@composite("gt", "Tensor")
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many elements over ``dim`` (all when None) are not 0, as int64; nan is not."""
    truth = input if dtype_of(input) == bool_ else ne(input, 0)
    return sum_(to_dtype(truth, int64), dim)


@composite("gt", "Tensor")
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """The `sum` of what is not nan; 0 where all are."""
    floating = dtype_of(input).is_floating_point
    return sum_(where(isnan(input), 0, input) if floating else input, dim, keepdim, dtype=dtype)


@composite("gt", "Tensor")
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """The mean of what is not nan; nan where all are."""
    require_float(aval_of(input), "the operand of nanmean")
    require_float(TensorType((), dtype or dtype_of(input)), "dtype")
    count = sum_(to_dtype(logical_not(isnan(input)), dtype or dtype_of(input)), dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count


def diagonal_of(x: Any, first: int, second: int) -> Any:
    """The elements whose indices along two dimensions are equal, along a new last dimension: every n+1st of an n-wide
    matrix."""
    shape = shape_of(x)
    lead = [d for d in range(len(shape)) if d not in (first, second)]
    m, n = shape[first], shape[second]
    size = min(m, n)
    lines = reshape(permute(x, (*lead, first, second)), (*(shape[d] for d in lead), m * n))
    stop = (size - 1) * (n + 1) + 1 if size else 0
    zeros, ones, sizes = (0,) * len(lead), (1,) * len(lead), tuple(shape[d] for d in lead)
    return bind.bind(slice_op, lines, start=(*zeros, 0), stop=(*sizes, stop), step=(*ones, n + 1))


@composite("Tensor")
def trace(input: Any) -> Any:
    """The sum of the diagonal of a matrix; int64 for integers. (`gt.trace`, which traces functions, knows of it.)"""
    shape = shape_of(input)
    check(len(shape) == 2, "GT107", "trace takes a matrix", f"expected 2 dimensions, got {len(shape)}")
    check(
        dtype_of(input) != bool_,
        "GT203",
        f"trace does not take {bool_!r}",
        "convert it first, e.g. with .to(graphtorch.int64)",
        kind=DTypeError,
    )
    return sum_(diagonal_of(input, 0, 1))
