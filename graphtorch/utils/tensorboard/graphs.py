"""The traced graph of a model in the format of TensorBoard's graph page: layers are boxes, ops are nodes in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.versions_pb2 import VersionDef

from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.spec import TensorSpec
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.trace import name_of, trace
from graphtorch.frontend.tree import leaves
from graphtorch.ir._printer import attrs_text
from graphtorch.ir.graph import Graph, Node, Param, Value
from graphtorch.ir.types import TensorType
from graphtorch.utils.tensorboard.arguments import refused, wrong_type
from graphtorch.utils.tensorboard.summaries import shape_of

#: the numbers of DataType in TensorBoard's types.proto
_DTYPES = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "int64": 9, "bool": 10,
    "bfloat16": 14, "float16": 19,
}  # fmt: skip
#: TensorBoard draws constants of this name small, beside who reads them
_OPS = {"constant": "Const"}


def traced(model: Any, inputs: Any) -> Graph:
    """The graph of ``model(*inputs)`` in evaluation mode; ``inputs`` is a tensor or a `TensorSpec`, or a tuple or list
    of arguments with at least one of these in it."""
    if not callable(model):
        raise wrong_type("model", model, "a module or a function")
    args = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    if not any(isinstance(leaf, Tensor | TensorSpec) for leaf in leaves(args)):
        raise refused("input_to_model", type(inputs).__name__, "a tensor or a TensorSpec, or a tuple of arguments")
    with _evaluating(model):
        graph: Graph = trace(model, *args)
    return graph


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Every module in its evaluation mode, and then as it was: a part of a model may be frozen in that mode."""
    training = [m for m in model.modules() if m.training] if isinstance(model, Module) else []
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


def graph_def(graph: Graph, model: Any) -> Any:
    """The message of ``graph``, whose locations name the modules of ``model``."""
    scopes = Scopes(model)
    nodes = _Nodes(scopes)
    nodes.add_graph(graph, "")
    return GraphDef(node=nodes.made, versions=VersionDef(producer=22))


class Scopes:
    """Names of boxes, as torch's: ``Net/Sequential[features]/Conv2d[0]`` for the path ``features.0`` in a Net."""

    def __init__(self, model: Any) -> None:
        modules = dict(model.named_modules(remove_duplicate=False)) if isinstance(model, Module) else {}
        self._types = {path: module._get_name() for path, module in modules.items()}
        self._root = self._types.get("") or name_of(model)

    def of(self, path: str) -> str:
        parts = path.split(".") if path else []
        names = [self._name(".".join(parts[: i + 1]), part) for i, part in enumerate(parts)]
        return "/".join([self._root, *names])

    def _name(self, path: str, attribute: str) -> str:
        return f"{self._types[path]}[{attribute}]" if path in self._types else attribute

    def of_state(self, label: str) -> str:
        """Where a parameter or a buffer belongs."""
        path, _, name = label.rpartition(".")
        return f"{self.of(path)}/{name}"


class _Nodes:
    """The nodes made so far, and the name under which each value is read."""

    def __init__(self, scopes: Scopes) -> None:
        self.made: list[Any] = []
        self._scopes = scopes
        self._taken: dict[str, int] = {}
        self._names: dict[Value, str] = {}

    def add_graph(self, graph: Graph, scope: str) -> None:
        """Parameters, nodes, outputs and updates of a graph; ``scope`` is that of the node whose body it is."""
        for param in graph.params:
            self._add_param(param, scope)
        for node in graph.nodes:
            self._add_node(node, scope)
        for number, output in enumerate(graph.outputs, 1):
            self._add(f"{scope}output/output.{number}", "IO Node", [output], [output.type])
        for param, value in graph.updates.items():
            self._add(f"{self._names[param]}_update", "update", [value], [value.type])

    def _add_param(self, param: Param, scope: str) -> None:
        state = param.role != "in" and not scope
        place = f"{scope}input/{param.name}"
        if state:
            place = self._scopes.of_state(param.label or param.name)
        self._names[param] = self._add(place, "Parameter" if state else "IO Node", [], [param.type])

    def _add_node(self, node: Node, scope: str) -> None:
        loc = node.locs[0] if node.locs else None
        place = scope or self._scopes.of(loc.path if loc else "") + "/"
        notes = {"attr": attrs_text(node.attrs)} if node.attrs else {}
        if loc is not None:
            notes["source"] = f"{loc.file}:{loc.line}"
        types = [result.type for result in node.results]
        name = self._add(place + node.op.name, _OPS.get(node.op.name, node.op.name), node.operands, types, notes)
        for result in node.results:
            self._names[result] = f"{name}:{result.index}" if result.index else name
        if node.body is not None:
            self.add_graph(node.body, f"{name}/")

    def _add(self, name: str, op: str, operands: Any, types: list[TensorType], notes: Any = None) -> str:
        """Make a node, and give it a name of its own: ``add``, ``add_1``, and so on. A colon would begin the number of
        a result."""
        unique = name = name.replace(":", "_")
        while unique in self._taken:
            self._taken[name] += 1
            unique = f"{name}_{self._taken[name]}"
        self._taken[unique] = 0
        inputs = [self._names[operand] for operand in operands]
        self.made.append(NodeDef(name=unique, op=op, input=inputs, attr=_attributes(types, notes or {})))
        return unique


def _attributes(types: list[TensorType], notes: dict[str, str]) -> dict[str, Any]:
    """Shapes (which TensorBoard writes on edges), the dtype of the first result, and texts."""
    shapes = [shape_of(t.shape) for t in types]
    found = {name: AttrValue(s=text.encode()) for name, text in notes.items()}
    found["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=shapes))
    if types:
        found["dtype"] = AttrValue(type=_DTYPES[types[0].dtype.name])
    return found
