"""The paths that gradients take in a trace, and what ends them.

A gradient goes back from a loss through operations on floating-point numbers that can be differentiated. It ends at
`detach`, at what runs under `no_grad` or goes through `.data` (the trace cuts operands off there), where numbers become
integers, booleans or indices, and where a derivative is 0 everywhere (`round`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.graph import Node, Value, ancestors
from graphtorch.ir.loc import Loc
from graphtorch.ir.op import OPS
from graphtorch.ir.ops.custom_gradient import paths

if TYPE_CHECKING:
    from graphtorch.frontend.tracer import Tracer

#: ops whose derivative is 0 wherever there is one
FLAT = frozenset("sign floor ceil trunc round floor_divide trunc_divide".split())
_COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
#: how many names are written out
_MOST = 6


@dataclass(frozen=True)
class End:
    """What lets no gradient pass, in the user's words, and their line."""

    what: str
    loc: Loc | None

    def __str__(self) -> str:
        return f"{self.what} at {brief(self.loc)}" if self.loc is not None and self.loc.line else self.what


@dataclass
class Paths:
    """What gradients of some values reach: the ids of ``leaves``, and the nodes where they would have gone on."""

    leaves: set[int] = field(default_factory=set)
    ends: dict[Node, End] = field(default_factory=dict)

    def behind(self, tracer: Tracer) -> dict[End, dict[int, Tensor]]:
        """The leaves that would be reached if an end let gradients pass, by id, in the order in which they were read.

        What is computed from another end is none itself: those that count are nearest to the leaves.
        """
        found = {node: ancestors_of(node) for node in self.ends}
        nodes = {node: {v.node for v in values} for node, values in found.items()}
        first = [n for n in self.ends if not any(other in nodes[n] for other in self.ends if other is not n)]
        out: dict[End, dict[int, Tensor]] = {}
        for value, leaf in tracer.gradients.leaves.items():
            for node in (n for n in first if value in found[n]):
                out.setdefault(self.ends[node], {})[id(leaf)] = leaf
        return out


def ancestors_of(node: Node) -> set[Value]:
    """All that a node is computed from."""
    return set().union(*map(ancestors, node.operands)) if node.operands else set()


def paths_from(tracer: Tracer, roots: Iterable[Value]) -> Paths:
    """Where gradients of ``roots`` go."""
    out, leaves = Paths(), tracer.gradients.leaves
    seen: set[Value] = set()
    stack: list[tuple[Value, Node | None]] = [(root, None) for root in roots]
    while stack:
        value, reader = stack.pop()
        if value in seen:
            continue
        seen.add(value)
        node = value.node
        if value in leaves:
            out.leaves.add(id(leaves[value]))
        elif node is None:
            continue
        elif not value.type.dtype.is_floating_point:
            stack += _through_integers(node, out)
        elif node.op.nondifferentiable or node.op.name in FLAT:
            out.ends[node] = _end(tracer, node, reader)
        else:
            stack += [(v, node) for v in paths(node)]
    return out


def _through_integers(node: Node, out: Paths) -> list[tuple[Value, Node | None]]:
    """Values that are no floating-point numbers: the end is where they were made of such."""
    if any(v.type.dtype.is_floating_point for v in node.operands):
        out.ends[node] = End(_called(node), _loc(node))
        return []
    return [(v, node) for v in node.operands]


def _end(tracer: Tracer, node: Node, reader: Node | None) -> End:
    data = tracer.gradients.unfollowed.get(node.result) if node.op is OPS["detach"] else None
    if data is None or reader is None:
        return End(_called(node), _loc(node))
    return End(".data" if data else "gt.no_grad()", _loc(reader))


def _called(node: Node) -> str:
    """A node in the words of who wrote it."""
    name = node.op.name
    if name == "cast":
        return f"a conversion to {node.attrs['dtype'].name}"  # type: ignore[union-attr]
    if name in _COMPARED:
        return f"the comparison {_COMPARED[name]}"
    if name in FLAT:
        return f"{name}(), whose derivative is 0"
    return f"{name.removeprefix('reduce_')}()"


def _loc(node: Node) -> Loc | None:
    return node.locs[0] if node.locs else None


def brief(loc: Loc) -> str:
    """``net.py:12  return x.argmax(1)``, for the middle of a sentence."""
    return f"{os.path.basename(loc.file)}:{loc.line}  {loc.source()}"


def listed(names: Sequence[str]) -> str:
    """Names in a row; of many, the first and how many more there are."""
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more} more" if more > 0 else "")


def told(tracer: Tracer, t: Tensor) -> list[str]:
    """For the error that ``t`` has no gradient: what the path from parameters to it ends in, a line for each end."""
    found = paths_from(tracer, [tracer.read(t)]).behind(tracer)
    return [f"the path from {_named(tracer, leaves)} to it ends in {end}" for end, leaves in found.items()]


def _named(tracer: Tracer, leaves: dict[int, Tensor]) -> str:
    names: dict[int, str] = {}
    for called in tracer.notes.called.values():
        for name, p in called.module.named_parameters(called.path):
            names.setdefault(id(p), name)
    return listed([names.get(key, f"a tensor {t.aval}") for key, t in leaves.items()])
