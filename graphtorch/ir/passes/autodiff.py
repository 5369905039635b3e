"""autodiff: replace every `gradient` node by the backward graph it stands for.

Reverse-mode accumulation over the SSA graph: each node between the targets and the loss is asked for
its `vjp`, in reverse order; locations of the forward node are stamped on what its vjp binds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.errors import AutogradError
from graphtorch.ir.graph import Builder, Graph, Node, Value, rewrite
from graphtorch.ir.ops.common import lift
from graphtorch.ir.ops.custom_gradient import custom_gradient, gradient_of, paths
from graphtorch.ir.ops.gradient import gradient
from graphtorch.ir.ops.in_float32 import gradients as gradients_of_op
from graphtorch.ir.ops.movement import broadcast_to
from graphtorch.ir.passes._cond_gradient import cond_gradient
from graphtorch.ir.passes._scan_gradient import scan_gradient

#: op -> the gradient of a node by way of its body
_OF_BODIES = {"scan": scan_gradient, "cond": cond_gradient, "custom_gradient": gradient_of}
#: asked of each gradient that is complete, of a value: what takes its place
Seen = Callable[[Value, Value], Value]


@dataclass(frozen=True)
class Autodiff:
    """Expands `gradient` nodes, and drops what says how (`custom_gradient`); other graphs are returned as they are."""

    name: ClassVar[str] = "autodiff"

    def run(self, graph: Graph) -> Graph:
        if not any(n.op in (gradient, custom_gradient) for n in graph.nodes):
            return graph

        def rule(node: Node, operands: tuple[Value, ...], builder: Builder) -> Sequence[Value] | None:
            if node.op is not gradient:
                return None
            count = int(node.attrs.get("losses", 1))  # type: ignore[arg-type]  # an int, by infer
            return differentiate(builder, operands[:count], operands[count : 2 * count], operands[2 * count :])

        return rewrite(rewrite(graph, rule), _without_custom)


def _without_custom(node: Node, operands: tuple[Value, ...], _: Builder) -> Sequence[Value] | None:
    return operands[: len(node.results)] if node.op is custom_gradient else None


def differentiate(
    builder: Builder, losses: Sequence[Value], seeds: Sequence[Value], targets: Sequence[Value]
) -> list[Value]:
    """Append the backward graph of ``losses`` to ``builder``; the gradient of each target (zeros where none)."""
    found = gradients(builder, losses, seeds, targets)
    return [_zeros(t) if g is None else g for g, t in zip(found, targets, strict=True)]


def gradients(
    builder: Builder,
    losses: Sequence[Value],
    seeds: Sequence[Value],
    targets: Sequence[Value],
    leaves: Collection[Value] | None = None,
    seen: Seen | None = None,
) -> list[Value | None]:
    """`differentiate`, with None for a target that no loss depends on.

    Gradients go on behind targets, but not behind ``leaves``, which all targets are unless given.
    """
    asked, ends = set(targets), set(targets if leaves is None else leaves)
    wanted = between(builder.graph, losses, asked, ends)
    grads: dict[Value, Value] = {}
    for loss, seed in zip(losses, seeds, strict=True):
        grads[loss] = seed if loss not in grads else grads[loss] + seed
    for node in reversed([n for n in builder.graph.nodes if n in wanted]):
        if seen is not None:
            grads.update((r, seen(r, grads[r])) for r in node.results if r in grads)
        have = [grads.get(r) for r in node.results]
        if all(g is None for g in have) or node.op.nondifferentiable:
            continue
        with builder.at(node.locs):
            for operand, g in zip(node.operands, _vjp(builder, node, have), strict=True):
                if g is None or not (operand in asked or (operand not in ends and operand.node in wanted)):
                    continue
                grads[operand] = g if operand not in grads else grads[operand] + g
    if seen is not None:
        grads.update((t, seen(t, grads[t])) for t in dict.fromkeys(targets) if t in grads and t.node not in wanted)
    return [grads.get(t) for t in targets]


def between(graph: Graph, losses: Sequence[Value], targets: set[Value], leaves: Collection[Value]) -> set[Node]:
    """Nodes on a differentiable path from a target to a loss, that leads through none of the ``leaves``."""
    needed: set[Node] = set()
    stack = list(losses)
    while stack:
        value = stack.pop()
        node = value.node
        if value in leaves or node is None or node in needed or node.op.nondifferentiable:
            continue
        needed.add(node)
        stack += paths(node)
    reached: set[Value] = set(targets)
    wanted: set[Node] = set()
    for node in graph.nodes:
        if node in needed and any(o in reached for o in paths(node)):
            wanted.add(node)
            reached.update(r for r in node.results if r.type.dtype.is_floating_point)
    return wanted


def _vjp(builder: Builder, node: Node, have: Sequence[Value | None]) -> Sequence[Value | None]:
    rule = _OF_BODIES.get(node.op.name)
    if rule is not None:
        return rule(builder, node, have, gradients, _zeros)
    if node.body is not None or not hasattr(node.op, "vjp"):
        error = AutogradError("GT508", f"{node.op.name} has no gradient rule")
        error.loc = node.locs[0] if node.locs else error.loc
        raise error
    filled = [_zeros(r) if g is None else g for g, r in zip(have, node.results, strict=True)]
    one = len(node.results) == 1
    y = node.results[0] if one else node.results
    return gradients_of_op(node.op, filled[0] if one else filled, y, node.operands, node.attrs)


def _zeros(value: Value) -> Value:
    return broadcast_to(lift(0, value.type.dtype), value.type.shape)  # type: ignore[no-any-return]
