"""The whole pipeline: every stage verifies, round-trips, and computes what the traced graph did."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.text import parse_graph
from graphtorch.ir.verify import verify
from tests.ir.graphs import arrays_for, graphs


@given(graphs())
def test_any_graph_keeps_its_results(graph):
    arrays = dict(zip([p.name for p in graph.params], arrays_for(graph), strict=True))
    expected, states = evaluate(graph, arrays)

    def check(name, stage):
        verify(stage)
        assert parse_graph(str(stage)) == stage, name
        found, updates = evaluate(stage, arrays)
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)
        for p in arrays:
            np.testing.assert_array_equal(states.get(p, arrays[p]), updates.get(p, arrays[p]), err_msg=name)

    run_passes(graph, OPTIMIZE, verify_each=True, on_stage=check)
