"""Graphs whose sizes are not known: which names are in them, and the same graph for given sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphtorch.ir.dim import at_sizes, is_dynamic, symbols_of
from graphtorch.ir.graph import Graph, Node, Param, Value
from graphtorch.ir.types import TensorType

Sizes = Mapping[str, int]


def names_in_graph(graph: Graph) -> tuple[str, ...]:
    """The named sizes that types and attributes depend on, bodies included, in order of the alphabet."""
    return tuple(examples_of(graph))


def examples_of(graph: Graph) -> dict[str, int]:
    """The named sizes of a graph, in order of the alphabet, and what stands for each where a number is needed."""
    found = {s.name: s.example for size in sizes_in(graph) for s in symbols_of(size)}
    return dict(sorted(found.items()))


def is_dynamic_graph(graph: Graph) -> bool:
    """Whether any size in it is not known."""
    return any(True for _ in sizes_in(graph))


def sizes_in(graph: Graph) -> Iterator[int]:
    """Every size in types and attributes, bodies included, that is not known."""
    for value in (*graph.params, *(r for n in graph.nodes for r in n.results)):
        yield from filter(is_dynamic, value.type.shape)
    for node in graph.nodes:
        for attr in node.attrs.values():
            yield from _dynamic(attr)
        if node.body is not None:
            yield from sizes_in(node.body)


def _dynamic(attr: Any) -> Iterator[int]:
    if isinstance(attr, tuple):
        for item in attr:
            yield from _dynamic(item)
    elif is_dynamic(attr):
        yield attr


def type_at(type: TensorType, sizes: Sizes) -> TensorType:
    """``type`` for these sizes of the names."""
    return TensorType(tuple(at_sizes(n, sizes) for n in type.shape), type.dtype)


def graph_at(graph: Graph, sizes: Sizes) -> Graph:
    """``graph`` for these sizes of the names: nodes, parameters and results in the same order, and no op is asked."""
    out = Graph(graph.name)
    env: dict[Value, Value] = {}
    for p in graph.params:
        made = Param(p.name, type_at(p.type, sizes), p.role, p.label)
        out.params.append(made)
        env[p] = made
    for node in graph.nodes:
        types = [type_at(r.type, sizes) for r in node.results]
        attrs = {name: _attr_at(attr, sizes) for name, attr in node.attrs.items()}
        body = None if node.body is None else graph_at(node.body, sizes)
        new = Node(node.op, [env[o] for o in node.operands], attrs, types, node.locs, body)
        out.nodes.append(new)
        env.update(zip(node.results, new.results, strict=True))
    out.outputs = [env[o] for o in graph.outputs]
    out.updates = {env[p]: env[v] for p, v in graph.updates.items()}  # type: ignore[misc]
    return out


def _attr_at(attr: Any, sizes: Sizes) -> Any:
    if isinstance(attr, tuple):
        return tuple(_attr_at(item, sizes) for item in attr)
    return at_sizes(attr, sizes)
