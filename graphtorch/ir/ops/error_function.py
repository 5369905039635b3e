"""erf, erfc and the inverse of erf."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.ir.op import register
from graphtorch.ir.ops.elementwise import Array
from graphtorch.ir.ops.functions import FloatUnary, exp

_SLOPE = 2 / math.sqrt(math.pi)


def _each(function: Callable[[float], float]) -> Callable[[Array], Array]:
    """A function of Python's floats for arrays of float64."""
    made = np.vectorize(function, otypes=[np.float64])
    return lambda x: made(x) if np.size(x) else np.asarray(x, np.float64)


_erf, _erfc = _each(math.erf), _each(math.erfc)


class Erf(FloatUnary):
    name = "erf"

    def ref(self, x: Array) -> Array:
        return np.asarray(_erf(x)).astype(x.dtype)

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * exp(-(x * x)) * _SLOPE


class Erfc(FloatUnary):
    """1 - erf(x), exact where erf(x) is near 1."""

    name = "erfc"

    def ref(self, x: Array) -> Array:
        return np.asarray(_erfc(x)).astype(x.dtype)

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * exp(-(x * x)) * -_SLOPE


class Erfinv(FloatUnary):
    """The number whose erf is x: infinite at 1 and -1, nan beyond."""

    name = "erfinv"

    def ref(self, x: Array) -> Array:
        return np.asarray(erfinv_float64(x.astype(np.float64))).astype(x.dtype)

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        y = erfinv(x)  # of what torch saves: the result may be changed in place. A program computes it once
        return g * exp(y * y) * (1 / _SLOPE)


erf, erfc, erfinv = register(Erf()), register(Erfc()), register(Erfinv())


def erfinv_float64(x: Array) -> Array:
    """erfinv of float64, to a few ULP: Halley's steps from S. Winitzki's approximation (2008), which is good to 0.2%.

    Beyond 1/2 it is 1 - |x|, which is exact, that erfc has to meet.
    """
    a = np.abs(x)
    far, scale = a > 0.5, 0.147
    with np.errstate(all="ignore"):
        log = np.log1p(-a * a)
        half = 2 / (math.pi * scale) + log / 2
        y = np.sqrt(np.sqrt(half * half - log / scale) - half)
        for _ in range(3):
            above = np.where(far, (1 - a) - _erfc(y), _erf(y) - a)
            step = above / (_SLOPE * np.exp(-y * y))
            y = y - step / (1 + y * step)
    return np.copysign(np.where(a < 1, y, np.where(a == 1, np.inf, np.nan)), x)
