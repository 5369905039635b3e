"""The rules that every graph obeys; a pass that breaks one is found here, and not in generated code.

    GT803  an operand, an output or an update is defined before it is used
    GT804  a value is defined once, a parameter's name is used once
    GT805  the declared types are those that `infer` gives
    GT806  `infer` accepts the operands and the attributes
    GT807  an update maps an inout parameter to a value of its type
    GT808  the parameters of a body have the types of its node's operands

The parser makes the same checks, so that a text that parses gives a graph that verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from graphtorch.ir.control_flow import ControlFlow
from graphtorch.ir.dim import Guards, is_dynamic, recorded
from graphtorch.ir.errors import GraphTorchError, IRError, check
from graphtorch.ir.graph import Graph, Node, Param, Value
from graphtorch.ir.types import DType, TensorType

#: what `infer` may raise for attributes that no front end would make: a missing key, a wrong length
_MALFORMED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


def verify(graph: Graph) -> None:
    """Raise IRError, naming the node, its op and the user's line, unless ``graph`` obeys the rules."""
    defined: set[Value] = set(graph.params)
    _unique(graph)
    for number, node in enumerate(graph.nodes):
        try:
            _verify_node(node, defined)
        except IRError as error:
            _locate(error, graph, number, node)
            raise
        defined.update(node.results)
    for index, output in enumerate(graph.outputs):
        _check(output in defined, "GT803", f"output {index} of @{graph.name} is not defined in it")
    params = set(graph.params)
    for param, value in graph.updates.items():
        check_update(graph, params, param, value)
        name = getattr(param, "name", "")
        _check(value in defined, "GT803", f"the update of %{name} is not defined in @{graph.name}")


def check_node(node: Node) -> tuple[TensorType, ...]:
    """The result types of ``node`` by its body or its op; IRError GT806 or GT808 when there are none.

    What is asked of sizes that are not known is answered by example, and no guard: it was one when the node was made.
    """
    with recorded(Guards()):
        return _types_of(node)


def _types_of(node: Node) -> tuple[TensorType, ...]:
    if node.body is not None:
        return _body_types(node, node.body)
    _check_attributes(node)
    try:
        return node.op.result_types(node.operands, node.attrs)
    except GraphTorchError as error:
        raise IRError("GT806", f"{node.op.name} rejects its operands: {error.message}", error.facts) from error
    except _MALFORMED as error:
        facts = [f"{type(error).__name__}: {error}"]
        raise IRError("GT806", f"{node.op.name} rejects its operands or attributes", facts) from error


def _check_attributes(node: Node) -> None:
    """IRError GT806 for an attribute that `infer` might accept, and that later stages would trip over."""
    for name, value in node.attrs.items():
        kind = node.op.attribute_kinds.get(name, "")
        what, fits = _KINDS.get(kind, ("", lambda _: True))
        facts = f"expected {what}, got {value!r}"
        _check(fits(value), "GT806", f"the attribute {name!r} of {node.op.name} has a wrong type", facts)


def _is_int(value: Any) -> bool:
    return type(value) is int or is_dynamic(value)


def _is_ints(value: Any) -> bool:
    return isinstance(value, tuple) and all(_is_int(v) for v in value)


#: annotation of an attribute -> what it stands for, and whether a value is such a one
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("an int", _is_int),
    "bool": ("true or false", lambda v: isinstance(v, bool)),
    "bool | int | float": ("a number", lambda v: isinstance(v, bool | int | float)),
    "DType": ("a dtype", lambda v: isinstance(v, DType)),
    **dict.fromkeys(("Shape", "Pair"), ("a list of ints", _is_ints)),
}


def check_update(graph: Graph, params: Collection[Value], param: Value, value: Value) -> None:
    """IRError GT807 unless ``param``, one of ``params``, may be updated with ``value``."""
    _check(
        isinstance(param, Param) and param in params,
        "GT807",
        f"an update of something that is not a parameter of @{graph.name}",
    )
    assert isinstance(param, Param)  # for mypy: checked on the line before
    facts = (f"its role is {param.role!r}, expected 'inout'",)
    _check(param.role == "inout", "GT807", f"%{param.name} cannot be updated", *facts)
    facts = (f"expected {param.type}, got {value.type}",)
    _check(_same([param.type], [value.type]), "GT807", f"%{param.name} is updated with another type", *facts)


def _verify_node(node: Node, defined: set[Value]) -> None:
    for position, operand in enumerate(node.operands):
        _check(operand in defined, "GT803", f"operand {position} is not defined before it is used")
    _check(bool(node.results), "GT805", "a node has at least one result")
    _check(not defined.intersection(node.results), "GT804", "its results are defined twice")
    expected, declared = check_node(node), tuple(r.type for r in node.results)
    fact = f"declared {_types(declared)}, actual {_types(expected)}"
    _check(_same(declared, expected), "GT805", "the declared types are wrong", fact)
    if node.body is not None:
        verify(node.body)


def _body_types(node: Node, body: Graph) -> tuple[TensorType, ...]:
    if isinstance(node.op, ControlFlow):
        return node.op.types([o.type for o in node.operands], node.attrs, body)
    given, wanted = [o.type for o in node.operands], [p.type for p in body.params]
    fact = f"expected {_types(wanted)}, got {_types(given)}"
    _check(_same(given, wanted), "GT808", f"the operands do not fit the parameters of @{body.name}", fact)
    return tuple(o.type for o in body.outputs)


def _unique(graph: Graph) -> None:
    seen: set[str] = set()
    for p in graph.params:
        _check(p.name not in seen, "GT804", f"@{graph.name} has two parameters named {p.name!r}")
        seen.add(p.name)


def _locate(error: IRError, graph: Graph, number: int, node: Node) -> None:
    """Name the node; the innermost graph's node goes first, those around it into the facts."""
    if error.op:
        error.facts.append(f"inside of node {number} of @{graph.name}: {node.op.name}")
        return
    error.op = node.op.name
    error.message = f"node {number} of @{graph.name}: {error.message}"
    if node.locs:
        error.loc, error.path = node.locs[0], node.locs[0].path


def _check(ok: bool, code: str, message: str, *facts: str) -> None:
    check(ok, code, message, *facts, kind=IRError)


def _same(a: Sequence[TensorType], b: Sequence[TensorType]) -> bool:
    """Whether they are the same for all sizes, which their text tells."""
    return len(a) == len(b) and all(x is y or str(x) == str(y) for x, y in zip(a, b, strict=True))


def _types(types: Iterable[TensorType]) -> str:
    return ", ".join(map(str, types)) or "nothing"
