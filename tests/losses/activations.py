"""One row for each activation: its options, and what it computes, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.losses.case import Array, Case
from tests.ops.samples import array, strided


def elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(x))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softplus(x: Array) -> Array:
    return np.log(1 + np.exp(x))


def glu(x: Array, axis: int) -> Array:
    a, b = np.split(x, 2, axis)
    return a * sigmoid(b)


def softmin(x: Array, axis: int) -> Array:
    return np.exp(-x) / np.exp(-x).sum(axis, keepdims=True)


#: name -> (formula, options), for one tensor
ACTIVATIONS: dict[str, list[tuple[Callable[[Array], Array], dict[str, Any]]]] = {
    "hardtanh": [
        (lambda x: np.clip(x, -1, 1), {}),
        (lambda x: np.clip(x, -0.25, 1.5), {"min_val": -0.25, "max_val": 1.5}),
    ],
    "relu6": [(lambda x: np.clip(x, 0, 6), {})],
    "hardsigmoid": [(lambda x: np.clip(x / 6 + 0.5, 0, 1), {})],
    "hardswish": [(lambda x: x * np.clip(x / 6 + 0.5, 0, 1), {})],
    "leaky_relu": [
        (lambda x: np.maximum(x, 0.01 * x), {}),
        (lambda x: np.where(x > 0, x, 1.5 * x), {"negative_slope": 1.5}),
    ],
    "rrelu": [(lambda x: np.where(x > 0, x, x * (1 / 8 + 1 / 3) / 2), {})],
    "threshold": [(lambda x: np.where(x > 0.3, x, 7), {"threshold": 0.3, "value": 7.0})],
    "elu": [(elu, {}), (lambda x: elu(x, 0.3), {"alpha": 0.3})],
    "selu": [(lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772), {})],
    "celu": [
        (elu, {}),
        (lambda x: np.where(x > 0, x, 1.7 * np.expm1(x / 1.7)), {"alpha": 1.7}),
        (lambda x: np.where(x > 0, x, -0.6 * np.expm1(x / -0.6)), {"alpha": -0.6}),
    ],
    "mish": [(lambda x: x * np.tanh(softplus(x)), {})],
    "softplus": [
        (softplus, {}),
        (lambda x: np.where(2 * x > 1.5, x, softplus(2 * x) / 2), {"beta": 2, "threshold": 1.5}),
    ],
    "logsigmoid": [(lambda x: np.log(sigmoid(x)), {})],
    "softsign": [(lambda x: x / (1 + np.abs(x)), {})],
    "tanhshrink": [(lambda x: x - np.tanh(x), {})],
    "softshrink": [
        (lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), {}),
        (lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.1, 0), {"lambd": 0.1}),
    ],
    "hardshrink": [
        (lambda x: np.where(np.abs(x) > 0.5, x, 0), {}),
        (lambda x: np.where(np.abs(x) > 1.1, x, 0), {"lambd": 1.1}),
    ],
    "glu": [(lambda x: glu(x, -1), {}), (lambda x: glu(x, 0), {"dim": 0})],
    "softmin": [(lambda x: softmin(x, 1), {"dim": 1}), (lambda x: softmin(x, 0), {"dim": 0})],
}

SHAPES = {"glu": ((6, 4), (2, 5, 8)), "softmin": ((7, 5), (3, 5, 2))}


def activations() -> list[Case]:
    found = []
    for name, rows in ACTIVATIONS.items():
        for formula, options in rows:
            first, second = SHAPES.get(name, ((7, 17), (2, 3, 5)))
            # what lies between 4 and -4 meets every piece of every function; no element is a kink
            inputs = (array(*first, low=-4.01, high=4), strided(*second, low=-4.02, high=4))
            found += [Case(name, (x,), formula, options, reduces=False) for x in inputs]
    for weight in (array(1, low=0.2, high=0.3), array(5, low=0.1, high=0.9), array(low=0.2, high=0.3)):
        for shape in ((7, 5), (2, 5, 3)):
            found.append(Case("prelu", (strided(*shape), weight), prelu, reduces=False))
    return found


def prelu(x: Array, w: Array) -> Array:
    slope = w.reshape([-1 if d == 1 else 1 for d in range(x.ndim)]) if w.size > 1 else w.reshape(())
    return np.where(x > 0, x, slope * x)
