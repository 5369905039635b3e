"""`x[...]` with tensors, lists and numpy arrays: what they name, read and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexRangeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import (
    aval_of,
    broadcast,
    broadcast_shapes,
    dtype_of,
    is_handle,
    lift,
    same_dtype,
    shape_of,
    to_dtype,
)
from graphtorch.ir.ops.data import made, numbers
from graphtorch.ir.ops.elementwise import EVERYWHERE
from graphtorch.ir.ops.gather import index_op, index_put_op, selected
from graphtorch.ir.ops.logic import where
from graphtorch.ir.ops.movement import permute, reshape
from graphtorch.ir.ops.slices import Part, part_of
from graphtorch.ir.types import bool_, int32, int64, uint8

#: torch takes a list for a tuple where it is shorter than this and holds more than numbers
_SHORT = 32
#: what to write instead where a program cannot know how many elements there are
INSTEAD = (
    "keep the shape, and choose by the mask:",
    "  x[mask].sum()          gt.where(mask, x, 0).sum()",
    "  x[mask] = value        x = gt.where(mask, value, x), or x.masked_fill(mask, value)",
    "  f(x[mask])             f(x), and then gt.where(mask, f(x), other)",
)


@dataclass(frozen=True)
class Items:
    """The members of an index, with lists and arrays made tensors. ``given`` are what the user wrote."""

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


def is_basic(index: Any) -> bool:
    """Whether ``x[index]`` is a view: of integers, slices, None, ... and one bool."""
    return items_of(index).are_basic


def _is_tuple(index: Any) -> bool:
    """torch's rule of old for lists."""
    if not isinstance(index, list) or len(index) >= _SHORT:
        return False
    return any(i is None or i is Ellipsis or isinstance(i, slice | list | tuple) or is_handle(i) for i in index)


def _is_basic(i: Any) -> bool:
    if is_handle(i):  # in eager mode, a number is as good as an int
        return not shape_of(i) and dtype_of(i).kind == "i" and not bind.current().tracing
    return not isinstance(i, bool | np.bool_ | list | tuple | range | np.ndarray)


@dataclass(frozen=True)
class Mask:
    """``mask`` over dimensions from ``dim`` on."""

    dim: int
    mask: Any

    @property
    def ndim(self) -> int:
        return len(shape_of(self.mask))


@dataclass(frozen=True)
class Places:
    """What an index names of ``input``: of the ``part`` that its integers, slices and Nones name, the ``places`` that
    index tensors and ``masks`` name along some of its dimensions. ``selected`` are those of numbers, 0-d tensors, which
    are taken first: they do not count where torch asks whether index tensors are adjacent."""

    input: Any
    part: Part
    places: dict[int, Any]
    masks: tuple[Mask, ...]
    selected: frozenset[int]

    def arrays(self) -> dict[int, Any]:
        """An index tensor for each dimension that has one, of one shape; those of masks are where they are true."""
        found = dict(self.places)
        for m in self.masks:
            at = np.nonzero(numbers(m.mask, "what a mask selects", *INSTEAD))
            found |= {m.dim + n: made(np.ascontiguousarray(a)) for n, a in enumerate(at)}
        shape = broadcast_shapes(*map(shape_of, found.values()))
        return {d: broadcast(found[d], shape) for d in sorted(found)}

    def read(self) -> Any:
        """The elements."""
        arrays = self.arrays()
        out = bind.bind(index_op, self.part.read(self.input), *arrays.values(), dims=tuple(arrays), negative=True)
        order = self._order(arrays)
        return out if order is None else permute(out, order)

    def _order(self, arrays: dict[int, Any]) -> tuple[int, ...] | None:
        """How the dimensions of what `index_op` gives are to be permuted; None where they are not."""
        first, count = next(iter(arrays)), len(shape_of(next(iter(arrays.values()))))
        others = len(self.part.shape) - len(arrays)
        own = [d - sum(s < d for s in self.selected) for d in arrays if d not in self.selected]
        adjacent = own == list(range(own[0], own[0] + len(own))) if own else True
        to = first if not own else own[0] if adjacent else 0
        if to == first or not count:
            return None
        rest = [d if d < first else d + count for d in range(others)]
        return (*rest[:to], *range(first, first + count), *rest[to:])

    def written(self, value: Any, accumulate: bool = False) -> Any:
        """``input`` with ``value``, of its dtype, at or added to the places."""
        part = None if accumulate else self._chosen(value)
        return self.part.replaced(self.input, self._put(value, accumulate) if part is None else part)

    def _put(self, value: Any, accumulate: bool) -> Any:
        arrays = self.arrays()
        dims, order = tuple(arrays), self._order(arrays)
        shape = selected(self.part.shape, shape_of(arrays[dims[0]]), dims)
        named = shape if order is None else tuple(shape[d] for d in order)
        value = broadcast(_without_ones(value, len(named)), named)
        value = value if order is None else permute(value, tuple(order.index(d) for d in range(len(order))))
        part = self.part.read(self.input)
        return bind.bind(index_put_op, part, value, *arrays.values(), dims=dims, negative=True, accumulate=accumulate)

    def _chosen(self, value: Any) -> Any:
        """The part with ``value`` where the mask is true, if a mask is all there is, and ``value`` does not depend on
        how many elements that are: a shape that is known. Else None."""
        if len(self.masks) != 1 or self.places:
            return None
        (m,) = self.masks
        after = self.part.shape[m.dim + m.ndim :]
        value = _without_ones(value, m.dim + 1 + len(after))
        sizes = shape_of(value)
        if len(sizes) > len(after):
            at = len(sizes) - len(after) - 1
            if sizes[at] != 1:
                return None
            value = reshape(value, (*sizes[:at], *(1,) * m.ndim, *sizes[at + 1 :]))
        mask = reshape(m.mask, (*shape_of(m.mask), *(1,) * len(after)))
        shape = self.part.shape
        return where(broadcast(mask, shape), broadcast(value, shape), self.part.read(self.input))


def _without_ones(value: Any, ndim: int) -> Any:
    """``value`` without leading dimensions of size 1 beyond ``ndim``, which torch does not mind."""
    sizes = shape_of(value)
    while len(sizes) > ndim and sizes[0] == 1:
        sizes = sizes[1:]
    return value if sizes == shape_of(value) else reshape(value, sizes)


def places_of(input: Any, items: Items) -> Places:
    """What an index that has more than integers and slices names."""
    given = _tensors(items.given)
    taken = [_dims_of(i) for i in given]
    left = len(shape_of(input)) - sum(taken)
    check(
        left >= 0,
        "GT302",
        f"{sum(taken)} indices for {len(shape_of(input))} dimensions",
        "expected at most one index a dimension",
        kind=IndexRangeError,
    )
    dots = [n for n, i in enumerate(given) if i is Ellipsis]
    at = dots[0] if dots else len(given)
    given = [*given[:at], *[slice(None)] * left, *(i for i in given[at:] if i is not Ellipsis)]
    return _located(input, given)


def _located(input: Any, given: Sequence[Any]) -> Places:
    shape = shape_of(input)
    basic: list[Any] = []
    places: dict[int, Any] = {}
    masks: list[Mask] = []
    first: set[int] = set()
    d = out = 0  # the dimension of the input, and of the part
    for n, i in enumerate(given):
        if isinstance(i, bool):
            basic.append(None)
            places[out] = made(np.zeros(int(i), np.int64))
            out += 1
            continue
        if not is_handle(i):
            basic.append(i)
            out += i is None or isinstance(i, slice)
            d += i is not None
            continue
        if dtype_of(i) != bool_:
            basic.append(slice(None))
            places[out] = i
            first |= set() if shape_of(i) else {out}
            d, out = d + 1, out + 1
            continue
        size = shape_of(i)
        check(
            size == shape[d : d + len(size)],
            "GT302",
            f"the mask at index {n} does not have the shape of what it is a mask of",
            f"expected {list(shape[d : d + len(size)])}, got {list(size)}",
            kind=IndexRangeError,
        )
        if size:
            basic += [slice(None)] * len(size)
            masks.append(Mask(out, i))
        else:
            basic.append(None)
            known = None if bind.current().tracing else numbers(i, "a mask")
            if known is None:
                masks.append(Mask(out, reshape(i, (1,))))
            else:
                places[out] = made(np.zeros(int(known), np.int64))
        d, out = d + len(size), out + max(1, len(size))
    return Places(input, part_of(shape, basic), places, tuple(masks), frozenset(first))


def _tensors(given: Sequence[Any]) -> list[Any]:
    """Lists, arrays, bools and tensors as index tensors of int64, and masks of bool."""
    return [i if isinstance(i, bool) or (_is_basic(i) and not is_handle(i)) else _index_tensor(i) for i in given]


def _index_tensor(i: Any) -> Any:
    if not is_handle(i):
        array = np.asarray(i)
        if not array.size and not isinstance(i, np.ndarray):
            array = array.astype(np.int64)
        if array.dtype.kind in "iu" and not isinstance(i, np.ndarray):
            array = array.astype(np.int64)
        if array.dtype not in (np.int64, np.int32, np.uint8, np.bool_):
            raise _no_index(f"an index of {array.dtype}")
        i = made(np.array(array, order="C"))
    dtype = dtype_of(i)
    if dtype in (uint8, bool_):
        return to_dtype(i, bool_)
    if dtype not in (int64, int32):
        raise _no_index(f"an index of {dtype!r}")
    return to_dtype(i, int64)


def _no_index(what: str) -> DTypeError:
    return DTypeError("GT203", f"{what} is not supported", ["expected int64, int32, bool, or uint8, which is a mask"])


def _dims_of(i: Any) -> int:
    """How many dimensions of the input an index stands for."""
    if i is None or i is Ellipsis or isinstance(i, bool):
        return 0
    return len(shape_of(i)) if is_handle(i) and dtype_of(i) == bool_ else 1


# ---- functions ------------------------------------------------------------------------------------


@composite("Tensor", name="__setitem__")
def assigned(input: Any, index: Any, value: Any) -> Any:
    """``input`` after ``input[index] = value``, as a new tensor. ``value`` is a number or a tensor of any dtype, which
    is broadcast; where an element is named several times the last value stays."""
    dtype, items = dtype_of(input), items_of(index)
    value = to_dtype(lift(value, dtype), dtype)
    if not items.are_basic:
        return places_of(input, items).written(value)
    part = part_of(shape_of(input), items.given)
    return part.replaced(input, broadcast(_without_ones(value, len(part.shape)), part.shape))


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
