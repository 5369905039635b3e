"""Integers and bools bit by bit, and Python's operators for that."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, int8, int16, int32, int64, uint8
from tests.ops.public.table import Array, Call, call, refuse, row
from tests.ops.samples import array, strided

FLOATS = refuse("does not take graphtorch.float32", array(3), array(3))


def pairs() -> list[Call]:
    return [
        call(array(65, dtype=int64), array(65, dtype=int64)[::-1].copy()),
        call(array(3, 5, dtype=int32), array(5, dtype=int8)),
        call(strided(2, 1, 7, dtype=int16), array(3, 1, dtype=uint8)),
        call(array(33, dtype=uint8), array(33, dtype=uint8)[::-1].copy()),
        call(array(5, dtype=bool_), array(5, dtype=bool_)[::-1].copy()),
        call(array(5, dtype=bool_), array(5, dtype=int64)),
        call(array(5, dtype=int64), 3),
        call(array(5, dtype=uint8), 200),
        call(array(5, dtype=bool_), 3),
        call(array(5, dtype=bool_), True),
        call(array(dtype=int64), array(dtype=int64)),
        call(array(0, 3, dtype=int64), array(3, dtype=int64)),
    ]


for name, function in {"and": operator.and_, "or": operator.or_, "xor": operator.xor}.items():
    refused = (
        refuse("does not take graphtorch.float32", array(3), 1),
        refuse("does not take graphtorch.float32", array(3, dtype=int64), 1.5),
        refuse("do not broadcast", array(3, dtype=int64), array(2, dtype=int64)),
    )
    row(f"gt.bitwise_{name}", function, *pairs(), call(3, array(5, dtype=int64)), *refused)
    row(f"Tensor.__{name}__", function, *pairs(), *refused)
    row(f"Tensor.__r{name}__", function, *[c for c in pairs() if not isinstance(c.args[1], np.ndarray)], refused[0])

for name in ("gt.bitwise_not", "Tensor.__invert__"):
    row(
        name,
        np.invert,
        *(call(array(17, dtype=d)) for d in (int64, int32, int16, int8, uint8, bool_)),
        call(array(dtype=int64)),
        call(array(0, 3, dtype=bool_)),
        refuse("does not take graphtorch.float32", array(3)),
    )

# ---- shifts -----------------------------------------------------------------------------------------


def shifted(function: Callable[[Any, Any], Any], a: Any, b: Any) -> Array:
    """With Python's integers; counts that are no counts shift everything out. numpy's promotion of two arrays."""
    kinds = [x.dtype if isinstance(x, np.ndarray) else type(x) for x in (a, b)]
    dtype = np.result_type(
        *(d for d in kinds if isinstance(d, np.dtype)), *([np.int64] if np.dtype(bool) in kinds else [])
    )
    bits = 8 * dtype.itemsize
    a, b = np.broadcast_arrays(np.asarray(a).astype(dtype), np.asarray(b).astype(dtype))
    out = np.zeros(a.shape, dtype)
    for i in np.ndindex(a.shape):
        x, n = int(a[i]), int(b[i])
        whole = function(x, n if 0 <= n < bits else 2 * bits) & (2**bits - 1)
        out[i] = np.array(whole, f"u{dtype.itemsize}").astype(dtype)
    return out


SHIFTS = [
    call(array(73, dtype=int64), np.arange(-3, 70)),
    call(array(33, dtype=int32), np.arange(33).astype(np.int32)),
    call(array(17, dtype=int8), np.arange(-3, 14).astype(np.int8)),
    call(array(17, dtype=uint8), np.arange(17).astype(np.uint8)),
    call(array(3, 5, dtype=int64), array(5, dtype=uint8)),
    call(array(5, dtype=int16), 3),
    call(array(5, dtype=bool_), 1),
    call(array(0, 3, dtype=int64), 1),
]
REFUSED = [
    FLOATS,
    refuse("does not take graphtorch.float32", array(3, dtype=int64), 1.5),
    refuse("does not take graphtorch.bool", array(3, dtype=bool_), array(3, dtype=bool_)),
]
for name, short, function in (("left", "l", operator.lshift), ("right", "r", operator.rshift)):

    def formula(a: Any, b: Any, f: Any = function) -> Array:
        return shifted(f, a, b)

    def reflected(b: Any, a: Any, f: Any = function) -> Array:
        return shifted(f, a, b)

    row(f"gt.bitwise_{name}_shift", formula, *SHIFTS, call(2, np.arange(-2, 70)), *REFUSED)
    row(f"Tensor.__{short}shift__", formula, *SHIFTS, *REFUSED)
    row(
        f"Tensor.__r{short}shift__",
        reflected,
        call(np.arange(-2, 70), 5),
        call(np.arange(9).astype(np.uint8), 77),
        refuse("does not take graphtorch.float32", array(3), 1),
    )
