"""Views beyond slices and permutations: diagonals, sliding windows, dimensions that are picked or moved.

A view op may be written through: ``put(base, value, **attrs)`` is the base with ``value`` in the place of the elements
that the view shows. A trace functionalizes writes with it (ADR 19); views whose elements repeat are not written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.as_strided import in_a_line, places_of
from graphtorch.ir.ops.common import (
    Shape,
    as_int,
    broadcast,
    check_dim,
    dtype_of,
    lift,
    normalize_dim,
    shape_of,
)
from graphtorch.ir.ops.index import index_add
from graphtorch.ir.ops.indexing import getitem
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.movement import iota, pad_op, permute, reshape, slice_op
from graphtorch.ir.types import TensorType, bool_, int64

Array = Any


class Diagonal(Op):
    """Elements whose index at ``dim2`` is that at ``dim1`` plus ``offset``, as a last dimension."""

    name = "diagonal"
    surface = ("gt", "Tensor")
    is_view = True

    def prepare(self, input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
        ndim = len(shape_of(input))
        a, b = normalize_dim(dim1, ndim, "dim1"), normalize_dim(dim2, ndim, "dim2")
        return (input,), {"offset": as_int(offset, "offset"), "dim1": a, "dim2": b}

    def infer(self, input: TensorType, *, offset: int, dim1: int, dim2: int) -> TensorType:
        check_dim(dim1, input.ndim, "dim1")
        check_dim(dim2, input.ndim, "dim2")
        check(
            dim1 != dim2,
            "GT303",
            f"dim1 and dim2 are both {dim1}",
            "expected two different dimensions",
            kind=ArgumentError,
        )
        rest = [n for i, n in enumerate(input.shape) if i not in (dim1, dim2)]
        return input.with_shape((*rest, _length(input.shape, offset, dim1, dim2)))

    def ref(self, input: Array, *, offset: int, dim1: int, dim2: int) -> Array:
        length, strides = _length(input.shape, offset, dim1, dim2), input.strides
        begin: list[Any] = [slice(None)] * input.ndim
        if length:
            begin[dim1], begin[dim2] = slice(max(0, -offset), None), slice(max(0, offset), None)
        rest = [i for i in range(input.ndim) if i not in (dim1, dim2)]
        shape = (*(input.shape[i] for i in rest), length)
        steps = (*(strides[i] for i in rest), strides[dim1] + strides[dim2])
        return np.lib.stride_tricks.as_strided(input[tuple(begin)], shape, steps)

    def vjp(self, g: Any, _y: Any, _input: Any, *, offset: int, dim1: int, dim2: int) -> Any:
        return self._embed(g, shape_of(_input), 0, offset, dim1, dim2)

    def put(self, base: Any, value: Any, *, offset: int, dim1: int, dim2: int) -> Any:
        return self._embed(value, shape_of(base), base, offset, dim1, dim2)

    @staticmethod
    def _embed(value: Any, shape: Shape, other: Any, offset: int, dim1: int, dim2: int) -> Any:
        """``value`` on the diagonal of a tensor of ``shape``, and ``other`` elsewhere."""
        begin, length = max(0, -offset), shape_of(value)[-1]
        none = (0,) * (len(shape) - 2)
        high = shape[dim1] - begin - length
        line = bind.bind(pad_op, value, low=(*none, begin), high=(*none, high), interior=(*none, 0))
        rest = [i for i in range(len(shape)) if i not in (dim1, dim2)]
        order = [*rest, dim1, dim2]
        wide = broadcast(reshape(line, (*shape_of(line), 1)), tuple(shape[i] for i in order))
        placed = permute(wide, tuple(order.index(i) for i in range(len(shape))))
        row, column = (bind.bind(iota, shape=shape, dim=d, dtype=int64) for d in (dim1, dim2))
        return where(eq(column - row, offset), placed, other)

    def lower(self, input: Source, *, offset: int, dim1: int, dim2: int) -> Compute:
        t = self.infer(TensorType(input.shape, input.dtype), offset=offset, dim1=dim1, dim2=dim2)

        def body(*i: Expr) -> Expr:
            at = list(i[:-1])
            for d, v in sorted([(dim1, i[-1] + max(0, -offset)), (dim2, i[-1] + max(0, offset))], key=lambda p: p[0]):
                at.insert(d, v)
            return input[tuple(at)]

        return compute(t.shape, t.dtype, body)


def _length(shape: Shape, offset: int, dim1: int, dim2: int) -> int:
    return max(0, min(shape[dim1] + min(0, offset), shape[dim2] - max(0, offset)))


class Unfold(Op):
    """Windows of ``size`` elements along ``dim``, one every ``step``; the window is a last dimension."""

    name = "unfold"
    is_view = True

    def infer(self, input: TensorType, *, dim: int, size: int, step: int) -> TensorType:
        check_dim(dim, input.ndim, "dimension")
        n = input.shape[dim]
        check(
            0 <= size <= n and step >= 1,
            "GT304",
            f"size={size}, step={step} are not allowed for dimension {dim} of size {n}",
            f"expected 0 <= size <= {n} and step >= 1",
            kind=ArgumentError,
        )
        return input.with_shape((*input.shape[:dim], (n - size) // step + 1, *input.shape[dim + 1 :], size))

    def ref(self, input: Array, *, dim: int, size: int, step: int) -> Array:
        count = (input.shape[dim] - size) // step + 1
        shape = (*input.shape[:dim], count, *input.shape[dim + 1 :], size)
        strides = list(input.strides)
        along, strides[dim] = strides[dim], strides[dim] * step
        return np.lib.stride_tricks.as_strided(input, shape, (*strides, along))

    def vjp(self, g: Any, _y: Any, _input: Any, *, dim: int, size: int, step: int) -> Any:
        zeros = broadcast(lift(0, dtype_of(_input)), shape_of(_input))
        ndim = len(shape_of(_input))
        windows = permute(g, (*range(dim + 1), ndim, *range(dim + 1, ndim)))
        places = in_a_line(places_of((shape_of(g)[dim], size), (step, 1), 0))
        shape = shape_of(windows)
        lines = reshape(windows, (*shape[:dim], shape[dim] * size, *shape[dim + 2 :]))
        return index_add(zeros, dim, places, lines)

    def put(self, base: Any, value: Any, *, dim: int, size: int, step: int) -> Any:
        """For windows that do not overlap: joined again, with what lies between and behind them."""
        shape, count = shape_of(base), shape_of(value)[dim]
        ndim, step = len(shape), max(step, size)  # there may be one window, which is longer than a step
        gap = step - size
        windows = permute(value, (*range(dim + 1), ndim, *range(dim + 1, ndim)))

        def placed(x: Any) -> Any:
            low, high = (0,) * (ndim + 1), [0] * (ndim + 1)
            high[dim + 1] = gap
            spaced = bind.bind(pad_op, x, low=low, high=tuple(high), interior=low)
            line = reshape(spaced, (*shape[:dim], count * step, *shape[dim + 1 :]))
            return _resized(line, dim, shape[dim])

        return where(placed(broadcast(lift(True, bool_), shape_of(windows))), placed(windows), base)

    def lower(self, input: Source, *, dim: int, size: int, step: int) -> Compute:
        t = self.infer(TensorType(input.shape, input.dtype), dim=dim, size=size, step=step)

        def body(*i: Expr) -> Expr:
            return input[(*i[:dim], i[dim] * step + i[-1], *i[dim + 1 : -1])]

        return compute(t.shape, t.dtype, body)


def _resized(x: Any, dim: int, n: int) -> Any:
    """``x`` cut, or filled up with zeros, to ``n`` elements along ``dim``."""
    shape = shape_of(x)
    none = [0] * len(shape)
    if shape[dim] > n:
        stop = list(shape)
        stop[dim] = n
        return bind.bind(slice_op, x, start=tuple(none), stop=tuple(stop), step=(1,) * len(shape))
    high = list(none)
    high[dim] = n - shape[dim]
    return bind.bind(pad_op, x, low=tuple(none), high=tuple(high), interior=tuple(none))


diagonal, unfold_op = register(Diagonal()), register(Unfold())


# ---- torch's functions ----------------------------------------------------------------------------


@composite("Tensor")
def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """A view of the windows of ``size`` elements along ``dimension``, one every ``step``; the window is a last
    dimension, and the only one of a number's."""
    shape = shape_of(input)
    attrs = {"size": as_int(size, "size"), "step": as_int(step, "step")}
    dim = normalize_dim(dimension, len(shape), "dimension")
    if not shape:
        return getitem(bind.bind(unfold_op, reshape(input, (1,)), dim=dim, **attrs), 0)
    return bind.bind(unfold_op, input, dim=dim, **attrs)


@composite("gt", "Tensor")
def select(input: Any, dim: int, index: int) -> Any:
    """The elements at ``index`` of dimension ``dim``, which goes; a view."""
    shape = shape_of(input)
    check(bool(shape), "GT107", "select() of a 0-d tensor", "expected at least one dimension", kind=ArgumentError)
    d = normalize_dim(dim, len(shape))
    return getitem(input, (*(slice(None),) * d, as_int(index, "index")))


@composite("gt", "Tensor")
def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Dimensions ``source`` (an int or several) moved to ``destination``; the others keep their order."""
    ndim = len(shape_of(input))
    origin, target = _dims(source, ndim, "source"), _dims(destination, ndim, "destination")
    check(
        len(origin) == len(target),
        "GT304",
        f"source={source!r} and destination={destination!r} differ in length",
        "expected as many dimensions in both",
        kind=ArgumentError,
    )
    order = [d for d in range(ndim) if d not in origin]
    if not ndim:
        return permute(input, ())
    for to, d in sorted(zip(target, origin, strict=True)):
        order.insert(to, d)
    return permute(input, tuple(order))


@composite("gt", "Tensor")
def moveaxis(input: Any, source: Any, destination: Any) -> Any:
    """As `movedim`."""
    return movedim(input, source, destination)


def _dims(given: Any, ndim: int, name: str) -> tuple[int, ...]:
    each: Sequence[Any] = given if isinstance(given, Sequence) else (given,)
    found = tuple(normalize_dim(d, ndim, name) for d in each)
    check(
        len(set(found)) == len(found),
        "GT303",
        f"{name}={given!r} names a dimension twice",
        "expected distinct dimensions",
        kind=ArgumentTypeError,
    )
    return found
