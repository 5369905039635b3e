"""The members of an index: what `x[...]` is given, with lists and arrays made tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphtorch.ir import bind
from graphtorch.ir.errors import DTypeError
from graphtorch.ir.ops.common import dtype_of, is_handle, shape_of, to_dtype
from graphtorch.ir.ops.data import made
from graphtorch.ir.types import bool_, int32, int64, uint8

#: torch takes a list for a tuple where it is shorter than this and holds more than numbers
_SHORT = 32


class Items(NamedTuple):
    """The members of an index; ``given`` are what the user wrote."""

    given: tuple[Any, ...]
    are_basic: bool


def items_of(index: Any) -> Items:
    """An index as its members."""
    if isinstance(index, tuple):
        given = index
    else:
        given = tuple(index) if _is_tuple(index) else (index,)
    flags = sum(isinstance(i, bool) for i in given)
    return Items(given, flags < 2 and all(isinstance(i, bool) or _is_basic(i) for i in given))


def gives_view(index: Any) -> bool:
    """Whether ``x[index]`` is a view of x: of integers, slices, None and ...; with a bool it is a copy."""
    items = items_of(index)
    return items.are_basic and not any(isinstance(i, bool) for i in items.given)


def _is_tuple(index: Any) -> bool:
    """torch's rule of old for lists."""
    if not isinstance(index, list) or len(index) >= _SHORT:
        return False
    return any(i is None or i is Ellipsis or isinstance(i, slice | list | tuple) or is_handle(i) for i in index)


def _is_basic(i: Any) -> bool:
    if is_handle(i):  # in eager mode, a number is as good as an int
        return not shape_of(i) and dtype_of(i).kind == "i" and not bind.current().tracing
    return not isinstance(i, bool | np.bool_ | list | tuple | range | np.ndarray)


def as_tensors(given: Sequence[Any]) -> list[Any]:
    """Lists, arrays and tensors as index tensors of int64, and masks of bool; bools, integers, slices and the like as
    they are. DTypeError GT203 for what is no index."""
    return [i if isinstance(i, bool) or (_is_basic(i) and not is_handle(i)) else _index_tensor(i) for i in given]


def _index_tensor(i: Any) -> Any:
    if not is_handle(i):
        i = made(np.array(_index_array(i), order="C"))
    dtype = dtype_of(i)
    if dtype in (uint8, bool_):
        return to_dtype(i, bool_)
    if dtype not in (int64, int32):
        raise _no_index(f"an index of {dtype!r}")
    return to_dtype(i, int64)


def _index_array(i: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(i)
    if not isinstance(i, np.ndarray) and (not array.size or array.dtype.kind in "iu"):
        array = array.astype(np.int64)
    if array.dtype not in (np.int64, np.int32, np.uint8, np.bool_):
        raise _no_index(f"an index of {array.dtype}")
    return array


def _no_index(what: str) -> DTypeError:
    return DTypeError("GT203", f"{what} is not supported", ["expected int64, int32, bool, or uint8, which is a mask"])


def dims_of(i: Any) -> int:
    """How many dimensions of the input a member stands for."""
    if i is None or i is Ellipsis or isinstance(i, bool):
        return 0
    return len(shape_of(i)) if is_handle(i) and dtype_of(i) == bool_ else 1
