"""bundle: kernels that do not wait for each other, of arrays of any shapes, become one.

It is made for optimizers, which do the same to many parameters. Three kinds of kernels are put together:

- updates of state, loops whose results no other kernel reads: where the last of them was,
- loops of few elements over parameters alone, such as counts of steps: where the first of them was,
- reductions to one number each that one kernel alone reads, such as squares of gradients: where the last of them was.

A bundle is a `fusion` of kind "bundle", whose body holds the fusions. No path leads from one to another: the first kind
has no readers, the second reads nothing that is computed, and the readers of the third are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.dim import example
from graphtorch.ir.fusible import CLOSED, SCANS, rows_in
from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.ops.fusion import fusion
from graphtorch.ir.ops.movement import reshape

#: elements of a loop that one thread runs anyway
FEW_ELEMENTS = 1024


@dataclass(frozen=True)
class Bundle:
    """``most`` bounds the parameters of a bundle's kernels, all together; ``reductions`` are bundled as well."""

    most: int = 16_384
    reductions: bool = True
    name: ClassVar[str] = "bundle"

    def run(self, graph: Graph) -> Graph:
        places: dict[Node, list[Node]] = {}
        position = {node: i for i, node in enumerate(graph.nodes)}
        for early, nodes in _alike(graph, self.reductions):
            for part in _pieces(nodes, self.most):
                if len(part) > 1:
                    places[(min if early else max)(part, key=position.__getitem__)] = part
        return _bundled(graph, places) if places else graph


def _alike(graph: Graph, reductions: bool) -> Iterator[tuple[bool, list[Node]]]:
    """Kernels that can be one, and whether it stands where the first of them stood."""
    readers = _readers(graph)
    updated = set(graph.updates.values())
    updates = [n for n in graph.nodes if _is_loop(n) and updated.issuperset(n.results) and not readers[n]]
    yield False, updates
    done = set(updates)
    written: dict[Node, list[Param]] = {}
    for param, value in graph.updates.items():
        if value.node is not None:
            written.setdefault(value.node, []).append(param)
    uses = graph.uses()
    alone = {n for n, params in written.items() if all(u is n for p in params for u in uses[p])}
    yield True, [n for n in graph.nodes if n not in done and _is_early(n) and (n in alone or n not in written)]
    sums: dict[Node, list[Node]] = {}
    for node in graph.nodes if reductions else ():
        if _is_number(node) and len(readers[node]) == 1:
            sums.setdefault(next(iter(readers[node])), []).append(node)
    kept = set(graph.results())
    yield from ((False, [n for n in nodes if kept.isdisjoint(n.results)]) for nodes in sums.values())


def _pieces(nodes: Sequence[Node], most: int) -> Iterator[list[Node]]:
    """``nodes`` in runs of up to ``most`` operands and results."""
    piece: list[Node] = []
    count = 0
    for node in nodes:
        own = len(node.operands) + len(node.results)
        if piece and count + own > most:
            yield piece
            piece, count = [], 0
        piece.append(node)
        count += own
    yield piece


def _readers(graph: Graph) -> dict[Node, set[Node]]:
    """The kernels that read each node's results, by way of names of memory too."""
    found: dict[Node, set[Node]] = {n: set() for n in graph.nodes}
    for node in reversed(graph.nodes):
        readers = found[node] if node.op is reshape else {node}
        for operand in node.operands:
            if operand.node is not None:
                found[operand.node] |= readers
    return found


def _is_loop(node: Node) -> bool:
    return (
        node.op is fusion
        and node.body is not None
        and node.attrs["kind"] == "loop"
        and not any(n.op.name in CLOSED for n in node.body.nodes)
    )


def _is_early(node: Node) -> bool:
    """Whether it is a small loop over parameters. (Another kernel must not read them, where it writes them.)"""
    small = _is_loop(node) and all(example(r.type.numel) <= FEW_ELEMENTS for r in node.results)
    return small and all(isinstance(o, Param) for o in node.operands)


def _is_number(node: Node) -> bool:
    """Whether it is a plain reduction to one number, and no more."""
    if node.body is None or node.attrs.get("kind") != "reduce" or rows_in(node.body) is not None:
        return False
    if any(n.op.name in SCANS for n in node.body.nodes):
        return False
    return len(node.results) == 1 and node.result.type.numel == 1


def _bundled(graph: Graph, places: dict[Node, list[Node]]) -> Graph:
    """The graph with each of these bundles at the place of the node that names it."""
    out, env = Graph(graph.name), dict[Value, Value]()
    for p in graph.params:
        env[p] = Param(p.name, p.type, p.role, p.label)
        out.params.append(env[p])  # type: ignore[arg-type]
    inside = {n for nodes in places.values() for n in nodes}
    waiting: list[Node] = []  # names of memory of what comes later now
    with Builder(out) as builder:
        for node in graph.nodes:
            if node in places:
                _emit(places[node], env, builder)
            steps, waiting = [*waiting, *(() if node in inside else (node,))], []
            for step in steps:
                if all(o in env for o in step.operands):
                    env.update(zip(step.results, builder.clone(step, [env[o] for o in step.operands]), strict=True))
                else:
                    waiting.append(step)
    out.outputs = [env[o] for o in graph.outputs]
    out.updates = {env[p]: env[v] for p, v in graph.updates.items()}  # type: ignore[misc]
    return out


def _emit(nodes: Sequence[Node], env: dict[Value, Value], builder: Builder) -> None:
    inputs = list(dict.fromkeys(o for n in nodes for o in n.operands))
    body = Graph("bundle")
    body.params = [Param(f"b{i}", v.type) for i, v in enumerate(inputs)]
    inner: dict[Value, Value] = dict(zip(inputs, body.params, strict=True))
    with Builder(body) as inner_builder:
        for node in nodes:
            body.outputs += inner_builder.clone(node, [inner[o] for o in node.operands])
    types, locs = [o.type for o in body.outputs], tuple(dict.fromkeys(loc for n in nodes for loc in n.locs))
    made = Node(fusion, [env[i] for i in inputs], {"kind": "bundle"}, types, locs, body)
    env.update(zip((r for n in nodes for r in n.results), builder.append(made).results, strict=True))
