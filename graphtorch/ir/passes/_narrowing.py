"""A loop or a branch without what nobody needs of it: ys, carries, consts and xs, and steps of its body."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.ops.branches import cond, narrowed_cond
from graphtorch.ir.ops.scan import Division, division, is_loop
from graphtorch.ir.ops.while_loop import while_loop


@dataclass(frozen=True)
class Narrowed:
    """``node`` has operands of the old graph; ``results``: those of the old node -> numbers of the new one's."""

    node: Node
    results: dict[Value, int]


def narrowed(node: Node, needed: Collection[Value], dce: Callable[[Graph], Graph]) -> Narrowed | None:
    """``node`` with what the values ``needed`` need; None where that is all of it. ``dce`` runs inside of the body.

    A carry is needed by what it is read for, so it is looked for again until no more are found.
    """
    if node.op is cond and node.body is not None:
        found = narrowed_cond(node, needed, dce)
        return found and Narrowed(found[0], {node.results[i]: at for at, i in enumerate(found[1])})
    body = node.body
    if body is None or not is_loop(node) or body.updates:
        return None
    d = division(node.attrs)
    ys = _distinct(node, body, d, needed)
    carries = {i for i in range(d.carries) if node.results[i] in needed}
    if node.op is while_loop:
        carries.add(0)  # whether it goes on
    while True:
        kept = sorted(carries)
        outputs = [body.outputs[i] for i in kept] + [body.outputs[d.carries + i] for i in ys]
        given = Graph(body.name, list(body.params), list(body.nodes), outputs)
        step = dce(given)
        read = {*step.outputs, *(o for n in step.nodes for o in n.operands)}
        more = {i for i, p in enumerate(d.of(step.params)[1]) if p in read} - carries
        if not more:
            break
        carries |= more
    keep = [i for i, p in enumerate(step.params) if p in read or (d.consts <= i and i - d.consts in carries)]
    if step is given and len(keep) == len(body.params) and len(outputs) == len(body.outputs):
        return None
    return _rebuilt(node, d, step, keep, kept, ys)


def _distinct(node: Node, body: Graph, d: Division, needed: Collection[Value]) -> list[int]:
    """Numbers of the ys that are needed; of those that are the same value the first."""
    first: dict[Value, int] = {}
    for i, (output, result) in enumerate(zip(body.outputs[d.carries :], node.results[d.carries :], strict=True)):
        if result in needed:
            first.setdefault(output, i)
    return list(first.values())


def _rebuilt(
    node: Node, d: Division, step: Graph, keep: Sequence[int], carries: Sequence[int], ys: Sequence[int]
) -> Narrowed:
    step.params = [step.params[i] for i in keep]
    types = [node.results[i].type for i in (*carries, *(d.carries + i for i in ys))]
    attrs = {**node.attrs, "consts": sum(i < d.consts for i in keep), "carries": len(carries)}
    made = Node(node.op, [node.operands[i] for i in keep], attrs, types, node.locs, step)
    outputs = node.body.outputs if node.body else []
    place = {outputs[d.carries + i]: len(carries) + at for at, i in enumerate(ys)}
    results = {node.results[i]: at for at, i in enumerate(carries)}
    results |= {r: place[o] for o, r in zip(outputs[d.carries :], node.results[d.carries :], strict=True) if o in place}
    return Narrowed(made, results)
