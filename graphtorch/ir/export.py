"""Graphs for other tools: networkx objects to compute on, Graphviz text to look at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from graphtorch.ir._printer import attrs_text, value_names
from graphtorch.ir.graph import Graph, Node, Param

if TYPE_CHECKING:
    import networkx

_SHAPES = {"in": "ellipse", "const": "cylinder", "inout": "cylinder", "frozen": "cylinder"}


def to_networkx(graph: Graph) -> networkx.MultiDiGraph[Any]:
    """A MultiDiGraph: parameters "%x", nodes by number, outputs "return 0" and updates "update %w".

    Nodes carry ``kind`` (param, node, output or update), ``label``, ``types`` and, for nodes of the graph,
    ``op``, ``attrs``, ``locs`` and ``body`` (a graph again). Edges carry ``value`` and ``type``.
    """
    import networkx

    out = networkx.MultiDiGraph(name=graph.name)
    names = value_names(graph)
    source: dict[Any, Any] = {p: names[p] for p in graph.params}
    for p in graph.params:
        out.add_node(names[p], kind="param", label=f"{names[p]}: {p.type}", types=(p.type,), role=p.role)
    for number, node in enumerate(graph.nodes):
        out.add_node(number, **_node(node))
        source.update((r, number) for r in node.results)
        for position, operand in enumerate(node.operands):
            out.add_edge(source[operand], number, value=names[operand], type=operand.type, operand=position)
    sinks = [(f"return {i}", "output", v) for i, v in enumerate(graph.outputs)]
    sinks += [(f"update {names[p]}", "update", v) for p, v in graph.updates.items()]
    for sink, kind, value in sinks:
        out.add_node(sink, kind=kind, label=sink, types=(value.type,))
        out.add_edge(source[value], sink, value=names[value], type=value.type, operand=0)
    return out


def _node(node: Node) -> dict[str, Any]:
    types = tuple(r.type for r in node.results)
    body = to_networkx(node.body) if node.body else None
    label = f"{node.op.name}\n{', '.join(map(str, types))}"
    return {
        "kind": "node", "label": label, "types": types, "op": node.op.name,
        "attrs": dict(node.attrs), "locs": node.locs, "body": body,
    }  # fmt: skip


def to_dot(graph: Graph) -> str:
    """Graphviz text; ``dot -Tsvg`` draws it. Bodies are boxes around their nodes."""
    lines = [f"digraph {json.dumps(graph.name)} {{", "  node [shape=box, fontname=monospace];"]
    _dot(graph, "", lines)
    return "\n".join([*lines, "}"]) + "\n"


def _dot(graph: Graph, prefix: str, lines: list[str]) -> None:
    source: dict[Any, str] = {}
    for number, p in enumerate(graph.params):
        source[p] = f"{prefix}p{number}"
        lines.append(_dot_param(source[p], p))
    for number, node in enumerate(graph.nodes):
        key = f"{prefix}n{number}"
        label = f"{node.op.name}({attrs_text(node.attrs)})" if node.attrs else node.op.name
        lines.append(f"  {key} [label={json.dumps(label)}{_tooltip(node)}];")
        source.update((r, key) for r in node.results)
        lines += [f"  {source[o]} -> {key} [label={json.dumps(str(o.type))}];" for o in node.operands]
        if node.body is not None:
            _dot_body(node.body, key, lines)
    for number, output in enumerate(graph.outputs):
        lines.append(f"  {prefix}r{number} [label={json.dumps(f'return {number}')}, shape=ellipse];")
        lines.append(f"  {source[output]} -> {prefix}r{number} [label={json.dumps(str(output.type))}];")
    for param, value in graph.updates.items():
        lines.append(f"  {source[value]} -> {source[param]} [style=dashed, constraint=false];")


def _dot_body(body: Graph, key: str, lines: list[str]) -> None:
    lines.append(f"  subgraph cluster_{key} {{ label={json.dumps(body.name)};")
    _dot(body, key + "_", lines)
    lines.append("  }")


def _dot_param(key: str, p: Param) -> str:
    return f"  {key} [label={json.dumps(f'%{p.name}: {p.type}')}, shape={_SHAPES[p.role]}];"


def _tooltip(node: Node) -> str:
    return f", tooltip={json.dumps('; '.join(map(str, node.locs)))}" if node.locs else ""
