"""carries: scans and while loops become loops over state, which is the form that code is made of.

The body reads and writes its carries in place, as a program does its state: they are ``inout`` parameters, and their
next contents are updates. The loop begins with a copy of the initial ones, which fuse joins to what makes them. What
a step gives twice, as a carry and a y, or as two ys, is stored twice by the kernel that computes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.graph import Builder, Graph, Node, Param, Value, rewrite
from graphtorch.ir.in_place import root
from graphtorch.ir.ops.casts import clone
from graphtorch.ir.ops.scan import division, is_loop


@dataclass(frozen=True)
class Carries:
    """Runs before `fuse`, so that copies cost no kernels; `alias` sees to it that carries may be written in place."""

    name: ClassVar[str] = "carries"

    def run(self, graph: Graph) -> Graph:
        if not any(map(_is_functional, graph.nodes)):
            return graph

        def rule(node: Node, operands: tuple[Value, ...], builder: Builder) -> Sequence[Value] | None:
            if not _is_functional(node):
                return None
            d, types = division(node.attrs), [r.type for r in node.results]
            consts, starts, xs = d.of(operands)
            own = (*consts, *map(clone, starts), *xs)
            return builder.append(Node(node.op, own, node.attrs, types, node.locs, _with_state(node))).results

        return rewrite(graph, rule)


def _is_functional(node: Node) -> bool:
    return is_loop(node) and node.attrs["carries"] != 0 and node.body is not None and not node.body.updates


def _with_state(node: Node) -> Graph:
    assert node.body is not None  # a scan has one
    body, count = rewrite(node.body, lambda *_: None), division(node.attrs).carries
    params = division(node.attrs).of(body.params)[1]
    taken: set[Value] = set()
    computed = list(body.nodes)
    with Builder(body) as builder, builder.at(node.locs):
        values = [_alone(v, taken) for v in body.outputs]
    copies = [n for n in body.nodes[len(computed) :] if isinstance(n.operands[0], Param)]
    body.nodes = [*copies, *(n for n in body.nodes if n not in copies)]  # before carries are written
    for param, value in zip(params, values, strict=False):
        param.role = "inout"
        body.updates[param] = value
    body.outputs = values[count:]
    return body


def _alone(value: Value, taken: set[Value]) -> Value:
    """``value``, or a copy of it where its memory is a parameter's or has a use already."""
    own = root(value)
    if isinstance(own, Param) or own in taken:
        value = own = clone(value)
    taken.add(own)
    return value
