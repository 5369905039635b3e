"""widen: a chain of elementwise ops on 16-bit floats, each read by the next alone, is float32 and rounded at its end.

Each op of its own would round its result (ir/low_precision.py), which takes longer than most of them do. What is read
by several ops stays rounded, for it may be stored for one and computed again for another: a number is the same
wherever it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.graph import Builder, Graph, Node, Value, rewrite
from graphtorch.ir.low_precision import is_low, wide_attrs
from graphtorch.ir.ops.common import broadcast, lift, to_dtype
from graphtorch.ir.ops.gradient import has_gradients
from graphtorch.ir.passes._calls import number_of
from graphtorch.ir.types import float32


@dataclass(frozen=True)
class Widen:
    """Nothing to do where no op of 16-bit floats is read by such an op alone."""

    name: ClassVar[str] = "widen"

    def run(self, graph: Graph) -> Graph:
        inner = set() if has_gradients(graph) else _inner(graph)
        if not inner:
            return graph
        ends = {u for values in graph.uses().values() for u in values if any(o.node in inner for o in u.operands)}

        def rule(node: Node, operands: tuple[Value, ...], builder: Builder) -> Sequence[Value] | None:
            if node not in inner and node not in ends:
                return None
            wide = tuple(map(_wide, operands))
            if node.op.name == "cast":
                result = to_dtype(wide[0], float32)
            else:
                (result,) = builder.bind(node.op, wide, dict(wide_attrs(node.attrs)))
            return (result if node in inner else to_dtype(result, node.result.type.dtype),)

        return rewrite(graph, rule)


def _inner(graph: Graph) -> set[Node]:
    """Links of chains, but for their ends: what they give need not be rounded."""
    links = list(filter(_is_link, graph.nodes))
    if len(links) < 2:
        return set()
    uses, results = graph.uses(), set(graph.results())
    found: set[Node] = set()
    for node in links:
        if node.result in results:
            continue
        readers = uses[node.result]
        if len(readers) == 1 and _is_link(readers[0]) and readers[0].op.name != "cast":
            found.add(node)
    return found


def _is_link(node: Node) -> bool:
    elementwise = node.body is None and node.op.elementwise and bool(node.operands)
    return elementwise and len(node.results) == 1 and is_low(node.result.type.dtype)


def _wide(value: Value) -> Value:
    """A 16-bit operand as float32; a known number is one at once."""
    if not is_low(value.type.dtype):
        return value
    number = number_of(value)
    if number is None:
        return to_dtype(value, float32)  # type: ignore[no-any-return]
    return broadcast(lift(number, float32), value.type.shape)  # type: ignore[no-any-return]
