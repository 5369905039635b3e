"""What backward reaches in a trace."""

from __future__ import annotations

from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.graph import Node, Value
from graphtorch.ir.ops.custom_gradient import paths


def history(root: Value, leaves: dict[Value, Tensor]) -> tuple[list[Value], set[Node]]:
    """What backward from ``root`` reaches: the leaves, in the order they were first read, and the nodes between.

    Integers and booleans have no gradients, and pass none on to what they were made of.
    """
    found: set[Value] = set()
    nodes: set[Node] = set()
    stack = [root]
    while stack:
        value = stack.pop()
        if value in leaves:
            found.add(value)
        elif value.node is not None and value.node not in nodes and not value.node.op.nondifferentiable:
            nodes.add(value.node)
            stack += [v for v in paths(value.node) if v.type.dtype.is_floating_point]
    return [v for v in leaves if v in found], nodes
