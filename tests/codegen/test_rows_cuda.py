"""Rows that are the work of a block's threads: the kernels by the interpreter, against eager in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.codegen.emit_cuda import launch_geometry
from graphtorch.codegen.kernel_ir import Alloc, walk
from graphtorch.codegen.loops import RowsNest
from graphtorch.codegen.program import lower_graph
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir.graph import Graph
from graphtorch.ir.passes.fuse import Fuse
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE_CUDA
from tests.codegen.test_rows import ROWS, flat
from tests.codegen.test_step_cuda import run_mapped

Array = Any
Shape = tuple[int, ...]
F = gt.nn.functional
CASES = [(n, s) for n, (_, shapes) in ROWS.items() for s in shapes]
#: the pipeline, with rows of any kind
ANY_ROWS = tuple(replace(p, longest_row=0) if isinstance(p, Fuse) else p for p in OPTIMIZE_CUDA)


def graph_of(function: Any, *shapes: Shape, passes: Any = OPTIMIZE_CUDA) -> Graph:
    return run_passes(gt.trace(function, *(gt.TensorSpec(s) for s in shapes)), passes)


@pytest.mark.parametrize("passes", [OPTIMIZE_CUDA, ANY_ROWS], ids=["dense", "any"])
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_rows_agree_with_eager(name: str, shape: Shape, passes: Any) -> None:
    graph = graph_of(ROWS[name][0], shape, passes=passes)
    data = np.random.default_rng(3).standard_normal(shape)
    for special in (None, np.nan, -np.inf):
        if special is not None:
            data.flat[data.size // 2] = special
        memory = run_mapped(graph, [data.astype(np.float32)])
        for value, want in zip(graph.outputs, flat(ROWS[name][0](gt.from_numpy(data.copy()))), strict=True):
            scale = np.abs(want[np.isfinite(want)]).max(initial=1.0)
            np.testing.assert_allclose(memory[value], want, rtol=1e-5, atol=1e-5 * scale)


def nests(graph: Graph) -> list[str]:
    return [type(k.nest).__name__ for k in lower_graph(graph)]


def test_dense_rows_up_to_a_length_are_one_kernel() -> None:
    def softmax(x: Any) -> Any:
        return F.softmax(x, -1)

    assert nests(graph_of(softmax, (70, 8192))) == ["RowsNest"]
    assert "RowsNest" not in nests(graph_of(softmax, (70, 8193)))
    assert "RowsNest" not in nests(graph_of(lambda x: F.softmax(x, 0), (40, 70)))


@pytest.mark.parametrize(
    ("shape", "grid", "block", "registers"),
    [
        ((70, 1024), (70, 1, 1), (128, 1, 1), (2, 4)),
        ((70, 1023), (70, 1, 1), (512, 1, 1), (2, 1)),
        ((70, 8192), (70, 1, 1), (512, 1, 1), (4, 4)),
        ((30, 12), (10, 1, 1), (32, 3, 1), (1, 4)),
        ((31, 9), (31, 1, 1), (32, 1, 1), (1, 1)),
    ],
)
def test_launches(shape: Shape, grid: object, block: object, registers: Shape) -> None:
    """Threads for a row, rows for a block, and what a thread keeps: steps and elements of an access."""
    (lowered,) = lower_graph(graph_of(lambda x: F.softmax(x, -1), shape))
    assert isinstance(lowered.nest, RowsNest)
    kernel = schedule_cuda(lowered.nest)
    assert launch_geometry(kernel) == (grid, block)
    arrays = {s.buffer.name: s.buffer.shape for s in walk(kernel.body) if isinstance(s, Alloc) and s.space == "local"}
    assert arrays["w0"] == registers
