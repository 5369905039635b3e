"""The op that holds two branches, of which one runs.

    cond(pred, operands..) graph @branches(operands..) {
      .. = branch(..) {taken=true} graph @true_fn(..) ..
      .. = branch(..) {taken=false} graph @false_fn(..) ..
      return ..                                      the results of the first, then those of the second
    }

``pred`` is bool[]. Both branches give results of the same types, which are those of `cond`. A `branch` stands in
the body of a `cond` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from graphtorch.ir.control_flow import Array, ControlFlow, Evaluate, fits
from graphtorch.ir.errors import IRError, check
from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.op import register
from graphtorch.ir.types import TensorType, bool_

PRED = TensorType((), bool_)


class Branch(ControlFlow):
    """What runs if the predicate is ``taken``."""

    name = "branch"

    def types(self, operands: Sequence[TensorType], attrs: Mapping[str, Any], body: Graph) -> tuple[TensorType, ...]:
        fits(f"the operands do not fit the parameters of @{body.name}", operands, [p.type for p in body.params])
        return tuple(o.type for o in body.outputs)

    def run(self, operands: Sequence[Array], attrs: Mapping[str, Any], body: Graph, evaluate: Evaluate) -> list[Array]:
        return evaluate(body, operands)[0]


class Cond(ControlFlow):
    """One of two branches. Its gradient is a cond of their gradients (passes/_cond_gradient.py)."""

    name = "cond"

    def types(self, operands: Sequence[TensorType], attrs: Mapping[str, Any], body: Graph) -> tuple[TensorType, ...]:
        fits("the predicate of a cond is bool[]", operands[:1], [PRED])
        fits(f"the operands do not fit the parameters of @{body.name}", operands[1:], [p.type for p in body.params])
        given = [(n.op, n.attrs) for n in body.nodes]
        wanted = [(branch, {"taken": True}), (branch, {"taken": False})]
        facts = "expected a branch with taken=true, one with taken=false, and their results in this order"
        fine = given == wanted and body.outputs == [r for n in body.nodes for r in n.results]
        check(fine, "GT808", f"@{body.name} is not the body of a cond", facts, kind=IRError)
        first, second = ([r.type for r in n.results] for n in body.nodes)
        fits("the branches of a cond differ in their results", second, first)
        return tuple(first)

    def run(self, operands: Sequence[Array], attrs: Mapping[str, Any], body: Graph, evaluate: Evaluate) -> list[Array]:
        taken = body.nodes[0 if operands[0] else 1]
        assert taken.body is not None  # by `types`
        given = dict(zip(body.params, operands[1:], strict=True))
        return evaluate(taken.body, [given[o] for o in taken.operands])[0]  # type: ignore[index]  # parameters alone


branch = register(Branch())
cond = register(Cond())


def append_cond(builder: Builder, pred: Value, branches: Sequence[tuple[Graph, Sequence[Value]]]) -> tuple[Value, ...]:
    """The results of a new cond of two graphs, each with the values for its parameters."""
    operands = list(dict.fromkeys(v for _, values in branches for v in values))
    body = Graph("branches", [Param(f"a{i}", v.type) for i, v in enumerate(operands)])
    inside: dict[Value, Value] = dict(zip(operands, body.params, strict=True))
    for taken, (graph, values) in zip((True, False), branches, strict=True):
        types = [o.type for o in graph.outputs]
        made = Node(branch, [inside[v] for v in values], {"taken": taken}, types, builder.locs, graph)
        body.nodes.append(made)
        body.outputs += made.results
    types = list(cond.types([pred.type, *(v.type for v in operands)], {}, body))
    return builder.append(Node(cond, [pred, *operands], {}, types, builder.locs, body)).results


def sides(node: Node) -> list[tuple[Graph, list[Value]]]:
    """The two graphs of a cond, each with the values around it that its parameters are."""
    assert node.body is not None  # a cond has one
    outside: dict[Value, Value] = dict(zip(node.body.params, node.operands[1:], strict=True))
    return [(n.body, [outside[o] for o in n.operands]) for n in node.body.nodes if n.body is not None]


def narrowed_cond(
    node: Node, needed: Collection[Value], dce: Callable[[Graph], Graph]
) -> tuple[Node, list[int]] | None:
    """A cond with the results that are ``needed``, and their numbers; None where there is nothing less."""
    kept = [i for i, r in enumerate(node.results) if r in needed]
    less: list[tuple[Graph, list[Value]]] = []
    changed = len(kept) < len(node.results)
    for graph, values in sides(node):
        given = Graph(graph.name, list(graph.params), list(graph.nodes), [graph.outputs[i] for i in kept])
        side = dce(given)
        read = {*side.outputs, *(o for n in side.nodes for o in n.operands)}
        used = [i for i, p in enumerate(side.params) if p in read]
        changed = changed or side is not given or len(used) < len(values)
        less.append(
            (Graph(side.name, [side.params[i] for i in used], side.nodes, side.outputs), [values[i] for i in used])
        )
    if not changed:
        return None
    builder = Builder(Graph(""))
    builder.locs = node.locs
    append_cond(builder, node.operands[0], less)
    return builder.graph.nodes[0], kept
