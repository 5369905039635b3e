"""decompose: ops that a target has no kernel for, written with those that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.graph import Builder, Graph, Node, Value, rewrite


@dataclass(frozen=True)
class Decompose:
    """Attention in ops whose results are in memory, all scores among them. An op says how in its `decompose`."""

    name: ClassVar[str] = "decompose"

    def run(self, graph: Graph) -> Graph:
        changed = False

        def rule(node: Node, operands: tuple[Value, ...], _builder: Builder) -> tuple[Value, ...] | None:
            nonlocal changed
            if not hasattr(node.op, "decompose"):
                return None
            changed = True
            found: tuple[Value, ...] = node.op.decompose(*operands, **node.attrs)
            return found

        out = rewrite(graph, rule)
        return out if changed else graph
