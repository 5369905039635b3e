"""The most frequent element along a dimension."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.casts import detach
from graphtorch.ir.ops.common import broadcast, dtype_of, lift, normalize_dim, shape_of, to_dtype
from graphtorch.ir.ops.cumulative import cummax_op
from graphtorch.ir.ops.joining import cat
from graphtorch.ir.ops.logic import ne, where
from graphtorch.ir.ops.median import elements_at
from graphtorch.ir.ops.movement import iota, reshape
from graphtorch.ir.ops.reduce import argmax
from graphtorch.ir.ops.reduction import kept
from graphtorch.ir.ops.return_types import mode_type
from graphtorch.ir.ops.shapes import narrow
from graphtorch.ir.ops.sorting import sort
from graphtorch.ir.types import bool_, int64, uint8


@composite("gt", "Tensor")
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """(values, indices): the most frequent element along ``dim``, the least of those that are equally frequent, and
    where it stands last, which gets the gradient. Each nan counts by itself."""
    shape, truth = shape_of(input), dtype_of(input) == bool_
    d = normalize_dim(dim, len(shape))
    if not shape:
        return mode_type(input.clone(), broadcast(lift(0, int64), ()))
    check(
        shape[d] > 0,
        "GT108",
        "there is no element to reduce",
        f"expected size > 0 at dim {d} of {list(shape)}",
    )
    x = to_dtype(input, uint8) if truth else input
    place = _place(detach(x), d)
    found = elements_at(x, place, d)
    results = to_dtype(found, bool_) if truth else found, place
    return mode_type(*(reshape(r, kept(shape, (d,))) for r in results) if keepdim else results)


def _place(x: Any, dim: int) -> Any:
    """Where the mode stands last: the end of the longest run of equal elements, once they are sorted."""
    shape = shape_of(x)
    values, order = sort(x, dim, stable=True)
    position: Any = bind.bind(iota, shape=shape, dim=dim, dtype=int64)
    count = shape[dim] - 1
    changes = ne(narrow(values, dim, 1, count), narrow(values, dim, 0, count))
    first = broadcast(lift(True, bool_), kept(shape, (dim,)))
    begins, _ = bind.bind(cummax_op, where(cat([first, changes], dim), position, 0), dim=dim)
    longest = argmax(position - begins, dim)
    return elements_at(order, longest, dim)
