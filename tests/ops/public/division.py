"""Whole quotients, what they leave, and Python's operators for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int8, int16, int32, int64, uint8
from tests.ops.public.table import Array, Call, call, refuse, row, smooth
from tests.ops.samples import array, special_pairs, strided


def remainder(a: Any, b: Any) -> Any:
    """numpy's, but nan where torch has nan: numpy's of a finite number by infinity is right, by 0 of integers is 0."""
    with np.errstate(all="ignore"):
        return np.remainder(a, b)


def calls() -> list[Call]:
    huge = np.array([1e30, -7e37, 6e-39, 1.0, 3e38, -1.0], np.float32)
    return [
        smooth(array(3, 5, low=-9.1, high=9), array(3, 5, low=0.31, high=3)),
        smooth(strided(2, 1, 7, low=-9.1, high=9), array(3, 1, dtype=float64, low=-3.1, high=-0.3)),
        smooth(array(dtype=float64, low=5, high=6), array(dtype=float64, low=0.3)),
        call(huge, np.array([7e-39, 0.3, 1e-45, 0.1, 1e-38, 0.1], np.float32)),
        call(np.array([1e300, -1e200, 7.0]), np.array([3e-300, 0.1, 0.7])),
        replace(call(*special_pairs()), torch=False),  # gradients of quotients that overflow
        call(array(7, low=-9, high=9), 2.5),
        call(array(7, low=-9, high=9), -2),
        call(array(7, low=1), 0.0),
        call(array(7, dtype=int64), 3),
        call(array(7, dtype=int64), -2.5),
        call(array(65, dtype=int64), np.arange(-70, -5)),
        call(array(65, dtype=int32), np.arange(1, 66).astype(np.int32)),
        call(array(65, dtype=int16), np.array([*range(-32, 0), *range(1, 34)], np.int16)),
        call(array(65, dtype=int8), np.array([*range(-32, 0), *range(1, 34)], np.int8)),
        call(array(65, dtype=uint8), np.arange(1, 66).astype(np.uint8)),
        call(np.array([-(2**31), 2**31 - 1, -(2**31)], np.int32), np.array([-1, -1, 7], np.int32)),
        call(np.array([-(2**63), 2**63 - 1]), np.array([-1, 10])),
        call(array(5, dtype=uint8), array(5, dtype=int16) + 20),
        call(array(0, 3), array(3)),
        call(array(0, dtype=int64), array(0, dtype=int64)),
        refuse("holds 0", array(5, dtype=int64), array(5, dtype=int64) * 0),  # type: ignore[list-item]
        refuse("holds 0", array(5, dtype=int64), 0),  # type: ignore[list-item]
        refuse("does not take graphtorch.bool", array(3, dtype=bool_), array(3, dtype=bool_)),  # type: ignore[list-item]
        refuse("do not broadcast", array(3), array(2)),  # type: ignore[list-item]
    ]


def floats_apart_from_torch(c: Any) -> Any:
    """torch has no gradient of floor_divide, not even 0."""
    return replace(c, torch=False) if isinstance(c, Call) and any(a.dtype.kind == "f" for a in arrays(c)) else c


def arrays(c: Call) -> list[Array]:
    return [a for a in c.args if isinstance(a, np.ndarray)]


def turned(c: Any) -> Any:
    """A call of the reflected operator: the tensor comes first."""
    return replace(c, args=c.args[::-1]) if isinstance(c, Call) else c


def tensors_only(found: list[Any]) -> list[Any]:
    return [c for c in found if not isinstance(c, Call) or len(arrays(c)) == 2]


row("gt.fmod", np.fmod, *calls(), refuse("input must be a tensor", 5, array(3)))
row(
    "gt.remainder",
    remainder,
    *calls(),
    call(5, array(7, dtype=int64) * 2 + 1),
    replace(call(2.5, array(7)), torch=False),
)
row("gt.floor_divide", np.floor_divide, *map(floats_apart_from_torch, calls()), call(5, array(7, dtype=int64) * 2 + 1))
row("Tensor.__mod__", remainder, *calls())
row("Tensor.__floordiv__", np.floor_divide, *map(floats_apart_from_torch, calls()))
row(
    "Tensor.__rmod__",
    lambda b, a: remainder(a, b),
    call(array(7, dtype=int64) * 2 + 1, 5),
    replace(smooth(array(7, low=0.31), 9.5), torch=False),  # it has no gradient there
    call(array(7, dtype=uint8) + 1, 77),
    refuse("holds 0", array(7, dtype=int64) * 0, 5),
)
row(
    "Tensor.__rfloordiv__",
    lambda b, a: np.floor_divide(a, b),
    call(array(7, dtype=int64) * 2 + 1, 5),
    replace(call(array(7, low=0.31), 9.5), torch=False),
    refuse("holds 0", array(7, dtype=int64) * 0, 5),
)
for name in ("__rdiv__", "__rtruediv__"):
    row(
        f"Tensor.{name}",
        lambda b, a: a / b,
        smooth(array(3, 5, low=0.3), 2.5),
        call(array(7, dtype=int64), 5),
        replace(refuse("expected a tensor or a number", array(3), None), torch=False),
    )
