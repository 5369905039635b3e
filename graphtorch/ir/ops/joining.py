"""Tensors put together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, DTypeError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import PUBLIC, Op, composite, register
from graphtorch.ir.ops.common import (
    check_dim,
    dtype_of,
    normalize_dim,
    result_dtype,
    same_types,
    shape_of,
    to_dtype,
)
from graphtorch.ir.ops.movement import broadcast_to, pad_op, reshape
from graphtorch.ir.ops.shapes import atleast_1d, atleast_2d, atleast_3d, narrow, unsqueeze
from graphtorch.ir.types import TensorType

Array = Any


class Cat(Op):
    """Operands one after the other along ``dim``."""

    name = "cat"
    surface = ("gt",)

    def prepare(self, tensors: Any, dim: int = 0) -> Any:
        _check_sequence(tensors)
        check(
            len(tensors) > 0,
            "GT304",
            "cat needs at least one tensor",
            "expected a non-empty sequence",
            kind=ArgumentError,
        )
        shapes = [shape_of(t) for t in tensors]
        dtype = result_dtype(*tensors)
        # a tensor of shape [0] fits any other, as in torch
        kept = [t for t, shape in zip(tensors, shapes, strict=True) if shape != (0,)] or tensors
        operands = tuple(to_dtype(t, dtype) for t in kept)
        return operands, {"dim": normalize_dim(dim, len(shape_of(operands[0])))}

    def infer(self, *tensors: TensorType, dim: int) -> TensorType:
        first = tensors[0]
        check_dim(dim, first.ndim)
        same_types(*(t.with_shape(()) for t in tensors))
        for t in tensors[1:]:
            rest = (t.shape[:dim], t.shape[dim + 1 :]) == (first.shape[:dim], first.shape[dim + 1 :])
            check(
                rest and t.ndim == first.ndim,
                "GT106",
                f"{list(first.shape)} and {list(t.shape)} cannot be joined along dim {dim}",
                f"expected equal sizes at every dimension except {dim}",
            )
        total = sum(t.shape[dim] for t in tensors)
        return first.with_shape((*first.shape[:dim], total, *first.shape[dim + 1 :]))

    def ref(self, *tensors: Array, dim: int) -> Array:
        return np.concatenate(tensors, dim)

    def vjp(self, g: Any, _y: Any, *tensors: Any, dim: int) -> Any:
        grads, at = [], 0
        for t in tensors:
            n = shape_of(t)[dim]
            grads.append(narrow(g, dim, at, n))
            at += n
        return tuple(grads)

    def lower(self, *tensors: Source, dim: int) -> Compute:
        t = self.infer(*(TensorType(s.shape, s.dtype) for s in tensors), dim=dim)

        ends = list(accumulate(s.shape[dim] for s in tensors))
        begins = [0, *ends[:-1]]

        def part(number: int, i: tuple[Expr, ...]) -> Expr:
            at = (*i[:dim], i[dim] - begins[number], *i[dim + 1 :])
            return tensors[number].at(at, (i[dim] >= begins[number]) & (i[dim] < ends[number]))

        def among(first: int, last: int, i: tuple[Expr, ...]) -> Expr:
            """By halves: among thousands an element takes a dozen comparisons, and the expression is as deep."""
            if last - first == 1:
                return part(first, i)
            middle = (first + last) // 2
            return expr.select(i[dim] < begins[middle], among(first, middle, i), among(middle, last, i))

        def body(*i: Expr) -> Expr:
            return among(0, len(tensors), i)

        return compute(t.shape, t.dtype, body)


def _check_sequence(tensors: Any) -> None:
    check(
        isinstance(tensors, list | tuple),
        "GT301",
        f"tensors must be a sequence of tensors, got {type(tensors).__name__}",
        kind=ArgumentTypeError,
    )


cat = register(Cat())


@composite("gt")
def stack(tensors: Any, dim: int = 0) -> Any:
    """Tensors of one shape, joined along a new dimension."""
    _check_sequence(tensors)
    shapes = [list(shape_of(x)) for x in tensors]
    check(bool(shapes), "GT304", "stack needs at least one tensor", "expected a non-empty sequence", kind=ArgumentError)
    check(
        all(s == shapes[0] for s in shapes),
        "GT106",
        "only tensors of one shape can be stacked",
        f"expected {shapes[0]} for each, got {', '.join(map(str, shapes))}",
    )
    return cat([unsqueeze(x, dim) for x in tensors], dim if dim >= 0 else dim + len(shape_of(tensors[0])) + 1)


@composite("gt")
def hstack(tensors: Any) -> Any:
    """Joined along columns: dimension 1, or 0 of vectors."""
    found = atleast_1d(tuple(_sequence(tensors, "hstack")))
    return cat(list(found), 0 if len(shape_of(found[0])) == 1 else 1)


@composite("gt")
def vstack(tensors: Any) -> Any:
    """Joined along rows; vectors are rows."""
    return cat(list(atleast_2d(tuple(_sequence(tensors, "vstack")))), 0)


@composite("gt")
def dstack(tensors: Any) -> Any:
    """Joined along dimension 2."""
    return cat(list(atleast_3d(tuple(_sequence(tensors, "dstack")))), 2)


@composite("gt")
def column_stack(tensors: Any) -> Any:
    """Joined along dimension 1; vectors are columns."""
    found = _sequence(tensors, "column_stack")
    return cat([reshape(x, (math.prod(shape_of(x)), 1)) if len(shape_of(x)) < 2 else x for x in found], 1)


def _sequence(tensors: Any, name: str) -> Sequence[Any]:
    _check_sequence(tensors)
    check(
        len(tensors) > 0,
        "GT304",
        f"{name} needs at least one tensor",
        "expected a non-empty sequence",
        kind=ArgumentError,
    )
    return tensors  # type: ignore[no-any-return]


@composite("gt")
def block_diag(*tensors: Any) -> Any:
    """The matrix that has the given ones along its diagonal, and zeros; vectors are rows."""
    found = [atleast_2d(x) for x in tensors]
    for i, x in enumerate(found):
        ndim = len(shape_of(x))
        check(ndim == 2, "GT107", f"tensors[{i}] has {ndim} dimensions", "expected at most 2")
    if not found:
        return PUBLIC["gt"]["zeros"](1, 0)
    dtype, width = result_dtype(*found), sum(shape_of(x)[1] for x in found)
    rows, left = [], 0
    for x in found:
        columns = shape_of(x)[1]
        sides = {"low": (0, left), "high": (0, width - left - columns), "interior": (0, 0)}
        rows.append(bind.bind(pad_op, to_dtype(x, dtype), **sides))
        left += columns
    return cat(rows, 0)


@composite("gt")
def meshgrid(*tensors: Any, indexing: str = "ij") -> Any:
    """Vectors as the coordinates of a grid: each expanded along its own dimension.

    ``indexing`` "xy" has the first two dimensions swapped.
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    check(len(given) > 0, "GT304", "meshgrid needs at least one tensor", "expected vectors", kind=ArgumentError)
    check(
        indexing in ("ij", "xy"),
        "GT304",
        f"indexing={indexing!r} is not allowed",
        'expected "ij" or "xy"',
        kind=ArgumentError,
    )
    for i, x in enumerate(given):
        ndim = len(shape_of(x))
        check(ndim <= 1, "GT107", f"tensors[{i}] has {ndim} dimensions", "expected a vector or a number")
        check(
            dtype_of(x) == dtype_of(given[0]),
            "GT201",
            f"tensors[{i}] is of {dtype_of(x)!r}",
            f"expected {dtype_of(given[0])!r}, as the first",
            kind=DTypeError,
        )
    counts = [math.prod(shape_of(x)) for x in given]
    order = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        order[:2] = 1, 0
    shape = tuple(counts[d] for d in order)
    lines = [tuple(n if order[i] == d else 1 for i, n in enumerate(shape)) for d in range(len(given))]
    return tuple(broadcast_to(reshape(x, line), shape) for x, line in zip(given, lines, strict=True))
