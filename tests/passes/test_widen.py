"""widen: which roundings go."""

from __future__ import annotations

import numpy as np

from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.passes.widen import Widen
from graphtorch.ir.text import parse_graph
from graphtorch.ir.types import bfloat16

TEXT = """\
graph @g(%x: bf16[3,5], %y: bf16[3,5], %z: f32[3,5]) -> (bf16[3,5], bf16[3,5], f32[3,5]) {
  %0: bf16[3,5] = mul(%x, %y)  @"a.py":1:0
  %1: bf16[] = constant() {value=1.5, dtype=bf16}
  %2: bf16[3,5] = broadcast_to(%1) {shape=[3,5]}
  %3: bf16[3,5] = add(%0, %2)
  %4: bf16[3,5] = exp(%3)
  %5: bf16[3,5] = mul(%4, %4)
  %6: bf16[3,5] = cast(%z) {dtype=bf16}
  %7: f32[3,5] = cast(%6) {dtype=f32}
  return %5, %4, %7
}
"""


def test_golden(golden):
    """A chain up to what is read twice; an output, and a cast that a user asked for, stay."""
    golden("passes/widen.gt", str(Widen().run(parse_graph(TEXT))))


def test_results_are_those_of_the_chain_in_float32():
    rng = np.random.default_rng(0)
    x, y, z = (rng.standard_normal((3, 5)).astype(np.float32) for _ in range(3))
    x, y = x.astype(bfloat16.np), y.astype(bfloat16.np)
    (_, second, third), _ = evaluate(Widen().run(parse_graph(TEXT)), [x, y, z])
    wide = np.exp(x.astype(np.float32) * y.astype(np.float32) + np.float32(1.5))
    np.testing.assert_array_equal(second, wide.astype(bfloat16.np))
    np.testing.assert_array_equal(third, z.astype(bfloat16.np).astype(np.float32))


def test_nothing_to_do_gives_the_same_object():
    single = (
        "graph @g(%x: bf16[3]) -> (bf16[3], bool[3]) { %0: bf16[3] = exp(%x) %1: bool[3] = gt(%0, %x) return %0, %1 }"
    )
    twice = "graph @g(%x: bf16[3]) -> (bf16[3]) { %0: bf16[3] = exp(%x) %1: bf16[3] = mul(%0, %0) return %1 }"
    wide = "graph @g(%x: f32[3]) -> (f32[3]) { %0: f32[3] = exp(%x) %1: f32[3] = neg(%0) return %1 }"
    for text in (single, twice, wide):
        graph = parse_graph(text)
        assert Widen().run(graph) is graph
