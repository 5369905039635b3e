"""Comparisons, logic, and what kind of number an element is."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int16, int32, int64, uint8
from tests.ops.public.table import Array, call, refuse, row
from tests.ops.samples import array, special, special_pairs, strided

BOTH = refuse("do not broadcast", array(3), array(2))
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "not_equal": operator.ne, "less": operator.lt, "less_equal": operator.le, "greater": operator.gt,
    "greater_equal": operator.ge,
}  # fmt: skip
for name, formula in COMPARISONS.items():
    row(
        f"gt.{name}",
        formula,
        call(array(3, 5), array(5, low=-1.9)),
        call(strided(2, 1, 7), array(3, 1, dtype=float64)),
        call(*special_pairs()),
        call(array(3, 5), 0.4),
        call(array(7, dtype=int64), 2),
        call(array(7, dtype=int64), 1.5),
        call(array(7, dtype=int64), array(7, dtype=uint8)),
        call(array(5, dtype=bool_), array(5, dtype=bool_)[::-1].copy()),
        call(array(), array()),
        call(array(0, 3), array(3)),
        BOTH,
    )

for name, formula in {
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
}.items():  # fmt: skip
    row(
        f"gt.{name}",
        formula,
        call(array(5, dtype=bool_), array(5, dtype=bool_)[::-1].copy()),
        call(array(3, 5, dtype=int64), array(5)),
        call(*special_pairs()),
        call(array(2, 1, 7, dtype=uint8), array(3, 1, dtype=float64)),
        call(array(0, 3), array(3)),
        refuse("must be a tensor", array(3), True),
        BOTH,
    )
row(
    "gt.logical_not",
    np.logical_not,
    call(array(3, 5, dtype=bool_)),
    call(special()),
    call(array(17, dtype=int16)),
    call(array(0, 3)),
    refuse("must be a tensor", 2.5),
)

# ---- kinds of numbers -------------------------------------------------------------------------------

KINDS: dict[str, Callable[[Array], Array]] = {
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "signbit": lambda x: np.signbit(x.astype(np.float64)),
    "isposinf": lambda x: x == np.inf, "isneginf": lambda x: x == -np.inf,
}  # fmt: skip
for name, formula in KINDS.items():
    row(
        f"gt.{name}",
        formula,
        call(special()),
        call(special(float64)),
        call(strided(3, 5)),
        call(array(17, dtype=int16)),
        call(array(5, dtype=uint8)),
        call(array(5, dtype=bool_)),
        call(array()),
        call(array(0, 3)),
        refuse("must be a tensor", 2.5),
    )

# ---- tensors that are alike ---------------------------------------------------------------------------

NEAR = np.array([1, 1.00001, 1.1, 1e5, np.inf, -np.inf, np.nan, 0], np.float32)
OTHER = np.array([1, 1, 1, 1e5 + 0.5, np.inf, np.inf, np.nan, 1e-9], np.float32)
row(
    "gt.isclose",
    lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: np.isclose(
        a.astype(np.float64), b.astype(np.float64), rtol, atol, equal_nan
    ),
    call(NEAR, OTHER),
    call(NEAR, OTHER, 0.2),
    call(NEAR, OTHER, rtol=0, atol=0.2),
    call(NEAR, OTHER, 0.0, 0.0),
    call(NEAR, OTHER, equal_nan=True),
    call(NEAR.astype(np.float64), OTHER.astype(np.float64)),
    call(np.array([1, 2, -7]), np.array([2, 2, -9]), atol=1),
    call(np.array([1, 2, -7]), np.array([2, 2, -9]), rtol=0.3),
    call(array(5, dtype=bool_), array(5, dtype=bool_)[::-1].copy()),
    call(np.array([3, 200], np.uint8), np.array([5, 3], np.uint8), atol=2),
    call(np.array([-(2**63), 5]), np.array([2**63 - 1, 5])),
    call(array(3, 5), array(5)),
    call(array(0, 3), array(3)),
    refuse("operands of one dtype", array(3), array(3, dtype=int64)),
    refuse("rtol=-1 is not allowed", array(3), array(3), rtol=-1),
    refuse("atol=-0.5 is not allowed", array(3), array(3), atol=-0.5),
    refuse("other must be a tensor", array(3), 1.0),
    BOTH,
)
#: a bool of Python cannot be had while tracing
EAGER = "needs the numbers of a tensor"
row(
    "gt.allclose",
    lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: np.asarray(np.allclose(a, b, rtol, atol, equal_nan)),
    replace(call(NEAR, OTHER), compiled=EAGER),
    replace(call(NEAR[:2], OTHER[:2], 1e-4), compiled=EAGER),
    replace(call(NEAR[:7], OTHER[:7], rtol=1.0, equal_nan=True), compiled=EAGER),
    replace(call(NEAR[:3], OTHER[:1], atol=0.2), compiled=EAGER),
    replace(call(array(0, 3), array(0, 3)), compiled=EAGER),
    refuse("operands of one dtype", array(3), array(3, dtype=int64)),
    refuse("other must be a tensor", array(3), 1.0),
    BOTH,
)
row(
    "gt.is_nonzero",
    lambda x: np.asarray(bool(x.item())),
    replace(call(array(1, 1)), compiled=EAGER),
    replace(call(np.zeros((), np.int64)), compiled=EAGER),
    replace(call(np.array([np.nan], np.float32)), compiled=EAGER),
    refuse("of 2 elements", array(2)),
    refuse("of 0 elements", array(0)),
    refuse("input must be a tensor", 1.0),
)
row(
    "gt.equal",
    lambda a, b: np.asarray(np.array_equal(a, b)),
    replace(call(array(3, 5), array(3, 5)), compiled=EAGER),
    replace(call(array(3, 5), array(3, 5, low=-1.9)), compiled=EAGER),
    call(array(3, 5), array(5)),
    replace(call(NEAR, NEAR), compiled=EAGER),
    replace(call(array(3, dtype=int64), array(3, dtype=int32)), compiled=EAGER),
    replace(call(array(0, 3), array(0, 3)), compiled=EAGER),
    refuse("other must be a tensor", array(3), 1),
)
