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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir.fusible import (
    ATTENTION,
    CHEAP,
    CLOSED,
    CONTRACTIONS,
    INJECTIVE,
    is_injective,
    is_local,
    is_reduction,
)
from graphtorch.ir.graph import Graph, Node
from graphtorch.ir.passes._groups import Group, Groups, fused
from graphtorch.ir.passes._recompute import worth_recomputing
from graphtorch.ir.passes._units import Unit, Units
from graphtorch.ir.rows import Rows, is_of, passes_before, rows_of

#: a kernel with less than so many elements in so few rows runs on one thread anyway, or would have too few tasks
FEW_ROWS, FEW_ELEMENTS = 8, 16_384
#: of looking for what to recompute. Other groups read other things; a third round finds nothing in ResNet18
ROUNDS = 2
#: rows whose elements are far apart are read a piece at a time, which has to stay in the cache until the next pass
LONGEST_SPREAD_ROW = 512


@dataclass(frozen=True)
class Fuse:
    """``max_ops`` bounds the nodes of one group; contractions take ``prologues``, elementwise work on an operand, and
    ``chains``, a reduction of their results; ``rows`` are reduced several times by one kernel, which may store
    elements as well; ``recompute`` lets readers compute what is cheap where storing it would move more bytes."""

    max_ops: int = 64
    prologues: bool = True
    chains: bool = True
    rows: bool = True
    recompute: bool = True
    name: ClassVar[str] = "fuse"

    def run(self, graph: Graph) -> Graph:
        groups = _Fuser(graph, self).groups
        for _ in range(ROUNDS if self.recompute else 0):
            found = groups.recomputed | worth_recomputing(groups)
            if found == groups.recomputed:
                break
            groups = _Fuser(graph, self, found).groups
        return fused(groups)


class _Fuser:
    """Puts each node, in order of execution, into the group of a producer or into one of its own."""

    def __init__(self, graph: Graph, options: Fuse, recomputed: frozenset[Node] = frozenset()) -> None:
        self.groups, self.options = Groups(graph, recomputed), options
        self.group = self.groups.of
        self.updated = set(graph.updates.values())
        self.units = Units()
        #: of names of memory, which are in no group
        self.own_unit: dict[Node, Unit] = {}
        for node in graph.nodes:
            self._add(node)

    def _add(self, node: Node) -> None:
        if self.groups.is_free(node):
            return
        sources = [s for s, _ in self.groups.sources(node)]
        unit = self.units.add(self.group[s].unit if s in self.group else self.own_unit[s] for s in sources)
        if node.op.name == "reshape":
            self.own_unit[node] = unit
        else:
            self._place(node, unit)

    def _place(self, node: Node, unit: Unit) -> None:
        """Join the group of a producer if that is sound and useful, else begin one."""
        producers = dict.fromkeys(self.group[s] for s, _ in self.groups.sources(node) if s in self.group)
        inlined = [n for g in producers if g.root is None for n in g.nodes]
        producers |= dict.fromkeys(self._siblings(node, [*inlined, node]))
        joinable = [g for g in producers if self._may_join(node, g) and self.units.may_merge(g.unit, unit)]
        if not joinable:
            self.group[node] = Group(node, unit)
            self.group[node].rows = self._rows(node)
            self.group[node].depth = 1 + max((g.depth for g in producers), default=0)
            return
        own = min(joinable, key=self._preference)
        self.units.merge(own.unit, unit)
        self._join(node, own)
        own.depth = max(own.depth, *(1 + g.depth for g in producers if g is not own), 0)
        for other in joinable:
            if other is not own and self._may_merge(own, other):
                self._merge(own, other)

    def _siblings(self, node: Node, nodes: Sequence[Node]) -> list[Group]:
        """Groups that reduce the same rows as ``node``, of an array that its loops, ``nodes``, read as well."""
        rows = self._rows(node)
        if rows is None:
            return []
        readers = {u for v in self.groups.inputs(nodes) for u in self.groups.users(v) if u in self.group}
        in_order = sorted(readers, key=self.groups.position.__getitem__)  # the same in every process
        return [self.group[u] for u in in_order if self.group[u].rows == rows]

    def _rows(self, node: Node) -> Rows | None:
        return rows_of(node) if self.options.rows else None

    def _join(self, node: Node, group: Group) -> None:
        group.nodes.append(node)
        self.group[node] = group
        if is_reduction(node) and group.root is None:
            group.root, group.rows = node, self._rows(node)
        elif is_reduction(node) and group.rows is None:
            group.second = node
        if group.second is None and group.rows is None:
            group.shape = node.results[0].type.shape

    def _may_merge(self, own: Group, other: Group) -> bool:
        """Whether two producers of one node become one kernel."""
        if len(own.nodes) + len(other.nodes) > self.options.max_ops or not self.units.may_merge(own.unit, other.unit):
            return False
        if own.is_closed or other.is_closed:
            return own.nodes[-1].op.name in ATTENTION and self._moves_alone(other, own.nodes[-1])
        if own.rows and (other.root is None or (other.rows == own.rows and self._share(own, other))):
            return self._are_rows([*own.nodes, *other.nodes], own.rows)
        if other.root:
            return False
        also = own.root and own.root.op.name in CONTRACTIONS and self._may_be_prologue(other, own.root)
        return bool(also) or self._stands_beside(own, other) or self._is_inlined(own, other)

    def _is_inlined(self, own: Group, other: Group) -> bool:
        """Whether loops alone read what ``other`` moves or computes, and have it where they read it."""
        members = {*own.nodes, *other.nodes}
        return own.root is None and not any(self.groups.is_read(r, members) for n in other.nodes for r in n.results)

    def _share(self, own: Group, other: Group) -> bool:
        """Whether one kernel would read something once that two read twice. If not, let others join either."""
        return not self.groups.inputs(own.nodes).isdisjoint(self.groups.inputs(other.nodes))

    def _stands_beside(self, own: Group, other: Group) -> bool:
        """Whether ``other`` is elementwise work beside the root of ``own``."""
        plain = all(n.op.elementwise and n.results[0].type.shape in own.shapes for n in other.nodes)
        plain = plain and (own.second is None or not any(n.result in self.updated for n in other.nodes))
        return plain and not self._bends(own.nodes, other) and not self._bends(other.nodes, own)

    def _merge(self, own: Group, other: Group) -> None:
        self.units.merge(own.unit, other.unit)
        own.nodes = sorted({*own.nodes, *other.nodes}, key=self.groups.position.__getitem__)
        own.depth = max(own.depth, other.depth)
        for node in other.nodes:
            self.group[node] = own

    def _bends(self, nodes: Sequence[Node], group: Group) -> bool:
        """Whether any of ``nodes`` reads the group by way of free nodes, and so perhaps at other elements."""
        return any(through and self.group.get(s) is group for n in nodes for s, through in self.groups.sources(n))

    # ---- who may join ----

    def _may_join(self, node: Node, group: Group) -> bool:
        if len(group.nodes) >= self.options.max_ops or group.is_closed:
            return False
        if node.op.name in CLOSED:
            return node.op.name in ATTENTION and self._moves_alone(group, node)
        rows = group.rows or (self._rows(node) if group.root is None else None)
        if rows and (is_reduction(node) or is_of(node.results[0], rows)) and self._are_rows([*group.nodes, node], rows):
            return True  # also by way of free nodes: `passes_before` has seen what they read
        if node.op.name in CONTRACTIONS:
            return self._may_be_prologue(group, node)
        return not self._bends([node], group) and self._may_follow(node, group)

    def _may_follow(self, node: Node, group: Group) -> bool:
        if group.root and group.rows is None and is_local(node):
            return self._may_be_second(node, group, group.root)
        if is_reduction(node):
            return group.root is None and self._private(group, node)
        if not is_injective(node):
            return False
        if node.op.elementwise and node.results[0].type.shape in group.shapes and group.rows is None:
            # results of two shapes are not written in place
            return group.second is None or node.result not in self.updated
        # A producer that is read at other indices is inlined only where nobody else needs it.
        return group.root is None and self._private(group, node)

    def _are_rows(self, nodes: Sequence[Node], rows: Rows) -> bool:
        """Whether one kernel that goes through rows can compute all these, and store what others need."""
        if any(is_reduction(n) and rows_of(n) != rows for n in nodes):
            return False
        found = passes_before(self.groups.with_free(nodes), rows)
        members = set(nodes)
        stored = [r for n in nodes for r in n.results if self.groups.is_read(r, members)]
        if found is None or not all(is_of(r, rows) for r in stored):
            return False
        single = max(found.values()) <= 1 and not any(r.type.shape == rows.shape for r in stored)
        return single or self._has_tasks(rows)

    @staticmethod
    def _has_tasks(rows: Rows) -> bool:
        """Whether rows are enough to share, and short or dense enough to be met again in the cache."""
        if rows.count * rows.length <= FEW_ELEMENTS:
            return True
        return rows.count >= FEW_ROWS and (rows.dense or rows.length <= LONGEST_SPREAD_ROW)

    def _may_be_prologue(self, group: Group, node: Node) -> bool:
        """Elementwise work on an operand that a contraction alone reads is done where that is staged."""
        if not self.options.prologues or group.root or not all(n.op.name in CHEAP for n in group.nodes):
            return False
        return all(n.results[0].type.shape == group.shape for n in group.nodes) and self._private(group, node)

    def _moves_alone(self, group: Group, node: Node) -> bool:
        """Whether the group only moves elements, and for ``node`` alone: attention reads operands where these lie."""
        moves = all(n.op.name in INJECTIVE for n in group.nodes)
        return self.options.prologues and moves and self._private(group, node)

    def _may_be_second(self, node: Node, group: Group, root: Node) -> bool:
        """A pooling reads results of a contraction while they are in the cache, and may find them as they are, or cheap
        to compute again; any other reduction joins if it alone needs them, so that they are in no memory."""
        if not self.options.chains or group.second or not self._in_blocks(root):
            return False
        members, results = {*group.nodes, node}, [r for n in (*group.nodes, node) for r in n.results]
        if any(r in self.updated for r in results) or not self._depends(node, root, group):
            return False
        alone = self._private(group, node)
        cheap = all(n is root or n.op.name in CHEAP for n in group.nodes)
        shared = any(self.groups.is_read(o, members) for o in node.operands)
        return alone or (node.op.name == "max_pool2d" and (cheap or not shared))

    @staticmethod
    def _in_blocks(root: Node) -> bool:
        """Whether tasks compute blocks of the contraction's results in the order of its loops."""
        strided = root.op.name == "conv_input_grad" and any(s != 1 for s in root.attrs["stride"])  # type: ignore[union-attr]
        return root.op.name in CONTRACTIONS and root.attrs.get("groups", 1) == 1 and not strided

    @staticmethod
    def _depends(node: Node, root: Node, group: Group) -> bool:
        """Whether ``node`` reads ``root``, by way of the group's nodes."""
        members, found, pending = set(group.nodes), {node}, [node]
        while pending:
            sources = {o.node for o in pending.pop().operands if o.node in members} - found
            found |= sources
            pending += sources
        return root in found

    def _private(self, group: Group, reader: Node) -> bool:
        """Whether everything in the group is read by the group or by ``reader`` alone."""
        members = {*group.nodes, reader}
        return not any(self.groups.is_read(r, members) for n in group.nodes for r in n.results)

    @staticmethod
    def _preference(group: Group) -> tuple[int, int]:
        """Who takes a consumer of several groups: the least. Results of a contraction are the most to keep from memory;
        of others the one that has to wait for the most takes it, so that the rest need not."""
        return ("contract", "reduce", "loop").index(group.kind), -group.depth
