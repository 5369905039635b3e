"""Fused Graph -> loop nests, through `Op.lower`.

Inside a fusion every op is inlined into the one that reads it; at most one reduction is the root,
and elementwise ops after it become its epilogue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from graphtorch.codegen.kernel_ir import Param
from graphtorch.codegen.loops import LoopNest, Nest, ReduceNest
from graphtorch.ir.expr import (
    Binary,
    Buffer,
    BufferSource,
    Compute,
    Expr,
    Load,
    Reduce,
    Source,
    Values,
    Var,
    first_alone,
    flat_index,
    free_vars,
    substitute,
    unflatten_index,
)
from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.graph import Param as GraphParam
from graphtorch.ir.passes.alias import root
from graphtorch.ir.types import int64


@dataclass(frozen=True)
class LoweredKernel:
    """A nest, and the graph values behind its parameters, in order."""

    nest: Nest
    operands: tuple[Value, ...]
    results: tuple[Value, ...]


def lower_node(node: Node, name: str) -> LoweredKernel:
    """The kernel of a fusion, or of a single op that was not fused."""
    nest = _lower_body(node.body or single_node_graph(node), name)
    if isinstance(nest, ReduceNest):
        frozen = (p.buffer for p, o in zip(nest.params, node.operands, strict=False) if is_frozen(o))
        nest = replace(nest, frozen=frozenset(frozen))
    return LoweredKernel(nest, node.operands, node.results)


def is_frozen(value: Value) -> bool:
    """Whether it is state that stays as it is from call to call."""
    source = root(value)
    return isinstance(source, GraphParam) and source.role == "frozen"


def single_node_graph(node: Node) -> Graph:
    """A graph of one node over parameters of its operands' types."""
    graph = Graph(node.op.name)
    graph.params = [GraphParam(f"a{i}", o.type) for i, o in enumerate(node.operands)]
    copy = Node(node.op, graph.params, node.attrs, [r.type for r in node.results], node.locs)
    graph.nodes, graph.outputs = [copy], list(copy.results)
    return graph


def _lower_body(body: Graph, name: str) -> Nest:
    inputs = [Buffer(p.name, p.type.shape, p.type.dtype) for p in body.params]
    sources: dict[Value, Source] = {p: BufferSource(b, b.shape) for p, b in zip(body.params, inputs, strict=True)}
    root: Reduce | None = None
    accumulators: tuple[Var, ...] = ()
    for node in body.nodes:
        lowered = node.op.lower(*(sources[o] for o in node.operands), **node.attrs)
        if isinstance(lowered, Reduce):
            if root is not None:
                raise ValueError(f"two reductions in one fusion: {node.op.name} in {name}")
            root, accumulators = lowered, tuple(Var(f"acc{i}", e.dtype) for i, e in enumerate(lowered.init))
            lowered = tuple(map(_result_of, root.post(accumulators), node.results))
        results = lowered if isinstance(lowered, tuple) else (lowered,)
        sources.update(zip(node.results, results, strict=True))
    outs = [Buffer(f"out{i}", o.type.shape, o.type.dtype) for i, o in enumerate(body.outputs)]
    roots = [sources[o] for o in body.outputs]
    if root is None:
        return _loop_nest(name, inputs, outs, roots)
    if root.alone and not any(_mentions(r, accumulators[1:]) for r in roots):
        root, accumulators = first_alone(root), accumulators[:1]
    return _reduce_nest(name, inputs, outs, roots, root, accumulators)


def _mentions(source: Source, vars: Sequence[Var]) -> bool:
    return not free_vars(source[_variables("i", source.shape)]).isdisjoint(vars)


def _result_of(final: Expr, result: Value) -> Compute:
    """A reduction's result as a source: its epilogue reads it only at the index being written."""
    return Compute(result.type.shape, result.type.dtype, lambda *_: final)


def _variables(prefix: str, shape: Sequence[int]) -> tuple[Var, ...]:
    return tuple(Var(f"{prefix}{d}", int64, n) for d, n in enumerate(shape))


def _params(inputs: Sequence[Buffer], outs: Sequence[Buffer]) -> tuple[Param, ...]:
    return (*(Param(b, "in") for b in inputs), *(Param(b, "out") for b in outs))


def _loop_nest(name: str, inputs: Sequence[Buffer], outs: Sequence[Buffer], roots: Sequence[Source]) -> LoopNest:
    shape = outs[0].shape
    i = _variables("i", shape)
    outputs = tuple((b, r[i]) for b, r in zip(outs, roots, strict=True))
    return LoopNest(name, _params(inputs, outs), shape, i, outputs)


def _reduce_nest(
    name: str,
    inputs: Sequence[Buffer],
    outs: Sequence[Buffer],
    roots: Sequence[Source],
    root: Reduce,
    accumulators: tuple[Var, ...],
) -> ReduceNest:
    i, k = _variables("i", root.shape), _variables("k", root.domain)
    outs = [Buffer(b.name, root.shape, b.dtype) for b in outs]  # the same elements, under the loops' shape

    def value(source: Source) -> Callable[[Values], Expr]:
        index = i if source.shape == root.shape else unflatten_index(source.shape, flat_index(root.shape, i))
        final = source[index]
        return lambda acc: substitute(final, dict(zip(accumulators, acc, strict=True)))

    body = root.body(i, k)
    return ReduceNest(
        name, _params(inputs, outs), root.shape, i, root.domain, k, root.init, body, root.combine, root.kind,
        tuple((b, value(r)) for b, r in zip(outs, roots, strict=True)), _is_contraction(root, body),
    )  # fmt: skip


def _is_contraction(root: Reduce, body: Values) -> bool:
    product = body[0]
    plain = root.kind == "add" and len(body) == 1 and product.dtype.kind == "f"
    if not (plain and isinstance(product, Binary) and product.fn == "mul"):
        return False
    return isinstance(product.a, Load) and isinstance(product.b, Load)
