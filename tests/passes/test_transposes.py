"""transposes: what it rewrites, what it leaves, and that it means the same."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.passes.dce import Dce
from graphtorch.ir.passes.transposes import Transposes
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.text import parse_graph

HEAD = "graph @g(%x: f64[5,3], %y: f64[3,7]) -> "
CASES = {
    "a product": (
        HEAD + "(f64[7,5]) {\n  %0: f64[5,7] = dot(%x, %y)\n  %1: f64[7,5] = permute(%0) {dims=[1,0]}\n  return %1\n}",
        ["permute", "permute", "dot"],
    ),
    "of a transpose": (
        "graph @g(%x: f64[3,5], %y: f64[3,7]) -> (f64[7,5]) {\n  %0: f64[5,3] = permute(%x) {dims=[1,0]}\n"
        "  %1: f64[5,7] = dot(%0, %y)\n  %2: f64[7,5] = permute(%1) {dims=[1,0]}\n  return %2\n}",
        ["permute", "dot"],
    ),
    "of batches": (
        "graph @g(%x: f64[2,5,3], %y: f64[2,3,7]) -> (f64[2,7,5]) {\n  %0: f64[2,5,7] = dot(%x, %y)\n"
        "  %1: f64[2,7,5] = permute(%0) {dims=[0,2,1]}\n  return %1\n}",
        ["permute", "permute", "dot"],
    ),
    "batches and rows that change places": (
        "graph @g(%x: f64[2,5,3], %y: f64[2,3,7]) -> (f64[5,2,7]) {\n  %0: f64[2,5,7] = dot(%x, %y)\n"
        "  %1: f64[5,2,7] = permute(%0) {dims=[1,0,2]}\n  return %1\n}",
        ["dot", "permute"],
    ),
    "one matrix for all batches": (
        "graph @g(%x: f64[2,5,3], %y: f64[3,7]) -> (f64[2,7,5]) {\n  %0: f64[2,5,7] = dot(%x, %y)\n"
        "  %1: f64[2,7,5] = permute(%0) {dims=[0,2,1]}\n  return %1\n}",
        ["dot", "permute"],
    ),
    "a product that is read as it is": (
        HEAD + "(f64[7,5], f64[5,7]) {\n  %0: f64[5,7] = dot(%x, %y)\n  %1: f64[7,5] = permute(%0) {dims=[1,0]}\n"
        "  %2: f64[5,7] = exp(%0)\n  return %1, %2\n}",
        ["dot", "permute", "exp"],
    ),
    "a product that is returned": (
        HEAD + "(f64[7,5], f64[5,7]) {\n  %0: f64[5,7] = dot(%x, %y)\n  %1: f64[7,5] = permute(%0) {dims=[1,0]}\n"
        "  return %1, %0\n}",
        ["dot", "permute"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_transposes(name: str) -> None:
    text, expected = CASES[name]
    graph = parse_graph(text)
    made = run_passes(graph, (Transposes(), Dce()), verify_each=True)
    assert [n.op.name for n in made.nodes] == expected
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(p.type.shape) for p in graph.params]
    for got, want in zip(evaluate(made, inputs)[0], evaluate(graph, inputs)[0], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)
    assert Transposes().run(made) is made
