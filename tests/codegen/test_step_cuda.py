"""A whole training step as CUDA kernels: executed thread by thread, and compiled by nvcc."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
import graphtorch.nn.functional as F
from graphtorch import nn
from graphtorch.codegen import nvcc
from graphtorch.codegen.program import lower_graph
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.graph import Graph, Value
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE_CUDA
from graphtorch.ir.types import TensorType
from tests.codegen.nests import random_array, run_op_kernel

Array = Any


def step_of(net: nn.Module) -> Callable[[Any, Any], Any]:
    optimizer = gt.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def argument(t: TensorType, seed: int) -> Array:
    """Values that any state may have: variances are positive, labels small, a generator's state two words."""
    if t.dtype.kind == "f":
        return np.abs(random_array(t, seed))
    return np.array([7, 3]) if t.shape == (2,) else random_array(t, seed) % 5


class Memory:
    """The values of a graph; reshapes share those of their operand."""

    def __init__(self, values: dict[Value, Array]) -> None:
        self.values = values

    def __getitem__(self, value: Value) -> Array:
        if value not in self.values:
            assert value.node is not None and value.node.op.name == "reshape"
            self.values[value] = self[value.node.operands[0]].reshape(value.type.shape)
        return self.values[value]


def run_mapped(graph: Graph, arrays: list[Array]) -> Memory:
    memory = Memory(dict(zip(graph.params, arrays, strict=True)))
    for lowered in lower_graph(graph):
        results = run_op_kernel(schedule_cuda(lowered.nest), *(memory[o] for o in lowered.operands))
        for value, got in zip(lowered.results, results, strict=True):
            memory.values[value] = got.reshape(value.type.shape)
    return memory


def test_a_training_step_agrees_with_the_graph() -> None:
    """Convolution, batch norm, pooling, dropout, the loss, all gradients and the optimizer."""
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3), nn.Flatten(),
        nn.Linear(36, 5),
    )  # fmt: skip
    graph = run_passes(gt.trace(step_of(net), gt.randn(3, 1, 7, 6), gt.tensor([1, 2, 4])), OPTIMIZE_CUDA)
    arrays = [argument(p.type, i) for i, p in enumerate(graph.params)]
    outputs, updates = evaluate(graph, arrays)
    memory = run_mapped(graph, arrays)
    for value, want in zip(graph.outputs, outputs, strict=True):
        np.testing.assert_allclose(memory[value], want, rtol=1e-4, atol=1e-6)
    assert len(graph.updates) > 8
    for param, value in graph.updates.items():
        np.testing.assert_allclose(memory[value], updates[param.name], rtol=1e-4, atol=1e-6, err_msg=param.name)


@pytest.mark.skipif(nvcc.find_nvcc() is None, reason="no nvcc on PATH or in CUDA_HOME")
def test_the_step_of_the_cifar_net_compiles() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(2), nn.Conv2d(32, 32, 5, padding=2), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10),
    )  # fmt: skip
    graph = gt.trace(step_of(net), gt.TensorSpec((64, 3, 32, 32)), gt.TensorSpec((64,), gt.int64))
    source = graph.cuda_source()
    assert nvcc.compile_cubin(source).startswith(b"\x7fELF")
    assert source.count("__global__") > 20
