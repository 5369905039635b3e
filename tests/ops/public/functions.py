"""Functions of one real number: exponentials, logarithms, roots, angles, hyperbolas, and those around erf."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int8, int64, uint8
from tests.ops.formulas import inverse_erf
from tests.ops.public.table import Array, call, refuse, row, smooth
from tests.ops.samples import array, special, strided


def each(function: Callable[[float], float]) -> Callable[[Array], Array]:
    """A function of Python's floats."""
    return np.vectorize(function, otypes=[np.float64])


def of_floats(function: Callable[[Array], Array]) -> Callable[[Any], Array]:
    """numpy computes functions of small integers in 16 bits."""
    return lambda x: np.asarray(function(np.asarray(x, np.float64)))


erfc = each(math.erfc)

#: name -> (formula, an interval in which it is smooth, its second names)
FUNCTIONS: dict[str, tuple[Callable[[Array], Array], float, float, tuple[str, ...]]] = {
    "exp": (np.exp, -2, 2, ()),
    "exp2": (np.exp2, -2, 2, ()),
    "expm1": (np.expm1, -2, 2, ()),
    "log": (np.log, 0.3, 3, ()),
    "log2": (np.log2, 0.3, 3, ()),
    "log10": (np.log10, 0.3, 3, ()),
    "log1p": (np.log1p, -0.6, 3, ()),
    "sqrt": (np.sqrt, 0.3, 3, ()),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.3, 3, ()),
    "reciprocal": (lambda x: 1 / x, 0.3, 3, ()),
    "sin": (np.sin, -3, 3, ()),
    "cos": (np.cos, -3, 3, ()),
    "tan": (np.tan, -1.3, 1.3, ()),
    "asin": (np.arcsin, -0.9, 0.9, ("arcsin",)),
    "acos": (np.arccos, -0.9, 0.9, ("arccos",)),
    "atan": (np.arctan, -3, 3, ("arctan",)),
    "sinh": (np.sinh, -3, 3, ()),
    "cosh": (np.cosh, -3, 3, ()),
    "tanh": (np.tanh, -3, 3, ()),
    "asinh": (np.arcsinh, -3, 3, ("arcsinh",)),
    "acosh": (np.arccosh, 1.1, 4, ("arccosh",)),
    "atanh": (np.arctanh, -0.9, 0.9, ("arctanh",)),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), -4, 4, ()),
    "erf": (each(math.erf), -2, 2, ()),
    "erfc": (erfc, -2, 2, ()),
    "erfinv": (each(inverse_erf), -0.95, 0.95, ()),
    "rad2deg": (np.rad2deg, -3, 3, ()),
    "deg2rad": (np.deg2rad, -300, 300, ()),
}

for name, (formula, low, high, others) in FUNCTIONS.items():
    for known_as in (name, *others):
        row(
            f"gt.{known_as}",
            of_floats(formula),
            smooth(array(3, 5, low=low, high=high)),
            smooth(strided(2, 7, dtype=float64, low=low, high=high)),
            smooth(array(dtype=float64, low=low, high=high)),
            call(special() if name != "acosh" else np.array([np.nan, np.inf, 1, 0.5, 3e38], np.float32)),
            call(special(float64) if name != "acosh" else np.array([np.nan, np.inf, 1, 0.5, 3e38])),
            call(array(0, 3)),
            call(array(17, dtype=int64)),
            call(array(5, dtype=uint8)),
            call(array(3, dtype=bool_)),
            refuse("input must be a tensor, got float", 2.5),
        )

row(
    "gt.logit",
    lambda x, eps=None: of_floats(lambda v: np.log(v / (1 - v)))(
        x if eps is None else np.minimum(np.maximum(x, eps), 1 - eps)
    ),
    smooth(array(3, 5, low=0.1, high=0.9)),
    smooth(array(7, low=0.12, high=0.88), 0.1),
    call(np.array([0, 1, 0.5, -1, 2, np.nan], np.float32)),
    call(np.array([0, 1, 0.5, -1, 2, 0.99], np.float32), eps=0.1),
    call(array(dtype=float64, low=0.1, high=0.9)),
    call(array(0, 3)),
    call(array(3, dtype=int8)),
    call(array(3, dtype=bool_)),
    refuse("input must be a tensor, got float", 0.5),
)
