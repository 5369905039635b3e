"""Runs a graph with numpy, node by node: the oracle for passes, backends and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphtorch.ir.control_flow import ControlFlow
from graphtorch.ir.errors import IRError
from graphtorch.ir.graph import Graph, Node, Param, Value
from graphtorch.ir.low_precision import reference
from graphtorch.ir.sized import Sizes, graph_at

Array = Any


def evaluate(
    graph: Graph, arrays: Sequence[Array] | Mapping[str, Array], sizes: Sizes | None = None
) -> tuple[list[Array], dict[str, Array]]:
    """(outputs, new contents of inout parameters by name) for arrays in the order of the parameters, or by name.

    ``sizes`` are those of the names in the graph. Nothing is written to ``arrays``. IRError GT812 for an array that is
    missing or of another type.
    """
    if sizes:
        graph = graph_at(graph, sizes)
    env: dict[Value, Array] = {p: _argument(p, a) for p, a in _pairs(graph, arrays)}
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            found = _run(node, [env[o] for o in node.operands])
            env.update(zip(node.results, found, strict=True))
    return [env[o] for o in graph.outputs], {p.name: env[v] for p, v in graph.updates.items()}


def _pairs(graph: Graph, arrays: Sequence[Array] | Mapping[str, Array]) -> list[tuple[Param, Array]]:
    if isinstance(arrays, Mapping):
        arrays = [arrays[p.name] for p in graph.params if p.name in arrays]
    if len(arrays) != len(graph.params):
        names = ", ".join(p.name for p in graph.params)
        raise IRError("GT812", f"@{graph.name} takes {len(graph.params)} arrays, got {len(arrays)}", [names])
    return list(zip(graph.params, arrays, strict=True))


def _argument(param: Param, array: Array) -> Array:
    array = np.asarray(array)
    if array.shape != param.type.shape or array.dtype != param.type.dtype.np:
        got = f"{array.dtype}{list(array.shape)}"
        raise IRError("GT812", f"%{param.name} is of another type", [f"expected {param.type}, got {got}"])
    return array


def _run(node: Node, operands: list[Array]) -> Sequence[Array]:
    """The results of one node; that of a body where it has one."""
    if node.body is not None and isinstance(node.op, ControlFlow):
        return node.op.run(operands, node.attrs, node.body, evaluate)
    if node.body is not None:
        return evaluate(node.body, operands)[0]
    if not hasattr(node.op, "ref"):
        raise IRError("GT812", f"{node.op.name} cannot be evaluated", ["run the autodiff pass first"])
    return tuple(map(np.asarray, reference(node.op, operands, node.attrs)))
