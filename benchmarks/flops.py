"""Floating-point operations of a net's products: a net of nets.py run on shapes alone.

Only convolutions and linear layers count, 2 operations per multiply-add; that is what the FMA peak is compared with.
A Winograd convolution does fewer, so its fraction of the peak may exceed 1.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from benchmarks.layers import Layer, Shape, namespace, window


class Traced:
    """A shape that flows through a net, and the list that products are noted in."""

    def __init__(self, shape: Shape, products: list[int]) -> None:
        self.shape, self.products = shape, products

    def __add__(self, other: Traced) -> Traced:
        return self

    def mean(self, dims: Shape) -> Traced:
        return Traced(tuple(n for i, n in enumerate(self.shape) if i not in dims), self.products)


def _conv2d(layer: Layer, x: Traced) -> Traced:
    cout, cin, *kernel = layer.shapes["weight"]
    sizes = [window(n, k, layer.options) for n, k in zip(x.shape[2:], kernel, strict=True)]
    shape = (x.shape[0], cout, *sizes)
    x.products.append(2 * prod(shape) * cin * prod(kernel))
    return Traced(shape, x.products)


def _linear(layer: Layer, x: Traced) -> Traced:
    cout, cin = layer.shapes["weight"]
    x.products.append(2 * x.shape[0] * cout * cin)
    return Traced((x.shape[0], cout), x.products)


def _max_pool2d(layer: Layer, x: Traced) -> Traced:
    sizes = [window(n, layer.options["kernel"], layer.options) for n in x.shape[2:]]
    return Traced((*x.shape[:2], *sizes), x.products)


TABLE: dict[str, Callable[[Layer, Any], Any]] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "max_pool2d": _max_pool2d,
    "batch_norm": lambda layer, x: x,
    "relu": lambda layer, x: x,
    "flatten": lambda layer, x: Traced((x.shape[0], prod(x.shape[1:])), x.products),
}


def count(net: Callable[[Any], Any], shape: Shape, *, train: bool) -> int:
    """Operations of a forward pass, or of a training step: the first layer needs no gradient of its input."""
    products: list[int] = []
    net(namespace(TABLE))(Traced(shape, products))
    return 3 * sum(products) - products[0] if train else sum(products)
