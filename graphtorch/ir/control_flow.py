"""Ops whose body says when and how often it runs: what they have in common, and which nodes of a graph they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphtorch.ir.errors import IRError, check
from graphtorch.ir.graph import Builder, Graph, Node, Value, rewrite
from graphtorch.ir.op import Op
from graphtorch.ir.types import TensorType

Array = Any
#: `evaluate` of ir/evaluate.py
Evaluate = Callable[[Graph, Sequence[Array]], tuple[list[Array], dict[str, Array]]]


class ControlFlow(Op):
    """An op with a body of its own meaning. Its node is no part of a fusion; passes run inside of its body."""

    def types(self, operands: Sequence[TensorType], attrs: Mapping[str, Any], body: Graph) -> tuple[TensorType, ...]:
        """The types of the results; IRError GT808 where the body does not fit."""
        raise NotImplementedError(self.name)

    def run(self, operands: Sequence[Array], attrs: Mapping[str, Any], body: Graph, evaluate: Evaluate) -> list[Array]:
        """The results, by numpy."""
        raise NotImplementedError(self.name)

    def infer(self, *operands: TensorType, **attrs: Any) -> Any:
        raise IRError("GT808", f"{self.name} without a body has no types", ["build it with a body graph"])

    def vjp(self, g: Any, y: Any, *operands: Any, **attrs: Any) -> Any:
        raise IRError("GT808", f"{self.name} without a body has no gradient", ["build it with a body graph"])


def is_control_flow(node: Node) -> bool:
    return isinstance(node.op, ControlFlow)


def counts(node: Node) -> bool:
    """Whether its body runs once for each of a range of numbers, with which addresses in it move on."""
    return node.op.name == "scan"


def with_bodies(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """``graph`` with ``change`` of the body of each node of control flow; the very same one if none changed."""
    new = {node: change(node.body) for node in graph.nodes if node.body is not None and is_control_flow(node)}
    if all(body is node.body for node, body in new.items()):
        return graph

    def rule(node: Node, operands: tuple[Value, ...], builder: Builder) -> Sequence[Value] | None:
        if node not in new:
            return None
        types = [r.type for r in node.results]
        return builder.append(Node(node.op, operands, node.attrs, types, node.locs, new[node])).results

    return rewrite(graph, rule)


def fits(what: str, given: Iterable[TensorType], wanted: Iterable[TensorType]) -> None:
    """IRError GT808 unless the types are equal, one by one."""
    have, want = (", ".join(map(str, types)) or "nothing" for types in (given, wanted))
    check(have == want, "GT808", what, f"expected {want}, got {have}", kind=IRError)
