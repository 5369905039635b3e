"""dce: what goes and what stays."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.passes.dce import Dce
from graphtorch.ir.text import parse_graph
from graphtorch.ir.verify import verify
from tests.ir.graphs import arrays_for, graphs


def test_golden(golden):
    text = """\
graph @g(%x: f32[1,1,4,4], %y: f32[3], %c: f32[3] const "c", %d: f32[3] const "d", %w: f32[3] inout "w", \
%v: f32[3] inout "v") -> (f32[1,1,2,2]) {
  %0: f32[3] = exp(%c)
  %1: f32[3] = sin(%0)
  %2: f32[1,1,2,2], %3: i32[1,1,2,2] = max_pool(%x) {kernel=[2,2], stride=[2,2], padding=[0,0], dilation=[1,1], \
ceil_mode=false}  @"a.py":1:0
  %4: f32[3] = neg(%d)  @"a.py":2:0
  update %w <- %4
  update %v <- %v
  return %2
}
"""
    golden("passes/dce.gt", str(Dce().run(parse_graph(text))))


def test_nothing_to_do_gives_the_same_object():
    graph = parse_graph("graph @g(%x: f32[3], %y: f32[3], %w: f32[3] inout) -> (f32[3]) { return %x }")
    assert Dce().run(graph) is graph


@given(graphs())
def test_any_graph_keeps_its_results(graph):
    out = Dce().run(graph)
    verify(out)
    assert Dce().run(out) is out
    arrays = dict(zip([p.name for p in graph.params], arrays_for(graph), strict=True))
    before, after = evaluate(graph, arrays), evaluate(out, arrays)
    for a, b in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(a, b)
    for name in arrays:
        left, right = (found.get(name, arrays[name]) for found in (before[1], after[1]))
        np.testing.assert_array_equal(left, right)
    assert [p.name for p in graph.params if p.role != "const"] == [p.name for p in out.params if p.role != "const"]
