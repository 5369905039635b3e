"""Steps, and numbers taken apart into powers of two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphtorch.ir.types import bool_, float64, int8, int64
from tests.ops.public.table import call, refuse, row, smooth
from tests.ops.samples import array, special, special_pairs, strided

row(
    "gt.heaviside",
    lambda x, values: np.where(x == 0, values, x > 0),
    # torch's result says that it has a gradient, and has none
    replace(call(strided(3, 5), array(5)), torch=False),
    replace(call(*special_pairs()), torch=False),
    replace(call(special(float64), array(dtype=float64)), torch=False),
    call(array(7, dtype=int64) % 3 - 1, array(2, 7, dtype=int64)),
    call(array(5, dtype=bool_), array(dtype=bool_)),
    call(array(0, 3, dtype=int8), array(3, dtype=int8)),
    refuse("values must have the dtype of input", array(3), array(3, dtype=float64)),
    refuse("values must be a tensor, got float", array(3), 0.5),
    refuse("do not broadcast", array(3), array(2)),
)
row(
    "gt.ldexp",
    lambda x, e: np.asarray(x * np.exp2(np.asarray(e, np.float64))),
    smooth(array(3, 5), np.arange(5)),
    replace(smooth(array(3, 5), np.arange(5) - 2), torch=False),  # torch's gradient is 0 for exponents below 0
    smooth(array(3, 1), array(7)),
    smooth(array(7, dtype=float64), np.asarray(3)),
    replace(call(np.array([0, -0.0, np.nan, np.inf, -1e-40], np.float32), np.array([3, 200, 1, 2, 140])), torch=False),
    call(array(7, dtype=int64), np.arange(7) - 3),
    call(array(0, 3), array(3, dtype=int8)),
    refuse("other must be a tensor, got int", array(3), 2),
    refuse("do not broadcast", array(3), array(2)),
)
EDGES = np.array([1, -1, 0.5, 1.5, 1 - 2**-24, 1 + 2**-23, np.nextafter(0.5, 0), -0.75], np.float32)
EVERY_POWER = np.ldexp(EDGES[:, None].astype(np.float64), np.arange(-149, 128)).astype(np.float32)
EVERY_WIDE_POWER = np.ldexp(np.array([[1], [1 - 2**-53], [-1 - 2**-52], [0.7]]), np.arange(-1074, 1024))
row(
    "gt.frexp",
    lambda x: np.frexp(x.astype(np.float64)),
    replace(smooth(array(3, 5, low=0.55, high=0.95)), twice=False),  # torch has zeros for it, by no formula
    replace(smooth(strided(7, 2, dtype=float64, low=2.2, high=3.7)), twice=False),
    call(EVERY_POWER),
    replace(call(EVERY_WIDE_POWER), torch=False),  # torch's gradient is 0 or inf at the ends
    call(np.array([0, -0.0, np.inf, -np.inf, np.nan, 3.4e38, -1e-45], np.float32)),
    call(array()),
    call(array(0, 3)),
    refuse("operand of frexp must be floating point", array(3, dtype=int64)),
    refuse("input must be a tensor, got float", 2.0),
)
