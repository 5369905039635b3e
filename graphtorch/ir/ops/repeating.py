"""The same elements in another order, or several times: `flip`, `roll`, `repeat` and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import PUBLIC, Op, composite, register
from graphtorch.ir.ops.arguments import given
from graphtorch.ir.ops.casts import row_major
from graphtorch.ir.ops.common import Shape, as_int, aval_of, check_dim, is_handle, normalize_dim, shape_of, sizes
from graphtorch.ir.ops.joining import cat
from graphtorch.ir.ops.movement import broadcast_to, reshape
from graphtorch.ir.ops.shapes import flatten, narrow, transpose, unsqueeze
from graphtorch.ir.types import TensorType

Array = Any


class Flip(Op):
    """The elements in reverse order along each of ``dims``; a copy."""

    name = "flip"
    surface = ("gt", "Tensor")

    def prepare(self, input: Any, *dims: Any, **kwargs: Any) -> Any:
        wanted, ndim = sizes(given(dims, kwargs, "dims"), "dims"), len(shape_of(input))
        found = tuple(normalize_dim(d, ndim, "dims") for d in wanted)
        check(
            len(set(found)) == len(found),
            "GT303",
            f"dims={list(wanted)} names a dimension twice",
            "expected every dimension at most once",
            kind=ArgumentError,
        )
        return (input,), {"dims": tuple(d for d in found if ndim)}

    def infer(self, input: TensorType, *, dims: Shape) -> TensorType:
        for d in dims:
            check_dim(d, input.ndim, "dims")
        return input

    def ref(self, input: Array, *, dims: Shape) -> Array:
        return np.array(np.flip(input, dims), order="C")

    def vjp(self, g: Any, _y: Any, _input: Any, *, dims: Shape) -> Any:
        return bind.bind(flip, g, dims=dims)

    def lower(self, input: Source, *, dims: Shape) -> Compute:
        def body(*i: Expr) -> Expr:
            return input[
                tuple(n - 1 - v if d in dims else v for d, (v, n) in enumerate(zip(i, input.shape, strict=True)))
            ]

        return compute(input.shape, input.dtype, body)


flip = register(Flip())


@composite("gt", "Tensor")
def fliplr(input: Any) -> Any:
    """Columns in reverse order: dimension 1 flipped."""
    ndim = len(shape_of(input))
    check(ndim >= 2, "GT107", f"expected at least 2 dimensions, got {ndim}", "use flip")
    return bind.bind(flip, input, dims=(1,))


@composite("gt", "Tensor")
def flipud(input: Any) -> Any:
    """Rows in reverse order: dimension 0 flipped."""
    ndim = len(shape_of(input))
    check(ndim >= 1, "GT107", "expected at least 1 dimension, got 0", "flip needs something to turn")
    return bind.bind(flip, input, dims=(0,))


@composite("gt", "Tensor")
def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """``k`` quarter turns in the plane of two ``dims``, from the first towards the second."""
    wanted, ndim = sizes((dims,), "dims"), len(shape_of(input))
    check(
        len(wanted) == 2 and ndim >= 2,
        "GT107",
        f"a plane has two dimensions, got dims={list(wanted)} of a tensor of {ndim}",
        "expected two dims of a tensor of at least two dimensions",
        kind=ArgumentError,
    )
    a, b = (normalize_dim(d, ndim, "dims") for d in wanted)
    check(a != b, "GT303", f"dims={list(wanted)} is one dimension", "expected two different ones", kind=ArgumentError)
    turns = as_int(k, "k") % 4
    if turns == 0:
        return bind.bind(flip, input, dims=())
    if turns == 2:
        return bind.bind(flip, input, dims=(a, b))
    return (
        transpose(bind.bind(flip, input, dims=(b,)), a, b)
        if turns == 1
        else bind.bind(flip, transpose(input, a, b), dims=(b,))
    )


@composite("gt", "Tensor")
def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Elements moved by ``shifts`` along ``dims``; what leaves at the end comes in at the front.

    Without ``dims`` they are moved in the flattened tensor.
    """
    shape, by = shape_of(input), sizes((shifts,), "shifts")
    if dims is None:
        check(len(by) == 1, "GT304", f"{len(by)} shifts without dims", "expected one, or dims", kind=ArgumentError)
        return reshape(_rolled(flatten(input), by[0], 0), shape)
    along = sizes((dims,), "dims")
    check(
        len(by) == len(along) and len(by) > 0,
        "GT304",
        f"{len(by)} shifts for {len(along)} dims",
        "expected one shift for each dimension",
        kind=ArgumentError,
    )
    for n, d in zip(by, along, strict=True):
        input = _rolled(input, n, normalize_dim(d, len(shape), "dims"))
    return input


def _rolled(x: Any, by: int, dim: int) -> Any:
    size = shape_of(x)[dim] if shape_of(x) else 0
    at = by % size if size else 0
    if at == 0:
        return bind.bind(flip, x, dims=())  # a copy
    return cat([narrow(x, dim, size - at, at), narrow(x, dim, 0, size - at)], dim)


@composite("Tensor")
def repeat(input: Any, *repeats: Any, **kwargs: Any) -> Any:
    """The whole tensor, so many times along each dimension; new dimensions come in front."""
    counts, shape = sizes(given(repeats, kwargs, "repeats"), "repeats"), shape_of(input)
    check(
        len(counts) >= len(shape) and min(counts, default=0) >= 0,
        "GT304",
        f"repeats={list(counts)} does not fit {len(shape)} dimensions",
        "expected a count >= 0 for each dimension, and any number in front",
        kind=ArgumentError,
    )
    return _tiled(input, counts)


def _tiled(x: Any, counts: Shape) -> Any:
    """Each dimension in two, of which the first is broadcast, and together again."""
    shape = (1,) * (len(counts) - len(shape_of(x))) + shape_of(x)
    apart = tuple(n for size in shape for n in (1, size))
    wide = tuple(n for count, size in zip(counts, shape, strict=True) for n in (count, size))
    spread = bind.bind(broadcast_to, reshape(x, apart), shape=wide)
    return row_major(reshape(spread, tuple(c * n for c, n in zip(counts, shape, strict=True))))


@composite("gt", "Tensor")
def tile(input: Any, *dims: Any, **kwargs: Any) -> Any:
    """As `repeat`; where ``dims`` is shorter than the shape, 1 stands in front of it."""
    counts, ndim = sizes(given(dims, kwargs, "dims"), "dims"), len(shape_of(input))
    check(
        min(counts, default=0) >= 0,
        "GT304",
        f"dims={list(counts)} is not allowed",
        "expected counts >= 0",
        kind=ArgumentError,
    )
    return _tiled(input, (1,) * (ndim - len(counts)) + counts)


@composite("gt", "Tensor")
def repeat_interleave(input: Any, repeats: Any = None, dim: Any = None, *, output_size: int | None = None) -> Any:
    """Each element (or slice along ``dim``) ``repeats`` times in a row; flattened first without ``dim``.

    A tensor of counts is read: the size of the result depends on it, so that it is refused where it is traced. Of
    counts alone, as ``repeat_interleave(counts)``, the result is the number of each, so many times.
    """
    if repeats is None:
        return _by_counts(None, input, output_size)
    x = flatten(input) if dim is None else input
    d = 0 if dim is None else normalize_dim(dim, len(shape_of(x)))
    if not shape_of(x):
        x = reshape(x, (1,))
    if is_handle(repeats):
        return _by_counts(x, repeats, output_size, d)
    count = as_int(repeats, "repeats")
    check(count >= 0, "GT304", f"repeats={count} is not allowed", "expected a count >= 0", kind=ArgumentError)
    shape = shape_of(x)
    wide = bind.bind(broadcast_to, unsqueeze(x, d + 1), shape=(*shape[: d + 1], count, *shape[d + 1 :]))
    return row_major(reshape(wide, (*shape[:d], shape[d] * count, *shape[d + 1 :])))


def _by_counts(x: Any, counts: Any, total: int | None, dim: int = 0) -> Any:
    """Slices of ``x`` by the tensor of their ``counts``; their numbers, without ``x``."""
    kind, size = aval_of(counts), shape_of(x)[dim] if x is not None else None
    check(
        kind.ndim <= 1,
        "GT107",
        f"repeats has {kind.ndim} dimensions",
        "expected a vector of counts",
        kind=ArgumentError,
    )
    check(
        kind.dtype.kind in "iu",
        "GT203",
        f"repeats is a tensor of {kind.dtype!r}",
        "expected int64 or int32",
        kind=ArgumentTypeError,
    )
    check(
        size is None or kind.shape in ((), (1,), (size,)),
        "GT103",
        f"repeats has the shape {list(kind.shape)}",
        f"expected a count for each of {size}",
    )
    if size is not None:
        counts = bind.bind(broadcast_to, counts, shape=(size,))
    if total is None:
        found = bind.current().data(counts, "the size of what repeat_interleave gives, without output_size,")
        check(found.min(initial=0) >= 0, "GT304", "repeats holds counts below 0", "expected >= 0", kind=ArgumentError)
        total = int(found.sum())
    gt = PUBLIC["gt"]
    numbers = gt["searchsorted"](gt["cumsum"](counts, 0), gt["arange"](total), right=True)
    return numbers if x is None else gt["index_select"](x, dim, numbers)
