"""`x[...]` with tensors, lists and bools: read, and written as a new tensor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.ops.public.table import Array, Call, call, refuse, row, smooth
from tests.ops.samples import array, strided


def at(*index: Any, dtype: Any = np.int64) -> Array:
    return np.array(index, dtype)


def eager(call: Call, text: str = "depends on the numbers") -> Call:
    """A call whose result has a shape that a program cannot know."""
    return replace(call, compiled=text)


def known(x: Array, index: Any) -> Any:
    """The index as numpy takes it for the same result: numbers are taken first."""
    if not isinstance(index, tuple):
        return x, index
    chosen = [_is_number(i) for i in index]
    if not any(chosen) or not any(isinstance(i, np.ndarray | list) for i in index):
        return x, index
    numbers = tuple(i if number else slice(None) for i, number in zip(index, chosen, strict=True))
    return x[numbers], tuple(i for i, number in zip(index, chosen, strict=True) if not number)


def _is_number(i: Any) -> bool:
    array = isinstance(i, np.ndarray) and not i.ndim and i.dtype.kind == "i"
    return array or (isinstance(i, int) and not isinstance(i, bool))


def read(x: Array, index: Any) -> Array:
    x, index = known(x, index)
    return x[index > 0 if getattr(index, "dtype", None) == np.uint8 else index]


x = array(5, 7, 3)
mask = array(5, 7) > 0.3
row(
    "Tensor.__getitem__",
    read,
    smooth(x, at(4, 0, 4, -1)),
    smooth(x, (at([0, -5, 2]), at([6], [-7]))),
    smooth(x, (slice(None), at(6, 0, 6, 3))),
    smooth(x, (Ellipsis, at(2, -1))),
    smooth(x, (at(4, 1), slice(None), at(0, 2))),
    smooth(x, (at(4, 1), 3, at(0, 2))),
    smooth(x, (3, slice(None), at([0, 2, 1, 1]))),
    smooth(x, (at(4, 1), slice(1, 6, 2))),
    smooth(x, (slice(1, 4), at(4, 1), None, at(0, 2))),
    smooth(x, (None, at(4, 1, 2, 1), Ellipsis, None)),
    smooth(x, (at(1, 0), None, at(2, 1))),
    smooth(x, (np.array(3), slice(None), at(0, 2, 1, 2))),
    smooth(x, np.array(-2)),
    smooth(x, (np.array(1), np.array(2), np.array(0))),
    smooth(x, ([0, 2, 1, 4], [1, 1, 6, -7])),
    smooth(x, [3, 0]),
    smooth(x, at(4, 0, dtype=np.int32)),
    eager(Call((x, at(1, 0, 0, 0, 1, dtype=np.uint8)), torch=False)),  # which warns
    call(x, np.zeros(0, np.int64)),
    call(x, []),
    call(x, np.zeros((0, 2), np.int64)),
    call(array(0, 3), np.zeros(0, np.int64)),
    call(array(), ()),
    call(x, (True, at(1, 2))),
    call(x, (at(1, 2), slice(None), True)),
    call(x, (False, [0])),
    call(x, (True, True)),
    call(x, True),
    call(x, False),
    call(array(), True),
    eager(smooth(x, mask)),
    eager(smooth(x, (slice(None), at(1, 0, 1, 1, 0, 0, 1) > 0))),
    eager(smooth(x, (at(1, 0, 1, 1, 0) > 0, slice(None), at(2)))),
    eager(smooth(x, (mask, at(1)))),
    eager(smooth(x, (3, at(1, 0, 1, 1, 0, 0, 1) > 0))),
    eager(smooth(x, x > 0)),
    eager(call(x, x > 7)),
    eager(call(x, np.array(True))),
    eager(call(x, np.array(False))),
    eager(call(x, (np.array(True), at(1, 2)))),
    *(call(array(5, 3).astype(d), at(4, 0, 4)) for d in ("int64", "int32", "uint8", "bool", "float64")),
    refuse("index 5 is out of range for dimension 0 of size 5", x, at(5)),
    refuse("index -8 is out of range for dimension 1 of size 7", x, (slice(None), at(0, -8))),
    refuse("do not broadcast", x, (at(0, 1), at(0, 1, 2))),
    refuse("4 indices for 3 dimensions", x, (at(0), 0, 0, 0)),
    refuse("an index of graphtorch.int16 is not supported", x, at(0, dtype=np.int16)),
    refuse("an index of graphtorch.float32 is not supported", x, array(2)),
    refuse("the mask at index 0 does not have the shape", x, x[:4, :, 0] > 0),
    refuse("an index of type str is not supported", x, "a"),
    refuse("index 0 is out of range for dimension 0 of size 0", array(0, 3), at(0)),
)


def put(x: Array, indices: Any, values: Array, accumulate: bool = False) -> Array:
    out = np.array(x)
    if accumulate and x.dtype != bool:
        np.add.at(out, tuple(indices), values)
    elif accumulate:
        np.logical_or.at(out, tuple(indices), values)
    else:
        out[tuple(indices)] = values
    return out


row(
    "gt.index_put",
    put,
    smooth(x, (at(4, 0, -2), at(6, 6, 1)), array(3, 1)),
    smooth(x, (at(4, 0, 4), at(6, 6, 6)), array(3), accumulate=True),
    smooth(x, [at([4, 0, 1, 1])], array(2, 1, 1, 3)[:1], True),
    smooth(x, (at(4, 0),), array()),
    smooth(x, (at([4], [0]), at(6, 1, 0), np.array(2)), array(2, 3)),
    smooth(x, (mask,), array(3)),
    smooth(x, (mask,), array()),
    smooth(x, (x > 0,), array()),
    smooth(x, (mask,), array(1, 3)),
    eager(smooth(x, (mask,), array(int(mask.sum()), 3))),
    eager(smooth(x, (mask,), array(3), accumulate=True)),
    eager(smooth(x, (at(1, 0, 1, 0, 0) > 0, at(6, 1)), array(2, 3))),
    call(array(5), (at(1, 1, 1),), at(3, 4, 5).astype(np.float32)),
    call(array(5, 3), (np.zeros(0, np.int64),), array(0, 3)),
    call(array(5, 3), (at(1, 0, dtype=np.int32),), array(3)),
    call(array(5) > 0, (at(1, 0, 0, 3),), at(1, 0, 1, 1) > 0, True),
    call(array(5) > 0, (at(1, 0, 3),), at(1, 0, 1) > 0),
    *(call(array(5, 3).astype(d), (at(4, 0, 4),), array(3, 3).astype(d), True) for d in ("int64", "uint8", "float64")),
    call(np.array([np.nan, np.inf, 1], np.float32), (at(1, 2, 2),), np.array([1, np.nan, np.inf], np.float32), True),
    refuse("index 7 is out of range for dimension 1 of size 7", x, (at(0), at(7)), array()),
    refuse("of one dtype", x, (at(0),), at(1)),
    refuse("cannot be expanded", x, (at(0, 1),), array(5)),
    refuse("indices must be a tuple", x, at(0), array()),
    refuse("indices must not be empty", x, (), array()),
)


def replaced(x: Array, src: Array, index: tuple[Any, ...]) -> Array:
    out = np.array(x)
    out[index] = src
    return out


row(
    "gt.select_scatter",
    lambda x, src, dim, index: replaced(x, src, (slice(None),) * (dim % x.ndim) + (index,)),
    smooth(x, array(5, 3), 1, 6),
    smooth(strided(5, 7, 3), array(5, 7), dim=-1, index=-3),
    call(array(5), array(), 0, 2),
    call(array(1, 3), array(3), 0, 0),
    call(array(5, 0), array(0), 0, 2),
    *(call(array(5, 3).astype(d), array(3).astype(d), 0, -1) for d in ("int64", "uint8", "bool")),
    refuse("index 7 is out of range", x, array(5, 3), 1, 7),
    refuse("src does not have the shape", x, array(3, 5), 1, 0),
    refuse("dim=3 is out of range", x, array(5, 3), 3, 0),
)
row(
    "gt.slice_scatter",
    lambda x, src, dim=0, start=None, end=None, step=1: replaced(
        x, src, (slice(None),) * (dim % x.ndim) + (slice(start, end, step),)
    ),
    smooth(x, array(2, 7, 3), 0, 1, 3),
    smooth(strided(5, 7, 3), array(5, 2, 3), dim=-2, start=1, end=-2, step=3),
    smooth(x, array(5, 7, 3, low=-1.9)),
    smooth(x, array(4, 7, 3), start=1),
    call(x, array(0, 7, 3), 0, 3, 3),
    call(x, array(5, 7, 3), 0, 0, 99),
    *(call(array(5, 3).astype(d), array(5, 2).astype(d), 1, 1) for d in ("int64", "uint8", "bool")),
    refuse("src does not have the shape", x, array(3, 7, 3), 0, 1, 3),
    refuse("step", x, array(2, 7, 3), 0, 1, 3, -1),
)
