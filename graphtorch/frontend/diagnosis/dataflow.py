"""What a value of a graph is, by how it was computed: a softmax, a sigmoid, what a layer gave.

Composites are found by their formula, so one that a user writes out is one too. On the way back to it, what moves
values or leaves some out is looked through, and dropout, which only scales and drops; anything that makes other numbers
of them (a mask, a temperature) ends the way.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from graphtorch.ir.graph import Node, Value, ancestors

#: the first operand's own values, moved, repeated or selected
_MOVES = frozenset(
    "reshape permute slice broadcast_to diagonal unfold as_strided flip index "
    "cast detach clone overwrite check_range".split()
)
#: ops that a layer with a weight is one of; the last is that of transposed convolutions
_PRODUCTS = ("dot", "conv", "conv_input_grad")
#: ops that are an activation by themselves
_ACTIVATIONS = frozenset("sigmoid logsigmoid log relu tanh exp".split())


@dataclass(frozen=True)
class Made:
    """What made a value: ``kind`` is "softmax", "log_softmax", "layer" (a matrix product or a convolution with
    parameters), or the name of an activation; ``node`` is its last node."""

    kind: str
    node: Node


def made_by(value: Value, parameters: Container[Value]) -> Made | None:
    """What made ``value``, where that is known."""
    value = through(value)
    node = value.node
    if node is None:
        return None
    if node.op.name in _ACTIVATIONS:
        return Made(node.op.name, node)
    if is_softmax(node):
        return Made("softmax", node)
    if is_log_softmax(node):
        return Made("log_softmax", node)
    layer = layer_of(value, parameters)
    return Made("layer", layer) if layer else None


def through(value: Value) -> Value:
    """``value`` before it was moved, cast, or dropped out of."""
    while value.node is not None:
        before = value.node.operands[0] if value.node.op.name in _MOVES else _undropped(value.node)
        if before is None:
            return value
        value = before
    return value


def _moved(value: Value) -> Value:
    while value.node is not None and value.node.op.name in _MOVES:
        value = value.node.operands[0]
    return value


def is_op(value: Value, name: str) -> bool:
    return value.node is not None and value.node.op.name == name


# ---- dropout ---------------------------------------------------------------------------------------


def _undropped(node: Node) -> Value | None:
    """What dropout was applied to: x * scale * mask, the scale on either side."""
    if node.op.name != "mul":
        return None
    for x, other in (node.operands, node.operands[::-1]):
        if _is_mask(other):
            return _unscaled(x)
        unscaled = _unscaled(other)
        if unscaled is not None and _is_mask(unscaled):
            return x
    return None


def _is_mask(value: Value) -> bool:
    drawn = _moved(value).node
    return drawn is not None and drawn.op.name == "ge" and is_op(drawn.operands[0], "random_uniform")


def _unscaled(value: Value) -> Value | None:
    """``x`` of a product with a number."""
    node = _moved(value).node
    if node is None or node.op.name != "mul":
        return None
    x, scale = node.operands
    return x if is_op(_moved(scale), "constant") else None


def constant_of(value: Value) -> float | None:
    """The number that all elements of ``value`` are; None where that is not known."""
    node = _moved(value).node
    found = node.attrs["value"] if node is not None and node.op.name == "constant" else None
    return float(found) if isinstance(found, int | float) else None


# ---- formulas --------------------------------------------------------------------------------------


def is_softmax(node: Node) -> bool:
    """exp(x) / sum(exp(x))."""
    if node.op.name != "div":
        return False
    e, total = node.operands[0], _moved(node.operands[1])
    return is_op(e, "exp") and is_op(total, "reduce_sum") and total.node is not None and total.node.operands[0] is e


def is_log_softmax(node: Node) -> bool:
    """x - log(sum(exp(x)))."""
    if node.op.name != "sub":
        return False
    x, total = node.operands[0], _moved(node.operands[1])
    for name in ("log", "reduce_sum", "exp"):
        if total.node is None or total.node.op.name != name:
            return False
        total = _moved(total.node.operands[0])
    return total is _moved(x)


def layer_of(value: Value, parameters: Container[Value]) -> Node | None:
    """The matrix product or convolution with a parameter that gave ``value``, a bias added or not."""
    node = through(value).node
    if node is not None and node.op.name == "add":
        x, bias = node.operands
        node = _moved(x).node if _moved(bias) in parameters else None
    if node is None or node.op.name not in _PRODUCTS or len(node.operands) < 2:
        return None
    return node if any(_moved(o) in parameters for o in node.operands) else None


# ---- provenance ------------------------------------------------------------------------------------


def depends(value: Value, on: set[Value]) -> bool:
    """Whether ``value`` is computed from any of ``on``, with gradients or without."""
    return not ancestors(value).isdisjoint(on)
