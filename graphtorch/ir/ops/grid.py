"""Images sampled at the places that a grid names, and the grids of affine maps.

M. Jaderberg et al., "Spatial transformer networks", NeurIPS 2015. Places are in [-1, 1] along each dimension, x first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arithmetic import clamp
from graphtorch.ir.ops.common import Shape, aval_of, broadcast, dtype_of, require_float, same_dtype, shape_of, to_dtype
from graphtorch.ir.ops.contract import matmul
from graphtorch.ir.ops.index import select_rows
from graphtorch.ir.ops.joining import stack
from graphtorch.ir.ops.logic import eq, ge, gt, le, logical_and, ne, where
from graphtorch.ir.ops.movement import iota, permute, reshape
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.shapes import transpose
from graphtorch.ir.types import DType, float32, int64

#: a place: its index along each dimension, floats that are whole, and its weight
Tap = tuple[list[Any], Any]


@composite("F")
def affine_grid(theta: Any, size: Sequence[int], align_corners: bool | None = None) -> Any:
    """The grid [n, h, w, 2] of the maps ``theta`` [n, 2, 3] for images of ``size`` [n, c, h, w], or one dimension more.

    With ``align_corners`` -1 and 1 are the centers of the corners; else their outer edges.
    """
    require_float(aval_of(theta), "theta")
    sizes, shape = tuple(int(s) for s in size), shape_of(theta)
    rank = len(sizes) - 2
    check(
        rank in (2, 3) and shape == (sizes[0], rank, rank + 1) and min(sizes) > 0,
        "GT103",
        f"theta {list(shape)} does not fit size {list(sizes)}",
        "expected [n, 2, 3] and [n, c, h, w], or [n, 3, 4] and [n, c, d, h, w]",
    )
    plane, dtype = sizes[2:], dtype_of(theta)
    lines = [_line(plane, rank - 1 - axis, dtype, bool(align_corners)) for axis in range(rank)]
    ones = lines[0] * 0 + 1
    base = reshape(stack([*lines, ones], -1), (1, math.prod(plane), rank + 1))
    grid = matmul(broadcast(base, (sizes[0], *shape_of(base)[1:])), transpose(theta, 1, 2))
    return reshape(grid, (sizes[0], *plane, rank))


def _line(plane: Shape, dim: int, dtype: DType, corners: bool) -> Any:
    n, at = plane[dim], bind.bind(iota, shape=plane, dim=dim, dtype=dtype)
    if corners:
        return at * (2 / (n - 1)) - 1 if n > 1 else at * 0
    return (at * 2 + (1 - n)) * (1 / n)


@composite("F")
def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """``input`` [n, c, h, w] at the places ``grid`` [n, oh, ow, 2], or one dimension more: [n, c, oh, ow].

    ``mode`` is "bilinear", "nearest" or "bicubic" (of 2 dimensions); outside stands 0, or with ``padding_mode``
    "border" what is at the border, with "reflection" the image mirrored. nan is taken for a place outside. Numbers
    of 16 bits are computed with in float32.
    """
    require_float(aval_of(input), "input")
    same_dtype(aval_of(input), aval_of(grid))
    (n, _, *size), (m, *out, last) = shape_of(input), shape_of(grid)
    rank = len(size)
    check(
        rank in (2, 3) and len(out) == rank and n == m and last == rank and min(size) > 0,
        "GT103",
        f"input {list(shape_of(input))} and grid {list(shape_of(grid))} do not fit",
        "expected [n, c, h, w] and [n, oh, ow, 2], or one dimension more",
    )
    modes = ("bilinear", "nearest", "bicubic")[: 3 if rank == 2 else 2]
    for name, value, allowed in (
        ("mode", mode, modes),
        ("padding_mode", padding_mode, ("zeros", "border", "reflection")),
    ):
        expected = f"expected one of {', '.join(allowed)}"
        check(value in allowed, "GT304", f"{name}={value!r} is not allowed", expected, kind=ArgumentError)
    dtype = dtype_of(input)
    if dtype.itemsize < 4:  # places have no room in 16 bits, and sums of them less
        wide = _sample(to_dtype(input, float32), to_dtype(grid, float32), mode, padding_mode, bool(align_corners))
        return to_dtype(wide, dtype)
    return _sample(input, grid, mode, padding_mode, bool(align_corners))


def _sample(input: Any, grid: Any, mode: str, padding_mode: str, corners: bool) -> Any:
    _, _, *size = shape_of(input)
    rank = len(size)
    at = [_scaled(grid, rank - 1 - axis, k, corners) for axis, k in enumerate(size)]
    if mode != "bicubic":
        at = [_padded(x, k, padding_mode, corners) for x, k in zip(at, size, strict=True)]
    taps = [tuple(zip(*choice, strict=True)) for choice in itertools.product(*map(_TAPS[mode], at))]
    later = padding_mode if mode == "bicubic" else "zeros"
    found = [_tap(places, weights, tuple(size), later, corners) for places, weights in taps]
    index, weight = stack([f[0] for f in found], 0), stack([f[1] for f in found], 0)
    return _gathered(input, index, weight)


def _scaled(grid: Any, which: int, size: int, corners: bool) -> Any:
    """Coordinate ``which`` in elements."""
    x = grid[..., which]
    return (x + 1) * ((size - 1) / 2) if corners else (x + 1) * (size / 2) - 0.5


def _padded(x: Any, size: int, mode: str, corners: bool) -> Any:
    if mode == "zeros":
        return x
    if mode == "reflection":
        x = _reflected(x, 0.0, size - 1.0) if corners else _reflected(x, -0.5, size - 0.5)
    inside = clamp(x, 0, size - 1)
    return where(ne(x, x), 0, where(logical_and(gt(x, 0), x < size - 1), x, inside.detach()))


def _reflected(x: Any, low: float, high: float) -> Any:
    """``x`` mirrored at both ends until it lies between them."""
    span = high - low
    if span == 0:
        return x * 0
    away = abs(x - low)
    turns = _floor(away * (1 / span), 2.0**40).detach()
    rest = away - turns * span
    odd = turns - _floor(turns * 0.5, 2.0**40) * 2
    return where(eq(odd, 0), rest + low, high - rest)


def _floor(x: Any, limit: float = 2.0**30) -> Any:
    """The greatest whole number up to ``x``, which is kept within +-limit; 0 for nan."""
    dtype = dtype_of(x)
    kept = where(ne(x, x), 0, clamp(x, -limit, limit)).detach()
    whole = to_dtype(to_dtype(kept, int64), dtype)
    return whole - to_dtype(gt(whole, kept), dtype)


def _nearest(x: Any) -> list[tuple[Any, Any]]:
    """The whole number beside, the even one of two."""
    below = _floor(x)
    far = (x - below).detach()
    odd = ne(below - _floor(below * 0.5) * 2, 0)
    up = where(odd, ge(far, 0.5), gt(far, 0.5))
    return [(below + to_dtype(up, dtype_of(x)), None)]


def _linear(x: Any) -> list[tuple[Any, Any]]:
    below = _floor(x)
    far = x - below
    return [(below, 1 - far), (below + 1, far)]


def _cubic(x: Any) -> list[tuple[Any, Any]]:
    """Keys' kernel with a = -3/4, as in resample_taps.py."""
    below = _floor(x)
    t = x - below
    return [(below - 1, _far(t + 1)), (below, _near(t)), (below + 1, _near(1 - t)), (below + 2, _far(2 - t))]


def _near(x: Any) -> Any:
    return (x * 1.25 - 2.25) * x * x + 1.0


def _far(x: Any) -> Any:
    return ((x * -0.75 + 3.75) * x - 6.0) * x + 3.0


_TAPS = {"nearest": _nearest, "bilinear": _linear, "bicubic": _cubic}


def _tap(places: Sequence[Any], weights: Sequence[Any], size: Shape, mode: str, corners: bool) -> tuple[Any, Any]:
    """Where in the flattened plane a place stands, and its weight, 0 outside."""
    flat, weight, inside = None, None, None
    for at, by, n in zip(places, weights, size, strict=True):
        at = _padded(at, n, mode, corners)
        here = logical_and(ge(at, 0), le(at, n - 1))
        index = to_dtype(clamp(at, 0, n - 1).detach(), int64)
        flat = index if flat is None else flat * n + index
        inside = here if inside is None else logical_and(inside, here)
        weight = by if weight is None else weight if by is None else weight * by
    dtype = dtype_of(places[0])
    return flat, to_dtype(inside, dtype) if weight is None else where(inside, weight, 0)


def _gathered(input: Any, index: Any, weight: Any) -> Any:
    """The weighted sum over the first dimension of what ``index`` [taps, n, *out] names in each plane."""
    n, c, *size = shape_of(input)
    rank, plane = len(size), math.prod(size)
    rows = reshape(permute(input, (0, *range(2, rank + 2), 1)), (n * plane, c))
    first = bind.bind(iota, shape=shape_of(index), dim=1, dtype=int64) * plane
    values = select_rows(rows, index + first, 0)
    out = sum_(values * reshape(weight, (*shape_of(weight), 1)), 0)
    return permute(out, (0, rank + 1, *range(1, rank + 1)))
