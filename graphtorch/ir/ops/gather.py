"""Elements at computed indices: read, overwritten, added to, and reduced with others.

All three ops take an index array for each of some dimensions, ``dims``, in ascending order. The arrays have one shape,
which stands in the result (and in ``values``) where the first of those dimensions stood; the others are gone from it.
``negative`` says whether negative indices count from the end.

An index out of range is an IndexRangeError GT302 in eager mode. A program cannot stop: what it reads there is nan (0
for dtypes that have no nan). What it would write there makes the result nan, at the least wherever it might have gone
along ``dims``, but for what is assigned after it (for dtypes that have no nan nothing is written). Nothing outside of
the array is read or written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, DTypeError, IndexRangeError, check
from graphtorch.ir.expr import Compute, Expr, Scatter, Source, Values, compute
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import Shape, broadcast, check_dim, dtype_of, lift, same_dtype, shape_of, to_dtype
from graphtorch.ir.ops.elementwise import Array
from graphtorch.ir.ops.logic import eq, logical_and, where
from graphtorch.ir.types import DType, TensorType, int64


class Index(Op):
    """The elements of ``input`` that ``indices`` name along ``dims``, for all indices of the other dimensions."""

    name = "index"

    def infer(self, input: TensorType, *indices: TensorType, dims: Shape, negative: bool) -> TensorType:
        _check_indices(input, indices, dims)
        return input.with_shape(selected(input.shape, indices[0].shape, dims))

    def ref(self, input: Array, *indices: Array, dims: Shape, negative: bool) -> Array:
        _check_ranges(input.shape, indices, dims, negative)
        if len(dims) == 1:
            return np.take(input, indices[0], axis=dims[0])
        return _in_place(input[_key(indices, dims)], indices[0].ndim, dims)

    def vjp(self, g: Any, _y: Any, _input: Any, *indices: Any, dims: Shape, negative: bool) -> Any:
        zeros = broadcast(lift(0, dtype_of(_input)), shape_of(_input))
        grad = bind.bind(index_put_op, zeros, g, *indices, dims=dims, negative=negative, accumulate=True)
        return grad, *(None,) * len(indices)

    def lower(self, input: Source, *indices: Source, dims: Shape, negative: bool) -> Compute:
        first, shape, unknown = dims[0], indices[0].shape, _unknown(input.dtype)

        def body(*i: Expr) -> Expr:
            rows = _rows(indices, i[first : first + len(shape)], [input.shape[d] for d in dims], negative)
            at: list[Expr] = []
            inside: Expr = expr.const(True)
            for row, d in zip(rows, dims, strict=True):
                size = input.shape[d]
                if not size:
                    return unknown
                inside = inside & (row >= 0) & (row < size)
                at.append(expr.minimum(expr.maximum(row, 0), size - 1))
            others = (*i[:first], *i[first + len(shape) :])
            return expr.select(inside, input[_merged(others, at, dims)], unknown)

        return compute(selected(input.shape, shape, dims), input.dtype, body)


class _Put(Op):
    """``values`` go where `Index` would read; what becomes of several at one place, and of what was there, is said by
    the op. They are taken in order."""

    def _typed(self, input: TensorType, values: TensorType, indices: Sequence[TensorType], dims: Shape) -> TensorType:
        _check_indices(input, indices, dims)
        same_dtype(input, values)
        wanted = selected(input.shape, indices[0].shape, dims)
        check(
            values.shape == wanted,
            "GT103",
            "the values do not match the elements of input that the indices name",
            f"expected {list(wanted)}, got {list(values.shape)}",
        )
        return input

    @staticmethod
    def _copied(input: Array, values: Array, indices: Sequence[Array], dims: Shape, negative: bool) -> Any:
        """A copy of ``input``, where to write in it, and ``values`` as numpy wants them there."""
        _check_ranges(input.shape, indices, dims, negative)
        key, m = _key(indices, dims), indices[0].ndim
        if _apart(dims):
            values = np.moveaxis(values, range(dims[0], dims[0] + m), range(m))
        return np.array(input, order="C"), key, values

    @staticmethod
    def _scatter(
        input: Source, values: Source, indices: Sequence[Source], dims: Shape, negative: bool, combine: Any
    ) -> Scatter:
        first, sizes = dims[0], [input.shape[d] for d in dims]

        def term(i: Values, k: Values) -> Expr:
            others = [v for d, v in enumerate(i) if d not in dims]
            return values[(*others[:first], *k, *others[first:])]

        return Scatter(
            input.shape, dims, indices[0].shape, input.dtype, lambda i: input[i],
            lambda k: _rows(indices, k, sizes, negative), term, combine, _unknown(input.dtype),
        )  # fmt: skip


class IndexPut(_Put):
    """``input`` with ``values`` at the ``indices``: the last one of those at one place; or added to what is there."""

    name = "index_put"

    def infer(
        self, input: TensorType, values: TensorType, *indices: TensorType, dims: Shape, negative: bool, accumulate: bool
    ) -> TensorType:
        return self._typed(input, values, indices, dims)

    def ref(self, input: Array, values: Array, *indices: Array, dims: Shape, negative: bool, accumulate: bool) -> Array:
        out, key, values = self._copied(input, values, indices, dims, negative)
        if accumulate:
            np.add.at(out, key, values)
        else:
            out[key] = values
        return out

    def vjp(
        self, g: Any, _y: Any, _input: Any, _values: Any, *indices: Any, dims: Shape, negative: bool, accumulate: bool
    ) -> Any:
        read = bind.bind(index_op, g, *indices, dims=dims, negative=negative)
        if not accumulate:
            zeros = broadcast(lift(0, dtype_of(g)), shape_of(_values))
            g = bind.bind(index_put_op, g, zeros, *indices, dims=dims, negative=negative, accumulate=False)
        return g, read, *(None,) * len(indices)

    def lower(
        self, input: Source, values: Source, *indices: Source, dims: Shape, negative: bool, accumulate: bool
    ) -> Scatter:
        def combine(old: Expr, new: Expr) -> Expr:
            added = expr.binary("or", old, new) if old.dtype.kind == "b" else old + new
            return added if accumulate else new

        return self._scatter(input, values, indices, dims, negative, combine)


class IndexReduce(_Put):
    """``input`` times ``values`` at the ``indices`` ("mul"), or the greatest ("max") or smallest ("min") of both."""

    name = "index_reduce"
    functions: ClassVar[dict[str, Any]] = {"mul": np.multiply, "max": np.maximum, "min": np.minimum}

    def infer(
        self, input: TensorType, values: TensorType, *indices: TensorType, dims: Shape, negative: bool, kind: str
    ) -> TensorType:
        _check_numbers(self.name, input)
        check(
            kind in self.functions,
            "GT304",
            f"kind={kind!r} is not allowed",
            "expected mul, max or min",
            kind=ArgumentError,
        )
        return self._typed(input, values, indices, dims)

    def ref(self, input: Array, values: Array, *indices: Array, dims: Shape, negative: bool, kind: str) -> Array:
        out, key, values = self._copied(input, values, indices, dims, negative)
        with np.errstate(all="ignore"):
            self.functions[kind].at(out, key, values)
        return out

    def vjp(
        self, g: Any, y: Any, input: Any, values: Any, *indices: Any, dims: Shape, negative: bool, kind: str
    ) -> Any:
        """torch's: equal extrema share the gradient; a factor of 0 gets the product of the others."""
        attrs = {"dims": dims, "negative": negative}

        def read(x: Any) -> Any:
            return bind.bind(index_op, x, *indices, **attrs)

        def added(x: Any, more: Any) -> Any:
            return bind.bind(index_put_op, x, more, *indices, **attrs, accumulate=True)

        def product(x: Any, factors: Any) -> Any:
            return bind.bind(index_reduce_op, x, factors, *indices, **attrs, kind="mul")

        dtype, none = dtype_of(input), (None,) * len(indices)
        if kind != "mul":
            own, new = to_dtype(eq(input, y), dtype), to_dtype(eq(values, read(y)), dtype)
            share = g / added(own, new)
            return own * share, new * read(share), *none
        filled = where(eq(input, 0), 1, input)
        zero = eq(values, 0)
        count = read(added(input * 0, to_dtype(zero, dtype)))
        alone = logical_and(zero, eq(count, 1))
        others = read(g * product(input, where(alone, 1, values)))
        rest = read(g * y) / where(zero, 1, values)
        return g * product(filled, values) / filled, where(alone, others, rest), *none

    def lower(self, input: Source, values: Source, *indices: Source, dims: Shape, negative: bool, kind: str) -> Scatter:
        return self._scatter(input, values, indices, dims, negative, lambda old, new: expr.binary(kind, old, new))


index_op, index_put_op, index_reduce_op = register(Index()), register(IndexPut()), register(IndexReduce())


def selected(shape: Shape, index: Shape, dims: Shape) -> Shape:
    """The shape of what indices of shape ``index`` along ``dims`` read."""
    return (*shape[: dims[0]], *index, *(n for d, n in enumerate(shape) if d > dims[0] and d not in dims))


# ---- what the ops share ---------------------------------------------------------------------------


def _check_indices(input: TensorType, indices: Sequence[TensorType], dims: Shape) -> None:
    check(
        0 < len(indices) == len(dims) and list(dims) == sorted(set(dims)),
        "GT304",
        f"dims={list(dims)} is not allowed for {len(indices)} index arrays",
        "expected a dimension for each, in ascending order",
        kind=ArgumentError,
    )
    for d in dims:
        check_dim(d, input.ndim)
    for index in indices:
        check(
            index.dtype == int64,
            "GT203",
            "indices must be int64",
            f"expected graphtorch.int64, got {index.dtype!r}",
            kind=DTypeError,
        )
        check(
            index.shape == indices[0].shape,
            "GT103",
            "index arrays of one shape are needed here",
            f"expected {list(indices[0].shape)}, got {list(index.shape)}",
        )


def _check_numbers(name: str, input: TensorType) -> None:
    check(
        input.dtype.kind != "b",
        "GT203",
        f"{name} does not take {input.dtype!r}",
        "expected a dtype of kind float, int, uint",
        kind=DTypeError,
    )


def _check_ranges(shape: Shape, indices: Sequence[Array], dims: Shape, negative: bool) -> None:
    for index, d in zip(indices, dims, strict=True):
        size = shape[d]
        least = -size if negative else 0
        if index.size and not (least <= index.min() and index.max() < size):
            wrong = index[(index < least) | (index >= size)].flat[0]
            message = f"index {wrong} is out of range for dimension {d} of size {size}"
            raise IndexRangeError("GT302", message, [f"expected {least} <= index < {size}"])


def _apart(dims: Shape) -> bool:
    """Whether numpy puts the dimensions of the index arrays in front."""
    return dims[-1] - dims[0] >= len(dims)


def _key(indices: Sequence[Array], dims: Shape) -> tuple[Any, ...]:
    """What numpy calls the index."""
    found = dict(zip(dims, indices, strict=True))
    return tuple(found.get(d, slice(None)) for d in range(dims[-1] + 1))


def _in_place(out: Array, ndim: int, dims: Shape) -> Array:
    """What numpy read, with the ``ndim`` dimensions of the index arrays where the first of ``dims`` stood."""
    return np.moveaxis(out, range(ndim), range(dims[0], dims[0] + ndim)) if _apart(dims) else out


def _merged(others: Sequence[Expr], at: Sequence[Expr], dims: Shape) -> tuple[Expr, ...]:
    """Indices of all dimensions, of which ``at`` are those along ``dims``."""
    found, rest = dict(zip(dims, at, strict=True)), iter(others)
    return tuple(found[d] if d in found else next(rest) for d in range(len(others) + len(at)))


def _rows(indices: Sequence[Source], k: Values, sizes: Sequence[int], negative: bool) -> Values:
    """What the arrays say at ``k``, with negative ones counted from the end."""
    rows = [index[k] for index in indices]
    if not negative:
        return tuple(rows)
    return tuple(expr.select(row < 0, row + size, row) for row, size in zip(rows, sizes, strict=True))


def _unknown(dtype: DType) -> expr.Const:
    """What a program says of an element that does not exist."""
    return expr.const(math.nan if dtype.kind == "f" else 0, dtype)
