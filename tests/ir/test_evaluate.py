"""The numpy evaluator of graphs."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.ir.errors import IRError
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.graph import Graph, Node, Param
from graphtorch.ir.op import OPS
from graphtorch.ir.text import parse_graph
from tests.ir.graphs import SAMPLE, arrays_for, build, f32


def test_sample():
    graph = parse_graph(SAMPLE)
    x, y, w, mask, seed = arrays_for(graph)
    x, w = (np.nan_to_num(a, posinf=1, neginf=-1) for a in (x, w))
    (total, pooled), updates = evaluate(graph, [x, y, w, mask, seed])
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    conv = np.einsum("ncyxab,ocab->noyx", windows.astype(np.float64), w.astype(np.float64))
    expected = np.maximum(conv[:, :, :6, :4].reshape(2, 5, 3, 2, 2, 2).max((3, 5)), 0)
    np.testing.assert_allclose(pooled, expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(total, pooled.sum(), rtol=1e-4)
    np.testing.assert_array_equal(updates["w"], -w)


def test_arrays_by_name():
    graph = build(lambda a, b: a - b, f32(2), f32(2))
    (found,), _ = evaluate(graph, {"x1": np.ones(2, np.float32), "x0": np.zeros(2, np.float32)})
    np.testing.assert_array_equal(found, [-1, -1])


def test_errors():
    graph = build(lambda a, b: a - b, f32(2), f32(2))
    one = np.ones(2, np.float32)
    with pytest.raises(IRError) as error:
        evaluate(graph, [one])
    assert str(error.value) == "IRError GT812: @g takes 2 arrays, got 1\n  x0, x1"
    with pytest.raises(IRError) as error:
        evaluate(graph, [one, np.ones(2)])
    assert str(error.value) == "IRError GT812: %x1 is of another type\n  expected f32[2], got float64[2]"


def test_an_op_without_numbers():
    graph = Graph("g", [Param("x", f32(2))])
    x = graph.params[0]
    graph.nodes = [Node(OPS["gradient"], [x, x, x], {}, [x.type])]
    graph.outputs = [graph.nodes[0].result]
    with pytest.raises(IRError, match="GT812: gradient cannot be evaluated"):
        evaluate(graph, [np.ones(2, np.float32)])


def test_sizes_that_are_not_known():
    graph = parse_graph("""sizes B=67
graph @g(%x: f32[B,3]) -> (f32[B,4], f32[]) {
  %0: f32[B,4] = pad(%x) {low=[0,0], high=[0,1], interior=[0,0]}
  %1: f32[] = constant() {value=2*B + 1, dtype=f32}
  return %0, %1
}
""")
    for n in (2, 5):
        x = np.arange(n * 3, dtype=np.float32).reshape(n, 3)
        (padded, count), _ = evaluate(graph, [x], {"B": n})
        np.testing.assert_array_equal(padded, np.pad(x, ((0, 0), (0, 1))))
        assert count == 2 * n + 1
    with pytest.raises(IRError, match=r"GT812: %x is of another type\n  expected f32\[4,3\], got float32\[5, 3\]"):
        evaluate(graph, [x], {"B": 4})
