"""Other shapes and orders of dimensions, as torch names them: composites over the ops of movement.py."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import (
    normalize_dim,
    normalize_dims,
    shape_of,
)
from graphtorch.ir.ops.movement import broadcast_to, permute, reshape, slice_op

Array = Any


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
    d = normalize_dim(dim, len(shape))
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
