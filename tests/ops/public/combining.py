"""Functions of two tensors: angles, logarithms, extrema; and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int16, int64, uint8
from tests.ops.public.table import Array, Call, call, refuse, row, smooth
from tests.ops.samples import array, special, special_pairs, strided

BOTH = refuse("do not broadcast", array(3), array(2))


def floats(function: Callable[..., Array]) -> Callable[..., Array]:
    """numpy computes functions of small integers in 16 bits."""
    return lambda a, b: function(np.asarray(a, np.float64), np.asarray(b, np.float64))


def common(low: float) -> list[Call]:
    return [
        smooth(array(3, 5, low=low), array(3, 5, low=low, high=3)),
        smooth(strided(2, 1, 7, low=low), array(3, 1, dtype=float64, low=low, high=3)),
        smooth(array(dtype=float64, low=low), array(dtype=float64, low=low + 0.1)),
        call(array(0, 3), array(3)),
    ]


for name in ("atan2", "arctan2"):
    row(
        f"gt.{name}",
        floats(np.arctan2),
        *common(-1.93),
        replace(call(*special_pairs()), torch=False),  # its gradient has squares that overflow
        call(np.array([0, 0, -0.0, 1, 1, np.inf], np.float32), np.array([0, -0.0, -1, 2, 0, np.inf], np.float32)),
        call(array(7, dtype=int64), array(7, dtype=int64)[::-1].copy()),
        call(array(5, dtype=bool_), array(5, dtype=bool_)),
        call(array(5, dtype=int64), array(5)),
        BOTH,
    )
row(
    "gt.hypot",
    floats(np.hypot),
    *common(0.3),
    call(
        np.array([3e38, 1e-30, 0, np.inf, np.nan, np.inf], np.float32),
        np.array([1e38, 1e-30, 0, 1, 1, np.nan], np.float32),
    ),
    call(np.array([1e300, 1e-300, 3]), np.array([1e300, 1e-300, 4.0])),
    call(array(5), array(5, dtype=int64)),
    refuse("does not take graphtorch.int64", array(3, dtype=int64), array(3, dtype=int64)),
    BOTH,
)
for name, formula in {"logaddexp": np.logaddexp, "logaddexp2": np.logaddexp2}.items():
    row(
        f"gt.{name}",
        formula,
        *common(-1.93),
        call(
            np.array([0, np.inf, -np.inf, 1000, np.inf, 1], np.float32),
            np.array([0, np.inf, -np.inf, 0, 1, np.nan], np.float32),
        ),
        call(array(5), array(5, dtype=float64)),
        refuse("does not take graphtorch.int64", array(3, dtype=int64), array(3, dtype=int64)),
        BOTH,
    )


def xlogy(a: Any, b: Any) -> Any:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.where((a == 0) & ~np.isnan(b), 0, a * np.log(b))


row(
    "gt.xlogy",
    xlogy,
    *common(0.3),
    call(np.array([0, 0, 0, 2, 0, 1, 0], np.float32), np.array([0, np.nan, np.inf, 3, -1, 0, 0.5], np.float32)),
    call(2, array(5, low=0.3)),
    call(array(5), 2),
    call(array(7, dtype=int64), array(7, dtype=int64)),
    refuse("must be a tensor", 2, 3),
    BOTH,
)

# ---- extrema ----------------------------------------------------------------------------------------

for name, formula in {"maximum": np.maximum, "minimum": np.minimum, "fmax": np.fmax, "fmin": np.fmin}.items():
    row(
        f"gt.{name}",
        formula,
        *common(-1.93),
        call(*special_pairs()),
        call(array(7, dtype=int64), array(7, dtype=int16)[::-1].copy()),
        call(array(5, dtype=uint8), array(5)),
        call(array(5, dtype=bool_), array(5, dtype=bool_)[::-1].copy()),
        BOTH,
    )

# ---- limits -----------------------------------------------------------------------------------------


def clamped(x: Any, min: Any = None, max: Any = None) -> Any:
    limits = [v for v in (min, max) if v is not None]
    dtype = np.result_type(x, *(v if isinstance(v, np.ndarray) else type(v)(1) for v in limits))
    x = x.astype(dtype)
    x = x if min is None else np.maximum(x, np.asarray(min).astype(dtype))
    return x if max is None else np.minimum(x, np.asarray(max).astype(dtype))


TIES = np.array([1, 2, 3, np.nan, 5, 2], np.float32)
LOW, HIGH = np.array([1, 3, 2, 1, 0, np.nan], np.float32), np.array([2, 1, 3, np.nan, 4, 2], np.float32)
for name in ("clamp", "clip"):
    row(
        f"gt.{name}",
        clamped,
        smooth(array(3, 5, low=-1.97), -0.7, 1.2),
        smooth(array(3, 5, low=-1.97), min=array(5, low=-1.5, high=0), max=array(3, 1, low=0.1)),
        call(TIES, 2),
        call(TIES, max=2.0),
        call(TIES, 2, 1),
        call(TIES, LOW),
        call(TIES, None, HIGH),
        call(TIES, LOW, HIGH),
        call(special(), -1, 1),
        call(array(7, dtype=int64), -3, 4),
        call(array(7, dtype=int64), 0.5, 3),
        call(array(7, dtype=int64), array(7, dtype=int16)),
        call(array(5, dtype=uint8), -1, 5),
        call(array(5, dtype=bool_), 0, 1),
        call(array(0, 3), 0),
        call(array(dtype=float64), 0.5),
        refuse("needs min or max", array(3)),
        refuse("min=300 is not a number of", array(3, dtype=uint8), 300),
        refuse("do not broadcast", array(3), array(2)),
    )
for name, formula in {
    "clamp_min": lambda x, min: clamped(x, min),
    "clamp_max": lambda x, max: clamped(x, None, max),
}.items():
    row(
        f"gt.{name}",
        formula,
        smooth(array(3, 5, low=-1.97), 0.2),
        smooth(array(3, 5, low=-1.97), array(5, low=-1.5)),
        call(TIES, 2.0),
        call(TIES, LOW),
        call(TIES, HIGH),
        call(array(7, dtype=int64), 2.5),
        call(array(7, dtype=int64), array(7, dtype=int64)[::-1].copy()),
        call(array(5, dtype=bool_), 1),
        call(array(0, 3), 1),
        BOTH,
    )


def numbers(x: Array, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Array:
    most = float(np.finfo(np.float32).max)
    high, low = most if posinf is None else posinf, -most if neginf is None else neginf
    return np.nan_to_num(x, nan=nan or 0.0, posinf=high, neginf=low) if x.dtype.kind == "f" else x


NOT_FINITE = np.array([np.nan, np.inf, -np.inf, 1.5, -0.0], np.float32)
row(
    "gt.nan_to_num",
    numbers,
    smooth(array(3, 5)),
    call(NOT_FINITE),
    call(NOT_FINITE, 2.5),
    call(NOT_FINITE, nan=-1, posinf=7, neginf=-8.5),
    call(NOT_FINITE.astype(np.float64), posinf=1.0, neginf=-1.0),
    call(array(5, dtype=int64)),
    call(array(3, dtype=bool_), 1.0),
    call(array(0, 3)),
    refuse("must be a tensor", 2.5),
)
