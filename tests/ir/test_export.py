"""Graphs as networkx objects and as Graphviz text."""

from __future__ import annotations

import networkx

from graphtorch.ir.text import parse_graph
from tests.ir.graphs import SAMPLE


def test_networkx():
    graph = parse_graph(SAMPLE)
    found = graph.to_networkx()
    assert networkx.is_directed_acyclic_graph(found)
    kinds = networkx.get_node_attributes(found, "kind")
    assert [n for n, kind in kinds.items() if kind == "node"] == list(range(len(graph.nodes)))
    assert found.nodes[0]["op"] == "conv"
    assert found.nodes[0]["attrs"]["groups"] == 1
    assert found.nodes[0]["locs"] == graph.nodes[0].locs
    assert found.nodes["%w"]["role"] == "inout"
    assert [(a, b, d["value"], str(d["type"])) for a, b, d in found.edges(data=True) if b == 2] == [
        (1, 2, "%1", "f32[2,5,3,2]")
    ]
    assert list(found.predecessors("update %w")) == [4]
    assert list(found.predecessors("return 0")) == [3]
    assert found.nodes[2]["body"].number_of_nodes() == 5


def test_dot(golden):
    golden("ir/sample.dot", parse_graph(SAMPLE).to_dot())
