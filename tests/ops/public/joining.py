"""Tensors put together, and cut apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.ops.public.table import Call, call, refuse, row, smooth
from tests.ops.samples import array, special

INTS = np.array([3, 1, 2], np.int64)


def block_diag(*blocks: Any) -> Any:
    found = [np.atleast_2d(b) for b in blocks]
    out = np.zeros((sum(b.shape[0] for b in found), sum(b.shape[1] for b in found)), np.result_type(*found))
    i = j = 0
    for b in found:
        out[i : i + b.shape[0], j : j + b.shape[1]] = b
        i, j = i + b.shape[0], j + b.shape[1]
    return out


def listed(f: Any) -> Any:
    """Of a function of several arrays, or of a sequence of them."""

    def formula(*tensors: Any, **kwargs: Any) -> Any:
        given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
        return f(*given, **kwargs)

    return formula


def at_least(f: Any) -> Any:
    def formula(*tensors: Any) -> Any:
        if len(tensors) == 1 and not isinstance(tensors[0], list | tuple):
            return f(tensors[0])
        return tuple(map(f, tensors[0] if len(tensors) == 1 else tensors))

    return formula


row(
    "gt.stack",
    lambda tensors, dim=0: np.stack(tensors, dim),
    smooth([array(3, 5), array(3, 5, low=-1.9)], 1),
    smooth([array(3, 5), array(3, 5), array(3, 5)], dim=-1),
    smooth((array(7), array(7))),
    call([np.array([1, 2])]),
    call([array(0, 3), array(0, 3)], 2),
    refuse("at least one tensor", []),
    refuse("of one shape", [array(2), array(3)]),
)
row(
    "gt.cat",
    lambda tensors, dim=0: np.concatenate([t for t in tensors if t.shape != (0,)] or tensors, dim),
    smooth([array(3, 5), array(2, 5)]),
    smooth([array(3, 5), array(3, 2), array(3, 1)], 1),
    smooth((array(2, 3, 5), array(2, 3, 4)), dim=-1),
    call([array(0), array(3, 5)]),
    call([INTS, array(4)]),
    call([special(), special()]),
    refuse("at least one tensor", []),
    refuse("cannot be joined", [array(2, 3), array(3, 5)]),
    refuse("dim", [array(2, 3), array(2, 3)], 2),
)
row(
    "gt.hstack",
    lambda tensors: np.hstack(tensors),
    smooth([array(3), array(5)]),
    smooth((array(3, 5), array(3, 2))),
    smooth([array(2, 3, 5), array(2, 4, 5)]),
    call([np.array(2.0), np.array(3.0)]),
    refuse("at least one tensor", []),
    refuse("cannot be joined", [array(2, 3), array(3, 5)]),
)
row(
    "gt.vstack",
    lambda tensors: np.vstack(tensors),
    smooth([array(3), array(3, low=-1)]),
    smooth((array(3, 5), array(2, 5), array(5))),
    call([np.array(2.0), np.array(3.0)]),
    refuse("at least one tensor", []),
    refuse("cannot be joined", [array(2), array(3)]),
)
row(
    "gt.dstack",
    lambda tensors: np.dstack(tensors),
    smooth([array(3), array(3, low=-1)]),
    smooth((array(3, 5), array(3, 5))),
    smooth((array(3, 5, 2), array(3, 5, 4))),
    call([np.array(2.0), np.array(3.0)]),
    refuse("at least one tensor", []),
    refuse("cannot be joined", [array(2), array(3)]),
)
row(
    "gt.column_stack",
    lambda tensors: np.column_stack(tensors),
    smooth([array(3), array(3, low=-1)]),
    smooth((array(3), array(3, 5))),
    call([np.array(2.0), np.array(3.0)]),
    refuse("at least one tensor", []),
    refuse("cannot be joined", [array(2), array(3)]),
)
row(
    "gt.block_diag",
    block_diag,
    smooth(array(3, 5), array(2, 1), array(4)),
    smooth(array(), array(2, 3)),
    call(np.arange(6).reshape(2, 3), array(2, 5)),
    call(array(0, 3), array(2, 1)),
    refuse("has 3 dimensions", array(2, 3, 5)),
)
row(
    "gt.meshgrid",
    listed(lambda *t, indexing="ij": tuple(np.array(a) for a in np.meshgrid(*t, indexing=indexing))),
    smooth(array(3), array(5), indexing="ij"),
    smooth(array(3), array(5), array(2), indexing="xy"),
    smooth([array(3), array()], indexing="ij"),
    call(INTS, np.array([5, 7]), indexing="xy"),
    refuse("indexing", array(3), array(2), indexing="yx"),
    refuse("has 2 dimensions", array(3, 2), array(2), indexing="ij"),
    refuse("float32", INTS, array(2), indexing="ij"),
    refuse("at least one", [], indexing="ij"),
)

# ---- apart ----------------------------------------------------------------------------------------


def split(x: Any, size: Any, dim: int = 0) -> Any:
    if isinstance(size, list | tuple):
        return tuple(np.split(x, np.cumsum(size)[:-1], dim))
    count = math.ceil(x.shape[dim] / size) if size else 1
    return tuple(np.split(x, [size * i for i in range(1, count)], dim))


def chunk(x: Any, chunks: int, dim: int = 0) -> Any:
    return split(x, -(-x.shape[dim] // chunks) or 1, dim) if x.shape[dim] else (x,) * chunks


def tensor_split(x: Any, where: Any = None, dim: int = 0, indices: Any = None, sections: Any = None) -> Any:
    given = next(w for w in (where, indices, sections) if w is not None)
    return tuple(np.array_split(x, given if isinstance(given, int) else [int(i) for i in given], dim))


for name, key in (("gt.split", "split_size_or_sections"), ("Tensor.split", "split_size")):
    row(
        name,
        lambda x, size=None, dim=0, **kwargs: split(x, *(kwargs.values() or (size,)), dim=dim),
        smooth(array(7, 5), 3),
        smooth(array(3, 7), 2, -1),
        smooth(array(3, 7), (2, 0, 5), dim=1),
        call(array(7, 2), **{key: [3, 4]}),
        call(array(0, 2), 3),
        call(np.arange(5), 9),
        refuse(key, array(7), 0),
        refuse("do not make up", array(7), [3, 3]),
        refuse(key, array(7), -1),
        refuse("0-d", array(), 1),
    )
row(
    "gt.split_with_sizes",
    lambda input, split_sizes, dim=0: split(input, split_sizes, dim),
    smooth(array(7, 5), [3, 4]),
    smooth(array(3, 7), (2, 0, 5), dim=-1),
    refuse("do not make up", array(7), [3, 3]),
    refuse("do not make up", array(7), [8, -1]),
)
row(
    "gt.chunk",
    chunk,
    smooth(array(7, 5), 3),
    smooth(array(3, 7), 4, -1),
    call(array(5), chunks=9, dim=0),
    call(array(0, 3), 2),
    call(np.arange(6), 3),
    refuse("chunks", array(5), 0),
    refuse("0-d", array(), 1),
)
row(
    "gt.tensor_split",
    tensor_split,
    smooth(array(7, 5), 3),
    smooth(array(3, 7), 4, dim=-1),
    smooth(array(7, 2), [1, 5, 6]),
    smooth(array(7, 2), indices=(2, -1)),
    call(array(7), sections=9),
    call(array(7), [5, 3]),
    Call((array(7), np.array([2, 5])), compiled="numbers of a tensor"),
    refuse("indices_or_sections", array(7), 0),
    refuse("0-d", array(), 1),
)
row(
    "gt.hsplit",
    lambda x, where: tuple(np.split(x, where, 0 if x.ndim == 1 else 1)),
    smooth(array(3, 6), 2),
    smooth(array(6), 3),
    smooth(array(3, 7, 2), [2, 5]),
    refuse("does not divide", array(3, 7), 2),
    refuse("at least 1", array(), 1),
)
row(
    "gt.vsplit",
    lambda x, where: tuple(np.split(x, where, 0)),
    smooth(array(6, 3), 2),
    smooth(array(7, 2), [2, 5]),
    refuse("does not divide", array(7, 3), 2),
    refuse("at least 2", array(3), 1),
)
row(
    "gt.dsplit",
    lambda x, where: tuple(np.split(x, where, 2)),
    smooth(array(3, 2, 6), 2),
    smooth(array(3, 2, 7), (2, 5)),
    refuse("does not divide", array(2, 3, 7), 2),
    refuse("at least 3", array(3, 2), 1),
)
row(
    "gt.unbind",
    lambda x, dim=0: tuple(np.moveaxis(x, dim, 0)),
    smooth(array(3, 5)),
    smooth(array(3, 2, 5), -2),
    call(array(0, 3), 1),
    call(INTS),
    refuse("0-d", array()),
    refuse("dim", array(3), 1),
)
