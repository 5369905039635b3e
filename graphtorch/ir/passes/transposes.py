"""transposes: the transpose of a product that nothing else reads becomes the product of the transposes.

A product reads its operands in any order at no cost; a transpose of its result would be a kernel of its own. The
gradient of a linear layer's weight is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.graph import Builder, Graph, Node, Value, rewrite
from graphtorch.ir.op import OPS
from graphtorch.ir.passes._calls import Call
from graphtorch.ir.passes.canonicalize import bound


@dataclass(frozen=True)
class Transposes:
    """(A B)^T is B^T A^T."""

    name: ClassVar[str] = "transposes"

    def run(self, graph: Graph) -> Graph:
        uses, kept = graph.uses(), set(graph.results())
        changed = False

        def rule(node: Node, operands: tuple[Value, ...], builder: Builder) -> tuple[Value, ...] | None:
            nonlocal changed
            product = operands[0].node if operands else None
            if not (product and _is_transpose(node) and _is_plain_product(product)):
                return None
            if len(uses[node.operands[0]]) > 1 or node.operands[0] in kept:
                return None
            changed = True
            a, b = map(_transposed, product.operands)
            return builder.bind(product.op, (b, a), {})

        out = rewrite(graph, rule)
        return out if changed else graph


def _is_transpose(node: Node) -> bool:
    """Whether it swaps the last two dimensions, and those alone."""
    dims = node.attrs.get("dims")
    if node.op.name != "permute" or not isinstance(dims, tuple) or len(dims) < 2:
        return False
    *lead, i, j = range(len(dims))
    return dims == (*lead, j, i)


def _is_plain_product(node: Node) -> bool:
    """Whether it is a product whose operands have dimensions alike."""
    return node.op.name == "dot" and len({o.type.ndim for o in node.operands}) == 1


def _transposed(value: Value) -> Value:
    *lead, i, j = range(value.type.ndim)
    op, attrs = OPS["permute"], {"dims": (*lead, j, i)}
    shape = (*value.type.shape[:-2], *value.type.shape[:-3:-1])
    return bound(Call(op, (value,), attrs, value.type.with_shape(shape)))
