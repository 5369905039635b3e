"""Other shapes and orders of dimensions, as torch names them: composites over the ops of movement.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import OPS, composite
from graphtorch.ir.ops.arguments import given
from graphtorch.ir.ops.common import Shape, as_int, normalize_dim, normalize_dims, shape_of
from graphtorch.ir.ops.common import broadcast_shapes as broadcast
from graphtorch.ir.ops.common import sizes as _sizes
from graphtorch.ir.ops.movement import broadcast_to, permute, reshape, slice_op


@composite("Tensor")
def expand(input: Any, *size: Any) -> Any:
    """A view with dimensions of size 1 repeated; -1 keeps a size."""
    return broadcast_to(input, *size)


@composite("Tensor")
def expand_as(input: Any, other: Any) -> Any:
    """``input`` expanded to the shape of ``other``."""
    return broadcast_to(input, shape_of(other))


@composite("Tensor")
def view(input: Any, *shape: Any) -> Any:
    """`reshape` that shares the storage; ShapeError GT105 where the order of the elements in memory forbids it."""
    out = reshape(input, *shape)
    is_view_of = getattr(out, "_is_view_of", None)  # values of a graph have no storage
    check(
        is_view_of is None or is_view_of(input),
        "GT105",
        f"this tensor of shape {list(shape_of(input))} has no view of shape {list(shape_of(out))}",
        "its elements are in another order in memory: use reshape(), which copies them",
    )
    return out


@composite("gt", "Tensor")
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions start_dim..end_dim as one."""
    shape = shape_of(input)
    start = normalize_dim(start_dim, len(shape), "start_dim")
    end = normalize_dim(end_dim, len(shape), "end_dim")
    check(
        start <= end,
        "GT304",
        f"start_dim={start_dim} comes after end_dim={end_dim}",
        "expected start_dim <= end_dim",
        kind=ArgumentError,
    )
    if not shape:
        return reshape(input, (1,))
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@composite("gt", "Tensor")
def unsqueeze(input: Any, dim: int) -> Any:
    """A dimension of size 1 inserted at ``dim``."""
    shape = shape_of(input)
    at = normalize_dim(dim, len(shape) + 1)
    return reshape(input, (*shape[:at], 1, *shape[at:]))


@composite("gt", "Tensor")
def squeeze(input: Any, dim: Any = None) -> Any:
    """Dimensions of size 1 removed: all of them, or those that ``dim`` names."""
    shape = shape_of(input)
    dims = normalize_dims(dim, len(shape))
    return reshape(input, tuple(n for i, n in enumerate(shape) if n != 1 or i not in dims))


@composite("gt", "Tensor")
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions swapped."""
    order = list(range(len(shape_of(input))))
    a, b = normalize_dim(dim0, len(order), "dim0"), normalize_dim(dim1, len(order), "dim1")
    if order:
        order[a], order[b] = order[b], order[a]
    return permute(input, tuple(order))


@composite("gt", "Tensor")
def swapdims(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions swapped; as `transpose`."""
    return transpose(input, dim0, dim1)


@composite("gt", "Tensor")
def swapaxes(input: Any, axis0: int, axis1: int) -> Any:
    """Two dimensions swapped; as `transpose`."""
    return transpose(input, axis0, axis1)


@composite("gt", "Tensor")
def t(input: Any) -> Any:
    """A matrix transposed; 1-d and 0-d tensors as they are."""
    shape = shape_of(input)
    check(len(shape) <= 2, "GT107", f"expected at most 2 dimensions, got {len(shape)}", "use transpose or permute")
    return permute(input, tuple(reversed(range(len(shape)))))


@composite("gt", "Tensor")
def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    """``length`` elements from ``start`` along ``dim``."""
    shape = shape_of(input)
    check(bool(shape), "GT107", "narrow() of a 0-d tensor", "expected at least one dimension", kind=ArgumentError)
    d, start, length = normalize_dim(dim, len(shape)), as_int(start, "start"), as_int(length, "length")
    begin = start + shape[d] if start < 0 else start
    check(
        begin >= 0 and length >= 0 and begin + length <= shape[d],
        "GT304",
        f"start={start}, length={length} do not lie in dimension {dim} of size {shape[d]}",
        "expected 0 <= start and start + length <= size",
        kind=ArgumentError,
    )
    lo, hi = [0] * len(shape), list(shape)
    lo[d], hi[d] = begin, begin + length
    return bind.bind(slice_op, input, start=tuple(lo), stop=tuple(hi), step=(1,) * len(shape))


@composite("gt", "Tensor")
def ravel(input: Any) -> Any:
    """All elements in one dimension; as `flatten`."""
    return flatten(input)


@composite("Tensor")
def reshape_as(input: Any, other: Any) -> Any:
    """``input`` in the shape of ``other``."""
    return reshape(input, shape_of(other))


@composite("Tensor")
def view_as(input: Any, other: Any) -> Any:
    """`view` in the shape of ``other``."""
    return view(input, shape_of(other))


@composite("gt", "Tensor")
def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """Dimension ``dim`` as several of these ``sizes``, one of which may be -1."""
    shape, parts = shape_of(input), _sizes((sizes,), "sizes")
    check(bool(shape), "GT107", "unflatten() of a 0-d tensor", "expected at least one dimension", kind=ArgumentError)
    d = normalize_dim(dim, len(shape))
    known = math.prod(n for n in parts if n != -1)
    fits = shape[d] == known if -1 not in parts else known > 0 and shape[d] % known == 0
    check(
        len(parts) > 0 and parts.count(-1) <= 1 and min(parts) >= -1 and fits,
        "GT105",
        f"sizes={list(parts)} do not make up dimension {dim} of size {shape[d]}",
        f"expected sizes whose product is {shape[d]}, at most one of them -1",
    )
    whole = tuple(shape[d] // known if n == -1 else n for n in parts)
    return reshape(input, (*shape[:d], *whole, *shape[d + 1 :]))


@composite("gt")
def broadcast_tensors(*tensors: Any) -> Any:
    """The tensors, each expanded to the shape that they broadcast to."""
    shape = broadcast(*map(shape_of, tensors))
    return tuple(broadcast_to(x, shape) for x in tensors)


@composite("Tensor")
def sum_to_size(input: Any, *size: Any, **kwargs: Any) -> Any:
    """Summed over what broadcasting would repeat, so that the shape is ``size``."""
    shape, wanted = shape_of(input), _sizes(given(size, kwargs, "size"))
    lead = len(shape) - len(wanted)
    fits = lead >= 0 and all(w in (1, n) for w, n in zip(wanted, shape[lead:], strict=True))
    check(
        fits,
        "GT104",
        f"a tensor of shape {list(shape)} cannot be summed to {list(wanted)}",
        "expected a shape that broadcasts to it",
    )
    dims = (*range(lead), *(lead + i for i, w in enumerate(wanted) if w == 1 != shape[lead + i]))
    out = bind.bind(OPS["reduce_sum"], input, dims=dims) if dims else input
    return reshape(out, wanted)


@composite("gt")
def atleast_1d(*tensors: Any) -> Any:
    """0-d tensors with a dimension; of several tensors (or a sequence of them) a tuple."""
    return _each(tensors, lambda x: reshape(x, (1,)) if not shape_of(x) else x)


@composite("gt")
def atleast_2d(*tensors: Any) -> Any:
    """Tensors with at least two dimensions: a vector is a row."""
    return _each(tensors, lambda x: reshape(x, (1,) * (2 - len(shape_of(x))) + shape_of(x)))


@composite("gt")
def atleast_3d(*tensors: Any) -> Any:
    """Tensors with at least three dimensions: a vector is a row, and a matrix has a last dimension of 1."""
    more: dict[int, Callable[[Shape], Shape]] = {
        0: lambda s: (1, 1, 1), 1: lambda s: (1, *s, 1), 2: lambda s: (*s, 1)
    }  # fmt: skip
    return _each(tensors, lambda x: reshape(x, more.get(len(shape_of(x)), tuple)(shape_of(x))))


def _each(tensors: tuple[Any, ...], f: Callable[[Any], Any]) -> Any:
    if len(tensors) == 1 and not isinstance(tensors[0], list | tuple):
        return f(tensors[0])
    given = tensors[0] if len(tensors) == 1 else tensors
    return tuple(map(f, given))
