"""fold: factors after a convolution with frozen weights go into the weights, as those of batch norm in inference.

conv(x, w) * s + t is conv(x, w * s) + t where s has one number for each output channel. Where w and s are frozen the
product is computed once. A chain of such steps, each read by the next alone, is folded as one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir import bind
from graphtorch.ir.frozen import frozen_values
from graphtorch.ir.graph import Builder, Graph, Node, Value, rewrite
from graphtorch.ir.ops.arithmetic import add, mul, neg
from graphtorch.ir.ops.movement import broadcast_to, reshape


@dataclass(frozen=True)
class _Affine:
    """conv * scale + shift; the steps are nodes, whose operand ``vector`` has a number for each channel."""

    conv: Node
    steps: tuple[tuple[Node, int], ...]

    @property
    def scales(self) -> bool:
        return any(n.op.name == "mul" for n, _ in self.steps)


@dataclass(frozen=True)
class Fold:
    """Nothing to do where no parameter is frozen."""

    name: ClassVar[str] = "fold"

    def run(self, graph: Graph) -> Graph:
        ends = {c.steps[-1][0]: c for c in _chains(graph) if c.scales}
        if not ends:
            return graph
        new: dict[Value, Value] = {}

        def rule(node: Node, operands: tuple[Value, ...], _: Builder) -> Sequence[Value] | None:
            new.update(zip(node.operands, operands, strict=True))
            return (_folded(ends[node], new),) if node in ends else None

        return rewrite(graph, rule)


def _chains(graph: Graph) -> list[_Affine]:
    """The longest chain after each convolution."""
    known, uses, results = frozen_values(graph), graph.uses(), set(graph.results())
    found: dict[Value, _Affine] = {}
    for node in graph.nodes:
        if node.op.name == "conv" and node.operands[1] in known:
            found[node.result] = _Affine(node, ())
        if node.op.name not in ("add", "sub", "mul"):
            continue
        for value, vector in ((0, 1), (1, 0)):
            v = node.operands[value]
            alone = len(uses[v]) == 1 and v not in results
            turned = node.op.name == "sub" and vector == 0
            if (
                v in found
                and alone
                and not turned
                and _vector(node.operands[vector])
                and node.operands[vector] in known
            ):
                before = found.pop(v)
                found[node.result] = _Affine(before.conv, (*before.steps, (node, vector)))
                break
    return [c for c in found.values() if c.steps]


def _vector(v: Value) -> Value | None:
    """What is repeated over all but the channels of ``v``: a number for each of them, or one for all."""
    if v.node is None or v.node.op is not broadcast_to:
        return None
    source, rank = v.node.operands[0], v.type.ndim
    shape = (1,) * (rank - source.type.ndim) + source.type.shape
    return source if math.prod(shape) in (1, shape[1]) else None


def _folded(chain: _Affine, new: dict[Value, Value]) -> Value:
    x, w = (new[o] for o in chain.conv.operands)
    channels = w.type.shape[0]
    scale: Value | None = None
    shift: Value | None = None
    for node, which in chain.steps:
        source = _vector(node.operands[which])
        assert source is not None  # _chains saw to it
        operand = new[node.operands[which]].node
        assert operand is not None
        vector = broadcast_to(reshape(operand.operands[0], (source.type.numel,)), (channels,))
        if node.op.name == "mul":
            scale = vector if scale is None else mul(scale, vector)
            shift = None if shift is None else mul(shift, vector)
        else:
            vector = neg(vector) if node.op.name == "sub" else vector
            shift = vector if shift is None else add(shift, vector)
    assert scale is not None  # a chain that is folded has a product
    ones = (1,) * (w.type.ndim - 1)
    weights = mul(w, broadcast_to(reshape(scale, (channels, *ones)), w.type.shape))
    y = bind.bind(chain.conv.op, x, weights, **chain.conv.attrs)
    if shift is None:
        return y  # type: ignore[no-any-return]
    return add(y, broadcast_to(reshape(shift, (channels, *ones[1:])), y.type.shape))  # type: ignore[no-any-return]
