"""An index for each element: gather, scatter and what torch has around them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.ops.public.indexing import at
from tests.ops.public.table import Array, Call, call, refuse, row, smooth
from tests.ops.samples import array, strided

x = array(3, 5, 2)
#: along dimension 1, smaller elsewhere, with repetitions; and distinct
index = np.array(
    [[[4, 0], [4, 1], [0, 3], [2, 2], [1, 4], [0, 0], [3, 3]], [[0, 1], [0, 1], [0, 1], [3, 4]] + [[2, 0]] * 3]
)
distinct = np.array([[[4, 0], [1, 3], [0, 1]], [[2, 1], [0, 4], [3, 2]]])
ints = ["int64", "int32", "uint8"]


def places(index: Array, dim: int) -> tuple[Array, ...]:
    grid = list(np.indices(index.shape))
    grid[dim] = index
    return tuple(grid)


def wide(*arrays: Array) -> tuple[Array, ...]:
    return tuple(np.atleast_1d(a) for a in arrays)


def own(call: Call) -> Call:
    """A call of which torch has no gradient."""
    return replace(call, torch=False)


def gather(x: Array, dim: int, index: Array) -> Array:
    a, i = wide(x, index)
    if not i.size:
        return np.zeros(index.shape, x.dtype)
    return a[places(i, dim)].reshape(index.shape)


row(
    "gt.gather",
    gather,
    smooth(x, 1, index),
    smooth(strided(3, 5, 2), -2, distinct),
    smooth(x, 0, np.array([[[0, 2], [1, 1]]])),
    smooth(x, dim=2, index=np.array([[[0, 1, 1, 0, 1]]])),
    smooth(array(3, 5), 0, np.zeros((7, 5), int)),
    call(x, 1, index.astype(np.int32)),
    call(x, 1, np.zeros((0, 5, 2), int)),
    call(x, 1, np.zeros(0, int)),
    call(array(), 0, np.array(0)),
    call(array(), 0, at(0, 0)),
    call(array(1), 0, np.array(0)),
    *(call(array(3, 5).astype(d), 1, at([4, 0, 4])) for d in (*ints, "bool", "float64")),
    call(np.array([np.nan, np.inf, 1], np.float32), 0, at(1, 0, 1)),
    refuse("index 5 is out of range for dimension 1 of size 5", x, 1, index + 1),
    refuse("index -1 is out of range", x, 1, index - 1),
    refuse("index does not fit input", x, 0, index),
    refuse("index does not fit input", x, 0, at(0)),
    refuse("index must be int64 or int32", x, 0, x),
    refuse("dim=3 is out of range", x, 3, index),
)


def scatter(x: Array, dim: int, index: Array, src: Any = None, value: Any = None, reduce: str | None = None) -> Array:
    out, i = (np.array(a) for a in wide(x, index))
    if not i.size:
        return x
    new = np.asarray(value if src is None else src)
    new = np.broadcast_to(new, i.shape) if not new.ndim else new[tuple(map(slice, i.shape))]
    if reduce is None:
        out[places(i, dim)] = new
    else:
        {"add": np.add, "multiply": np.multiply}[reduce].at(out, places(i, dim), new.astype(out.dtype))
    return out.reshape(x.shape)


row(
    "gt.scatter",
    scatter,
    smooth(x, 1, distinct, array(2, 3, 2)),
    own(smooth(strided(3, 5, 2), -2, distinct, array(3, 4, 2))),
    smooth(x, 0, np.array([[[0, 2], [1, 1]]]), array(1, 2, 2)[:1]),
    call(x, 1, index, array(2, 7, 2)),
    smooth(x, 1, index, 2.5),
    smooth(x, 1, index, value=-1),
    own(smooth(x, 1, index, array(2, 7, 2), reduce="add")),
    own(smooth(x, 1, index, 1.5, reduce="multiply")),
    call(array(3, 5), 1, np.zeros((0, 5), int), array(0, 5)),
    call(array(3, 5), 1, np.zeros(0, int), 2.0),
    call(array(), 0, np.array(0), np.array(2.5, np.float32)),
    call(array(5), 0, at(1, 1, 1, 3), np.array([1, np.nan, 3, np.inf], np.float32)),
    *(call(array(3, 5).astype(d), 1, at([4, 0, 4]), array(1, 3).astype(d)) for d in (*ints, "bool", "float64")),
    *(call(array(3, 5).astype(d), 1, at([4, 0, 4]), array(1, 3).astype(d), reduce="add") for d in ints),
    refuse("index 5 is out of range for dimension 1 of size 5", x, 1, index + 1, 1.0),
    refuse("index does not fit input", x, 0, index, 1.0),
    refuse("index does not fit src", x, 1, index, array(2, 6, 2)),
    refuse("of one dtype", x, 1, index, index),
    refuse("reduce='mean' is not allowed", x, 1, index, 1.0, reduce="mean"),
    refuse("src or value is needed", x, 1, index),
)
row(
    "gt.scatter_add",
    lambda x, dim, index, src: scatter(x, dim, index, src, reduce="add"),
    smooth(x, 1, index, array(2, 7, 2)),
    own(smooth(strided(3, 5, 2), -3, np.array([[[0, 2], [0, 1]]] * 2), array(2, 4, 2))),
    smooth(array(5, 3), 0, np.array([[4, 0, 4], [4, 1, 0]]), array(2, 3)),
    call(array(), 0, at(0, 0), array(2)),
    call(array(3, 5), 1, np.zeros((0, 5), int), array(0, 5)),
    *(call(array(3, 5).astype(d), 1, at([4, 0, 4]), array(1, 3).astype(d)) for d in (*ints, "float64")),
    refuse("index 5 is out of range", x, 1, index + 1, array(2, 7, 2)),
    refuse("index does not fit src", x, 1, index, array(2, 6, 2)),
    refuse("of one dtype", x, 1, index, index),
)


def grouped(x: Array, i: Array, src: Array, dim: int, reduce: str, include_self: bool) -> Array:
    out = np.array(x)
    found: dict[tuple[int, ...], list[Any]] = {}
    for place, here in zip(zip(*(g.flat for g in places(i, dim)), strict=True), np.ndindex(i.shape), strict=True):
        found.setdefault(place, [x[place]] if include_self else []).append(src[here])
    functions = {"sum": np.sum, "prod": np.prod, "amax": np.max, "amin": np.min}
    for place, values in found.items():
        if reduce == "mean":
            total = np.sum(values)
            out[place] = total / len(values) if x.dtype.kind == "f" else total // len(values)
        else:
            out[place] = functions[reduce](values)
    return out


row(
    "gt.scatter_reduce",
    lambda x, dim, index, src, reduce, include_self=True: grouped(
        *wide(x, index, src), dim, reduce, include_self
    ).reshape(x.shape),
    *(smooth(x, 1, index, array(2, 7, 2, low=-1.9), reduce) for reduce in ("sum", "prod", "mean", "amax", "amin")),
    *(
        smooth(array(5, 3), 0, np.array([[4, 0, 4], [4, 1, 0]]), array(2, 3, low=-1.9), reduce=r, include_self=False)
        for r in ("sum", "prod", "mean", "amax", "amin")
    ),
    *(call(np.arange(5) * 3 - 7, 0, at(1, 1, 3), at(5, -22, 4), reduce) for reduce in ("prod", "mean", "amax", "amin")),
    call(np.arange(5), 0, at(1, 1, 3), at(5, -22, 4), "mean", include_self=False),
    call(np.arange(5), 0, at(1, 1, 3), at(5, -22, 4), "amin", include_self=False),
    call(np.ones(5, np.float32), 0, at(1, 1, 3, 2), np.array([0, 0, 0, 2], np.float32), "prod"),
    call(np.zeros(5, np.float32), 0, at(1, 1, 3, 2), np.array([0, 3, 4, 2], np.float32), "prod"),
    call(np.ones(5, np.float32), 0, at(1, 1, 3, 2), np.array([1, 1, 3, 1], np.float32), "amax"),
    call(array(5), 0, at(1, 1, 3), np.array([np.nan, 3, np.inf], np.float32), "amax"),
    call(array(), 0, at(0, 0), array(2), "amax"),
    refuse("reduce='median' is not allowed", x, 1, index, array(2, 7, 2), "median"),
    refuse("of one dtype", x, 1, index, index, "sum"),
)
row(
    "gt.take_along_dim",
    lambda x, indices, dim=None: (
        np.take_along_axis(x.reshape(-1), indices.reshape(-1), 0)
        if dim is None
        else np.take_along_axis(
            *(np.broadcast_to(a, s) for a, s in zip((x, indices), shapes(x, indices, dim), strict=True)), dim
        )
    ),
    smooth(x, index[:1], 1),
    smooth(array(3, 1, 2), np.zeros((1, 5, 2), int), 0),
    smooth(strided(3, 5, 2), np.array([[[0], [-1]]]), dim=-2),
    smooth(x, np.array([[0, 29], [1, 4]])),
    call(array(3, 5), np.argsort(array(3, 5), 1), 1),
    call(array(3, 5), np.zeros((3, 0), int), 1),
    *(call(array(3, 5).astype(d), at([4, 0, 4]), 1) for d in (*ints, "bool")),
    refuse("indices must be int64", x, index.astype(np.int32), 1),
    refuse("as many dimensions", x, at(0), 1),
    replace(refuse("index 5 is out of range", x, index[:1] + 1, 1), torch=False),  # which counts on from 0
    refuse("index -1 is out of range", x, at([-1])),
    refuse("do not broadcast", x, index, 0),
)


def shapes(x: Array, indices: Array, dim: int) -> list[list[int]]:
    out = [list(x.shape), list(indices.shape)]
    for d in range(x.ndim):
        if d != dim % x.ndim:
            out[0][d] = out[1][d] = max(x.shape[d], indices.shape[d])
    return out


# ---- rows and elements ----------------------------------------------------------------------------


def rows(dim: int, index: Array, ndim: int) -> tuple[Any, ...]:
    return (*(slice(None),) * (dim % max(ndim, 1)), np.atleast_1d(index))


def changed(function: Any, x: Array, dim: int, index: Array, source: Any) -> Array:
    (out,) = (np.array(a) for a in wide(x))
    function(out, rows(dim, index, x.ndim), source)
    return out.reshape(x.shape)


def assign(out: Array, key: Any, source: Any) -> None:
    out[key] = source


row(
    "gt.index_select",
    lambda x, dim, index: np.take(np.atleast_1d(x), np.atleast_1d(index), dim).reshape(
        x.shape if not x.ndim else np.take(x, np.atleast_1d(index), dim).shape
    ),
    smooth(x, 1, at(4, 0, 4, 1)),
    smooth(strided(3, 5, 2), dim=-1, index=at(1, 0, 1, 1, 0, 0)),
    call(x, 1, np.array(3)),
    call(x, 1, at(3, dtype=np.int32)),
    call(x, 1, np.zeros(0, int)),
    call(array(), 0, at(0)),
    *(call(array(3, 5).astype(d), 1, at(4, 0, 4)) for d in (*ints, "bool", "float64")),
    refuse("index -1 is out of range for dimension 1 of size 5", x, 1, at(-1)),
    refuse("index must be", x, 1, index),
    refuse("must have one element", array(), 0, at(0, 0)),
)
row(
    "gt.index_add",
    lambda x, dim, index, source, alpha=1: changed(np.add.at, x, dim, index, (source * alpha).astype(x.dtype)),
    smooth(x, 1, at(4, 0, 4, 1), array(3, 4, 2)),
    smooth(strided(3, 5, 2), dim=-1, index=at(1, 0, 1, 1, 0, 0), source=array(3, 5, 6), alpha=2.5),
    call(array(3, 5), 0, np.array(2), array(1, 5)),
    *(call(array(3, 5).astype(d), 1, at(4, 0, 4), array(3, 3).astype(d)) for d in (*ints, "float64")),
    refuse("index -1 is out of range", x, 1, at(-1), array(3, 1, 2)),
    refuse("of one dtype", x, 1, at(0), np.ones((3, 1, 2))),
)
row(
    "gt.index_copy",
    lambda x, dim, index, source: changed(assign, x, dim, index, source),
    smooth(x, 1, at(4, 0, 1), array(3, 3, 2)[:, :3]),
    smooth(strided(3, 5, 2), dim=-3, index=at(2, 1), source=array(2, 5, 2)),
    call(array(5), 0, at(1, 1, 3), array(3)),
    call(array(), 0, at(0), array()),
    *(call(array(3, 5).astype(d), 1, at(4, 0), array(3, 2).astype(d)) for d in (*ints, "bool", "float64")),
    refuse("index -1 is out of range", x, 1, at(-1), array(3, 1, 2)),
    refuse("index must be int64", x, 1, at(1, dtype=np.int32), array(3, 1, 2)),
    refuse("do not match the elements", x, 1, at(1), array(3, 2, 2)),
)
row(
    "gt.index_fill",
    lambda x, dim, index, value: changed(assign, x, dim, index, np.asarray(value).astype(x.dtype)),
    smooth(x, 1, at(4, 0, -1), 2.5),
    smooth(strided(3, 5, 2), dim=-1, index=np.array(1), value=array()),
    call(array(), 0, at(0), 3),
    call(x, 1, np.zeros(0, int), 3),
    *(call(array(3, 5).astype(d), 1, at(4, 0, 4), 1) for d in (*ints, "bool", "float64")),
    call(np.arange(5), 0, at(1, 2), 7.5),
    refuse("index 5 is out of range for dimension 1 of size 5", x, 1, at(5), 1),
    refuse("index must be", x, 1, index, 1),
    refuse("index must be int64", x, 1, at(1, dtype=np.int32), 1),
    refuse("value must be a number", x, 1, at(1), array(2)),
)
row(
    "gt.index_reduce",
    lambda x, dim, index, source, reduce, include_self=True: np.moveaxis(
        grouped(
            np.moveaxis(x, dim, 0),
            np.broadcast_to(index.reshape(-1, *(1,) * (x.ndim - 1)), np.moveaxis(source, dim, 0).shape),
            np.moveaxis(source, dim, 0), 0, reduce, include_self,
        ), 0, dim,
    ),
    *(smooth(x, 1, at(4, 0, 4), array(3, 3, 2, low=-1.9)[:, :3], r) for r in ("prod", "mean", "amax", "amin")),
    *(smooth(array(5, 3), 0, at(4, 4), array(2, 3), reduce=r, include_self=False) for r in ("prod", "mean", "amin")),
    *(call(np.arange(5) * 3 - 7, 0, at(1, 1, 3), at(5, -22, 4), reduce) for reduce in ("prod", "mean", "amax")),
    refuse("reduce='sum' is not allowed", x, 1, at(0), array(3, 1, 2), "sum"),
    refuse("out of range", x, 1, at(-1), array(3, 1, 2), "amax"),
)  # fmt: skip
row(
    "gt.take",
    lambda x, index: x.reshape(-1)[index],
    smooth(x, np.array([[0, 29, -1], [4, 4, -30]])),
    smooth(strided(3, 5, 2), np.array(7)),
    call(array(), at(0, -1)),
    call(x, np.zeros((0, 2), int)),
    *(call(array(3, 5).astype(d), at(14, 0, 14)) for d in (*ints, "bool")),
    refuse("index 30 is out of range", x, at(30)),
    refuse("index must be int64", x, at(3, dtype=np.int32)),
)
row(
    "gt.put",
    lambda x, index, source, accumulate=False: changed(
        np.add.at if accumulate else assign, x.reshape(-1), 0, index.reshape(-1), source.reshape(-1)
    ).reshape(x.shape),
    smooth(x, np.array([[0, 29, -2], [4, 5, -30 + 1]]), array(6)),
    smooth(strided(3, 5, 2), at(4, 4, -1), array(3, 1), True),
    call(x, at(4, 4, 4), array(3)),
    call(x, np.zeros(0, int), array(0)),
    *(call(array(3, 5).astype(d), at(14, 0, 14), array(3).astype(d), accumulate=True) for d in ints),
    refuse("index 30 is out of range", x, at(30), array(1)),
    refuse("as many elements", x, at(3), array(2)),
    refuse("of one dtype", x, at(3), at(2)),
)
mask = array(3, 5, 2) > 0.2
row(
    "gt.masked_scatter",
    lambda x, mask, source: masked(x, mask, source),
    smooth(x, mask, array(4, 7)),
    smooth(strided(3, 5, 2), array(5, 1) > 0, array(30)),
    smooth(array(2), mask, array(40)),
    call(x, np.zeros_like(mask), array(0)),
    call(array(0, 3), np.zeros((0, 1), bool), array(2)),
    call(array(), np.array(True), array(2)),
    *(call(array(3, 5).astype(d), array(3, 5) > 0, array(17).astype(d)) for d in (*ints, "bool")),
    refuse("source has too few elements", x, mask, array(3)),
    refuse("mask must be bool", x, np.ones(2, np.uint8), array(30)),
    refuse("of one dtype", x, mask, np.arange(30)),
)


def masked(x: Array, mask: Array, source: Array) -> Array:
    out = np.array(np.broadcast_to(x, np.broadcast_shapes(x.shape, mask.shape)))
    chosen = np.broadcast_to(mask, out.shape)
    out[chosen] = source.reshape(-1)[: chosen.sum()]
    return out


def diagonal(x: Array, src: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    out = np.array(x)
    view = np.diagonal(out, offset, dim1, dim2)
    view.flags.writeable = True
    view[...] = src
    return out


row(
    "gt.diagonal_scatter",
    diagonal,
    smooth(array(3, 5), array(3)),
    smooth(array(3, 5), array(4)[:3], 1),
    smooth(array(3, 5), array(1), -2),
    smooth(strided(3, 5, 2), array(3, 1), -1, 2, dim2=1),
    smooth(x, array(2, 3), 1, dim1=0, dim2=-2),
    call(array(3, 5), array(0), 5),
    *(call(array(3, 5).astype(d), array(3).astype(d)) for d in (*ints, "bool")),
    refuse("src does not have the shape", array(3, 5), array(2)),
    refuse("are one dimension", array(3, 5), array(3), 0, 1, -1),
    refuse("dim2=2 is out of range", array(3, 5), array(3), 0, 0, 2),
)
