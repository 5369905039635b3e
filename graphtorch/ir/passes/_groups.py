"""Groups of nodes that become kernels, and the graph of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from graphtorch.ir.control_flow import is_control_flow
from graphtorch.ir.fusible import ATTENTION, CLOSED, CONTRACTIONS, is_free, is_reduction
from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.loc import Loc
from graphtorch.ir.ops.fusion import fusion
from graphtorch.ir.passes._units import Unit
from graphtorch.ir.rows import Rows


class Group:
    """Nodes that become one kernel.

    ``root`` is its reduction, if it has one, ``second`` that of its results; where it has any number of plain ones,
    ``rows`` is what they go over.
    """

    def __init__(self, node: Node, unit: Unit) -> None:
        self.unit = unit
        self.nodes: list[Node] = [node]
        self.root: Node | None = node if is_reduction(node) else None
        self.second: Node | None = None
        self.rows: Rows | None = None
        self.shape = node.results[0].type.shape
        #: kernels in a row up to this one, roughly
        self.depth = 1

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the elementwise nodes that may join: they read the root's results, or the second reduction's."""
        return (self.shape,) if self.second is None else (self.shape, self.second.results[0].type.shape)

    @property
    def is_closed(self) -> bool:
        """Whether nothing that reads its results joins."""
        return self.nodes[-1].op.name in CLOSED

    @property
    def kind(self) -> str:
        if self.nodes[-1].op.name in ATTENTION:
            return "attention"
        if self.root is None:
            return "loop"
        return "contract" if self.root.op.name in CONTRACTIONS else "reduce"


class Groups:
    """Which group each node of ``graph`` is in. Nodes in none are names of memory (reshapes), control flow, or
    free: computed by every kernel that reads them, as are those ``recomputed``."""

    def __init__(self, graph: Graph, recomputed: frozenset[Node] = frozenset()) -> None:
        self.graph, self.recomputed = graph, recomputed
        self.of: dict[Node, Group] = {}
        self.uses = graph.uses()
        self.kept = set(graph.results())
        self.position = {n: i for i, n in enumerate(graph.nodes)}
        self._free: dict[Node, bool] = {}

    def is_free(self, node: Node) -> bool:
        """Whether no kernel is to store it: free nodes are computed by their readers, if nobody needs the memory."""
        if node not in self._free:
            wanted = node.results[0] in self.kept
            free = is_free(node) or node in self.recomputed
            self._free[node] = free and not wanted and all(map(self._inlines, self.uses[node.results[0]]))
        return self._free[node]

    def _inlines(self, user: Node) -> bool:
        return not is_control_flow(user) and (user.op.name != "reshape" or self.is_free(user))

    def sources(self, node: Node) -> Iterator[tuple[Node, bool]]:
        """Nodes with memory that it reads; whether by way of free nodes that move elements."""
        pending = [(o.node, False) for o in node.operands]
        while pending:
            source, through = pending.pop()
            if source is None:
                continue
            if source not in self.of and self.is_free(source):
                pending += [(o.node, through or not source.op.elementwise) for o in source.operands]
            else:
                yield source, through

    def inputs(self, nodes: Iterable[Node]) -> set[Value]:
        """What other kernels store, or callers give, and these read, by way of free nodes as well."""
        members, found = set(nodes), set()
        pending = [o for n in members for o in n.operands]
        while pending:
            value = pending.pop()
            node = value.node
            if node is not None and node not in self.of and self.is_free(node):
                pending += node.operands
            elif node not in members:
                found.add(value)
        return found

    def users(self, value: Value) -> list[Node]:
        """Readers, with free nodes replaced by theirs: that is where they are computed."""
        found: list[Node] = []
        for user in self.uses[value]:
            if user not in self.of and self.is_free(user):
                found += self.users(user.result)
            else:
                found.append(user)
        return found

    def is_read(self, value: Value, members: set[Node]) -> bool:
        """Whether any other than ``members`` needs the value in memory."""
        return value in self.kept or any(u not in members for u in self.users(value))

    def with_free(self, nodes: Iterable[Node]) -> list[Node]:
        """``nodes`` and the free ones that they read, in order."""
        found: set[Node] = set(nodes)
        stack = list(found)
        while stack:
            for operand in stack.pop().operands:
                node = operand.node
                if node is not None and node not in found and node not in self.of and self.is_free(node):
                    found.add(node)
                    stack.append(node)
        return sorted(found, key=self.position.__getitem__)

    def in_order(self) -> list[Group | Node]:
        """Groups and names of memory so that what they read comes before; original order among the ready.

        It keeps a stack of its own: a group whose members stand far apart waits for all that is between them."""
        begun: set[Group | Node] = set()
        order: list[Group | Node] = []
        waiting: list[tuple[Group | Node, Iterator[Node]]] = []

        def begin(node: Node) -> None:
            step = self.of.get(node, node)
            if step not in begun:
                begun.add(step)
                waiting.append((step, self._read_by(step)))

        for node in self.graph.nodes:
            if node in self.of or not self.is_free(node):
                begin(node)
            while waiting:
                source = next(waiting[-1][1], None)
                if source is not None:
                    begin(source)
                else:
                    order.append(waiting.pop()[0])
        return order

    def _read_by(self, step: Group | Node) -> Iterator[Node]:
        for member in step.nodes if isinstance(step, Group) else [step]:
            for source, _ in self.sources(member):
                yield source


def fused(groups: Groups) -> Graph:
    """The graph with a fusion for each group."""
    graph = groups.graph
    out = Graph(graph.name)
    env: dict[Value, Value] = {}
    for p in graph.params:
        env[p] = Param(p.name, p.type, p.role, p.label)
        out.params.append(env[p])  # type: ignore[arg-type]
    with Builder(out) as builder:
        for step in groups.in_order():
            if isinstance(step, Group):
                _emit(step, groups, env, builder)
            else:
                with builder.at(step.locs):
                    env.update(zip(step.results, builder.clone(step, [env[o] for o in step.operands]), strict=True))
    out.outputs = [env[o] for o in graph.outputs]
    out.updates = {env[p]: env[v] for p, v in graph.updates.items()}  # type: ignore[misc]
    return out


def _emit(group: Group, groups: Groups, env: dict[Value, Value], builder: Builder) -> None:
    nodes = groups.with_free(group.nodes)
    members = set(nodes)
    inputs = list(dict.fromkeys(o for n in nodes for o in n.operands if o.node not in members))
    own = set(group.nodes)
    outputs = [r for n in nodes if n in own for r in n.results if groups.is_read(r, own)]
    if not outputs:
        return
    body, locs = _body(nodes, inputs, outputs)
    made = Node(fusion, [env[i] for i in inputs], {"kind": group.kind}, [o.type for o in outputs], locs, body)
    env.update(zip(outputs, builder.append(made).results, strict=True))


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
