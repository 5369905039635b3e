"""alias: make every update of state safe to write in place, and every output memory of its own.

After it, the node that gives ``update %w <- %v`` may write %v straight into %w: nothing reads %w
later, and the node itself reads %w only at the index that it writes. Where that does not hold the
pass appends a copy.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.graph import Builder, Graph, Node, Param, Value, rewrite
from graphtorch.ir.in_place import Readers, may_overwrite, readers_in, root
from graphtorch.ir.ops.casts import clone
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.scan import division, is_loop


@dataclass(frozen=True)
class Alias:
    """Copies where an update or an output cannot have its memory for itself."""

    name: ClassVar[str] = "alias"

    def run(self, graph: Graph) -> Graph:
        if _is_safe(graph):
            return graph
        out = rewrite(graph, lambda *_: None)
        with Builder(out) as builder:
            _own_outputs(out, builder)  # first: these copies read state before it is written
            _read_out(out, builder)
            for param in _unsafe_updates(out):
                out.updates[param] = _copy(builder, out.updates[param])
        return out


def _is_safe(graph: Graph) -> bool:
    return not _unsafe_updates(graph) and not _shared_outputs(graph)


def _copy(builder: Builder, value: Value) -> Value:
    locs = value.node.locs if value.node else ()
    with builder.at(locs):
        return clone(value)  # type: ignore[no-any-return]


def _read_out(graph: Graph, builder: Builder) -> None:
    """An update with what other state holds copies that: the copy reads it, which is safe to know before any writer
    of it is allowed to write in place."""
    for param, value in graph.updates.items():
        if isinstance(root(value), Param):
            graph.updates[param] = _copy(builder, value)


def _own_outputs(graph: Graph, builder: Builder) -> None:
    for index in _shared_outputs(graph):
        graph.outputs[index] = _copy(builder, graph.outputs[index])


def _shared_outputs(graph: Graph) -> list[int]:
    """Outputs that are a parameter's memory, an update's, or another output's."""
    taken = {root(v) for v in graph.updates.values()}
    shared = []
    for index, value in enumerate(graph.outputs):
        r = root(value)
        if isinstance(r, Param) or r in taken:
            shared.append(index)
        taken.add(r)
    return shared


def _unsafe_updates(graph: Graph) -> list[Param]:
    position = {node: i for i, node in enumerate(graph.nodes)}
    readers: dict[Value, dict[Node, list[int]]] = {}
    for node in graph.nodes:
        for number, operand in enumerate(node.operands):
            readers.setdefault(root(operand), {}).setdefault(node, []).append(number)
    in_bundle: Readers = functools.cache(readers_in)
    seen: set[Value] = set()
    unsafe = []
    for param, value in graph.updates.items():
        r = root(value)
        safe = r.node is not None and r not in seen
        if not safe or not _may_overwrite(param, r, readers.get(param, {}), position, in_bundle):
            unsafe.append(param)
        seen.add(r)
    return unsafe


def _may_overwrite(
    param: Param,
    value: Value,
    readers: Mapping[Node, Sequence[int]],
    position: dict[Node, int],
    in_bundle: Readers,
) -> bool:
    """``readers`` of the parameter's memory have the numbers of the operands that lie in it."""
    writer = value.node
    assert writer is not None  # the caller saw to it
    if is_loop(writer) and value.index < division(writer.attrs).carries:
        return False  # a carry lies where the loop began with it
    for node, at in readers.items():
        if node is writer:
            if not may_overwrite(writer, param, value, at, in_bundle):
                return False
        elif node.op is not reshape and position[node] >= position[writer]:
            return False
    return True
