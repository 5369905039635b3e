"""joins: a cat of many operands becomes a tree of cats of few.

An element of a cat is chosen among its operands, so a kernel reads from all of them for each vector that it stores,
and has a pointer for each: 512 operands of 1 KB took 21 ms. Each level of a tree reads a few, and stores what it has
chosen (`fuse` does not make one kernel of two levels); equal parts share their kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.fusible import MOST_JOINED
from graphtorch.ir.graph import Builder, Graph, Node, Value, rewrite
from graphtorch.ir.ops.joining import cat


@dataclass(frozen=True)
class Joins:
    """Cats of more than `MOST_JOINED` operands have ``fan`` at most, or their parts have."""

    fan: int = 8
    name: ClassVar[str] = "joins"

    def run(self, graph: Graph) -> Graph:
        if not any(map(_is_wide, graph.nodes)):
            return graph

        def rule(node: Node, operands: tuple[Value, ...], _: Builder) -> Sequence[Value] | None:
            return [self._tree(operands, node)] if _is_wide(node) else None

        return rewrite(graph, rule)

    def _tree(self, parts: Sequence[Value], node: Node) -> Value:
        """Level by level, each as even as may be: what is repeated is compiled once."""
        while len(parts) > 1:
            count = -(-len(parts) // self.fan)
            parts = [_join(parts[i : i + self.fan], node) for i in range(0, count * self.fan, self.fan)]
        return parts[0]


def _join(parts: Sequence[Value], node: Node) -> Value:
    return cat(parts, **node.attrs) if len(parts) > 1 else parts[0]


def _is_wide(node: Node) -> bool:
    return node.op is cat and len(node.operands) > MOST_JOINED
