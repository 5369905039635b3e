"""decompose: ops that a target has no kernel for, written with those that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.graph import Builder, Graph, Node, Value, rewrite


@dataclass(frozen=True)
class Decompose:
    """Attention in ops whose results are in memory, all scores among them. An op says how in its `decompose`.

    Forward, that of vectors of up to ``longest`` elements stays as it is.
    """

    name: ClassVar[str] = "decompose"
    longest: int = 0

    def run(self, graph: Graph) -> Graph:
        changed = False

        def rule(node: Node, operands: tuple[Value, ...], _builder: Builder) -> tuple[Value, ...] | None:
            nonlocal changed
            if not hasattr(node.op, "decompose") or self._stays(node):
                return None
            changed = True
            found: tuple[Value, ...] = node.op.decompose(*operands, **node.attrs)
            return found

        out = rewrite(graph, rule)
        return out if changed else graph

    def _stays(self, node: Node) -> bool:
        if node.op.name != "attention":
            return False
        return max(o.type.shape[-1] for o in (node.operands[0], node.operands[2])) <= self.longest
