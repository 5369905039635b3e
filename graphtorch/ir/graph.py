"""The Graph IR: static, typed, in SSA form. A graph is a list of nodes in execution order.

State (parameters, optimizer state, running statistics) comes in through ``inout`` parameters; what
they hold when the program ends stands in ``graph.updates``. A training step is one graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from graphtorch.ir import bind
from graphtorch.ir.loc import Loc
from graphtorch.ir.operators import Operators
from graphtorch.ir.types import DType, TensorType

if TYPE_CHECKING:
    import networkx

    from graphtorch.ir.op import Op

Attr = bool | int | float | str | DType | None | tuple[Any, ...]
Role = Literal["in", "const", "inout", "frozen"]


class Value(Operators):
    """The result of a node or a parameter of the graph. Compared and hashed by identity."""

    __slots__ = ("index", "node", "type")

    def __init__(self, type: TensorType, node: Node | None = None, index: int = 0) -> None:
        self.type = type
        self.node = node
        self.index = index

    @property
    def aval(self) -> TensorType:
        return self.type

    def __repr__(self) -> str:
        return f"<Value {self.type} of {self.node.op.name if self.node else 'parameter'}>"


class Param(Value):
    """A parameter of a graph.

    ``role``: "in" is passed at every call, "const" is state that the program reads, "inout" is state
    that it also writes, "frozen" is state that stays as it is until the caller says otherwise. ``label`` is the
    state's qualified name ("model.0.weight").
    """

    __slots__ = ("label", "name", "role")

    def __init__(self, name: str, type: TensorType, role: Role = "in", label: str = "") -> None:
        super().__init__(type)
        self.name = name
        self.role = role
        self.label = label


class Node:
    """An op applied to operands. ``locs`` holds every user line that the node stems from."""

    __slots__ = ("attrs", "body", "locs", "op", "operands", "results")

    def __init__(
        self,
        op: Op,
        operands: Sequence[Value],
        attrs: Mapping[str, Attr],
        types: Sequence[TensorType],
        locs: tuple[Loc, ...] = (),
        body: Graph | None = None,
    ) -> None:
        self.op = op
        self.operands = tuple(operands)
        self.attrs = dict(attrs)
        self.results = tuple(Value(t, self, i) for i, t in enumerate(types))
        self.locs = locs
        self.body = body

    @property
    def result(self) -> Value:
        return self.results[0]

    def __repr__(self) -> str:
        return f"<Node {self.op.name} -> {', '.join(str(r.type) for r in self.results)}>"


@dataclass(eq=False)
class Graph:
    """Parameters, nodes in execution order, outputs, and the new contents of ``inout`` parameters."""

    name: str
    params: list[Param] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    updates: dict[Param, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        from graphtorch.ir.text import print_graph

        return print_graph(self)

    def __eq__(self, other: object) -> bool:
        """Equal structure, types, attributes, names of parameters and locations."""
        return isinstance(other, Graph) and _compared(self) == _compared(other)

    __hash__ = None  # type: ignore[assignment]  # graphs are mutable: not a dictionary key

    def results(self) -> Iterator[Value]:
        """Everything that must still be there at the end: outputs, then updates."""
        yield from self.outputs
        yield from self.updates.values()

    def uses(self) -> dict[Value, list[Node]]:
        """The nodes that read each value, in order (a node once per operand)."""
        found: dict[Value, list[Node]] = {p: [] for p in self.params}
        for node in self.nodes:
            for operand in node.operands:
                found.setdefault(operand, []).append(node)
            for result in node.results:
                found.setdefault(result, [])
        return found

    def save(self, path: str) -> None:
        """Write the text form to ``path``; `graphtorch.ir.text.parse_graph` reads it back."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(str(self))

    def to_networkx(self) -> networkx.MultiDiGraph[Any]:
        """The graph as a networkx object; see `graphtorch.ir.export`."""
        from graphtorch.ir.export import to_networkx

        return to_networkx(self)

    def to_dot(self) -> str:
        """The graph as Graphviz text."""
        from graphtorch.ir.export import to_dot

        return to_dot(self)


def _compared(graph: Graph) -> tuple[object, ...]:
    from graphtorch.ir.sized import examples_of

    return _canonical(graph), examples_of(graph)


def _canonical(graph: Graph) -> tuple[object, ...]:
    """A comparable form: values by number, floats by repr (so that nan equals nan), and types by their text."""
    number: dict[Value, int] = {}
    for value in (*graph.params, *(r for n in graph.nodes for r in n.results)):
        number[value] = len(number)
    params = tuple((p.name, str(p.type), p.role, p.label) for p in graph.params)
    nodes = tuple(
        (
            n.op.name,
            tuple(number[o] for o in n.operands),
            tuple(sorted((k, repr(v)) for k, v in n.attrs.items())),
            tuple(str(r.type) for r in n.results),
            n.locs,
            _canonical(n.body) if n.body else None,
        )
        for n in graph.nodes
    )
    updates = tuple((number[p], number[v]) for p, v in graph.updates.items())
    return graph.name, params, nodes, tuple(number[o] for o in graph.outputs), updates


class Builder(bind.Interpreter):
    """Appends a node for every bound op. ``locs`` is stamped on what is appended.

    Use it as a context manager, so that ops called in the block go to this graph:

        with Builder(graph) as b, b.at(node.locs):
            relu(x)
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.locs: tuple[Loc, ...] = ()

    def __enter__(self) -> Builder:
        bind.push(self)
        return self

    def __exit__(self, *_: object) -> None:
        bind.pop()

    def at(self, locs: tuple[Loc, ...]) -> _At:
        return _At(self, locs)

    def bind(self, op: Op, operands: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[Value, ...]:
        types = op.result_types(operands, attrs)
        return self.append(Node(op, operands, attrs, types, self.locs)).results

    def append(self, node: Node) -> Node:
        self.graph.nodes.append(node)
        return node

    def clone(self, node: Node, operands: Sequence[Value]) -> tuple[Value, ...]:
        """Append ``node`` again over other operands of the same types."""
        types = [r.type for r in node.results]
        return self.append(Node(node.op, operands, node.attrs, types, node.locs, node.body)).results


class _At:
    def __init__(self, builder: Builder, locs: tuple[Loc, ...]) -> None:
        self.builder, self.locs = builder, locs

    def __enter__(self) -> None:
        self.before, self.builder.locs = self.builder.locs, self.locs

    def __exit__(self, *_: object) -> None:
        self.builder.locs = self.before


def ancestors(value: Value) -> set[Value]:
    """``value`` and all that it is computed from."""
    found: set[Value] = set()
    stack = [value]
    while stack:
        v = stack.pop()
        if v not in found:
            found.add(v)
            stack += v.node.operands if v.node else ()
    return found


Rewrite = Callable[[Node, tuple[Value, ...], Builder], Sequence[Value] | None]


def rewrite(graph: Graph, rule: Rewrite) -> Graph:
    """A copy of ``graph`` in which ``rule(node, new_operands, builder)`` may replace each node.

    The rule returns the values that stand for the node's results (it may bind ops, which are then
    appended with the node's locations), or None to keep the node as it is.
    """
    out = Graph(graph.name)
    env: dict[Value, Value] = {}
    for p in graph.params:
        env[p] = Param(p.name, p.type, p.role, p.label)
        out.params.append(env[p])  # type: ignore[arg-type]
    with Builder(out) as builder:
        for node in graph.nodes:
            operands = tuple(env[o] for o in node.operands)
            with builder.at(node.locs):
                new = rule(node, operands, builder)
                results = builder.clone(node, operands) if new is None else new
            env.update(zip(node.results, results, strict=True))
    out.outputs = [env[o] for o in graph.outputs]
    out.updates = {env[p]: env[v] for p, v in graph.updates.items()}  # type: ignore[misc]
    return out
