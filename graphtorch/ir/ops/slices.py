"""A part of a tensor that integers, slices and new dimensions describe: read as a view, and replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from graphtorch.ir import bind
from graphtorch.ir.dim import is_dynamic, same
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, IndexRangeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.casts import row_major
from graphtorch.ir.ops.common import (
    Shape,
    as_int,
    broadcast,
    lift,
    normalize_dim,
    same_dtype,
    shape_of,
)
from graphtorch.ir.ops.elementwise import EVERYWHERE
from graphtorch.ir.ops.gather import index_put_op
from graphtorch.ir.ops.logic import where
from graphtorch.ir.ops.movement import iota, pad_op, permute, reshape, slice_op
from graphtorch.ir.ops.shapes import narrow
from graphtorch.ir.types import bool_, int64


class Part(NamedTuple):
    """``start <= index < stop`` by ``step`` along each dimension, seen as ``shape``; ``none`` is a dimension of that
    which has a 0 for a 1, where False was an index."""

    start: Shape
    stop: Shape
    step: Shape
    shape: Shape
    none: int = -1

    @property
    def sliced(self) -> Shape:
        """Its sizes with every dimension of the whole."""
        return tuple(max(0, -(-(b - a) // s)) for a, b, s in zip(self.start, self.stop, self.step, strict=True))

    def read(self, input: Any) -> Any:
        """The part of ``input``; a view."""
        out = input
        if self.start:
            out = bind.bind(slice_op, input, start=self.start, stop=self.stop, step=self.step)
        if self.none < 0:
            return out if same(shape_of(out), self.shape) else reshape(out, self.shape)
        ones = tuple(1 if d == self.none else n for d, n in enumerate(self.shape))
        return narrow(reshape(out, ones), self.none, 0, 0)

    def replaced(self, input: Any, value: Any) -> Any:
        """``input`` with ``value``, of its dtype and of this shape, in place of the part."""
        if self.none >= 0:
            return input
        sizes, whole = self.sliced, shape_of(input)
        value = value if same(shape_of(value), sizes) else reshape(value, sizes)
        if sizes == whole:
            return value
        spans = [(m - 1) * s + 1 if m else 0 for m, s in zip(sizes, self.step, strict=True)]
        sides = {
            "low": self.start,
            "high": tuple(n - a - span for n, a, span in zip(whole, self.start, spans, strict=True)),
            "interior": tuple(s - 1 for s in self.step),
        }
        inside = bind.bind(pad_op, broadcast(lift(True, bool_), sizes), **sides)
        return where(inside, bind.bind(pad_op, value, **sides), input)


def part_of(shape: Shape, items: Sequence[Any]) -> Part:
    """What ``items`` name of an array of ``shape``: integers, slices with a positive step, None, a bool and a ..."""
    given = sum(1 for i in items if not (i is None or i is Ellipsis or isinstance(i, bool)))
    check(
        given <= len(shape),
        "GT302",
        f"{given} indices for {len(shape)} dimensions",
        "expected at most one index a dimension",
        kind=IndexRangeError,
    )
    dots = [n for n, i in enumerate(items) if i is Ellipsis]
    at = dots[0] if dots else len(items)
    items = [*items[:at], *[slice(None)] * (len(shape) - given), *(i for i in items[at:] if i is not Ellipsis)]
    bounds: list[tuple[int, int, int]] = []
    out: list[int] = []
    none = -1
    for i in items:
        if i is None or isinstance(i, bool):
            none = len(out) if i is False else none
            out.append(int(i is not False))
            continue
        a, b, s, keep = _one_index(i, shape[len(bounds)], len(bounds))
        bounds.append((a, b, s))
        out += [(b - a + s - 1) // s] if keep else []
    start, stop, step = zip(*bounds, strict=True) if bounds else ((), (), ())
    return Part(start, stop, step, tuple(out), none)


def _one_index(i: Any, n: int, d: int) -> tuple[int, int, int, bool]:
    """(start, stop, step, keep the dimension) of one index."""
    if isinstance(i, slice):
        check(
            i.step is None or i.step > 0,
            "GT304",
            f"the step of a slice must be positive, got {i.step}",
            kind=ArgumentError,
        )
        a, b, s = _indices(i, n) if is_dynamic(n) else i.indices(n)
        return a, max(a, b), s, True
    try:
        at = as_int(i, "an index")
    except ArgumentTypeError:
        raise ArgumentTypeError(
            "GT301",
            f"an index of type {type(i).__name__} is not supported",
            ["expected int, slice, None, ..., or a tensor, list or numpy array of ints or bools"],
        ) from None
    check(
        -n <= at < n,
        "GT302",
        f"index {at} is out of range for dimension {d} of size {n}",
        f"expected {-n} <= index <= {n - 1}",
        kind=IndexRangeError,
    )
    return at % n, at % n + 1, 1, False


def _indices(part: slice, n: int) -> tuple[int, int, int]:
    """`slice.indices` of a size that is not known, for steps > 0."""
    given = (default if i is None else as_int(i, "an index") for i, default in ((part.start, 0), (part.stop, n)))
    a, b = (max(0, min(i + n if i < 0 else i, n)) for i in given)
    return a, b, 1 if part.step is None else as_int(part.step, "an index")


# ---- torch's functions ----------------------------------------------------------------------------


def _replaced(input: Any, src: Any, part: Part) -> Any:
    check(
        shape_of(src) == part.shape,
        "GT103",
        "src does not have the shape of what it replaces",
        f"expected {list(part.shape)}, got {list(shape_of(src))}",
    )
    same_dtype(input.aval, src.aval)
    out = part.replaced(input, src)
    return row_major(out) if part.sliced == shape_of(input) else out  # src, which nothing is left of input beside


@composite(*EVERYWHERE)
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """``input`` with ``src`` in place of ``input.select(dim, index)``; shapes and dtypes have to be equal."""
    shape = shape_of(input)
    d = normalize_dim(dim, len(shape))
    return _replaced(input, src, part_of(shape, [*[slice(None)] * d, as_int(index, "index")]))


@composite(*EVERYWHERE)
def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """``input`` with ``src`` in place of ``start:end:step`` along ``dim``; shapes and dtypes have to be equal."""
    shape = shape_of(input)
    d = normalize_dim(dim, len(shape))
    return _replaced(input, src, part_of(shape, [*[slice(None)] * d, slice(start, end, step)]))


@composite(*EVERYWHERE)
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """``input`` with ``src`` in place of ``input.diagonal(offset, dim1, dim2)``; shapes and dtypes have to be equal."""
    shape = shape_of(input)
    a, b = normalize_dim(dim1, len(shape), "dim1"), normalize_dim(dim2, len(shape), "dim2")
    check(a != b, "GT303", f"dim1={dim1} and dim2={dim2} are one dimension", "expected two", kind=ArgumentError)
    below, right = max(-as_int(offset, "offset"), 0), max(offset, 0)
    count = max(0, min(shape[a] - below, shape[b] - right))
    wanted = (*(n for d, n in enumerate(shape) if d not in (a, b)), count)
    check(
        shape_of(src) == wanted,
        "GT103",
        "src does not have the shape of what it replaces",
        f"expected {list(wanted)}, got {list(shape_of(src))}",
    )
    same_dtype(input.aval, src.aval)
    if not count:
        return row_major(input)
    line = bind.bind(iota, shape=(count,), dim=0, dtype=int64)
    at, dims = {a: line + below, b: line + right}, (min(a, b), max(a, b))
    order = (*range(dims[0]), len(wanted) - 1, *range(dims[0], len(wanted) - 1))
    indices = [at[d] for d in dims]
    return bind.bind(index_put_op, input, permute(src, order), *indices, dims=dims, negative=False, accumulate=False)
