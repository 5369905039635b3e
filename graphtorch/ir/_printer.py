"""Prints a graph in the grammar of `graphtorch.ir.text`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from graphtorch.ir.dim import is_dynamic
from graphtorch.ir.errors import IRError
from graphtorch.ir.graph import Attr, Graph, Node, Param, Value
from graphtorch.ir.sized import examples_of
from graphtorch.ir.types import DType

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def print_graph(graph: Graph, locations: bool = True) -> str:
    """The text of ``graph``; `parse_graph` reads an equal graph back. Without ``locations`` it is what a hash of the
    program is taken over."""
    sizes = ", ".join(f"{name}={example}" for name, example in examples_of(graph).items())
    return "\n".join([*([f"sizes {sizes}"] if sizes else []), *_lines(graph, locations)]) + "\n"


def name_text(name: str) -> str:
    """``name`` as it stands after % or @: quoted unless it is of the plain form."""
    return name if NAME.fullmatch(name) else json.dumps(name)


def attr_text(value: Attr) -> str:
    """The exact text of an attribute; IRError GT809 for a value that the grammar has no form for."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if is_dynamic(value) else int.__repr__(value)
        case float():
            return float.__repr__(value)
        case str():
            return json.dumps(value)
        case DType():
            return value.short
        case tuple():
            return f"[{', '.join(map(attr_text, value))}]" if any(_nested(v) for v in value) else _flat(value)
    raise IRError("GT809", f"an attribute of type {type(value).__name__} has no text form", [f"value {value!r}"])


def attrs_text(attrs: dict[str, Attr]) -> str:
    return ", ".join(f"{key}={attr_text(value)}" for key, value in attrs.items())


def value_names(graph: Graph) -> dict[Value, str]:
    """How every value is printed: parameters by name, results by number."""
    names: dict[Value, str] = {p: f"%{name_text(p.name)}" for p in graph.params}
    results = (r for node in graph.nodes for r in node.results)
    names.update((r, f"%{number}") for number, r in enumerate(results))
    return names


def _flat(values: Sequence[Attr]) -> str:
    return f"[{','.join(map(attr_text, values))}]"


def _nested(value: Attr) -> bool:
    return isinstance(value, tuple)


def _lines(graph: Graph, locations: bool) -> Iterator[str]:
    names = value_names(graph)

    def name(value: Value) -> str:  # a malformed graph can be printed too: for the eyes of who debugs a pass
        return names.get(value, "%undefined")

    params = ", ".join(map(_param, graph.params))
    types = ", ".join(str(o.type) for o in graph.outputs)
    yield f"graph @{name_text(graph.name)}({params}) -> ({types}) {{"
    for node in graph.nodes:
        for line in _node(node, [name(r) for r in node.results], [name(o) for o in node.operands], locations):
            yield "  " + line
    for param, value in graph.updates.items():
        yield f"  update {name(param)} <- {name(value)}"
    yield f"  return {', '.join(map(name, graph.outputs))}".rstrip()
    yield "}"


def _param(p: Param) -> str:
    label = f" {json.dumps(p.label)}" if p.label else ""
    role = f" {p.role}" if p.role != "in" or label else ""
    return f"%{name_text(p.name)}: {p.type}{role}{label}"


def _node(node: Node, results: list[str], operands: list[str], locations: bool) -> Iterator[str]:
    left = ", ".join(f"{name}: {r.type}" for name, r in zip(results, node.results, strict=True))
    head = f"{left} = {node.op.name}({', '.join(operands)})"
    if node.attrs:
        head += f" {{{attrs_text(node.attrs)}}}"
    locs = "".join(f" {loc}" for loc in node.locs) if locations else ""
    if node.body is None:
        yield head + (" " + locs if locs else "")
        return
    first, *middle, last = _lines(node.body, locations)
    yield f"{head} {first}"
    yield from middle
    yield last + (" " + locs if locs else "")
