"""The median: the lower of two in the middle. A sort says which element it is; it has its value and its gradient."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.casts import detach, overwrite
from graphtorch.ir.ops.common import broadcast, dtype_of, lift, normalize_dim, shape_of, to_dtype
from graphtorch.ir.ops.logic import eq, isnan, logical_and, logical_not, logical_or, where
from graphtorch.ir.ops.movement import iota, reshape
from graphtorch.ir.ops.reduce import max as max_
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.reduction import kept, spread
from graphtorch.ir.ops.return_types import median_type, nanmedian_type
from graphtorch.ir.ops.shapes import narrow
from graphtorch.ir.ops.sorting import sort
from graphtorch.ir.types import bool_, int64, least


def _place(x: Any, dim: int, skips: bool) -> Any:
    """The position of the median along ``dim``: of the first nan, where there is one, or ``skips`` and all are nan."""
    shape = shape_of(x)
    left = (*shape[:dim], *shape[dim + 1 :])
    order = sort(detach(x), dim, stable=True)[1]
    if skips and dtype_of(x).kind == "f":
        numbers = sum_(logical_not(isnan(x)), dim)  # nan is sorted to the end
        return elements_at(order, where(numbers > 0, (numbers - 1) // 2, 0), dim)
    middle = reshape(narrow(order, dim, (shape[dim] - 1) // 2, 1), left)
    if dtype_of(x).kind != "f":
        return middle
    top = max_(detach(x), dim)
    return where(isnan(top.values), top.indices, middle)


def elements_at(x: Any, place: Any, dim: int) -> Any:
    """The elements at these positions: sums of one term each."""
    shape = shape_of(x)
    position: Any = bind.bind(iota, shape=shape, dim=dim, dtype=int64)
    return sum_(where(eq(position, spread(place, shape, (dim,))), x, 0), dim, dtype=dtype_of(x))


def _of_all(x: Any, skips: bool) -> Any:
    """The median of every element; equal ones share its gradient, as in torch."""
    count, dtype = math.prod(shape_of(x)), dtype_of(x)
    if not count:
        return lift(math.nan if dtype.kind == "f" else least(dtype), dtype)
    line = reshape(x, (count,))
    found = elements_at(detach(line), _place(line, 0, skips), 0)
    if dtype.kind != "f":
        return found
    hit = logical_or(eq(line, found), logical_and(isnan(line), isnan(found)))
    nothing = bind.bind(overwrite, broadcast(lift(0, dtype), (count,)), line)  # zeros on the path to the operand
    return found + sum_(where(hit, nothing, 0)) / sum_(to_dtype(hit, dtype))


@composite("gt", "Tensor")
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of all, or with ``dim`` (values, indices) along it: the lower one of two; nan where there is a nan.

    Of equal elements along a dimension the first of the sorted ones in the middle counts, and gets the gradient. Bools
    are refused: DTypeError GT203.
    """
    return _median("median", input, dim, keepdim, skips=False)


@composite("gt", "Tensor")
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of what is no nan; nan where nothing else is there."""
    return _median("nanmedian", input, dim, keepdim, skips=True)


def _median(name: str, input: Any, dim: int | None, keepdim: bool, skips: bool) -> Any:
    check(
        dtype_of(input) != bool_,
        "GT203",
        f"{name} does not take {bool_!r}",
        "convert it first, e.g. with .to(graphtorch.int64)",
        kind=DTypeError,
    )
    if dim is None:
        return _of_all(input, skips)
    shape = shape_of(input)
    d = normalize_dim(dim, len(shape))
    kind = nanmedian_type if skips else median_type
    if not shape:
        return kind(input + 0, broadcast(lift(0, int64), ()))
    check(
        shape[d] > 0,
        "GT108",
        "there is no element to reduce",
        f"expected size > 0 at dim {d} of {list(shape)}",
    )
    place = _place(input, d, skips)
    found = elements_at(input, place, d), place
    return kind(*(reshape(x, kept(shape, (d,))) for x in found) if keepdim else found)
