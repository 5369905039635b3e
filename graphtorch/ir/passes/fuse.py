"""fuse: group nodes into kernels.

Injective producers (elementwise ops, and movement such as broadcasts and slices) are inlined into the one group that
reads them, or into every reader when they are free (constants, broadcasts, casts, iota). Loops over one shape that read
the same inputs become one kernel of several outputs.

A group has one reduction, its root, whose elementwise consumers join as its epilogue, but for two exceptions.
A contraction may have a second one, of rows or of windows of its results, such as pooling: a task then reduces
what it has just computed. And plain reductions over the same rows are one group with all that needs a row of
elements or its results, such as a softmax (graphtorch/ir/rows.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.control_flow import is_control_flow
from graphtorch.ir.fusible import is_reduction
from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.passes._groups import Group, Groups, fused
from graphtorch.ir.passes._joining import CIRCLE, Joining
from graphtorch.ir.passes._recompute import worth_recomputing
from graphtorch.ir.passes._report import report
from graphtorch.ir.passes._units import Unit, Units

#: of looking for what to recompute. Other groups read other things; a third round finds nothing in ResNet18
ROUNDS = 2


@dataclass(frozen=True)
class Fuse:
    """``max_ops`` bounds the nodes of one group; contractions take ``prologues``, elementwise work on an operand, and
    ``chains``, a reduction of their results; ``rows`` are reduced several times by one kernel, which may store
    elements as well: any rows, or if ``longest_row`` is not 0 those of up to so many neighbouring elements;
    ``recompute`` lets readers compute what is cheap where storing it would move more bytes."""

    max_ops: int = 64
    prologues: bool = True
    chains: bool = True
    rows: bool = True
    longest_row: int = 0
    recompute: bool = True
    name: ClassVar[str] = "fuse"

    def run(self, graph: Graph) -> Graph:
        return fused(self._fuser(graph).groups)

    def explain(self, graph: Graph) -> str:
        """What becomes one kernel, how many bytes that saves, and why the rest stays apart; then that of each body."""
        fuser = self._fuser(graph)
        texts = [report(fuser.groups, fuser.reasons)] if self._computes(graph) else []
        for node in filter(is_control_flow, graph.nodes):
            if node.body is not None:
                texts.append(f"\nin {node.op.name} @{node.body.name}:\n{self.explain(node.body)}")
        return "".join(texts)

    @staticmethod
    def _computes(graph: Graph) -> bool:
        """Whether it has more than branches."""
        return not graph.nodes or not all(map(is_control_flow, graph.nodes))

    def _fuser(self, graph: Graph) -> _Fuser:
        fuser = _Fuser(graph, self)
        for _ in range(ROUNDS if self.recompute else 0):
            found = fuser.groups.recomputed | worth_recomputing(fuser.groups)
            if found == fuser.groups.recomputed:
                break
            fuser = _Fuser(graph, self, found)
        return fuser


class _Fuser:
    """Puts each node, in order of execution, into the group of a producer or into one of its own."""

    def __init__(self, graph: Graph, options: Fuse, recomputed: frozenset[Node] = frozenset()) -> None:
        self.groups = Groups(graph, recomputed)
        self.group = self.groups.of
        self.joining = Joining(self.groups, options, set(graph.updates.values()))
        self.units = Units()
        #: of names of memory and control flow, which are in no group
        self.own_unit: dict[Node, Unit] = {}
        #: nodes of groups that go over rows, by what they read; of a group that is not full at least the first
        self.reading: dict[Value, list[Node]] = {}
        self.most = options.max_ops
        #: why a node (or the group that it is in) and a producer are two kernels, by a node of each
        self.reasons: dict[tuple[Node, Node], str] = {}
        for node in graph.nodes:
            self._add(node)

    def _add(self, node: Node) -> None:
        if self.groups.is_free(node):
            return
        sources = [s for s, _ in self.groups.sources(node)]
        unit = self.units.add(self.group[s].unit if s in self.group else self.own_unit[s] for s in sources)
        if node.op.name == "reshape" or is_control_flow(node):
            self.own_unit[node] = unit
        else:
            self._place(node, unit)

    def _place(self, node: Node, unit: Unit) -> None:
        """Join the group of a producer if that is sound and useful, else begin one."""
        producers = dict.fromkeys(self.group[s] for s, _ in self.groups.sources(node) if s in self.group)
        inlined = [n for g in producers if g.root is None for n in g.nodes]
        producers |= dict.fromkeys(self._siblings(node, [*inlined, node]))
        joinable = [g for g in producers if self._may_join(node, unit, g)]
        if not joinable:
            self.group[node] = Group(node, unit)
            self.group[node].rows = self.joining.rows(node)
            self._note(self.group[node], [node])
            self.group[node].depth = 1 + max((g.depth for g in producers), default=0)
            return
        own = min(joinable, key=_preference)
        self.units.merge(own.unit, unit)
        self._join(node, own)
        own.depth = max(own.depth, *(1 + g.depth for g in producers if g is not own), 0)
        for other in joinable:
            if other is not own and self._may_merge(own, other):
                self._merge(own, other)

    def _siblings(self, node: Node, nodes: Sequence[Node]) -> list[Group]:
        """Groups that reduce the same rows as ``node``, of an array that its loops, ``nodes``, read as well."""
        rows = self.joining.rows(node)
        if rows is None:
            return []
        readers = {u for v in self.groups.inputs(nodes) for u in self._open_readers(v)}
        in_order = sorted(readers, key=self.groups.position.__getitem__)  # the same in every process
        return [self.group[u] for u in in_order if self.group[u].rows == rows]

    def _note(self, group: Group, nodes: Sequence[Node]) -> None:
        """``nodes`` are in the group now."""
        for node in nodes if group.rows else ():
            for value in self.groups.inputs([node]):
                self.reading.setdefault(value, []).append(node)

    def _open_readers(self, value: Value) -> Iterable[Node]:
        """The first reader in each group over rows that is not full. Others are forgotten: of an array that thousands
        reduce, all would be looked at for each."""
        of_group: dict[Group, Node] = {}
        for node in self.reading.get(value, ()):
            if len(self.group[node].nodes) < self.most:
                of_group.setdefault(self.group[node], node)
        found = list(of_group.values())
        if value in self.reading:
            self.reading[value] = found
        return found

    def _may_join(self, node: Node, unit: Unit, group: Group) -> bool:
        reason = self.joining.apart(node, group) or ("" if self.units.may_merge(group.unit, unit) else CIRCLE)
        if reason:
            self.reasons[node, group.nodes[0]] = reason
        return not reason

    def _may_merge(self, own: Group, other: Group) -> bool:
        may = self.units.may_merge(own.unit, other.unit)
        reason = self.joining.unmerged(own, other) if may else CIRCLE
        if reason:
            self.reasons[own.nodes[-1], other.nodes[0]] = reason
        return not reason

    def _join(self, node: Node, group: Group) -> None:
        group.nodes.append(node)
        self.group[node] = group
        had_rows = group.rows is not None
        if is_reduction(node) and group.root is None:
            group.root, group.rows = node, self.joining.rows(node)
        elif is_reduction(node) and group.rows is None:
            group.second = node
        if group.second is None and group.rows is None:
            group.shape = node.results[0].type.shape
        self._note(group, [node] if had_rows else group.nodes)

    def _merge(self, own: Group, other: Group) -> None:
        self.units.merge(own.unit, other.unit)
        own.nodes = sorted({*own.nodes, *other.nodes}, key=self.groups.position.__getitem__)
        own.depth = max(own.depth, other.depth)
        for node in other.nodes:
            self.group[node] = own
        self._note(own, other.nodes if other.rows is None else ())


def _preference(group: Group) -> tuple[int, int]:
    """Who takes a consumer of several groups: the least. Results of a contraction are the most to keep from memory;
    of others the one that has to wait for the most takes it, so that the rest need not."""
    return ("contract", "reduce", "loop", "attention").index(group.kind), -group.depth
