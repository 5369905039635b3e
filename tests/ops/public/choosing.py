"""Elements of vectors in every combination, and their powers."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int32, int64
from tests.ops.public.table import Array, call, refuse, row, smooth
from tests.ops.samples import array, strided


def combinations(x: Array, r: int = 2, with_replacement: bool = False) -> Array:
    if r == 0:
        return x[:0]
    choose: Any = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    return np.array(list(choose(x.tolist(), r)), x.dtype).reshape(-1, r)


def cartesian(*vectors: Array) -> Array:
    return vectors[0] if len(vectors) == 1 else np.array(list(itertools.product(*vectors))).reshape(-1, len(vectors))


row(
    "gt.combinations",
    combinations,
    smooth(array(5)),
    smooth(strided(5, dtype=float64), 3),
    smooth(array(4), r=2, with_replacement=True),
    smooth(array(4), 1),
    call(array(5, dtype=int32), 5),
    call(array(3), 5),
    call(array(3), 0),
    call(array(0)),
    call(array(3, dtype=bool_), with_replacement=True),
    refuse("r=-1 is not allowed", array(3), -1),
    refuse("r must be an int", array(3), 1.5),
    refuse("input must be a vector", array(3, 5)),
    refuse("input must be a tensor", 2.0),
)
row(
    "gt.cartesian_prod",
    cartesian,
    smooth(array(3), array(5)),
    smooth(array(3), strided(5), array(2)),
    smooth(array(7, dtype=float64)),
    call(array(3, dtype=int64), array(2, dtype=int64)),
    call(array(3), array(0)),
    refuse(r"tensors\[1\] must be a vector", array(3), array()),
    refuse("at least one tensor"),
    refuse(r"tensors\[1\] is of graphtorch.int64", array(3), array(2, dtype=int64)),
    refuse("expected a tensor, got float", array(3), 2.0),
)
row(
    "gt.vander",
    lambda x, N=None, increasing=False: np.vander(x * 1 if x.dtype != bool else x.astype(np.int64), N, increasing),
    # torch writes over what its own gradient needs
    replace(smooth(array(5, low=-1.2, high=1.3)), torch=False),
    replace(smooth(strided(4, dtype=float64), N=3, increasing=True), torch=False),
    replace(smooth(array(3), 5), torch=False),
    call(array(5, dtype=int64), increasing=True),
    call(array(3, dtype=bool_)),
    call(array(3), N=1),
    call(array(3), N=0),
    call(array(0)),
    refuse("N=-1 is not allowed", array(3), -1),
    refuse("x must be a vector", array(3, 5)),
    refuse("x must be a tensor", 2.0),
)
