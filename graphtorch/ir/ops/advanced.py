"""What an index with tensors, lists and arrays names of a tensor: those places read, and written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from graphtorch.ir import bind
from graphtorch.ir.errors import IndexRangeError, check
from graphtorch.ir.ops.common import Shape, broadcast, broadcast_shapes, dtype_of, is_handle, shape_of
from graphtorch.ir.ops.data import made, numbers
from graphtorch.ir.ops.gather import index_op, index_put_op, selected
from graphtorch.ir.ops.index_members import Items, as_tensors, dims_of
from graphtorch.ir.ops.logic import where
from graphtorch.ir.ops.movement import permute, reshape
from graphtorch.ir.ops.slices import Part, part_of
from graphtorch.ir.types import bool_

#: what to write instead where a program cannot know how many elements there are
INSTEAD = (
    "keep the shape, and choose by the mask:",
    "  x[mask].sum()          gt.where(mask, x, 0).sum()",
    "  x[mask] = value        x = gt.where(mask, value, x), or x.masked_fill(mask, value)",
    "  f(x[mask])             f(x), and then gt.where(mask, f(x), other)",
)


class Mask(NamedTuple):
    """``mask`` over dimensions from ``dim`` on."""

    dim: int
    mask: Any

    @property
    def ndim(self) -> int:
        return len(shape_of(self.mask))


class Places(NamedTuple):
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
        value = broadcast(without_ones(value, len(named)), named)
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
        value = without_ones(value, m.dim + 1 + len(after))
        sizes = shape_of(value)
        if len(sizes) > len(after):
            at = len(sizes) - len(after) - 1
            if sizes[at] != 1:
                return None
            value = reshape(value, (*sizes[:at], *(1,) * m.ndim, *sizes[at + 1 :]))
        mask = reshape(m.mask, (*shape_of(m.mask), *(1,) * len(after)))
        shape = self.part.shape
        return where(broadcast(mask, shape), broadcast(value, shape), self.part.read(self.input))


def without_ones(value: Any, ndim: int) -> Any:
    """``value`` without leading dimensions of size 1 beyond ``ndim``, which torch does not mind."""
    sizes = shape_of(value)
    while len(sizes) > ndim and sizes[0] == 1:
        sizes = sizes[1:]
    return value if sizes == shape_of(value) else reshape(value, sizes)


def places_of(input: Any, items: Items) -> Places:
    """What an index that has more than integers and slices names."""
    given = as_tensors(items.given)
    taken = [dims_of(i) for i in given]
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
    walk = _Walk(shape_of(input))
    for n, i in enumerate(given):
        walk.take(n, i)
    part = part_of(walk.shape, walk.basic)
    return Places(input, part, walk.places, tuple(walk.masks), frozenset(walk.selected))


@dataclass
class _Walk:
    """Along the members of an index, one or more for each dimension of ``shape``.

    ``basic`` is the part that integers, slices and Nones name, with all of the dimensions that tensors stand for.
    ``dim`` and ``out`` are the next dimensions of the input and of that part.
    """

    shape: Shape
    basic: list[Any] = field(default_factory=list)
    places: dict[int, Any] = field(default_factory=dict)
    masks: list[Mask] = field(default_factory=list)
    selected: set[int] = field(default_factory=set)
    dim: int = 0
    out: int = 0

    def take(self, number: int, i: Any) -> None:
        """The next member, at ``number`` of the index."""
        if isinstance(i, bool):
            self._new(made(np.zeros(int(i), np.int64)))
        elif not is_handle(i):
            self._basic(i)
        elif dtype_of(i) != bool_:
            self._index(i)
        elif shape_of(i):
            self._mask(number, i)
        elif bind.current().tracing:
            self.masks.append(Mask(self.out, reshape(i, (1,))))
            self._new()
        else:
            self._new(made(np.zeros(int(numbers(i, "a mask")), np.int64)))

    def _new(self, place: Any = None) -> None:
        """A dimension that the input does not have."""
        self.basic.append(None)
        if place is not None:
            self.places[self.out] = place
        self.out += 1

    def _basic(self, i: Any) -> None:
        self.basic.append(i)
        self.out += i is None or isinstance(i, slice)
        self.dim += i is not None

    def _index(self, i: Any) -> None:
        self.basic.append(slice(None))
        self.places[self.out] = i
        if not shape_of(i):
            self.selected.add(self.out)
        self.dim, self.out = self.dim + 1, self.out + 1

    def _mask(self, number: int, mask: Any) -> None:
        size = shape_of(mask)
        masked = self.shape[self.dim : self.dim + len(size)]
        check(
            size == masked,
            "GT302",
            f"the mask at index {number} does not have the shape of what it is a mask of",
            f"expected {list(masked)}, got {list(size)}",
            kind=IndexRangeError,
        )
        self.basic += [slice(None)] * len(size)
        self.masks.append(Mask(self.out, mask))
        self.dim, self.out = self.dim + len(size), self.out + len(size)
