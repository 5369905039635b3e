"""Who may be one kernel: each rule gives the reason why not, or nothing where it may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from graphtorch.ir.dim import example, same
from graphtorch.ir.fusible import (
    ATTENTION,
    CHEAP,
    CLOSED,
    CONTRACTIONS,
    DRAWS,
    INJECTIVE,
    MOST_JOINED,
    is_injective,
    is_local,
    is_reduction,
)
from graphtorch.ir.graph import Node, Value
from graphtorch.ir.passes._groups import Group, Groups
from graphtorch.ir.rows import Rows, is_of, passes_before, rows_of

#: a kernel with less than so many elements in so few rows runs on one thread anyway, or would have too few tasks
FEW_ROWS, FEW_ELEMENTS = 8, 16_384
#: rows whose elements are far apart are read a piece at a time, which has to stay in the cache until the next pass
LONGEST_SPREAD_ROW = 512

#: the reasons
MAY = ""
FULL = "a kernel has as many ops as it may have"
CLOSED_KERNEL = "nothing joins a kernel of attention, of a sort, or one that writes where indices say"
MOVED = "attention computes nothing of an operand: only what moves its elements, for it alone, joins"
BENDS = "its elements are read at other indices"
SHARED = "others read it as well, so it is in memory anyway"
REDUCED = "a reduction has to be done before its results are read at other elements"
TWO_REDUCTIONS = "one kernel reduces once, or reduces rows, or windows of a product's blocks"
NO_MOVE = "it is read more than once for each element that is computed"
DEAR = "a product would compute it for each tile: it takes only what is cheap"
NOT_BLOCKS = "the product's blocks do not hold what is reduced"
OTHER_SHAPES = "an update of another shape than the product cannot be written in place"
NOTHING_SHARED = "they read nothing in common"
SWITCHED_OFF = "the pass has it switched off"
WIDE = "each element would be chosen among too many arrays"
CIRCLE = "each would have to wait for the other"


class Options(Protocol):
    """What of the pass's options the rules ask for."""

    @property
    def max_ops(self) -> int: ...
    @property
    def prologues(self) -> bool: ...
    @property
    def chains(self) -> bool: ...
    @property
    def rows(self) -> bool: ...
    @property
    def longest_row(self) -> int: ...


class Joining:
    """The rules, over ``groups`` as they are; ``options`` are those of the pass."""

    def __init__(self, groups: Groups, options: Options, updated: set[Value]) -> None:
        self.groups, self.options, self.updated = groups, options, updated

    def rows(self, node: Node) -> Rows | None:
        """What ``node`` reduces, if kernels are to go over such rows."""
        found, longest = rows_of(node) if self.options.rows else None, self.options.longest_row
        if found and longest and not (found.dense and found.length <= longest):
            return None
        return found

    # ---- a node and the group of a producer ----

    def apart(self, node: Node, group: Group) -> str:
        """Why ``node`` does not join the group, whose results it reads."""
        if len(group.nodes) >= self.options.max_ops:
            return FULL
        if _joined([*group.nodes, node]) > MOST_JOINED:
            return WIDE
        if group.is_closed:
            return CLOSED_KERNEL
        if node.op.name in CLOSED:
            return self._moved(group, node) if node.op.name in ATTENTION else CLOSED_KERNEL
        rows = group.rows or (self.rows(node) if group.root is None else None)
        if rows and (is_reduction(node) or is_of(node.results[0], rows)) and self._are_rows([*group.nodes, node], rows):
            return MAY  # also by way of free nodes: `passes_before` has seen what they read
        if node.op.name in CONTRACTIONS:
            return self._prologue(group, node)
        return BENDS if self._bends([node], group) else self._follower(node, group)

    def _follower(self, node: Node, group: Group) -> str:
        if group.root and group.rows is None and is_local(node):
            return self._second(node, group, group.root)
        if is_reduction(node):
            return TWO_REDUCTIONS if group.root else self._private(group, node)
        if not is_injective(node):
            return NO_MOVE
        if node.op.elementwise and node.results[0].type.shape in group.shapes and group.rows is None:
            # results of two shapes are not written in place
            return OTHER_SHAPES if group.second and node.result in self.updated else MAY
        # A producer that is read at other indices is inlined only where nobody else needs it.
        return REDUCED if group.root else self._private(group, node)

    def _prologue(self, group: Group, node: Node) -> str:
        """Elementwise work on an operand that a contraction alone reads is done where that is staged."""
        if not self.options.prologues:
            return SWITCHED_OFF
        if group.root:
            return TWO_REDUCTIONS
        cheap = all(n.op.name in CHEAP and same(n.results[0].type.shape, group.shape) for n in group.nodes)
        if not cheap or any(n.op.name in DRAWS for n in self.groups.with_free(group.nodes)):
            return DEAR
        return self._private(group, node)

    def _moved(self, group: Group, node: Node) -> str:
        """Attention reads operands where these lie."""
        moves = self.options.prologues and all(n.op.name in INJECTIVE for n in group.nodes)
        return MOVED if not moves or self._private(group, node) else MAY

    def _second(self, node: Node, group: Group, root: Node) -> str:
        """A pooling reads results of a contraction while they are in the cache, and may find them as they are, or cheap
        to compute again; any other reduction joins if it alone needs them, so that they are in no memory."""
        if not self.options.chains:
            return SWITCHED_OFF
        if group.second or not _in_blocks(root) or not _depends(node, root, group):
            return TWO_REDUCTIONS if group.second else NOT_BLOCKS
        members, results = {*group.nodes, node}, [r for n in (*group.nodes, node) for r in n.results]
        if any(r in self.updated for r in results):
            return OTHER_SHAPES
        if node.op.name not in ("max_pool", "window_sum"):
            return self._private(group, node)
        cheap = all(n is root or n.op.name in CHEAP for n in group.nodes)
        shared = any(self.groups.is_read(o, members) for o in node.operands)
        return self._private(group, node) if shared and not cheap else MAY

    def _private(self, group: Group, *readers: Node) -> str:
        """Whether everything in the group is read by the group or by ``readers`` alone."""
        members = {*group.nodes, *readers}
        return SHARED if any(self.groups.is_read(r, members) for n in group.nodes for r in n.results) else MAY

    def _bends(self, nodes: Sequence[Node], group: Group) -> bool:
        """Whether any of ``nodes`` reads the group by way of free nodes, and so perhaps at other elements."""
        return any(through and self.groups.of.get(s) is group for n in nodes for s, through in self.groups.sources(n))

    # ---- two groups that one node reads ----

    def unmerged(self, own: Group, other: Group) -> str:
        """Why two producers of one node, which has joined ``own``, do not become one kernel."""
        if len(own.nodes) + len(other.nodes) > self.options.max_ops:
            return FULL
        if _joined([*own.nodes, *other.nodes]) > MOST_JOINED:
            return WIDE
        if own.is_closed or other.is_closed:
            return self._moved(other, own.nodes[-1]) if own.nodes[-1].op.name in ATTENTION else CLOSED_KERNEL
        if own.rows and (other.root is None or other.rows == own.rows):
            if other.root and not self._share(own, other):
                return NOTHING_SHARED
            return MAY if self._are_rows([*own.nodes, *other.nodes], own.rows) else TWO_REDUCTIONS
        if other.root:
            return TWO_REDUCTIONS
        if own.root and own.root.op.name in CONTRACTIONS and not self._prologue(other, own.root):
            return MAY
        return MAY if self._stands_beside(own, other) or self._is_inlined(own, other) else BENDS

    def _share(self, own: Group, other: Group) -> bool:
        """Whether one kernel would read something once that two read twice. If not, let others join either."""
        return not self.groups.inputs(own.nodes).isdisjoint(self.groups.inputs(other.nodes))

    def _stands_beside(self, own: Group, other: Group) -> bool:
        """Whether ``other`` is elementwise work beside the root of ``own``."""
        plain = all(n.op.elementwise and n.results[0].type.shape in own.shapes for n in other.nodes)
        plain = plain and (own.second is None or not any(n.result in self.updated for n in other.nodes))
        return plain and not self._bends(own.nodes, other) and not self._bends(other.nodes, own)

    def _is_inlined(self, own: Group, other: Group) -> bool:
        """Whether loops alone read what ``other`` moves or computes, and have it where they read it."""
        return own.root is None and not self._private(other, *own.nodes)

    # ---- rows ----

    def _are_rows(self, nodes: Sequence[Node], rows: Rows) -> bool:
        """Whether one kernel that goes through rows can compute all these, and store what others need."""
        if any(is_reduction(n) and rows_of(n) != rows for n in nodes):
            return False
        found = passes_before(self.groups.with_free(nodes), rows)
        members = set(nodes)
        stored = [r for n in nodes for r in n.results if self.groups.is_read(r, members)]
        if found is None or not all(is_of(r, rows) for r in stored):
            return False
        single = max(found.values()) <= 1 and not any(same(r.type.shape, rows.shape) for r in stored)
        return single or _has_tasks(rows)


def _has_tasks(rows: Rows) -> bool:
    """Whether rows are enough to share, and short or dense enough to be met again in the cache."""
    count, length = example(rows.count), example(rows.length)
    if count * length <= FEW_ELEMENTS:
        return True
    return count >= FEW_ROWS and (rows.dense or length <= LONGEST_SPREAD_ROW)


def _in_blocks(root: Node) -> bool:
    """Whether tasks compute blocks of the contraction's results in the order of its loops."""
    strided = root.op.name == "conv_input_grad" and any(s != 1 for s in root.attrs["stride"])  # type: ignore[union-attr]
    return root.op.name in CONTRACTIONS and root.attrs.get("groups", 1) == 1 and not strided


def _depends(node: Node, root: Node, group: Group) -> bool:
    """Whether ``node`` reads ``root``, by way of the group's nodes."""
    members, found, pending = set(group.nodes), {node}, [node]
    while pending:
        sources = {o.node for o in pending.pop().operands if o.node in members} - found
        found |= sources
        pending += sources
    return root in found


def _joined(nodes: Sequence[Node]) -> int:
    """Operands of their cats."""
    return sum(len(n.operands) for n in nodes if n.op.name == "cat")
