"""Nests for tests: an op, the types of its operands and its attributes, as lowering would give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.loops import Nest
from graphtorch.codegen.lower import LoweredKernel, lower_node
from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.graph import Param as GraphParam
from graphtorch.ir.op import OPS
from graphtorch.ir.types import DType, TensorType, dtype_from_numpy, float32
from graphtorch.runtime.interp import run_kernel

Array = Any
Shape = tuple[int, ...]


def nest_of(name: str, *operands: TensorType, **attrs: Any) -> Nest:
    """The nest of one op over operands of these types."""
    op = OPS[name]
    graph = Graph(name)
    graph.params = [GraphParam(f"a{i}", t) for i, t in enumerate(operands)]
    results = op.infer(*operands, **attrs)
    node = Node(op, graph.params, attrs, results if isinstance(results, tuple) else (results,))
    return lower_node(node, f"{name}_0").nest


def f32(*shape: int) -> TensorType:
    return TensorType(shape, float32)


def random_array(t: TensorType, seed: int = 0) -> Array:
    """Values of the type: some negative, some integers alike, a nan-free mix."""
    rng = np.random.default_rng(seed)
    if t.dtype.kind == "b":
        return rng.random(t.shape) < 0.5
    if t.dtype.kind in "iu":
        return rng.integers(0 if t.dtype.kind == "u" else -50, 50, t.shape).astype(t.dtype.np)
    return rng.standard_normal(t.shape).astype(t.dtype.np)


def run_op_kernel(kernel: Kernel, *operands: Array) -> list[Array]:
    """Execute a kernel of `nest_of` by the interpreter; the results, filled with garbage beforehand."""
    outs = [np.full(p.buffer.shape, 113, p.buffer.dtype.np) for p in kernel.params if p.mode == "out"]
    run_kernel(kernel, [*operands, *outs])
    return outs


def reference(name: str, *operands: Array, **attrs: Any) -> list[Array]:
    """What the op's `ref` gives."""
    out = OPS[name].ref(*operands, **attrs)
    return list(out) if isinstance(out, tuple) else [out]


def type_of(array: Array) -> TensorType:
    dtype: DType | None = dtype_from_numpy(array.dtype)
    assert dtype is not None
    return TensorType(array.shape, dtype)


def kernels_of(graph: Graph, schedule: Callable[[Nest], Kernel]) -> list[tuple[LoweredKernel, Kernel]]:
    """Every node of a graph, lowered and scheduled, in order; kernel names are unique."""
    lowered = [lower_node(node, f"{node.op.name}_{i}") for i, node in enumerate(graph.nodes)]
    return [(k, schedule(k.nest)) for k in lowered]


def run_graph_kernels(graph: Graph, kernels: list[tuple[LoweredKernel, Kernel]], *arrays: Array) -> list[Array]:
    """Execute the kernels of a graph one after the other by the interpreter; the graph's outputs."""
    values: dict[Value, Array] = dict(zip(graph.params, arrays, strict=True))
    for lowered, kernel in kernels:
        results = run_op_kernel(kernel, *(values[o] for o in lowered.operands))
        for value, got in zip(lowered.results, results, strict=True):
            values[value] = got.reshape(value.type.shape)
    return [values[o] for o in graph.outputs]
