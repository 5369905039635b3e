"""fuse: group nodes into kernels.

A group has one reduction at most, its root, but for the exception below. Injective producers (elementwise ops, and
movement such as broadcasts and slices) are inlined into the one group that reads them, or into every reader when they
are free (constants, broadcasts, casts, iota). Elementwise consumers of the root's shape join as its
epilogue. Loops over one shape that read the same inputs become one kernel of several outputs.

A contraction may have a second reduction, of rows or of windows of its results, such as pooling: a task then reduces
what it has just computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.loc import Loc
from graphtorch.ir.ops.fusion import fusion
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.passes._units import Unit, Units

#: one element of the result reads one element of each operand: may be inlined into a reader
INJECTIVE = frozenset(
    ["broadcast_to", "permute", "slice", "pad", "cat", "iota", "one_hot", "random_uniform", "max_pool2d_gather"]
)
#: cost nothing to compute again in every reader
FREE = frozenset(["constant", "broadcast_to", "cast", "iota", "one_hot", "detach", "clone", "permute"])
CONTRACTIONS = frozenset(["dot", "conv", "conv_input_grad", "conv_weight_grad"])
#: little enough to compute for each time that a contraction stages its operand
CHEAP = frozenset(
    "add sub mul div neg abs relu where maximum minimum cast".split()
    + "eq ne lt le gt ge logical_and logical_or logical_not".split()
)
#: results of a contraction that are reduced to one by the task that computes them, at most
MOST_TOGETHER = 256
REDUCTIONS = CONTRACTIONS | frozenset(["reduce_sum", "reduce_max", "reduce_min", "reduce_argmax", "max_pool2d"])


def is_reduction(node: Node) -> bool:
    """Whether the node's lowering has a domain to combine over."""
    if node.op.name == "max_pool2d_grad":
        a = node.attrs
        return not (a["stride"] == a["kernel"] and a["padding"] == (0, 0) and a["dilation"] == (1, 1))
    return node.op.name in REDUCTIONS


def is_local(node: Node) -> bool:
    """Whether it reduces rows, or windows that share no elements and end inside, and a task can compute all of one."""
    results, elements = node.results[0].type.numel, node.operands[0].type.numel
    if not results < elements <= results * MOST_TOGETHER:
        return False
    if node.op.name in ("reduce_sum", "reduce_max", "reduce_min"):
        return True
    a: dict[str, Any] = node.attrs
    if node.op.name != "max_pool2d" or a["padding"] != (0, 0):
        return False
    sizes = zip(node.operands[0].type.shape[2:], node.results[0].type.shape[2:], strict=True)
    spans = [d * (k - 1) + 1 for k, d in zip(a["kernel"], a["dilation"], strict=True)]
    every = zip(sizes, spans, a["stride"], strict=True)
    return all(span <= step and (out - 1) * step + span <= n for (n, out), span, step in every)


def is_injective(node: Node) -> bool:
    return (
        node.op.elementwise
        or node.op.name in INJECTIVE
        or (node.op.name == "max_pool2d_grad" and not is_reduction(node))
    )


@dataclass(frozen=True)
class Fuse:
    """``max_ops`` bounds the nodes of one group; contractions take ``prologues``, elementwise work on an operand, and
    ``chains``, a reduction of their results."""

    max_ops: int = 64
    prologues: bool = True
    chains: bool = True
    name: ClassVar[str] = "fuse"

    def run(self, graph: Graph) -> Graph:
        return _Fuser(graph, self).run()


class _Group:
    """Nodes that become one kernel; ``root`` is its reduction, if it has one, and ``second`` that of its results."""

    def __init__(self, node: Node, shape: tuple[int, ...], unit: Unit) -> None:
        self.unit = unit
        self.nodes: list[Node] = [node]
        self.root: Node | None = node if is_reduction(node) else None
        self.second: Node | None = None
        self.shape = shape

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the elementwise nodes that may join: they read the root's results, or the second reduction's."""
        return (self.shape,) if self.second is None else (self.shape, self.second.results[0].type.shape)


class _Fuser:
    def __init__(self, graph: Graph, options: Fuse) -> None:
        self.graph, self.options = graph, options
        self.uses = graph.uses()
        self.kept = set(graph.results())
        self.updated = set(graph.updates.values())
        self.position = {n: i for i, n in enumerate(graph.nodes)}
        self.group: dict[Node, _Group] = {}
        self.units = Units()
        #: of reshapes and of free nodes, which are in no group
        self.own_unit: dict[Node, Unit] = {}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            sources = [o.node for o in node.operands if o.node is not None]
            unit = self.units.add(self.group[s].unit if s in self.group else self.own_unit[s] for s in sources)
            if node.op is reshape or self._inlined_everywhere(node):
                self.own_unit[node] = unit
            else:
                self._place(node, unit)
        return self._build()

    # ---- grouping ----

    def _inlined_everywhere(self, node: Node) -> bool:
        """Free nodes have no kernel of their own unless someone needs them in memory."""
        if node.op.name not in FREE or node.result in self.kept:
            return False
        return all(user.op is not reshape for user in self.uses[node.result])

    def _place(self, node: Node, unit: Unit) -> None:
        """Join the group of a producer if that is sound and useful, else begin one."""
        producers = dict.fromkeys(self.group[o.node] for o in node.operands if o.node in self.group)
        joinable = [g for g in producers if self._may_join(node, g) and self.units.may_merge(g.unit, unit)]
        if not joinable:
            self.group[node] = _Group(node, self._shape(node), unit)
            return
        own = next((g for g in joinable if g.root), joinable[0])
        self.units.merge(own.unit, unit)
        own.nodes.append(node)
        if is_reduction(node) and own.root:
            own.second = node
        elif is_reduction(node):
            own.root = node
        if own.second is None:
            own.shape = self._shape(node)
        self.group[node] = own
        for other in joinable:
            if other is not own and self._may_merge(own, other):
                self._merge(own, other)

    def _may_merge(self, own: _Group, other: _Group) -> bool:
        """Whether two producers of one node become one kernel: elementwise work that stands beside the group's root."""
        if other.root or len(own.nodes) + len(other.nodes) > self.options.max_ops:
            return False
        plain = all(n.op.elementwise and self._shape(n) in own.shapes for n in other.nodes)
        plain = plain and (own.second is None or not any(n.result in self.updated for n in other.nodes))
        return plain and self.units.may_merge(own.unit, other.unit)

    def _merge(self, own: _Group, other: _Group) -> None:
        self.units.merge(own.unit, other.unit)
        own.nodes = sorted({*own.nodes, *other.nodes}, key=self.position.__getitem__)
        for node in other.nodes:
            self.group[node] = own

    @staticmethod
    def _shape(node: Node) -> tuple[int, ...]:
        return node.results[0].type.shape

    def _may_join(self, node: Node, group: _Group) -> bool:
        if len(group.nodes) >= self.options.max_ops:
            return False
        if group.root and is_local(node):
            return self._may_be_second(node, group, group.root)
        if node.op.name in CONTRACTIONS:
            return self._may_be_prologue(group, node)
        if is_reduction(node):
            return group.root is None and self._private(group, node)
        if not is_injective(node):
            return False
        if node.op.elementwise and self._shape(node) in group.shapes:
            # results of two shapes are not written in place
            return group.second is None or node.result not in self.updated
        # A producer that is read at other indices is inlined only where nobody else needs it.
        return group.root is None and self._private(group, node)

    def _may_be_prologue(self, group: _Group, node: Node) -> bool:
        """Elementwise work on an operand that a contraction alone reads is done where that is staged."""
        if not self.options.prologues or group.root or not all(n.op.name in CHEAP for n in group.nodes):
            return False
        return all(self._shape(n) == group.shape for n in group.nodes) and self._private(group, node)

    def _may_be_second(self, node: Node, group: _Group, root: Node) -> bool:
        """A pooling reads results of a contraction while they are in the cache, and may find them as they are, or cheap
        to compute again; any other reduction joins if it alone needs them, so that they are in no memory."""
        if not self.options.chains or group.second or not self._in_blocks(root):
            return False
        members, results = {*group.nodes, node}, [r for n in (*group.nodes, node) for r in n.results]
        if any(r in self.updated for r in results) or not self._depends(node, root, group):
            return False
        alone = self._private(group, node)
        cheap = all(n is root or n.op.name in CHEAP for n in group.nodes)
        shared = any(self._is_read(o, members) for o in node.operands)
        return alone or (node.op.name == "max_pool2d" and (cheap or not shared))

    @staticmethod
    def _in_blocks(root: Node) -> bool:
        """Whether tasks compute blocks of the contraction's results in the order of its loops."""
        strided = root.op.name == "conv_input_grad" and any(s != 1 for s in root.attrs["stride"])  # type: ignore[union-attr]
        return root.op.name in CONTRACTIONS and root.attrs.get("groups", 1) == 1 and not strided

    @staticmethod
    def _depends(node: Node, root: Node, group: _Group) -> bool:
        """Whether ``node`` reads ``root``, by way of the group's nodes."""
        members, found, pending = set(group.nodes), {node}, [node]
        while pending:
            sources = {o.node for o in pending.pop().operands if o.node in members} - found
            found |= sources
            pending += sources
        return root in found

    def _is_read(self, value: Value, members: set[Node]) -> bool:
        """Whether any other than ``members`` needs the value in memory."""
        return value in self.kept or any(u not in members for u in self._users(value))

    def _private(self, group: _Group, reader: Node) -> bool:
        """Whether everything in the group is read by the group or by ``reader`` alone."""
        members = {*group.nodes, reader}
        values = [r for n in group.nodes for r in n.results]
        return not any(self._is_read(v, members) for v in values)

    def _users(self, value: Value) -> list[Node]:
        """Readers, with free nodes replaced by theirs: that is where they are computed."""
        found: list[Node] = []
        for user in self.uses[value]:
            if user.op is not reshape and user not in self.group and self._inlined_everywhere(user):
                found += self._users(user.result)
            else:
                found.append(user)
        return found

    # ---- building ----

    def _build(self) -> Graph:
        out = Graph(self.graph.name)
        env: dict[Value, Value] = {}
        for p in self.graph.params:
            env[p] = Param(p.name, p.type, p.role, p.label)
            out.params.append(env[p])  # type: ignore[arg-type]
        with Builder(out) as builder:
            for step in self._order():
                self._emit(step, env, builder)
        out.outputs = [env[o] for o in self.graph.outputs]
        out.updates = {env[p]: env[v] for p, v in self.graph.updates.items()}  # type: ignore[misc]
        return out

    def _order(self) -> list[_Group | Node]:
        """Groups and reshapes so that what they read comes before; original order among the ready."""
        done: set[int] = set()
        order: list[_Group | Node] = []

        def visit(node: Node) -> None:
            step: _Group | Node = self.group.get(node, node)
            if id(step) in done:
                return
            done.add(id(step))
            members = step.nodes if isinstance(step, _Group) else [step]
            for member in members:
                for source in [o.node for o in member.operands if o.node is not None]:
                    visit(source)
            if isinstance(step, _Group) or step.op is reshape:
                order.append(step)

        for node in self.graph.nodes:
            if node in self.group or node.op is reshape:
                visit(node)
        return order

    def _emit(self, step: _Group | Node, env: dict[Value, Value], builder: Builder) -> None:
        if isinstance(step, Node):
            with builder.at(step.locs):
                env[step.result] = builder.clone(step, [env[step.operands[0]]])[0]
            return
        nodes = self._with_free(step)
        members = set(nodes)
        inputs: list[Value] = []
        for node in nodes:
            inputs += [o for o in node.operands if o.node not in members and o not in inputs]
        outputs = [r for n in nodes if n in step.nodes for r in n.results if self._escapes(r, step)]
        if not outputs:
            return
        body, locs = _body(nodes, inputs, outputs)
        kind = "loop" if step.root is None else "contract" if step.root.op.name in CONTRACTIONS else "reduce"
        made = Node(fusion, [env[i] for i in inputs], {"kind": kind}, [o.type for o in outputs], locs, body)
        env.update(zip(outputs, builder.append(made).results, strict=True))

    def _escapes(self, value: Value, group: _Group) -> bool:
        return value in self.kept or any(self.group.get(u) is not group for u in self._users(value))

    def _with_free(self, group: _Group) -> list[Node]:
        """The group's nodes and the free ones that they read, in order."""
        found: set[Node] = set(group.nodes)
        stack = list(group.nodes)
        while stack:
            for operand in stack.pop().operands:
                node = operand.node
                if node is not None and node not in found and node not in self.group and node.op is not reshape:
                    found.add(node)
                    stack.append(node)
        return sorted(found, key=self.position.__getitem__)


def _body(nodes: Sequence[Node], inputs: Sequence[Value], outputs: Sequence[Value]) -> tuple[Graph, tuple[Loc, ...]]:
    body = Graph("body")
    env: dict[Value, Value] = {}
    for index, value in enumerate(inputs):
        env[value] = Param(f"a{index}", value.type)
        body.params.append(env[value])  # type: ignore[arg-type]
    locs: dict[Loc, None] = {}
    with Builder(body) as builder:
        for node in nodes:
            locs.update(dict.fromkeys(node.locs))
            made = builder.clone(node, [env[o] for o in node.operands])
            env.update(zip(node.results, made, strict=True))
    body.outputs = [env[o] for o in outputs]
    return body, tuple(locs)
