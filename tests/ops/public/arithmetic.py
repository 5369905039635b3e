"""Sums, products, quotients, powers, and what combines three tensors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int8, int16, int32, int64, uint8
from tests.ops.public.table import Call, call, refuse, row, smooth
from tests.ops.samples import array, special_pairs, strided


def mixed() -> list[Call]:
    """Operands of two: numbers of Python, broadcasting, other dtypes, 0-d and empty ones."""
    return [
        smooth(array(3, 5, low=0.4), array(3, 5, low=0.5, high=3)),
        smooth(strided(2, 1, 7, low=0.4), array(3, 1, dtype=float64, low=0.5, high=3)),
        call(array(7, low=0.4), 3),
        call(array(7, low=0.4), -2.5),
        call(array(7, low=0.4), array(dtype=float64, low=1)),
        call(array(0, 3), array(3)),
        call(array(5, dtype=int64), array(5, low=0.4)),
        call(array(5, dtype=int16), 2.5),
    ]


def integers() -> list[Call]:
    return [
        call(array(7, dtype=int64), array(7, dtype=int32)[::-1].copy()),
        call(array(7, dtype=int8), array(7, dtype=uint8)),
        call(np.array([100, -128, 127], np.int8), np.array([100, 100, 127], np.int8)),
        call(array(5, dtype=uint8), 7),
    ]


def is_bool(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "b"


def added(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    if is_bool(a) and is_bool(b):
        return a | (b & bool(alpha))
    return a + alpha * b


BOTH = refuse("do not broadcast", array(3), array(2))
for name in ("add", "sub", "subtract"):
    sign = 1 if name == "add" else -1
    row(
        f"gt.{name}",
        lambda a, b, *, alpha=1, sign=sign: added(a, b, alpha=alpha) if sign == 1 else a - alpha * b,
        *mixed(),
        *integers(),
        call(*special_pairs()),
        smooth(array(3, 5), array(5, low=-1.9), alpha=-2.5),
        call(array(3, 5), 3, alpha=2),
        call(array(5, dtype=int64), array(5, dtype=int64), alpha=3),
        call(array(5, dtype=int64), array(5), alpha=0.5),
        call(5, array(3, dtype=int64), alpha=2),
        *([call(array(5, dtype=bool_), array(5, dtype=bool_)[::-1].copy())] if sign == 1 else []),
        *([call(array(5, dtype=bool_), array(5, dtype=bool_)[::-1].copy(), alpha=2)] if sign == 1 else []),
        *([] if sign == 1 else [refuse("does not take graphtorch.bool", array(5, dtype=bool_), array(5, dtype=bool_))]),
        *([] if sign == 1 else [refuse("does not take graphtorch.bool", array(5, dtype=bool_), 1)]),
        *([] if sign == 1 else [refuse("does not take graphtorch.bool", array(5), True)]),
        refuse("alpha=0.5 is not allowed", array(5, dtype=int64), array(5, dtype=int64), alpha=0.5),
        BOTH,
    )
row(
    "gt.rsub",
    lambda a, b, *, alpha=1: b - alpha * a,
    *mixed(),
    *integers(),
    smooth(array(3, 5), array(5, low=-1.9), alpha=-2.5),
    call(array(3, dtype=int64), 5, alpha=3),
    refuse("does not take graphtorch.bool", array(3, dtype=bool_), True),
    refuse("must be a tensor", 2.0, array(3)),
    BOTH,
)
for name in ("mul", "multiply"):
    row(
        f"gt.{name}",
        lambda a, b: a * b,
        *mixed(),
        *integers(),
        call(*special_pairs()),
        call(array(5, dtype=bool_), array(5, dtype=bool_)[::-1].copy()),
        call(array(5, dtype=bool_), 3),
        BOTH,
    )


def quotient(a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    exact = np.asarray(a, np.float64) / b
    if rounding_mode is None:
        return exact
    whole = np.floor_divide(a, b) if rounding_mode == "floor" else np.trunc(exact)
    kinds = {getattr(x, "dtype", np.asarray(x).dtype).kind for x in (a, b)}
    return whole if "f" in kinds else whole.astype(np.result_type(a, b))


for name in ("div", "divide", "true_divide"):
    row(
        f"gt.{name}",
        quotient,
        *mixed(),
        *integers()[:2],
        call(*special_pairs()),
        call(array(5, dtype=bool_), array(5, dtype=bool_)),
        call(array(5, dtype=int64), 0),
        *(
            replace(c, kwargs={"rounding_mode": mode})
            for mode in ("trunc", "floor")
            for c in (
                smooth(array(3, 5, low=-9.1, high=9), array(3, 5, low=0.31, high=3)),
                call(array(7, low=0.4), -0.25),
                call(array(7, dtype=int64), np.array([1, -2, 3, -4, 5, 6, 7])),
                call(array(7, dtype=int8), np.array([1, 2, 3, 4, 5, 6, 200], np.uint8)),
                call(np.array([-128, 127, -7], np.int8), np.array([-1, -1, 2], np.int8)),
                call(
                    np.array([1.0, -1.0, 0, np.inf, -1, 3], np.float32),
                    np.array([0, 0, 0, 2, np.inf, np.nan], np.float32),
                ),
            )
            if name != "true_divide"
        ),
        *([] if name == "true_divide" else [refuse("rounding_mode='up'", array(3), array(3), rounding_mode="up")]),
        *([] if name == "true_divide" else [refuse("holds 0", array(3, dtype=int64), 0, rounding_mode="floor")]),
        BOTH,
    )

# ---- powers -----------------------------------------------------------------------------------------


def power(a: Any, b: Any) -> Any:
    """numpy refuses negative powers of integers; of bools it has none."""
    a, b = (x.astype(np.int64) if is_bool(x) else x for x in (a, b))
    if np.asarray(a).dtype.kind == "f" or np.asarray(b).dtype.kind == "f" or np.all(np.asarray(b) >= 0):
        return np.power(a, b)
    exact = np.power(np.asarray(a, np.float64), b)
    return np.trunc(exact).astype(np.result_type(a, b))


row(
    "gt.pow",
    power,
    *mixed()[:2],
    smooth(array(3, 5), 2),
    smooth(array(3, 5), 3.0),
    smooth(array(3, 5, low=0.2), -1.5),
    smooth(2.5, array(3, 5)),
    call(2, array(5, dtype=int64) % 7),
    call(array(7, low=0.2), 0.5),
    call(array(7, low=0.2), -0.5),
    call(array(5, dtype=int64), 3),
    call(array(5, dtype=uint8), 2),
    call(array(3, dtype=bool_), 2),
    call(np.array([1, -1, 2, -3]), np.array([-3, -3, -1, -2])),
    call(array(5, dtype=int64), array(5, low=0.2)),
    call(np.array([0, 0, -1, 0, 2], np.float32), np.array([0, 2, 3, 0.5, 0], np.float32)),
    call(array(0, 3), array(3)),
    refuse("exponent=-1 is not allowed for integers", array(3, dtype=int64), -1),
    refuse("does not take graphtorch.bool", array(3, dtype=bool_), array(3, dtype=bool_)),
    BOTH,
)
row(
    "gt.float_power",
    lambda a, b: np.power(np.asarray(a, np.float64), b),
    smooth(array(3, 5, dtype=float64, low=0.4), array(5, dtype=float64)),
    call(array(3, 5, low=0.4), 2),
    call(2, array(3, 5)),
    call(array(5, dtype=int64), -1),
    call(array(3, dtype=bool_), array(3, dtype=bool_)),
    call(array(0, 3), 2.0),
    refuse("must be a tensor", 2, 3),
    BOTH,
)

# ---- three tensors ----------------------------------------------------------------------------------

row(
    "gt.addcmul",
    lambda x, a, b, *, value=1: x + (value if "f" in {v.dtype.kind for v in (x, a, b)} else int(value)) * a * b,
    smooth(array(3, 5), array(5, low=-1.9), array(3, 1, low=-1.8)),
    smooth(*(strided(3, 5, dtype=float64, low=low) for low in (-2, -1.9, -1.8)), value=-0.5),
    call(array(5, dtype=int64), array(5, dtype=int64), array(5, dtype=int64), value=2),
    call(array(5, dtype=int64), array(5, dtype=int64), array(5, dtype=int64), value=2.5),
    call(array(5), array(5, dtype=int64), array(5, dtype=int64)),
    call(array(), array(), array()),
    call(array(0, 3), array(3), array(3)),
    refuse("tensor2 must be a tensor", array(3), array(3), 2.0),
    refuse("bools have no such sum", *[array(3, dtype=bool_)] * 3),
    refuse("do not broadcast", array(3), array(3), array(2)),
)
row(
    "gt.addcdiv",
    lambda x, a, b, *, value=1: x + value * a / b,
    smooth(array(3, 5), array(5, low=-1.9), array(3, 1, low=0.4)),
    smooth(*(strided(3, 5, dtype=float64, low=low) for low in (-2, -1.9, 0.4)), value=-0.5),
    call(array(5, dtype=int64), array(5), array(5, low=0.4)),
    replace(call(array(5), np.array([1, 0, 0, 2, -1], np.float32), np.array([0, 0, 1, 3, 0], np.float32)), torch=False),
    call(array(0, 3), array(3), array(3, low=0.4)),
    refuse("tensor2 must be a tensor", array(3), array(3), 2.0),
    refuse("does not divide integers", array(3), array(3, dtype=int64), array(3, dtype=int64)),
    refuse("do not broadcast", array(3), array(3), array(2)),
)
row(
    "gt.lerp",
    lambda a, b, w: np.where(np.abs(w) < 0.5, a + w * (b - a), b - (b - a) * (1 - w)),
    smooth(array(3, 5), array(5, low=-1.9), 0.3),
    smooth(array(3, 5), array(5, low=-1.9), 0.8),
    smooth(array(3, 5), array(3, 1, low=-1.9), array(5, low=-0.3, high=1.4)),
    smooth(array(3, 5, dtype=float64), array(dtype=float64), array(5, dtype=float64, high=1.4)),
    call(array(5), array(5, low=-1.9), np.array(0.25)),
    call(array(5), array(5, low=-1.9), 2),
    call(
        np.array([1, 2, np.nan], np.float32), np.array([2, np.inf, 1], np.float32), np.array([0.5, 0.6, 0], np.float32)
    ),
    call(array(0, 3), array(3), 0.5),
    refuse("end must have the dtype of input", array(3), array(3, dtype=float64), 0.5),
    refuse("weight must have the dtype of input", array(3), array(3), array(3, dtype=int64)),
    refuse("does not take graphtorch.int64", array(3, dtype=int64), array(3, dtype=int64), 0.5),
    refuse("must be a tensor", array(3), 1.0, 0.5),
    refuse("do not broadcast", array(3), array(2), 0.5),
)
