"""Dead code elimination: what neither an output nor an update needs is dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.passes._narrowing import Narrowed, narrowed


@dataclass(frozen=True)
class Dce:
    """Keeps the nodes that results depend on.

    Parameters of role "const" and "frozen" go when nothing reads them. Those of role "in" and "inout" stay, since
    callers pass them by position. An update that leaves its parameter as it is goes too.
    """

    name: ClassVar[str] = "dce"

    def run(self, graph: Graph) -> Graph:
        updates = {p: v for p, v in graph.updates.items() if v is not p}
        nodes, needed = live([*graph.outputs, *updates.values()], graph.nodes, self.run)
        params = [p for p in graph.params if p.role in ("in", "inout") or p in needed]
        before = len(graph.nodes), len(graph.params), len(graph.updates)
        if before == (len(nodes), len(params), len(updates)) and all(isinstance(n, Node) for n in nodes):
            return graph
        return _rebuilt(graph, params, nodes, updates)


def live(
    results: list[Value], nodes: list[Node], dce: Callable[[Graph], Graph]
) -> tuple[list[Node | Narrowed], set[Value]]:
    """The nodes that ``results`` depend on, in order, with what is needed of loops; and every value that is read."""
    needed = set(results)
    kept: list[Node | Narrowed] = []
    for node in reversed(nodes):
        if not needed.intersection(node.results):
            continue
        less = narrowed(node, needed, dce)
        needed.update(less.node.operands if less else node.operands)
        kept.append(less or node)
    return kept[::-1], needed


def _rebuilt(graph: Graph, params: list[Param], nodes: list[Node | Narrowed], updates: dict[Param, Value]) -> Graph:
    out = Graph(graph.name, [Param(p.name, p.type, p.role, p.label) for p in params])
    env: dict[Value, Value] = dict(zip(params, out.params, strict=True))
    new_params = dict(zip(params, out.params, strict=True))
    builder = Builder(out)
    for step in nodes:
        node = step if isinstance(step, Node) else step.node
        results = builder.clone(node, [env[o] for o in node.operands])
        if isinstance(step, Narrowed):
            env.update({old: results[number] for old, number in step.results.items()})
        else:
            env.update(zip(node.results, results, strict=True))
    out.outputs = [env[o] for o in graph.outputs]
    out.updates = {new_params[p]: env[v] for p, v in updates.items()}
    return out
