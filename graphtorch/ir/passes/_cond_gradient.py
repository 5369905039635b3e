"""The gradient of a cond is a cond of the gradients of its branches, each of which computes its branch again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.ops.branches import append_cond, sides
from graphtorch.ir.passes._scan_gradient import Differentiate, replayed


def cond_gradient(
    builder: Builder,
    node: Node,
    have: Sequence[Value | None],
    differentiate: Differentiate,
    zeros: Callable[[Value], Value],
) -> list[Value | None]:
    """The gradient of each operand of ``node`` from those of its results (None where there is none)."""
    seeds = {i: g for i, g in enumerate(have) if g is not None and g.type.dtype.is_floating_point}
    targets = [o for o in dict.fromkeys(node.operands[1:]) if o.type.dtype.is_floating_point]
    branches = []
    for graph, values in sides(node):
        side = Graph(f"{graph.name}_backward", [Param(f"a{i}", v.type) for i, v in enumerate((*targets, *values))])
        side.params += [Param(f"g{i}", g.type) for i, g in seeds.items()]
        inside: dict[Value, Value] = dict(zip(targets, side.params, strict=False))
        # what is differentiated has one name inside, also where it is an operand
        own = [inside.get(v, p) for v, p in zip(values, side.params[len(targets) :], strict=False)]
        with Builder(side) as inner, inner.at(node.locs):
            outputs = replayed(inner, graph, own)
            losses = [outputs[i] for i in seeds]
            wanted = [inside[t] for t in targets]
            found = differentiate(inner, losses, side.params[len(targets) + len(values) :], wanted)
            side.outputs += [zeros(t) if g is None else g for g, t in zip(found, wanted, strict=True)]
        branches.append((side, [*targets, *values, *seeds.values()]))
    grads: dict[Value, Value] = {}
    if targets and seeds:
        grads = dict(zip(targets, append_cond(builder, node.operands[0], branches), strict=True))
    given, out = set[Value](), list[Value | None]()
    for o in node.operands:  # an operand that comes twice has its gradient once
        out.append(None if o in given else grads.get(o))
        given.add(o)
    return out
