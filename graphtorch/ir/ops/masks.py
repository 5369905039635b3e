"""Elements chosen by a condition."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.advanced import INSTEAD, places_of
from graphtorch.ir.ops.casts import holdable
from graphtorch.ir.ops.common import (
    aval_of,
    broadcast,
    broadcast_shapes,
    dtype_of,
    is_handle,
    lift,
    shape_of,
    to_dtype,
)
from graphtorch.ir.ops.data import made, numbers
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array
from graphtorch.ir.ops.index_members import Items
from graphtorch.ir.ops.logic import where as choice
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.types import DType, bool_


def check_mask(mask: Any) -> None:
    check(
        aval_of(mask).dtype == bool_,
        "GT203",
        "mask must be bool",
        f"expected graphtorch.bool, got {dtype_of(mask)!r}",
        kind=DTypeError,
    )


def filling(value: Any, dtype: DType, name: str) -> Any:
    """``value``, a number or a 0-d tensor, as a 0-d tensor of ``dtype``; floats do not go into ints."""
    if is_handle(value):
        ndim = len(shape_of(value))
        check(not ndim, "GT107", f"{name} must be a number or a 0-d tensor", f"got {ndim} dimensions")
        return to_dtype(value, dtype)
    holdable(value, dtype, name)
    return lift(value, dtype)


@composite("gt")
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """``input`` where ``condition`` (bool) holds, else ``other``; they are promoted and broadcast.

    With ``condition`` alone: ``nonzero(condition, as_tuple=True)``.
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return choice(condition, input, other)


@composite("Tensor", name="where")
def tensor_where(self: Any, condition: Any, other: Any) -> Any:
    """The element where ``condition`` (bool) holds, else that of ``other``."""
    return choice(condition, self, other)


@composite(*EVERYWHERE)
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """``input`` with ``value``, a number or a 0-d tensor, where ``mask`` is true; both are broadcast."""
    check_mask(mask)
    dtype, shape = dtype_of(input), broadcast_shapes(shape_of(input), shape_of(mask))
    number = filling(value, dtype, "value")
    return choice(broadcast(mask, shape), broadcast(number, shape), broadcast(input, shape))


@composite(*EVERYWHERE)
def masked_select(input: Any, mask: Any) -> Any:
    """The elements where ``mask`` is true, as a vector; both are broadcast. Eager mode alone: a TraceError GT601."""
    check_mask(mask)
    shape = broadcast_shapes(shape_of(input), shape_of(mask))
    if not shape:
        return masked_select(reshape(input, (1,)), reshape(mask, (1,)))
    return places_of(broadcast(input, shape), Items((broadcast(mask, shape),), False)).read()


@composite(*EVERYWHERE)
def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """The indices of all elements that are not 0, in row-major order, int64 [count, ndim]; or a tuple of a vector for
    each dimension, for which a 0-d tensor counts as one of size 1. Eager mode alone: a TraceError GT601."""
    return _places(input, "nonzero", as_tuple)


@composite(*EVERYWHERE)
def argwhere(input: Any) -> Any:
    """As `nonzero`."""
    return _places(input, "argwhere", False)


def _places(input: Any, name: str, as_tuple: bool) -> Any:
    found: Array = numbers(input, f"what {name} gives", *INSTEAD)
    if as_tuple:
        return tuple(made(np.ascontiguousarray(a)) for a in np.nonzero(np.atleast_1d(found)))
    if not found.ndim:
        return made(np.zeros((int(bool(found)), 0), np.int64))
    return made(np.argwhere(found).astype(np.int64, order="C"))
