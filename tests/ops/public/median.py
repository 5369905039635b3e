"""Medians. Of equal elements torch names any; ours is the first of the sorted ones in the middle."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int8, int32, int64, uint8
from tests.ops.public.reductions import OUT_OF_RANGE
from tests.ops.public.table import Array, Call, call, refuse, row, smooth
from tests.ops.samples import array

NAN, INF = np.nan, np.inf


def median(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    if dim is None:
        if not x.size:
            return np.asarray(NAN if x.dtype.kind == "f" else np.iinfo(x.dtype).min, x.dtype)
        return np.asarray(NAN if np.isnan(x).any() else np.sort(x, axis=None)[(x.size - 1) // 2])
    if not x.ndim:
        return x, np.asarray(0)
    rows = np.moveaxis(x, dim, -1)
    places = np.zeros(rows.shape[:-1], np.int64)
    for at in np.ndindex(places.shape):
        nans = [i for i, v in enumerate(rows[at]) if v != v]
        places[at] = nans[0] if nans else np.argsort(rows[at], kind="stable")[(rows.shape[-1] - 1) // 2]
    wide = np.expand_dims(places, dim)
    values = np.take_along_axis(x, wide, dim)
    return (values, wide) if keepdim else (values.squeeze(dim), places)


def nanmedian(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    """Of lines without their nan; the place of the first nan where nothing else is there."""
    if dim is None or not x.ndim:
        return median(x[x == x], None) if dim is None else median(x, dim)
    rows = np.moveaxis(x, dim, -1)
    places = np.zeros(rows.shape[:-1], np.int64)
    for at in np.ndindex(places.shape):
        numbers = int((rows[at] == rows[at]).sum())
        places[at] = np.argsort(rows[at], kind="stable")[max(numbers - 1, 0) // 2]
    wide = np.expand_dims(places, dim)
    values = np.take_along_axis(x, wide, dim)
    return (values, wide) if keepdim else (values.squeeze(dim), places)


SPECIAL = np.array([[1, NAN, 2, NAN, 0], [3, INF, -INF, 1, INF], [INF, INF, INF, 0, INF]], np.float32)

row(
    "gt.median",
    median,
    smooth(array(3, 5, 2)),
    smooth(array(7)),
    smooth(array(8)),
    smooth(array(3, 5, 2), 1),
    smooth(array(3, 4, 2), -2),
    smooth(array(3, 5, 2), dim=-1, keepdim=True),
    smooth(array(33, 7, dtype=float64), 0),
    smooth(array(5, 1300), 1),
    smooth(array()),
    smooth(array(), 0),
    smooth(array(0, 3), 1),
    call(array(0)),
    call(array(0, dtype=int64)),
    call(np.array([2, 1, 2, 2, 0], np.float32)),
    call(SPECIAL),
    call(SPECIAL, 1),
    call(SPECIAL[1:]),
    *(Call((array(3, 7, dtype=d), 1), torch=False) for d in (int64, int32, int8, uint8)),
    *(call(array(3, 7, dtype=d)) for d in (int64, uint8)),
    *OUT_OF_RANGE[:2],
    refuse("no element to reduce", array(0, 3), 0),
    refuse("does not take graphtorch.bool", array(3, dtype=bool_)),
)
HOLES = np.where(array(7, 5) > 0.6, NAN, array(7, 5)).astype(np.float32)
row(
    "gt.nanmedian",
    nanmedian,
    smooth(array(3, 5, 2)),
    smooth(array(8)),
    smooth(array(3, 4, 2), -2),
    smooth(array(3, 5, 2), dim=-1, keepdim=True),
    smooth(array(33, 7, dtype=float64), 0),
    smooth(array(), 0),
    call(HOLES),
    call(HOLES, 1),
    call(HOLES, 0, True),
    Call((SPECIAL,)),
    call(np.array([NAN, NAN], np.float32)),
    call(np.array([[NAN], [1]], np.float32), 1),
    call(array(0)),
    Call((array(3, 7, dtype=int64), 1), torch=False),
    call(array(3, 7, dtype=uint8)),
    *OUT_OF_RANGE[:2],
    refuse("no element to reduce", array(0, 3), 0),
    refuse("nanmedian does not take graphtorch.bool", array(3, dtype=bool_)),
)
