"""The logarithm of the gamma function, and its derivatives.

The smooth ones lie where torch's trigamma, their gradient, is good to 1e-10: elsewhere it is to 5e-10.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int64, uint8
from tests.ops import formulas
from tests.ops.public.functions import each
from tests.ops.public.table import Array, call, refuse, row, smooth
from tests.ops.samples import array, strided

POLES = np.array([0.0, -0.0, -1.0, -7.0, -0.5, -6.3, 1.0, 2.0, 1e-30, 1e30, np.inf, np.nan])

for name in ("lgamma", "digamma"):
    row(
        f"gt.{name}",
        each(getattr(formulas, name)),
        smooth(array(3, 5, low=0.4, high=14)),
        smooth(strided(2, 7, dtype=float64, low=4.2, high=33)),
        smooth(array(7, dtype=float64, low=-9.8, high=-4.3)),
        smooth(array(dtype=float64, low=5)),
        smooth(array(0, 3)),
        call(POLES[POLES >= 0.5].astype(np.float32)),
        *(replace(call(POLES.astype(d)), torch=False) for d in ("f4", "f8")),
        call(array(17, dtype=int64) * 0 + np.arange(1, 18)),
        call(array(5, dtype=uint8) % 7 + 1),
        call(array(3, dtype=bool_) | True),
        refuse("input must be a tensor, got float", 2.5),
    )


def polygammas(n: int, x: Array) -> Array:
    return each(formulas.digamma if n == 0 else lambda v: formulas.polygamma(n, v))(x)


row(
    "gt.polygamma",
    polygammas,
    smooth(0, array(3, 5, low=1.4, high=14)),
    smooth(1, array(3, 5, low=1.4, high=14)),
    smooth(2, strided(2, 7, dtype=float64, low=0.4, high=14)),
    smooth(5, array(7, dtype=float64, low=1.1, high=9)),
    replace(smooth(2, array(7, dtype=float64, low=-3.8, high=-0.3)), torch=False),  # torch has nan
    *(replace(call(n, POLES.astype(d)), torch=False) for n, d in ((1, "f4"), (2, "f8"), (3, "f4"))),
    call(1, array(17, dtype=int64) * 0 + np.arange(1, 18)),
    call(3, array(0, 3)),
    refuse("n=-1 is not allowed", -1, array(3)),
    refuse("n must be an int, got float 1.5", 1.5, array(3)),
    refuse("input must be a tensor", 1, 2.0),
)


def multivariate(x: Array, p: int) -> Array:
    wide = np.asarray(x, np.float64)
    return sum(each(formulas.lgamma)(wide - j / 2) for j in range(p)) + math.log(math.pi) * p * (p - 1) / 4


row(
    "gt.mvlgamma",
    multivariate,
    smooth(array(3, 5, low=2.4, high=14), 3),
    smooth(array(7, dtype=float64, low=5.4, high=14), p=4),
    smooth(array(5, low=0.4, high=3), 1),
    call(array(17, dtype=int64) * 0 + np.arange(3, 20), 2),
    call(array(0, 3), 2),
    refuse("p=0 is not allowed", array(3), 0),
    refuse("p must be an int", array(3), 1.5),
    refuse("input must be a tensor", 2.0, 1),
)


def sinc(x: Any) -> Array:
    return np.asarray(np.sinc(np.asarray(x, np.float64)))


row(
    "gt.sinc",
    sinc,
    smooth(array(3, 5, low=0.2, high=1.7)),
    smooth(strided(2, 7, dtype=float64, low=-3.3, high=-0.4)),
    smooth(array(dtype=float64, low=0.3)),
    call(np.array([0.0, -0.0, 1, -2, 0.3, np.nan], np.float32)),
    call(array(17, dtype=int64)),
    call(array(0, 3)),
    refuse("input must be a tensor", 2.0),
)
