"""Floating-point operations of a net's products: a net of nets.py run on shapes alone.

Only convolutions, linear layers and attention count, 2 operations per multiply-add; that is what the FMA peak is
compared with. A Winograd convolution does fewer, so its fraction of the peak may exceed 1.
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

    def __getitem__(self, part: tuple[Any, slice]) -> Traced:
        return Traced((*self.shape[:-1], part[1].stop - part[1].start), self.products)

    def reshape(self, *shape: int) -> Traced:
        rest = prod(self.shape) // prod(n for n in shape if n != -1)
        return Traced(tuple(rest if n == -1 else n for n in shape), self.products)

    def swapaxes(self, a: int, b: int) -> Traced:
        order = list(self.shape)
        order[a], order[b] = order[b], order[a]
        return Traced(tuple(order), self.products)

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
    x.products.append(2 * prod(x.shape[:-1]) * cout * cin)
    return Traced((*x.shape[:-1], cout), x.products)


def _embedding(layer: Layer, x: Traced) -> Traced:
    x.products.append(0)  # of no product, so every product after it needs the gradient of its input
    return Traced((*x.shape, layer.shapes["weight"][1]), x.products)


def _attention(query: Traced, key: Traced, value: Traced, is_causal: bool) -> Traced:
    """Two products; of the scores that are seen."""
    seen = 2 if is_causal else 1
    query.products.append(2 * 2 * prod(query.shape) * key.shape[-2] // seen)
    return query


def _max_pool2d(layer: Layer, x: Traced) -> Traced:
    sizes = [window(n, layer.options["kernel"], layer.options) for n in x.shape[2:]]
    return Traced((*x.shape[:2], *sizes), x.products)


TABLE: dict[str, Callable[..., Any]] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "max_pool2d": _max_pool2d,
    "batch_norm": lambda layer, x: x,
    **dict.fromkeys(("relu", "sigmoid", "gelu", "layer_norm"), lambda layer, x: x),
    "embedding": _embedding,
    "attention": _attention,
    "flatten": lambda layer, x: Traced((x.shape[0], prod(x.shape[1:])), x.products),
}


def count(net: Callable[[Any], Any], shape: Shape, *, train: bool) -> int:
    """Operations of a forward pass, or of a training step: the first layer needs no gradient of its input."""
    products: list[int] = []
    model = net(namespace(TABLE))
    for _, layer in model.layers():
        layer.values = dict.fromkeys(layer.shapes)  # read, and added, as a part of the net
    model(Traced(shape, products))
    return 3 * sum(products) - products[0] if train else sum(products)
