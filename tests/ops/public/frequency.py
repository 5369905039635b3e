"""The most frequent element."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int8, int64
from tests.ops.public.reductions import OUT_OF_RANGE
from tests.ops.public.table import Array, call, refuse, row, smooth
from tests.ops.samples import array

NAN = np.nan
rng = np.random.default_rng(3)
REPEATED = rng.integers(0, 4, (3, 9, 5))


def mode(x: Array, dim: int = -1, keepdim: bool = False) -> Any:
    if not x.ndim:
        return x, np.asarray(0)
    rows = np.moveaxis(x, dim, -1)
    places = np.zeros(rows.shape[:-1], np.int64)
    for at in np.ndindex(places.shape):
        line = rows[at].tolist()
        best = max(line, key=lambda v: (line.count(v) if v == v else 1, -v if v == v else -np.inf))
        places[at] = max(i for i, v in enumerate(line) if v == best or v is best)
    wide = np.expand_dims(places, dim)
    values = np.take_along_axis(x, wide, dim)
    return (values, wide) if keepdim else (values.squeeze(dim), places)


row(
    "gt.mode",
    mode,
    smooth(array(3, 5, 2)),
    smooth(array(33, 7, dtype=float64), 0),
    smooth(array(), 0),
    call(REPEATED),
    call(REPEATED, 0),
    call(REPEATED.astype(np.float32), -2, True),
    call(REPEATED.astype(np.float32), dim=1, keepdim=True),
    # torch names any of them in long rows, and of nan
    replace(call(array(7, 700, dtype=int8)), torch=False),
    replace(call(np.array([[1, NAN, NAN, NAN], [2, NAN, 2, 0]], np.float32)), torch=False),
    call(array(3, 9, dtype=bool_)),
    call(array(0, 3, dtype=int64), 1),
    refuse("no element to reduce", array(0, 3), 0),
    *OUT_OF_RANGE[:2],
    refuse("input must be a tensor", 2.0),
)
