"""An ``nn`` for libraries that have none: a net of nets.py over a table of plain functions.

``namespace(table)`` gives Module, Sequential and the layers; a layer's call is ``table[kind](layer, x)``, that of
attention ``table["attention"](q, k, v, is_causal)``. A kind that a table lacks is None: no net of its library has it.
What the layers read stands in ``layer.values``, by torch's names, so that the same weights fit every library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

Shape = tuple[int, ...]


#: layers without parameters
PLAIN = {"ReLU": "relu", "Sigmoid": "sigmoid", "GELU": "gelu", "Flatten": "flatten"}


class Module:
    """Calls forward; knows its layers by dotted names."""

    def __call__(self, x: Any) -> Any:
        return self.forward(x)

    def forward(self, x: Any) -> Any:
        raise NotImplementedError

    def layers(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
        for name, child in vars(self).items():
            if isinstance(child, Module):
                yield from child.layers(f"{prefix}{name}.")


class Sequential(Module):
    def __init__(self, *modules: Module) -> None:
        vars(self).update({str(i): module for i, module in enumerate(modules)})

    def forward(self, x: Any) -> Any:
        for module in vars(self).values():
            x = module(x)
        return x


class Layer(Module):
    """One entry of the table. ``shapes`` are those of its parameters and buffers, ``values`` what they hold."""

    def __init__(self, apply: Callable[[Layer, Any], Any], shapes: Mapping[str, Shape], **options: int) -> None:
        self.apply, self.shapes, self.options = apply, dict(shapes), options
        self.values: dict[str, Any] = {}

    @property
    def weight(self) -> Any:
        return self.values["weight"]

    def forward(self, x: Any) -> Any:
        return self.apply(self, x)

    def layers(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
        yield prefix, self


def namespace(table: Mapping[str, Callable[[Layer, Any], Any]]) -> Any:
    """torch's constructors, as far as nets.py uses them."""

    def Conv2d(cin: int, cout: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True) -> Layer:
        shapes = {"weight": (cout, cin, kernel, kernel), **({"bias": (cout,)} if bias else {})}
        return Layer(table["conv2d"], shapes, stride=stride, padding=padding)

    def MaxPool2d(kernel: int, stride: int | None = None, padding: int = 0) -> Layer:
        return Layer(table["max_pool2d"], {}, kernel=kernel, stride=stride or kernel, padding=padding)

    def Linear(cin: int, cout: int, bias: bool = True) -> Layer:
        return Layer(table["linear"], {"weight": (cout, cin), **({"bias": (cout,)} if bias else {})})

    def Embedding(count: int, width: int) -> Layer:
        return Layer(table["embedding"], {"weight": (count, width)})

    def LayerNorm(width: int) -> Layer:
        return Layer(table["layer_norm"], {"weight": (width,), "bias": (width,)})

    def BatchNorm2d(count: int) -> Layer:
        names = ("weight", "bias", "running_mean", "running_var")
        return Layer(table["batch_norm"], dict.fromkeys(names, (count,)))

    plain = {name: partial(Layer, table.get(kind), {}) for name, kind in PLAIN.items()}
    return SimpleNamespace(
        Module=Module, Sequential=Sequential, Conv2d=Conv2d, MaxPool2d=MaxPool2d, Linear=Linear,
        BatchNorm2d=BatchNorm2d, Embedding=Embedding, LayerNorm=LayerNorm, **plain,
        functional=SimpleNamespace(scaled_dot_product_attention=table.get("attention")),
    )  # fmt: skip


def window(size: int, kernel: int, options: Mapping[str, int]) -> int:
    """Places of a window along an axis."""
    return (size + 2 * options["padding"] - kernel) // options["stride"] + 1
