"""Integrals of samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int64, uint8
from tests.ops.public.table import Array, call, refuse, row, smooth
from tests.ops.samples import array, strided


def areas(y: Array, x: Any, dx: Any, dim: int) -> Array:
    """Twice the trapezoids, the dimension last."""
    y = np.moveaxis(y, dim, -1)
    if x is None:
        space: Any = 1 if dx is None else dx
    elif x.ndim == 1:
        space = np.diff(x)
    else:
        space = np.diff(np.moveaxis(x.reshape((1,) * (y.ndim - x.ndim) + x.shape), dim, -1))
    return np.asarray((y[..., 1:] + y[..., :-1]) * space)


def trapezoid(y: Array, x: Any = None, dx: Any = None, dim: int = -1) -> Array:
    return areas(y, x, dx, dim).sum(-1) / 2


def cumulative(y: Array, x: Any = None, dx: Any = None, dim: int = -1) -> Array:
    return np.moveaxis(areas(y, x, dx, dim).cumsum(-1) / 2, -1, dim)


for name, formula in {"trapezoid": trapezoid, "trapz": trapezoid, "cumulative_trapezoid": cumulative}.items():
    row(
        f"gt.{name}",
        formula,
        smooth(array(3, 5)),
        smooth(strided(3, 5, 7, dtype=float64), dim=1),
        smooth(array(3, 5), array(5)),
        smooth(array(3, 5, 7), array(5), dim=-2),
        smooth(array(3, 5, 7), array(3, 5, 7), dim=0),
        smooth(array(3, 5, 7), array(5, 1), dim=1),
        smooth(array(3, 5), dx=0.3),
        smooth(array(3, 1)),
        call(array(7, dtype=int64)),
        call(array(7, dtype=uint8), dx=2) if name != "trapz" else call(array(7, dtype=uint8), dx=2.0),
        call(array(3, 7, dtype=int64), array(7)),
        call(array(2, 0)),
        call(np.array([1, np.nan, 2, np.inf], np.float32)),
        refuse("y is bool", array(3, dtype=bool_)),
        refuse("one number for each sample", array(3, 5), array(3)),
        refuse("do not broadcast", array(3, 5), array(3, 4)),
        refuse("x and dx are given", array(5), array(5), dx=2.0),
        refuse("0-d tensor has no samples", array()),
        refuse("dim=2 is out of range", array(3, 5), dim=2),
        refuse("must be a tensor", 2.0),
    )
