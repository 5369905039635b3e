"""Forward and backward as two programs, for a compiled call inside of an ordinary eager loop.

The backward graph is made together with the forward one, optimized with it, and then cut off: what
it needs of the forward graph, and nothing else, becomes a residual. What is made of little, such as a constant for
all elements, or a mask of dropout (from the generator's state, ADR 17), backward makes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from graphtorch.ir.dim import example
from graphtorch.ir.fusible import CHEAP, DRAWS, is_free
from graphtorch.ir.graph import Builder, Graph, Node, Param, Value, rewrite
from graphtorch.ir.ops.gradient import gradient

#: what has so many times fewer bytes may be kept for what is made again
SMALL = 16


class Pair(NamedTuple):
    """``forward`` returns the user's outputs and then the residuals.

    ``backward`` takes the residuals, then the parameters of the forward graph numbered ``shared``, then
    a gradient for each differentiable output; it returns the gradients of the targets.
    """

    forward: Graph
    backward: Graph
    shared: tuple[int, ...]


def join(graph: Graph, differentiable: Sequence[int], targets: Sequence[Value]) -> Graph:
    """``graph`` with a seed for each differentiable output, and the gradients of the targets at the end."""
    count = len(graph.outputs)
    joint = rewrite(replace(graph, outputs=[*graph.outputs, *targets]), lambda *_: None)
    wanted = joint.outputs[count:]
    del joint.outputs[count:]
    outputs = [joint.outputs[number] for number in differentiable]
    seeds = [Param(f"seed{number}", o.type, "in") for number, o in zip(differentiable, outputs, strict=True)]
    joint.params += seeds
    locs = dict.fromkeys(loc for o in outputs if o.node for loc in o.node.locs)
    with Builder(joint) as builder, builder.at(tuple(locs)):
        joint.outputs += builder.bind(gradient, (*outputs, *seeds, *wanted), {"losses": len(outputs)})
    return joint


def split(joint: Graph, outputs: int, seeds: int) -> Pair:
    """Cut an optimized joint graph: what the first ``outputs`` and the updates need runs forward."""
    count = len(joint.params) - seeds
    early = _ancestors([*joint.outputs[:outputs], *joint.updates.values()])
    wanted = {o: None for n in joint.nodes if n not in early for o in n.operands if o.node in early}
    again = set[Node]().union(*map(_made_of_little, wanted))
    late = [n for n in joint.nodes if n not in early or n in again]
    made = {r for n in late for r in n.results}
    needed: dict[Value, None] = {}
    for value in [o for n in late for o in n.operands] + joint.outputs[outputs:]:
        if value not in made and value not in joint.params[count:]:
            needed[value] = None
    written = set(joint.updates)
    shared = [p for p in needed if isinstance(p, Param) and p not in written]
    residuals = [v for v in needed if v not in shared]
    forward = Graph(joint.name, joint.params[:count], [n for n in joint.nodes if n in early])
    forward.outputs = [*joint.outputs[:outputs], *residuals]
    forward.updates = dict(joint.updates)
    return Pair(
        rewrite(forward, lambda *_: None),
        _backward(joint, late, residuals, shared, count, outputs),
        tuple(joint.params.index(p) for p in shared),
    )


def _ancestors(values: Sequence[Value]) -> set[Node]:
    found: set[Node] = set()
    stack = list(values)
    while stack:
        node = stack.pop().node
        if node is not None and node not in found:
            found.add(node)
            stack += node.operands
    return found


def _made_of_little(value: Value) -> set[Node]:
    """The nodes that make ``value`` of small arrays, by cheap steps and draws; none if it takes anything else."""
    found: set[Node] = set()
    pending = [value]
    while pending:
        source = pending.pop()
        node = source.node
        if node is not None and (node.op.name in CHEAP | DRAWS or is_free(node)):
            found.add(node)
            pending += node.operands
        elif example(source.type.nbytes) * SMALL > example(value.type.nbytes):
            return set()
    return found


def _backward(
    joint: Graph, nodes: Sequence[Node], residuals: Sequence[Value], shared: Sequence[Param], count: int, outputs: int
) -> Graph:
    graph = Graph(f"{joint.name}_backward")
    env: dict[Value, Value] = {}
    for index, value in enumerate([*residuals, *shared, *joint.params[count:]]):
        env[value] = Param(f"r{index}", value.type, "in")
        graph.params.append(env[value])  # type: ignore[arg-type]
    with Builder(graph) as builder:
        for node in nodes:
            env.update(zip(node.results, builder.clone(node, [env[o] for o in node.operands]), strict=True))
    graph.outputs = [env[o] for o in joint.outputs[outputs:]]
    return graph
