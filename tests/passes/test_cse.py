"""cse: what it merges, what it keeps apart, and whose locations the survivor carries."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.op import OPS, PUBLIC
from graphtorch.ir.passes.cse import Cse
from graphtorch.ir.text import parse_graph
from graphtorch.ir.types import TensorType, bool_, float32, int64
from graphtorch.ir.verify import verify
from tests.ir.graphs import arrays_for, build, f32, graphs

GT = PUBLIC["gt"]


def test_golden(golden):
    text = """\
graph @g(%x: f32[3], %s: i64[2]) -> (f32[3], f32[3], f32[5], f32[5], f32[3]) {
  %0: f32[3] = exp(%x)  @"a.py":1:0 "net"
  %1: f32[3] = exp(%x)  @"a.py":2:0 @"a.py":1:0 "net"
  %2: f32[3] = sin(%0)  @"a.py":3:0
  %3: f32[3] = sin(%1)  @"a.py":4:0
  %4: f32[5] = random_uniform(%s) {shape=[5], dtype=f32}
  %5: f32[5] = random_uniform(%s) {dtype=f32, shape=[5]}
  %6: f32[3] = fusion(%x) {kind="loop"} graph @body(%a: f32[3]) -> (f32[3]) {
    %0: f32[3] = neg(%a)  @"a.py":5:0
    return %0
  }
  %7: f32[3] = fusion(%x) {kind="loop"} graph @body(%a: f32[3]) -> (f32[3]) {
    %0: f32[3] = neg(%a)  @"a.py":6:0
    return %0
  }
  %8: f32[3] = add(%6, %7)
  return %2, %3, %4, %5, %8
}
"""
    golden("passes/cse.gt", str(Cse().run(parse_graph(text))))


def unchanged(function, *types):
    graph = build(function, *types)
    return Cse().run(graph) is graph


def test_what_is_kept_apart():
    constant = OPS["constant"]
    assert unchanged(lambda x, y: (x - y, y - x), f32(3), f32(3))
    assert unchanged(lambda x: (GT["exp"](x), GT["sin"](x)), f32(3))
    assert unchanged(lambda x: tuple(constant(value=v, dtype=float32) for v in (0.0, -0.0, 1)), f32(3))
    assert unchanged(lambda x: (constant(value=1, dtype=int64), constant(value=True, dtype=bool_)), f32(3))
    assert unchanged(lambda x, y: tuple(OPS["random_uniform"](s, shape=(3,), dtype=float32) for s in (x, y)),
                     TensorType((2,), int64), TensorType((2,), int64))  # fmt: skip


def test_nan_is_one_constant():
    graph = build(lambda x: (x * float("nan"), x * float("nan")), f32(3))
    assert len(Cse().run(graph).nodes) == 3


def test_a_graph_with_gradients_waits_for_autodiff():
    def function(x, g):
        a, b = x * x, x * x
        return OPS["gradient"](a + b, g, a)

    assert unchanged(function, f32(3), f32(3))


@given(graphs())
def test_any_graph_keeps_its_results(graph):
    out = Cse().run(graph)
    verify(out)
    arrays = arrays_for(graph)
    for a, b in zip(evaluate(graph, arrays)[0], evaluate(out, arrays)[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert Cse().run(out) is out
