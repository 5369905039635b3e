"""What is timed: a name, a net or an op, its inputs, and the ratio to the best peer that is to be reached."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from benchmarks import flops, nets

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
#: small enough that no net diverges in thousands of steps, and that batch 1 does not reach a loss of 0
LEARNING_RATE = 1e-4


PRODUCTS = ("matmul", "conv")
#: tanh(x * 1.5 + y) * sigmoid(y) - exp(-x * x); softmax and layer_norm of rows; sum over the first dimension
MEMORY_OPS = ("elementwise", "softmax", "layer_norm", "column_sum")
OPS = (*PRODUCTS, *MEMORY_OPS)


@dataclass(frozen=True)
class Workload:
    """``kind`` is "train" or "infer" (with ``net``), or an op of `OPS`, whose operands are inputs.

    With ``tokens`` inputs are numbers below it, and every one has a label; else a label stands for a row of the batch,
    or with ``loss`` "mse" a number for each output.
    """

    name: str
    title: str
    kind: str
    shapes: tuple[Shape, ...]
    reach: float | None
    net: Callable[[Any], Any] | None = None
    classes: int = 10
    default: bool = True
    tokens: int = 0
    loss: str = "cross_entropy"
    optimizer: str = "sgd"

    @property
    def flops(self) -> int:
        """Operations of the products in one step."""
        if self.net is not None:
            return flops.count(self.net, self.shapes[0], train=self.kind == "train")
        x, w = self.shapes[0], self.shapes[-1]
        if self.kind == "matmul":
            return 2 * prod(x) * w[1]
        return 2 * prod(x) * prod(w) // w[1] if self.kind == "conv" else 0

    @property
    def bytes(self) -> int:
        """What an op without products reads and writes, each once."""
        if self.kind not in MEMORY_OPS:
            return 0
        written = self.shapes[0][1:] if self.kind == "column_sum" else self.shapes[0]
        return 4 * (sum(map(prod, self.shapes)) + prod(written))

    def inputs(self) -> list[Array]:
        """The tensors of a step, the labels of a training step included; the same in every process."""
        rng = np.random.default_rng(0)
        arrays: list[Array] = [
            rng.integers(0, self.tokens, shape) if self.tokens else rng.standard_normal(shape, np.float32)
            for shape in self.shapes
        ]
        if self.kind in PRODUCTS:
            arrays[1] *= prod(self.shapes[1][1:]) ** -0.5
        if self.kind == "train":
            arrays.append(self._labels(rng))
        return arrays

    def _labels(self, rng: np.random.Generator) -> Array:
        count = prod(self.shapes[0]) if self.tokens else self.shapes[0][0]
        if self.loss == "mse":
            return rng.standard_normal((count, self.classes), np.float32)
        return rng.integers(0, self.classes, count)


def fill(name: str, array: Array) -> None:
    """Give a parameter or buffer its value, in place: by its name alone, so that every library has the same ones."""
    if not array.ndim:
        return
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    rng.standard_normal(dtype=np.float32, out=array)
    if array.ndim > 1:
        array *= (2 / prod(array.shape[1:])) ** 0.5  # He: signals neither die nor grow on their way through relus
        return
    array *= 0.1
    if name.endswith(("weight", "running_var")):
        np.abs(array, out=array)
        array += 1


def _matmul(n: int) -> Workload:
    return Workload(f"matmul-{n}", f"matmul {n}^3", "matmul", ((n, n), (n, n)), 0.95)


def _conv(c: int, size: int) -> Workload:
    title = f"conv {c}->{c} 3x3 pad 1, [8,{c},{size},{size}]"
    return Workload(f"conv-{c}", title, "conv", ((8, c, size, size), (c, c, 3, 3)), 0.70)


def _op(kind: str, title: str, reach: float, operands: int = 1) -> Workload:
    return Workload(kind.replace("_", "-"), f"{title}, [4096,1024]", kind, ((4096, 1024),) * operands, reach)


def _train(name: str, title: str, net: Any, shape: Shape, reach: float, classes: int = 10, **more: Any) -> Workload:
    return Workload(name, title, "train", (shape,), reach, net, classes, **more)


def _infer(name: str, title: str, net: Any, shape: Shape, reach: float) -> Workload:
    return Workload(name, title, "infer", (shape,), reach, net)


WORKLOADS = (
    _train("seed-train-64", "SEED train step, batch 64", nets.seed, (64, 3, 32, 32), 0.50),
    _train("seed-train-1", "SEED train step, batch 1", nets.seed, (1, 3, 32, 32), 0.40),
    _train("lenet-train", "LeNet-5 train, 28x28, batch 64", nets.lenet5, (64, 1, 28, 28), 0.40),
    _train("resnet18-train", "ResNet18 train, 64x64, batch 16", nets.resnet18, (16, 3, 64, 64), 0.70, 1000),
    _train("mlp-small-train", "MLP 10-32-1 train, batch 16", nets.mlp_small, (16, 10), 0.30, 1, loss="mse"),
    _train("mlp-train", "MLP 784-512-512-10 train, batch 64", nets.mlp, (64, 784), 0.80),
    _train(
        "gpt-train",
        "GPT train, 4 layers of 256, length 128, batch 8, AdamW",
        nets.gpt,
        (8, 128),
        0.65,
        256,
        tokens=256,
        optimizer="adamw",
    ),
    _infer("seed-infer", "SEED inference, batch 64", nets.seed, (64, 3, 32, 32), 0.80),
    _infer("vgg16-infer", "VGG16 inference, 224x224, batch 1", nets.vgg16, (1, 3, 224, 224), 0.90),
    _infer("resnet18-infer", "ResNet18 inference, 224x224, batch 1", nets.resnet18, (1, 3, 224, 224), 0.95),
    _matmul(512),
    _matmul(1024),
    _matmul(2048),
    _conv(64, 56),
    _conv(256, 14),
    _op("elementwise", "tanh(x*1.5+y)*sigmoid(y)-exp(-x*x)", 0.90, 2),
    _op("softmax", "softmax over rows", 0.85),
    _op("layer_norm", "layer_norm", 0.95),
    _op("column_sum", "x.sum(0)", 0.95),
    Workload("tiny-train", "tiny, train", "train", ((4, 8),), None, nets.tiny, 3, default=False),
    Workload("tiny-infer", "tiny, inference", "infer", ((4, 8),), None, nets.tiny, default=False),
)
BY_NAME = {work.name: work for work in WORKLOADS}
