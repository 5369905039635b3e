"""Divisors and multiples."""

from __future__ import annotations

import numpy as np

from graphtorch.ir.types import bool_, int64, uint8
from tests.ops.public.table import call, refuse, row
from tests.ops.samples import array

rng = np.random.default_rng(8)
LARGE = rng.integers(-(2**62), 2**62, (2, 33))
SMALL = [rng.integers(-40, 40, n).astype(np.int32) for n in ((3, 1, 5), (7, 1))]
FIBONACCI = np.array([4660046610375530309, 2880067194370816120])  # the most steps that there are

for name, formula in {"gcd": np.gcd, "lcm": np.lcm}.items():
    large = LARGE if name == "gcd" else LARGE // 2**34
    row(
        f"gt.{name}",
        formula,
        call(*large),
        call(*SMALL),
        call(*(FIBONACCI[i : i + 1] // (1 if name == "gcd" else 2**40) for i in range(2))),
        call(np.array([0, 0, 5, -6], np.int16), np.array([0, 7, 0, -4], np.int16)),
        call(np.arange(200, 211).astype(np.uint8), np.array([-8], np.int8)),
        call(array(7, dtype=uint8) % 11, array(7, dtype=uint8) % 13),
        call(np.array(12, np.int8), np.array(18, np.int8)),
        call(array(0, 3, dtype=int64), array(3, dtype=int64)),
        refuse("must be a tensor, got int", array(3, dtype=int64), 2),
        refuse("does not take graphtorch.float32", array(3), array(3, dtype=int64)),
        refuse("does not take graphtorch.bool", array(3, dtype=bool_), array(3, dtype=bool_)),
        refuse("do not broadcast", array(3, dtype=int64), array(2, dtype=int64)),
    )
