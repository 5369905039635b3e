"""Dead code elimination: what neither an output nor an update needs is dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.graph import Builder, Graph, Node, Param, Value


@dataclass(frozen=True)
class Dce:
    """Keeps the nodes that results depend on.

    Parameters of role "const" and "frozen" go when nothing reads them. Those of role "in" and "inout" stay, since
    callers pass them by position. An update that leaves its parameter as it is goes too.
    """

    name: ClassVar[str] = "dce"

    def run(self, graph: Graph) -> Graph:
        updates = {p: v for p, v in graph.updates.items() if v is not p}
        nodes, needed = live([*graph.outputs, *updates.values()], graph.nodes)
        params = [p for p in graph.params if p.role in ("in", "inout") or p in needed]
        before = len(graph.nodes), len(graph.params), len(graph.updates)
        if before == (len(nodes), len(params), len(updates)):
            return graph
        return _rebuilt(graph, params, nodes, updates)


def live(results: list[Value], nodes: list[Node]) -> tuple[list[Node], set[Value]]:
    """The nodes that ``results`` depend on, in order, and every value that is read."""
    needed = set(results)
    kept = []
    for node in reversed(nodes):
        if needed.intersection(node.results):
            needed.update(node.operands)
            kept.append(node)
    return kept[::-1], needed


def _rebuilt(graph: Graph, params: list[Param], nodes: list[Node], updates: dict[Param, Value]) -> Graph:
    out = Graph(graph.name, [Param(p.name, p.type, p.role, p.label) for p in params])
    env: dict[Value, Value] = dict(zip(params, out.params, strict=True))
    new_params = dict(zip(params, out.params, strict=True))
    builder = Builder(out)
    for node in nodes:
        results = builder.clone(node, [env[o] for o in node.operands])
        env.update(zip(node.results, results, strict=True))
    out.outputs = [env[o] for o in graph.outputs]
    out.updates = {new_params[p]: env[v] for p, v in updates.items()}
    return out
