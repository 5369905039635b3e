"""Order, and the places of values in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.ops.public.indexing import at, eager
from tests.ops.public.table import Array, Call, call, refuse, row, smooth
from tests.ops.samples import array, strided

x = array(3, 5, 2)
special = np.array([np.nan, 1, np.inf, -np.inf, 0, -0.0, 1, np.nan], np.float32)
ties = np.array([[3, 1, 3, 2, 1, 3, 1], [0, 0, 0, 0, 0, 0, 0]])
kinds = ("int64", "int32", "int8", "uint8", "float64")


def order(x: Array, dim: int = -1, descending: bool = False) -> Array:
    """Equal ones in order, nan the greatest."""
    x = np.atleast_1d(x)
    sign = -1 if descending else 1

    def line(row: Array) -> Array:
        keys = [(sign * bool(v != v), 0 if v != v else sign * v.item()) for v in row]
        return np.array(sorted(range(len(row)), key=keys.__getitem__), np.int64)

    return np.apply_along_axis(line, dim, x) if x.size else np.zeros(x.shape, np.int64)


def in_order(x: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> tuple[Array, Array]:
    found = order(x, dim, descending)
    return np.take_along_axis(np.atleast_1d(x), found, dim).reshape(x.shape), found.reshape(x.shape)


def stably(call: Call) -> Call:
    """A call with ties, which torch need not break as it does with ``stable``."""
    return replace(call, torch=False)


row(
    "gt.sort",
    in_order,
    smooth(x),
    smooth(strided(3, 5, 2), 1, True),
    smooth(x, dim=-3, descending=True),
    smooth(array(1, 130)),
    smooth(array(2, 77), -1, True),
    call(array()),
    call(array(0, 3), 0),
    call(array(3, 0)),
    call(special),
    call(special, descending=True),
    call(ties, stable=True),
    call(ties, dim=1, descending=True, stable=True),
    call(at(1, 0, 1, 0) > 0, stable=True),
    stably(call(ties, 1)),
    *(call(array(3, 17).astype(d), dim=1, stable=True) for d in kinds),
    *(call(array(3, 35).astype(d), dim=1, descending=True, stable=True) for d in kinds),
    call((np.arange(500) * 7919 % 501).astype(np.float32), 0),
    refuse("dim=3 is out of range", x, 3),
)
row(
    "gt.argsort",
    lambda x, dim=-1, descending=False, stable=False: order(x, dim, descending).reshape(x.shape),
    call(x),
    call(strided(3, 5, 2), 1, descending=True),
    call(ties, stable=True),
    call(special, 0, True),
    call(array()),
    call(array(0, 3)),
    refuse("dim=3 is out of range", x, 3),
)
row(
    "gt.msort",
    lambda x: in_order(x, 0)[0],
    smooth(x),
    call(array()),
    call(special),
    refuse("must be a tensor", 3),
)


def first(x: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Array, ...]:
    if not x.ndim:
        return x, np.array(0)
    return tuple(np.take(a, range(k), dim) for a in in_order(x, dim, largest))


row(
    "gt.topk",
    first,
    smooth(x, 3, 1),
    smooth(strided(3, 5, 2), 1, dim=-3),
    smooth(x, 2, 1, False),
    smooth(array(2, 77), 5),
    smooth(array(2, 77), 40, largest=False),
    smooth(array(130, 3), 7, 0),
    call(array(), 1),
    call(array(5), 0),
    call(array(0, 3), 2),
    stably(call(special, 3)),
    stably(call(np.tile(special, 9), 9)),
    stably(call(special, 5, largest=False)),
    stably(call(ties, 4)),
    stably(call(np.tile(ties, 8), 6)),
    *(call((np.arange(50) * 31 % 53).astype(d), 4) for d in kinds),
    refuse("k=6 is out of range for dimension 1 of size 5", x, 6, 1),
    refuse("k=-1 is out of range", x, -1),
    refuse("k must be an int", x, 1.5),
    refuse("does not take graphtorch.bool", x > 0, 1),
)
row(
    "gt.kthvalue",
    lambda x, k, dim=-1, keepdim=False: tuple(
        (np.take(a, [k - 1], dim) if keepdim else np.take(a, k - 1, dim)) if x.ndim else a for a in in_order(x, dim)
    ),
    smooth(x, 2, 1),
    smooth(strided(3, 5, 2), 3, -3, True),
    smooth(array(77), 71),
    call(array(), 1),
    call(array(0, 3), 2),
    stably(call(special, 8)),
    *(call((np.arange(50) * 31 % 53).astype(d), 4) for d in kinds),
    refuse("k=0 is out of range", x, 0),
    refuse("k=3 is out of range for dimension 2 of size 2", x, 3),
    refuse("does not take graphtorch.bool", x > 0, 1),
)

# ---- searches -------------------------------------------------------------------------------------

line = np.sort(array(17))
line[5:8] = line[5]
table = np.sort(array(3, 5), 1)


def search(
    sequence: Array,
    input: Any,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Array:
    input = np.asarray(input)
    sequence = sequence if sorter is None else np.take_along_axis(sequence, sorter, -1)
    rows = np.broadcast_to(sequence, (*input.shape[:-1], sequence.shape[-1]) if input.ndim else sequence.shape)
    out = np.zeros(input.shape, np.int32 if out_int32 else np.int64)
    for i in np.ndindex(input.shape):
        row = rows[i[:-1]]
        passed = row <= input[i] if right or side == "right" else row < input[i]
        out[i] = len(row) if input[i] != input[i] else int(passed.sum())
    return out


row(
    "gt.searchsorted",
    search,
    call(line, array(7, 3)),
    call(line, np.append(line, [np.inf, -np.inf, np.nan]).astype(np.float32)),
    call(line, line, right=True),
    call(line, line, side="right", out_int32=True),
    call(line, line, side="left"),
    call(table, array(3, 7)),
    call(strided(3, 5)[:, :1], array(3, 7), right=True),
    call(line[::-1].copy(), array(7), sorter=np.arange(17)[::-1].copy()),
    call(line, 0.25),
    call(line, 1, right=True),
    call(np.arange(9) // 2, np.arange(7)),
    call(np.arange(9), array(7)),
    call(line[:0], array(7)),
    call(line[:1], array(7)),
    call(line, array()),
    call(line, array(0, 3)),
    *(call(np.arange(20).astype(d), (np.arange(7) * 3).astype(d)) for d in kinds),
    refuse("side='x' is not allowed", line, line, side="x"),
    refuse("side='left'", line, line, side="left", right=True),
    refuse("must have a dimension", array(), line),
    refuse("does not match the values", table, line),
    refuse("does not match the values", table, 0.5),
    refuse("sorter must be int64", line, line, sorter=np.arange(17, dtype=np.int32)),
    refuse("sorter does not match", line, line, sorter=np.arange(16)),
)
row(
    "gt.bucketize",
    lambda input, boundaries, out_int32=False, right=False: search(boundaries, input, out_int32, right),
    call(array(7, 3), line),
    call(np.append(line, np.nan).astype(np.float32), line, right=True),
    call(3, line, out_int32=True),
    call(np.arange(7), np.arange(0, 12, 3)),
    refuse("boundaries must be", array(7), table),
)


def member(elements: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False) -> Array:
    return np.isin(elements, test_elements, invert=invert)


row(
    "gt.isin",
    member,
    call(np.arange(15).reshape(3, 5), at(3, 7, 7, -1)),
    call(np.arange(15).reshape(3, 5), np.arange(0, 60, 3)),
    call(np.arange(15).reshape(3, 5), np.arange(0, 60, 3), invert=True),
    call(np.arange(15), np.arange(-30, -3)),
    call(special, special),
    call(special, np.tile(special, 5)),
    call(np.arange(15), 3, assume_unique=True),
    call(3, np.arange(15)),
    call(np.arange(15), array(0)),
    call(np.zeros((0, 3)), array(5)),
    call(array(), array(5)),
    call(np.arange(5, dtype=np.uint8), at(3, 300)),
    refuse("must be a tensor", 3, 4),
    refuse("does not take graphtorch.bool", x > 0, x > 0),
)


def binned(input: Array, weights: Any = None, minlength: int = 0) -> Array:
    out = np.bincount(input.astype(np.int64), weights, minlength)
    return out


row(
    "gt.bincount",
    binned,
    eager(call(at(3, 1, 3, 0, 7))),
    eager(call(at(3, 1, 3, 0, 7), minlength=11)),
    eager(Call((at(3, 1, 3), np.array([0.5, 1, -2])), torch=False)),  # which has half a gradient
    eager(Call((at(3, 1, 3), np.array([0.5, 1, -2], np.float32)), torch=False)),
    eager(call(at(3, 1, 3, dtype=np.uint8), at(5, 1, -2), 2)),
    eager(call(np.zeros(0, int))),
    eager(call(np.zeros(0, int), minlength=3)),
    refuse("input must be integers", array(3)),
    refuse("input must be integers", np.zeros((2, 3), int)),
    refuse("expected integers >= 0", at(3, -1)),
    refuse("minlength=-1", at(3), minlength=-1),
    refuse("weights must have the shape", at(3), array(2)),
)


def histogram(input: Array, bins: int = 100, min: float = 0, max: float = 0) -> Array:
    if not input.size:
        return np.zeros(bins)
    low, high = (min, max) if min != max else (input.min(), input.max())
    low, high = (low - 1, high + 1) if low == high else (low, high)
    return np.histogram(input[input == input], bins, (low, high))[0].astype(float)


row(
    "gt.histc",
    histogram,
    call(np.sin(np.arange(35, dtype=np.float32) ** 2).reshape(7, 5)),
    call(strided(7, 5), 6),
    call(array(35), bins=6, min=-1, max=1.5),
    call(np.array([1, 2, 4, 5], np.float32), 5, 1, 4),
    call(np.ones(5, np.float32), 3),
    call(special[1:2], 3),
    call(special, 3, -1, 2),
    call(array(0), 3),
    call(array(17).astype(float), 4, 2, 2),
    refuse("is not finite", special, 3),
    refuse("must be floating point", at(1, 2), 3),
    refuse("bins=0", array(3), 0),
    refuse("min=4 is greater than max=1", array(3), 3, 4, 1),
)


def distinct(
    x: Array, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    found = np.unique(x, False, True, True, axis=dim, equal_nan=False)
    inverse = found[1].reshape(x.shape if dim is None else -1)
    return (found[0], *((inverse,) if return_inverse else ()), *((found[2],) if return_counts else ()))


names = {"return_inverse": True, "return_counts": True}
row(
    "gt.unique",
    distinct,
    eager(call(ties)),
    eager(call(ties, True, True, True)),
    eager(replace(call(special, **names), torch=False)),  # which wants a gradient
    eager(call(ties % 2, return_counts=True, dim=1)),
    eager(call(np.array([[2, 1], [0, 3], [2, 1]]), dim=-2, **names)),
    eager(call(np.array(3), **names)),
    eager(call(np.zeros(0, np.int64), return_inverse=True)),
    eager(call(np.zeros((0, 3), np.int64), dim=0)),
    *(eager(call(array(17).astype(d))) for d in ("bool", "uint8", "int32")),
    refuse("cannot be told apart", np.zeros((3, 0)), dim=0),
    refuse("dim=2 is out of range", ties, dim=2),
)


def runs(x: Array, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    rows = list(x.reshape(-1)) if dim is None else list(np.moveaxis(x, dim, 0))
    kept: list[Any] = []
    inverse: list[int] = []
    for r in rows:
        if not kept or not np.all(kept[-1] == r):
            kept.append(r)
        inverse.append(len(kept) - 1)
    out = np.array(kept, x.dtype) if dim is None else np.moveaxis(np.array(kept), 0, dim)
    where = np.array(inverse, np.int64).reshape(x.shape if dim is None else -1)
    counts = np.bincount(np.array(inverse, np.int64))
    return (out, *((where,) if return_inverse else ()), *((counts,) if return_counts else ()))


row(
    "gt.unique_consecutive",
    runs,
    eager(call(at(1, 1, 2, 1, 1, 1))),
    eager(call(ties, **names)),
    eager(replace(call(special, **names), torch=False)),
    eager(call(np.array([[2, 1], [2, 1], [0, 3]]), dim=0, **names)),
    eager(call(np.array([[2, 2, 1], [2, 2, 3]]), dim=-1, return_inverse=True)),
    eager(call(np.array(3), **names)),
    eager(call(np.zeros(0, np.int64), return_counts=True)),
    refuse("dim=2 is out of range", ties, dim=2),
)
