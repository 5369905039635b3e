"""Another number of elements along a dimension, each a mean of all that it covers: interpolation with antialias.

The windows and the weights are Pillow's, as torch has them. They are ops, and not taps as in resample.py: an image that
shrinks much has many of them, and a loop over many is no larger a program than over few.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.ops.arithmetic import abs_, clamp
from graphtorch.ir.ops.common import aval_of, dtype_of, shape_of, to_dtype
from graphtorch.ir.ops.in_float32 import in_float32
from graphtorch.ir.ops.index import select_rows
from graphtorch.ir.ops.logic import eq, lt, where
from graphtorch.ir.ops.movement import iota, reshape
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.rounding import floor
from graphtorch.ir.types import DType, int64


def _triangle(x: Any) -> Any:
    return clamp(1 - x, min=0)


def _keys(x: Any) -> Any:
    """R. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29 (1981); a = -1/2."""
    near, far = (x * 1.5 - 2.5) * x * x + 1, ((x * -0.5 + 2.5) * x - 4) * x + 2
    return where(lt(x, 1), near, where(lt(x, 2), far, 0))


#: mode -> the weight at a distance of x new elements, and where it ends
_KERNELS: dict[str, tuple[Callable[[Any], Any], int]] = {"bilinear": (_triangle, 1), "bicubic": (_keys, 2)}
MODES = tuple(_KERNELS)


@in_float32("input")
def smoothed(input: Any, dim: int, size: int, scale: float, mode: str) -> Any:
    """``size`` elements along ``dim``, of ``scale`` old ones each; ``mode`` is one of `MODES`."""
    places, weights = _windows(shape_of(input)[dim], size, scale, mode, dtype_of(input))
    rows = select_rows(input, places, dim)
    column = reshape(weights, (*shape_of(weights), *(1 for _ in range(aval_of(input).ndim - dim - 1))))
    # what has no weight must not count, even if it is nan
    return sum_(where(eq(column, 0), 0, rows * column), dim + 1)


def _windows(old: int, size: int, scale: float, mode: str, dtype: DType) -> tuple[Any, Any]:
    """Which old elements a new one is made of, int64[size, n], and their weights, of sum 1."""
    kernel, reach = _KERNELS[mode]
    wide = max(scale, 1.0)  # enlarged, an element is made of the near ones alone
    shape = size, min(2 * math.ceil(reach * wide) + 1, old)
    number, step = (bind.bind(iota, shape=shape, dim=d, dtype=dtype) for d in (0, 1))
    center = (number + 0.5) * scale
    place = clamp(floor(center - reach * wide + 0.5), min=0) + step
    share = where(lt(place, old), kernel(abs_(place - center + 0.5) * (1 / wide)), 0)
    return to_dtype(clamp(place, max=old - 1), int64), share / sum_(share, 1, keepdim=True)
