"""`x[...] = value` and `index_put`, as functions that give a new tensor."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.advanced import places_of, without_ones
from graphtorch.ir.ops.common import aval_of, broadcast, dtype_of, lift, same_dtype, shape_of, to_dtype
from graphtorch.ir.ops.elementwise import EVERYWHERE
from graphtorch.ir.ops.index_members import Items, items_of
from graphtorch.ir.ops.slices import part_of


@composite("Tensor", name="__setitem__")
def assigned(input: Any, index: Any, value: Any) -> Any:
    """``input`` after ``input[index] = value``, as a new tensor. ``value`` is a number or a tensor of any dtype, which
    is broadcast; where an element is named several times the last value stays."""
    dtype, items = dtype_of(input), items_of(index)
    value = to_dtype(lift(value, dtype), dtype)
    if not items.are_basic:
        return places_of(input, items).written(value)
    part = part_of(shape_of(input), items.given)
    return part.replaced(input, broadcast(without_ones(value, len(part.shape)), part.shape))


@composite(*EVERYWHERE)
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """``input`` after ``input[indices] = values``, or ``+=``, which adds up where an element is named several times.

    ``indices`` is a tuple of tensors, as in ``input[...]``. ``values`` has the dtype of ``input`` and is broadcast.
    """
    check(
        isinstance(indices, tuple | list),
        "GT301",
        f"indices must be a tuple of tensors, got {type(indices).__name__}",
        kind=ArgumentTypeError,
    )
    for i in indices:
        aval_of(i)
    check(len(indices) > 0, "GT304", "indices must not be empty", "expected a tensor at least", kind=ArgumentError)
    same_dtype(aval_of(input), aval_of(values))
    return places_of(input, Items(tuple(indices), False)).written(values, bool(accumulate))
