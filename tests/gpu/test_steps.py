"""Whole training steps on a GPU: each launch after the other, against the graph in numpy; and as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.codegen.cuda_target import CudaTarget, cuda_target, set_cuda_target
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.graph import Graph
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE_CUDA
from tests.codegen.test_rows import ROWS, flat
from tests.codegen.test_rows_cuda import CASES
from tests.codegen.test_step_cuda import argument, step_of
from tests.gpu.driver import Gpu
from tests.gpu.harness import Program, close

Array = Any
pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _exact_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared is float32's; on a GPU convolutions are TF32's unless they are told."""
    monkeypatch.setattr(gt.backends.cudnn, "allow_tf32", False)


def small_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3), nn.Flatten(),
        nn.Linear(36, 5),
    )  # fmt: skip


def cifar_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(2), nn.Conv2d(32, 32, 5, padding=2), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10),
    )  # fmt: skip


def norm_net() -> nn.Module:
    """Softmax's and layer norm's kernels, with sizes that fill no tile."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(99, 130), nn.LayerNorm(130), nn.GELU(), nn.Linear(130, 67), nn.Softmax(1),
        nn.Linear(67, 10),
    )  # fmt: skip


def graph_of(net: nn.Module, *shape: int) -> Graph:
    step = gt.trace(step_of(net), gt.TensorSpec(shape), gt.TensorSpec(shape[:1], gt.int64))
    return run_passes(step, OPTIMIZE_CUDA)


def arrays_of(graph: Graph) -> list[Array]:
    """Any state, with weights small enough that no activation grows."""
    arrays = [argument(p.type, i) for i, p in enumerate(graph.params)]
    return [a * np.float32(0.05) if a.dtype.kind == "f" and a.ndim > 1 else a for a in arrays]


@pytest.fixture(autouse=True)
def exact_products() -> Iterator[None]:
    """Products of float32 by multiply-adds, as the graph has them."""
    before = cuda_target()
    set_cuda_target(CudaTarget(tf32_conv=False))
    yield
    set_cuda_target(before)


STEPS = [
    ("small", small_net, (3, 1, 7, 6)),
    ("cifar", cifar_net, (64, 3, 32, 32)),
    ("norms", norm_net, (37, 9, 11)),
]


@pytest.mark.parametrize(("net", "shape"), [s[1:] for s in STEPS], ids=[s[0] for s in STEPS])
def test_a_training_step_agrees_with_the_graph(net: Callable[[], nn.Module], shape: tuple[int, ...], gpu: Gpu) -> None:
    graph = graph_of(net(), *shape)
    arrays = arrays_of(graph)
    outputs, updates = evaluate(graph, arrays)
    program = Program(gpu, graph, arrays)
    program.run()
    found = {
        f"output {i}": (program.fetch(v), want) for i, (v, want) in enumerate(zip(graph.outputs, outputs, strict=True))
    }
    found |= {p.name: (program.fetch(p), updates[p.name]) for p in graph.updates}
    assert len(graph.updates) > 6
    # the gradient of a bias before a batch norm is 0, but for what its terms are rounded by
    wrong = {
        name: np.abs(got - want).max() for name, (got, want) in found.items() if not close(got, want, absolute=5e-6)
    }
    assert not wrong, f"greatest differences from the graph's results: {wrong}"


ROW_CASES = [*CASES, *((n, s) for n in ("softmax", "layer norm") for s in [(701, 1024), (333, 8190), (90, 7)])]


@pytest.mark.parametrize(("name", "shape"), ROW_CASES)
def test_rows_agree_with_eager(name: str, shape: tuple[int, ...], gpu: Gpu) -> None:
    data = np.random.default_rng(3).standard_normal(shape)
    function = ROWS[name][0]
    graph = run_passes(gt.trace(function, gt.TensorSpec(shape)), OPTIMIZE_CUDA)
    program = Program(gpu, graph, [data.astype(np.float32)])
    program.run()
    for value, want in zip(graph.outputs, flat(function(gt.from_numpy(data))), strict=True):
        assert close(program.fetch(value), want, relative=2e-6)


def test_a_replayed_cuda_graph_does_what_launches_do(gpu: Gpu) -> None:
    """Three steps each, since a step reads what the one before it wrote."""
    graph = graph_of(small_net(), 3, 1, 7, 6)
    arrays = arrays_of(graph)
    launched, captured = Program(gpu, graph, arrays), Program(gpu, graph, arrays)
    replay = gpu.capture(captured.run)
    for _ in range(3):
        launched.run()
        replay()
    for value in (*graph.outputs, *graph.updates):
        np.testing.assert_array_equal(captured.fetch(value), launched.fetch(value))
