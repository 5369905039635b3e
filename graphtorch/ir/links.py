"""What the bodies of loops and branches share memory with, in the form that code is made of (after alias)."""

from __future__ import annotations

from graphtorch.ir.graph import Node, Value
from graphtorch.ir.in_place import root
from graphtorch.ir.ops.scan import division, is_loop

#: a value outside of a body, and bytes from step to step
Link = tuple[Value, int]


def links(node: Node) -> dict[Value, Link]:
    """What a body takes and gives -> the operand or result that it is, or a slice of which it is.

    A carry lies where the last one is to be.
    """
    body = node.body
    assert body is not None  # all control flow has one
    if is_loop(node):
        return _of_loop(node)
    operands = node.operands[1:] if node.op.name == "cond" else node.operands
    found: dict[Value, Link] = dict(zip(body.params, ((o, 0) for o in operands), strict=True))
    return found | {root(o): (node.results[i % len(node.results)], 0) for i, o in enumerate(body.outputs)}


def _of_loop(node: Node) -> dict[Value, Link]:
    body, d = node.body, division(node.attrs)
    assert body is not None  # the caller saw to it
    consts, carries, xs = d.of(body.params)
    operands = d.of(node.operands)
    found: dict[Value, Link] = dict(zip(consts, ((o, 0) for o in operands[0]), strict=True))
    found |= zip(carries, ((r, 0) for r in node.results[: d.carries]), strict=True)
    found |= zip(xs, ((o, p.type.nbytes) for o, p in zip(operands[2], xs, strict=True)), strict=True)
    ys = zip(body.outputs, node.results[d.carries :], strict=True)
    return found | {root(o): (r, o.type.nbytes) for o, r in ys}
