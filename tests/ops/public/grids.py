"""Images at the places of a grid: one output element after the other."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from tests.ops.formulas import keys
from tests.ops.public.table import call, refuse, row, smooth
from tests.ops.samples import array

Array = Any
X2, X3 = array(2, 3, 5, 7), array(1, 2, 3, 5, 4)


def affine_grid(theta: Array, size: Any, align_corners: Any = None) -> Array:
    plane = size[2:]
    out = np.zeros((len(theta), *plane, len(plane)))
    for at in np.ndindex(*plane):
        place = [
            (2 * i / (n - 1) - 1 if n > 1 else 0) if align_corners else (2 * i + 1) / n - 1
            for i, n in zip(at, plane, strict=True)
        ]
        out[(slice(None), *at)] = theta @ np.array([*place[::-1], 1.0])
    return out


def mirrored(x: float, low: float, high: float) -> float:
    if high == low:
        return 0.0
    turns, rest = divmod(abs(x - low), high - low)
    return rest + low if turns % 2 == 0 else high - rest


def grid_sample(
    x: Array, grid: Array, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: Any = None
) -> Array:
    """One output element after the other; kernels of all positions near."""
    size = x.shape[2:]
    out = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    kernel = {"bilinear": lambda d: max(0.0, 1 - abs(d)), "bicubic": keys}.get(mode)

    def padded(v: float, n: int) -> float:
        if padding_mode == "reflection":
            v = mirrored(v, 0, n - 1) if align_corners else mirrored(v, -0.5, n - 0.5)
        return v if padding_mode == "zeros" else min(max(v, 0), n - 1)

    for b, *at in np.ndindex(*grid.shape[:-1]):
        taps = []
        for g, n in zip(grid[(b, *at)][::-1], size, strict=True):
            v = (g + 1) / 2 * (n - 1) if align_corners else ((g + 1) * n - 1) / 2
            v = v if mode == "bicubic" else padded(v, n)
            near = [round(v)] if kernel is None else range(math.floor(v) - 1, math.floor(v) + 3)
            taps.append(
                [(padded(j, n) if mode == "bicubic" else j, 1.0 if kernel is None else kernel(v - j)) for j in near]
            )
        for chosen in itertools.product(*taps):
            place = tuple(round(j) for j, _ in chosen)
            if all(0 <= j < n for j, n in zip(place, size, strict=True)):
                out[(b, slice(None), *at)] += x[(b, slice(None), *place)] * math.prod(w for _, w in chosen)
    return out


row(
    "F.affine_grid",
    affine_grid,
    smooth(array(4, 2, 3), (4, 1, 5, 7), align_corners=False),
    smooth(array(4, 2, 3), [4, 1, 1, 7], True),
    smooth(array(2, 3, 4), (2, 1, 5, 7, 6), align_corners=False),
    refuse("does not fit size", array(4, 2, 3), (3, 1, 5, 7)),
    refuse("does not fit size", array(4, 3, 2), (4, 1, 5, 7)),
)
GRID, GRID3 = array(2, 4, 6, 2, low=-1.37, high=1.41), array(1, 4, 6, 2, 3, low=-1.37, high=1.41)
row(
    "F.grid_sample",
    grid_sample,
    *(smooth(X2, GRID, m, p, align_corners=a)
      for m in ("bilinear", "nearest", "bicubic") for p in ("zeros", "border", "reflection") for a in (True, False)),
    *(smooth(X3, GRID3, m, p, align_corners=False)
      for m in ("bilinear", "nearest") for p in ("zeros", "border", "reflection")),
    call(X2[:0], GRID[:0], align_corners=False),
    refuse("do not fit", X2, GRID3),
    refuse("do not fit", X2, GRID[:1]),
    refuse("mode", X2, GRID, "cubic"),
    refuse("mode", X3, GRID3, "bicubic"),
    refuse("padding_mode", X2, GRID, "bilinear", "mirror"),
    rtol=2e-4, atol=2e-5,
)  # fmt: skip
