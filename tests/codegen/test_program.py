"""All kernels of a graph."""

from __future__ import annotations

from typing import Any

import pytest

from graphtorch.codegen import program
from graphtorch.codegen.target import host_target
from graphtorch.ir.text import parse_graph

TEXT = """\
graph @g(%a: f32[5,7], %b: f32[7,3], %c: f32[5,7], %d: f32[7,3] frozen) -> (f32[5,3], f32[5,3], f32[5,3], f32[5,7]) {
  %0: f32[5,3] = dot(%a, %b)  @"net.py":3:4 "first"
  %1: f32[5,3] = dot(%c, %b)  @"net.py":4:4 "second"
  %2: f32[5,3] = dot(%a, %d)  @"net.py":5:4
  %3: f32[5,7] = exp(%a)
  return %0, %1, %2, %3
}
"""


def test_nodes_that_read_the_same_are_scheduled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever they stand in the user's file. Operands that stay as they are make another kernel of a node."""
    names: list[str] = []
    real = program.schedule_cpu

    def spy(nest: Any, *rest: Any) -> Any:
        names.append(nest.name)
        return real(nest, *rest)

    monkeypatch.setattr(program, "schedule_cpu", spy)
    graph = parse_graph(TEXT)
    launches = program.schedule_graph(graph, host_target())
    assert names == ["k0_dot", "k2_dot", "k3_exp"]
    assert launches[1].kernel is launches[0].kernel
    a, b, c, d = graph.params
    assert [launch.values[:-1] for launch in launches] == [(a, b), (c, b), (a, d), (a,)]
    assert [launch.values[-1] for launch in launches] == graph.outputs
