"""torch's gather and scatter: an index for each element, along one dimension."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.dim import same
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.casts import row_major
from graphtorch.ir.ops.common import (
    Shape,
    aval_of,
    broadcast,
    broadcast_shapes,
    dtype_of,
    is_handle,
    lift,
    normalize_dim,
    same_dtype,
    shape_of,
    to_dtype,
)
from graphtorch.ir.ops.elementwise import EVERYWHERE
from graphtorch.ir.ops.gather import index_op, index_put_op, index_reduce_op
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.masks import filling
from graphtorch.ir.ops.movement import iota, reshape
from graphtorch.ir.ops.slices import part_of
from graphtorch.ir.types import float64, greatest, int32, int64, least


def along(index: Any, dim: int) -> list[Any]:
    """Index arrays for all dimensions that name, along ``dim``, what ``index`` says, and elsewhere where it stands."""
    shape = shape_of(index)
    return [index if d == dim else bind.bind(iota, shape=shape, dim=d, dtype=int64) for d in range(len(shape))]


def _index(index: Any) -> Any:
    check(
        aval_of(index).dtype in (int64, int32),
        "GT203",
        "index must be int64 or int32",
        f"expected graphtorch.int64, got {dtype_of(index)!r}",
        kind=DTypeError,
    )
    return to_dtype(index, int64)


def _check_sizes(index: Shape, other: Shape, skip: int, name: str) -> None:
    """``index`` may be smaller than ``other``, and along ``skip`` larger too."""
    fits = len(index) == len(other) and all(
        d == skip or n <= m for d, (n, m) in enumerate(zip(index, other, strict=True))
    )
    but = f", but at dimension {skip}" if skip >= 0 else ""
    check(
        fits or 0 in index,
        "GT103",
        f"index does not fit {name}",
        f"expected as many dimensions as {list(other)} has, and sizes no larger{but}; got {list(index)}",
    )


def _corner(x: Any, sizes: Shape, dim: int = -1) -> Any:
    """The first elements along every dimension but ``dim``, so many of them."""
    part = part_of(shape_of(x), [slice(None) if d == dim else slice(n) for d, n in enumerate(sizes)])
    return x if same(part.shape, shape_of(x)) else part.read(x)


@composite(*EVERYWHERE)
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """``out[i][j][k] = input[i][index[i][j][k]][k]`` for ``dim`` 1, and so on. ``index`` is int64 or int32, and no
    larger than ``input`` but along ``dim``. An index out of range is an IndexRangeError GT302 in eager mode; a program
    gives nan there (0 for dtypes that have none).
    """
    index, shape = _index(index), shape_of(input)
    d = normalize_dim(dim, len(shape))
    if not shape or not shape_of(index):
        return _of_numbers(lambda x, i: gather(x, 0, i), input, index)
    sizes = shape_of(index)
    _check_sizes(sizes, shape, d, "input")
    if 0 in sizes:
        return broadcast(lift(0, dtype_of(input)), sizes)
    dims = tuple(range(len(sizes)))
    return bind.bind(index_op, _corner(input, sizes, d), *along(index, d), dims=dims, negative=False)


def _of_numbers(function: Any, input: Any, index: Any) -> Any:
    """0-d tensors count as those of one element; the result is shaped as the index."""
    out = function(*(x if shape_of(x) else reshape(x, (1,)) for x in (input, index)))
    return reshape(out, shape_of(index))


@composite(*EVERYWHERE)
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """`gather` with ``input`` and ``indices`` (int64) broadcast but along ``dim``; without it, of the elements in a
    row. Along ``dim`` negative indices count from the end."""
    check(
        aval_of(indices).dtype == int64,
        "GT203",
        "indices must be int64",
        f"got {dtype_of(indices)!r}",
        kind=DTypeError,
    )
    if dim is None:
        flat = reshape(input, (-1,))
        return bind.bind(index_op, flat, reshape(indices, (-1,)), dims=(0,), negative=False)
    a, b = shape_of(input), shape_of(indices)
    check(len(a) == len(b), "GT107", "input and indices must have as many dimensions", f"got {len(a)} and {len(b)}")
    d = normalize_dim(dim, len(a))
    common = broadcast_shapes(a[:d] + a[d + 1 :], b[:d] + b[d + 1 :])
    input = broadcast(input, (*common[:d], a[d], *common[d:]))
    index = broadcast(indices, (*common[:d], b[d], *common[d:]))
    return bind.bind(index_op, input, *along(index, d), dims=tuple(range(len(a))), negative=True)


# ---- scatter --------------------------------------------------------------------------------------


def _put(input: Any, dim: int, index: Any, src: Any, op: Any, **attrs: Any) -> Any:
    """``op`` with the elements of ``src`` that ``index`` has a place for."""
    index, shape = _index(index), shape_of(input)
    d = normalize_dim(dim, len(shape))
    if not shape or not shape_of(index):
        given = (x if shape_of(x) else reshape(x, (1,)) for x in (input, index, src))
        flat_input, flat_index, flat_src = given
        return reshape(_put(flat_input, 0, flat_index, flat_src, op, **attrs), shape)
    sizes = shape_of(index)
    _check_sizes(sizes, shape, d, "input")
    if 0 in sizes:
        return row_major(input)
    _check_sizes(sizes, shape_of(src), -1, "src")
    place = part_of(shape, [slice(None) if e == d else slice(n) for e, n in enumerate(sizes)])
    dims = tuple(range(len(shape)))
    part = bind.bind(op, place.read(input), _corner(src, sizes), *along(index, d), dims=dims, negative=False, **attrs)
    return place.replaced(input, part)


def _source(input: Any, index: Any, src: Any) -> Any:
    if not is_handle(src):
        return broadcast(filling(src, dtype_of(input), "value"), shape_of(index))
    same_dtype(aval_of(input), aval_of(src))
    return src


_KINDS = {"add": "sum", "multiply": "prod"}


@composite(*EVERYWHERE)
def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """``out[i][index[i][j][k]][k] = src[i][j][k]`` for ``dim`` 1, and so on: the last one of those at one place.

    ``src`` is a tensor of the dtype of ``input``, or a number (also as ``value``). ``reduce`` "add" or "multiply"
    combines it with what is there. Of gradients, those of ``src`` are as if no place were named twice.
    """
    check(
        (src is None) != (value is None), "GT304", "src or value is needed", "expected one of them", kind=ArgumentError
    )
    check(
        reduce is None or reduce in _KINDS,
        "GT304",
        f"reduce={reduce!r} is not allowed",
        "expected add or multiply",
        kind=ArgumentError,
    )
    src = _source(input, index, value if src is None else src)
    if reduce is not None:
        return _reduced(input, dim, index, src, _KINDS[reduce])
    return _put(input, dim, index, src, index_put_op, accumulate=False)


@composite(*EVERYWHERE)
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """``out[i][index[i][j][k]][k] += src[i][j][k]`` for ``dim`` 1, and so on, in order."""
    same_dtype(aval_of(input), aval_of(src))
    return _put(input, dim, index, src, index_put_op, accumulate=True)


def _reduced(input: Any, dim: int, index: Any, src: Any, kind: str) -> Any:
    if kind == "sum":
        return _put(input, dim, index, src, index_put_op, accumulate=True)
    return _put(input, dim, index, src, index_reduce_op, kind={"prod": "mul", "amax": "max", "amin": "min"}[kind])


def neutral(dtype: Any, kind: str) -> Any:
    """What changes nothing of a number of ``dtype`` that is reduced with it."""
    if kind in ("sum", "mean"):
        return 0
    if kind == "prod":
        return 1
    if dtype.kind == "f":
        return float("-inf") if kind == "amax" else float("inf")
    return least(dtype) if kind == "amax" else greatest(dtype)


REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def check_reduction(reduce: str, allowed: tuple[str, ...] = REDUCTIONS) -> None:
    check(
        reduce in allowed,
        "GT304",
        f"reduce={reduce!r} is not allowed",
        f"expected one of {', '.join(allowed)}",
        kind=ArgumentError,
    )


@composite(*EVERYWHERE)
def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """`scatter` with the "sum", "prod", "mean", "amax" or "amin" of the elements of ``src`` at one place, and of what
    is there unless ``include_self`` is False (that stays where nothing goes)."""
    check_reduction(reduce)
    same_dtype(aval_of(input), aval_of(src))
    index, dtype = _index(index), dtype_of(input)

    def filled(x: Any, number: Any) -> Any:
        some = broadcast(lift(number, dtype), shape_of(index))
        return _put(x, dim, index, some, index_put_op, accumulate=False)

    def counted() -> Any:
        ones = broadcast(lift(1, dtype), shape_of(index))
        start = broadcast(lift(1 if include_self else 0, dtype), shape_of(input))
        return _put(start, dim, index, ones, index_put_op, accumulate=True)

    start = input if include_self else filled(input, neutral(dtype, reduce))
    if reduce != "mean":
        return _reduced(start, dim, index, src, reduce)
    count = counted()
    return averaged(_reduced(start, dim, index, src, "sum"), where(eq(count, 0), 1, count))


def averaged(total: Any, count: Any) -> Any:
    """``total / count``, rounded down for integers (of less than 2**53)."""
    if dtype_of(total).is_floating_point:
        return total / count
    dtype = dtype_of(total)
    near = to_dtype(to_dtype(total, float64) / to_dtype(count, float64), dtype)  # towards 0
    return near - to_dtype(near * count > total, dtype)
