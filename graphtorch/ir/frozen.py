"""What of a graph depends on frozen parameters alone, and the graph cut in two there.

A "frozen" parameter is state that stays as it is from call to call (the weights of a model in inference), until the
caller says otherwise. What depends on such parameters and on constants alone is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphtorch.ir.graph import Builder, Graph, Node, Param, Value

#: cost nothing where they are read, and memory where their result is kept
VIEWS = frozenset(["broadcast_to", "permute", "reshape"])


@dataclass(frozen=True)
class Frozen:
    """``once`` takes the frozen parameters numbered ``params``; its outputs are the last parameters of ``graph``."""

    once: Graph
    graph: Graph
    params: tuple[int, ...]


def frozen_values(graph: Graph) -> set[Value]:
    """Values that frozen parameters and constants determine."""
    found: set[Value] = {p for p in graph.params if p.role == "frozen"}
    for node in graph.nodes:
        if all(o in found for o in node.operands):
            found.update(node.results)
    return found


def split_frozen(graph: Graph) -> Frozen:
    """``graph`` cut in two; ``once`` has no outputs where nothing can be computed beforehand."""
    known = frozen_values(graph)
    needed = _boundary(graph, known)
    params = [p for p in graph.params if p.role == "frozen"]
    once, env = _copy(f"{graph.name}_once", params, _ancestors(graph, needed))
    once.outputs = [env[v] for v in needed]
    late = set(_ancestors(graph, [*graph.outputs, *graph.updates.values()], stop=needed))
    kept = [Param(f"once{i}", v.type, "frozen") for i, v in enumerate(needed)]
    main, env = _copy(
        graph.name, graph.params, [n for n in graph.nodes if n in late], dict(zip(needed, kept, strict=True))
    )
    main.params += kept
    main.outputs = [env[o] for o in graph.outputs]
    main.updates = {env[p]: env[v] for p, v in graph.updates.items()}  # type: ignore[misc]
    return Frozen(once, main, tuple(graph.params.index(p) for p in params))


def _boundary(graph: Graph, known: set[Value]) -> list[Value]:
    """Known values to keep: those that cost something, and that other nodes or the results read."""
    computed: set[Value] = set()  # from a frozen parameter, and not for free
    for node in graph.nodes:
        if node.result in known and node.operands and node.op.name not in VIEWS and _reads_state(node, known):
            computed.update(node.results)
    readers = [o for n in graph.nodes if n.result not in known for o in n.operands]
    stack = [*readers, *graph.outputs, *graph.updates.values()]
    found: dict[Value, None] = {}
    while stack:
        value = stack.pop(0)
        if value in computed:
            found[value] = None
        elif value in known and value.node is not None:
            stack += value.node.operands
    return list(found)


def _reads_state(node: Node, known: set[Value]) -> bool:
    """Whether a frozen parameter is behind it, and not constants alone."""
    stack, seen = [node], {node}
    while stack:
        for o in stack.pop().operands:
            if isinstance(o, Param):
                return True
            if o.node is not None and o.node not in seen:
                seen.add(o.node)
                stack.append(o.node)
    return False


def _ancestors(graph: Graph, values: Sequence[Value], stop: Sequence[Value] = ()) -> list[Node]:
    """What computes ``values``, in order; nothing beyond ``stop``."""
    found: set[Node] = set()
    stack = [v for v in values if v not in stop]
    while stack:
        node = stack.pop().node
        if node is not None and node not in found:
            found.add(node)
            stack += [o for o in node.operands if o not in stop]
    return [n for n in graph.nodes if n in found]


def _copy(
    name: str, params: Sequence[Param], nodes: Sequence[Node], env: dict[Value, Value] | None = None
) -> tuple[Graph, dict[Value, Value]]:
    """A graph of copies, and which copy stands for what; ``env`` has what is known beforehand."""
    out = Graph(name)
    env = dict(env or {})
    for p in params:
        copy = Param(p.name, p.type, p.role, p.label)
        env[p] = copy
        out.params.append(copy)
    with Builder(out) as builder:
        for node in nodes:
            env.update(zip(node.results, builder.clone(node, [env[o] for o in node.operands]), strict=True))
    return out, env
