"""Floor, ceil, trunc, round, frac, and signs."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int16, int64, uint8
from tests.ops.public.table import Array, call, refuse, row, smooth
from tests.ops.samples import array, special, strided

HALVES = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 1e9 + 0.3, 8388607.5, -0.1], np.float32)


def kept(function: Any) -> Any:
    """Integers stay integers."""
    return lambda x: function(x).astype(x.dtype)


for name, formula in {
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "fix": np.trunc, "round": np.rint,
}.items():  # fmt: skip
    row(
        f"gt.{name}",
        kept(formula),
        smooth(array(3, 5, low=-2.95, high=3.04)),
        smooth(strided(2, 7, dtype=float64, low=-2.95, high=3.04)),
        call(HALVES),
        call(special()),
        call(array(0, 3)),
        call(array(dtype=float64)),
        call(array(17, dtype=int64)),
        call(array(5, dtype=uint8)),
        refuse("does not take graphtorch.bool", array(3, dtype=bool_)),
        refuse("input must be a tensor", 2.5),
        *([refuse("decimals must be an int", HALVES, decimals=1.5)] if name == "round" else []),
    )


def to_decimals(x: Array, *, decimals: int) -> Array:
    scale = x.dtype.type(10.0 ** abs(decimals))
    return np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale


row(
    "Tensor.round",
    lambda x, *, decimals: to_decimals(x.astype(np.float32), decimals=decimals),
    smooth(array(3, 5, low=-1.97, high=2.04), decimals=1),
    call(np.array([1.25, 0.125, -12.345, 1e30, np.nan, np.inf], np.float32), decimals=2),
    call(np.array([1250, 1350, -12.345, 1e30], np.float32), decimals=-2),
    call(array(0, 3), decimals=-1),
    refuse("must be floating point", array(3, dtype=int64), decimals=1),
)
row(
    "gt.frac",
    lambda x: x - np.trunc(x),
    smooth(array(3, 5, low=-2.95, high=3.04)),
    call(HALVES),
    call(np.array([np.nan, np.inf, -np.inf, -0.0], np.float32)),
    call(array(dtype=float64)),
    call(array(0, 3)),
    refuse("must be floating point", array(3, dtype=int64)),
    refuse("must be floating point", array(3, dtype=bool_)),
)

# ---- signs ------------------------------------------------------------------------------------------

for name in ("sign", "sgn"):
    row(
        f"gt.{name}",
        lambda x: x if x.dtype == bool else np.where(np.isnan(x), 0, np.sign(x)) if x.dtype.kind == "f" else np.sign(x),
        smooth(array(3, 5, low=-1.97)),
        *([call(special())] if name == "sign" else []),
        call(array(dtype=float64)),
        call(array(0, 3)),
        call(array(17, dtype=int16)),
        call(array(5, dtype=uint8)),
        call(array(5, dtype=bool_)),
        refuse("input must be a tensor", 2.5),
    )
for name in ("abs", "absolute", "neg", "negative"):
    row(
        f"gt.{name}",
        np.abs if name.startswith("abs") else np.negative,
        smooth(array(3, 5, low=-1.97)),
        smooth(array(dtype=float64, low=0.5)),
        call(special()),
        call(array(0, 3)),
        call(array(17, dtype=int16)),
        call(array(5, dtype=uint8)),
        call(np.array([-(2**63), 2**63 - 1])),
        refuse("does not take graphtorch.bool", array(3, dtype=bool_)),
        refuse("input must be a tensor", 2.5),
    )
row(
    "gt.positive",
    lambda x: x,
    smooth(array(3, 5)),
    call(array(17, dtype=int16)),
    refuse("does not take graphtorch.bool", array(3, dtype=bool_)),
)
row(
    "gt.square",
    lambda x: x.astype(np.int64) if x.dtype == bool else x * x,
    smooth(array(3, 5)),
    call(special()[:8]),
    call(array(17, dtype=int16)),
    call(np.array([200, 3], np.uint8)),
    call(array(5, dtype=bool_)),
    call(array(0, 3)),
    refuse("must be a tensor", 2.5),
)
row(
    "gt.copysign",
    lambda a, b: np.copysign(np.asarray(a, np.float64), b),
    smooth(array(3, 5, low=-1.97), array(3, 5, low=-1.93)),
    smooth(array(3, 5, low=0.1), array(5, dtype=float64, low=-1.93)),
    call(np.array([1, -2, 0, -0.0, 3, np.inf, np.nan], np.float32), np.array([-1, 1, -1, 0, -0.0, -1, 1], np.float32)),
    call(array(3, low=0.5), -2),
    call(array(3, low=0.5), -0.0),
    call(array(7, dtype=int64), array(7, dtype=int64)[::-1].copy()),
    call(array(0, 3), array(3)),
    refuse("do not broadcast", array(3), array(2)),
)
