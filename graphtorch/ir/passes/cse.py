"""Common subexpression elimination: what is computed twice is computed once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.graph import Builder, Graph, Node, Value, rewrite
from graphtorch.ir.loc import Loc
from graphtorch.ir.ops.gradient import has_gradients
from graphtorch.ir.text import attr_text, print_graph

#: locations that one node collects. A zero that all layers of a deep net share is in the kernel of each of them, and
#: would bring the lines of all
MOST_LOCS = 16


@dataclass(frozen=True)
class Cse:
    """Value numbering over op, operands, attributes and body; the survivor collects the locations, the first of them.

    Every op of the Graph IR is pure. A random draw too: its state is an operand, so that two draws
    from one state are one draw. A graph that autodiff has yet to expand is left alone: there it matters
    which of two equal values the gradient is taken of.
    """

    name: ClassVar[str] = "cse"

    def run(self, graph: Graph) -> Graph:
        if has_gradients(graph):
            return graph
        seen: dict[Hashable, Node] = {}
        merged: dict[Node, list[Loc]] = {}

        def rule(node: Node, operands: tuple[Value, ...], builder: Builder) -> tuple[Value, ...]:
            key = _key(node, operands)
            first = seen.get(key)
            if first is None:
                results = builder.clone(node, operands)
                seen[key] = builder.graph.nodes[-1]
                return results
            merged.setdefault(first, []).extend(node.locs)
            return first.results

        out = rewrite(graph, rule)
        for node, locs in merged.items():
            node.locs = tuple(dict.fromkeys((*node.locs, *locs)))[:MOST_LOCS]
        return out if merged else graph


def _key(node: Node, operands: tuple[Value, ...]) -> Hashable:
    """Equal for nodes that compute the same. Attributes by text: there nan is nan, and 1 is not True."""
    attrs = frozenset((name, attr_text(value)) for name, value in node.attrs.items())
    return node.op.name, operands, attrs, print_graph(node.body, locations=False) if node.body else None
