"""Fused Graph -> loop nests, through `Op.lower`.

Inside a fusion every op is inlined into the one that reads it; a reduction is the root, and elementwise ops after it
become its epilogue. A contraction may have a second reduction after it, over its results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphtorch.codegen.kernel_ir import Param
from graphtorch.codegen.loops import BundleNest, ChainNest, LoopNest, Nest, ReduceNest, SortNest
from graphtorch.codegen.lower_attention import lower_attention
from graphtorch.codegen.lower_rows import lower_rows
from graphtorch.codegen.nests import loop_nest, reduce_nest, scan_nest, scatter_nest, variables
from graphtorch.ir.expr import (
    Buffer,
    BufferSource,
    Compute,
    Expr,
    Reduce,
    Scan,
    Scatter,
    Sort,
    Source,
    Var,
    first_alone,
    free_vars,
    together,
)
from graphtorch.ir.fusible import ATTENTION, is_reduction, rows_in
from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.graph import Param as GraphParam
from graphtorch.ir.in_place import root
from graphtorch.ir.low_precision import lower_op
from graphtorch.ir.rows import rows_of


@dataclass(frozen=True)
class LoweredKernel:
    """A nest, and the graph values behind its parameters, in order. A bundle has ``parts``, which are kernels too."""

    nest: Nest
    operands: tuple[Value, ...]
    results: tuple[Value, ...]
    parts: tuple[LoweredKernel, ...] = ()


def lower_node(node: Node, name: str) -> LoweredKernel:
    """The kernel of a fusion, or of a single op that was not fused."""
    if node.body is not None and node.attrs["kind"] == "bundle":
        return _lower_bundle(node, node.body, name)
    nest = _lower_body(node.body or single_node_graph(node), name)
    frozen = frozenset(p.buffer for p, o in zip(nest.params, node.operands, strict=False) if is_frozen(o))
    match nest:
        case ReduceNest():
            nest = replace(nest, frozen=frozen)
        case ChainNest():
            nest = replace(nest, first=replace(nest.first, frozen=frozen))
    return LoweredKernel(nest, node.operands, node.results)


def _lower_bundle(node: Node, body: Graph, name: str) -> LoweredKernel:
    values: dict[Value, Value] = dict(zip(body.params, node.operands, strict=True))
    values.update(zip(body.outputs, node.results, strict=True))
    parts: list[LoweredKernel] = []
    for inner in body.nodes:
        if all(r.type.numel == 0 for r in inner.results):
            continue
        operands, results = (tuple(values[v] for v in vs) for vs in (inner.operands, inner.results))
        parts.append(replace(lower_node(inner, f"{name}_{len(parts)}"), operands=operands, results=results))
    nests = [p.nest for p in parts if isinstance(p.nest, LoopNest | ReduceNest)]
    if len(nests) < len(parts):
        raise ValueError(f"neither a loop nor a reduction is in the bundle {name}")
    operands, results = tuple(v for p in parts for v in p.operands), tuple(v for p in parts for v in p.results)
    return LoweredKernel(BundleNest(name, tuple(nests)), operands, results, tuple(parts))


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
    if any(n.op.name in ATTENTION for n in body.nodes):
        return lower_attention(body, name)
    rows = rows_in(body)
    if rows is not None:
        return lower_rows(body, rows, name)
    lowering = _Lowering(body)
    for node in body.nodes:
        lowering.add(node)
    return lowering.nest(name)


@dataclass(frozen=True)
class _Root:
    """A reduction of an op, and what its accumulators are called."""

    reduce: Reduce
    accumulators: tuple[Var, ...]
    op: str


class _Lowering:
    """The nodes of a body, each inlined into those that read it, around its reductions: one, or two in a chain.

    The second reads results of the first, and all that depends on it has fewer elements than those.
    """

    def __init__(self, body: Graph) -> None:
        self.body = body
        self.inputs = [Buffer(p.name, p.type.shape, p.type.dtype) for p in body.params]
        self.sources: dict[Value, Source] = {
            p: BufferSource(b, b.shape) for p, b in zip(body.params, self.inputs, strict=True)
        }
        self.roots: list[_Root] = []
        #: what reductions go over that are computed side by side
        self.rows = next((rows_of(n) for n in body.nodes if is_reduction(n)), None)
        #: what the second reduction reads, and where
        self.linked: Value | None = None
        self.link: Buffer | None = None
        #: what is alone in its kernel, but for what it reads
        self.scatter: Scatter | None = None
        self.scan: tuple[Scan, tuple[Var, ...]] | None = None
        self.sort: tuple[Sort, Node] | None = None

    def add(self, node: Node) -> None:
        lowered = lower_op(node, [self.sources[o] for o in node.operands])
        if isinstance(lowered, Scatter):
            self.scatter = lowered
            return
        if isinstance(lowered, Scan):
            accumulators = tuple(Var(f"acc{i}", e.dtype) for i, e in enumerate(lowered.init))
            self.scan = lowered, accumulators
            lowered = tuple(map(_result_of, lowered.post(accumulators), node.results))
        if isinstance(lowered, Sort):
            self.sort = lowered, node
            return
        if isinstance(lowered, Reduce):
            if self.roots and not (self.rows and rows_of(node) == self.rows):
                lowered = self._second(node)
            taken = 0 if self.link else sum(len(r.accumulators) for r in self.roots)
            accumulators = tuple(Var(f"acc{i}", e.dtype) for i, e in enumerate(lowered.init, taken))
            self.roots.append(_Root(lowered, accumulators, node.op.name))
            lowered = tuple(map(_result_of, lowered.post(accumulators), node.results))
        results = lowered if isinstance(lowered, tuple) else (lowered,)
        self.sources.update(zip(node.results, results, strict=True))

    def _second(self, node: Node) -> Reduce:
        """``node`` over the memory in which the first reduction would leave its results."""
        if self.link is not None:
            raise ValueError(f"three reductions in one fusion: {node.op.name}")
        (self.linked,) = node.operands
        self.link = Buffer(self._name(self.linked), self.roots[0].reduce.shape, self.linked.type.dtype)
        lowered: Reduce = lower_op(node, [BufferSource(self.link, self.linked.type.shape)])
        return lowered

    def _name(self, value: Value) -> str:
        return f"out{self.body.outputs.index(value)}" if value in self.body.outputs else "link"

    def nest(self, name: str) -> Nest:
        if self.scatter is not None:
            return scatter_nest(name, self.inputs, self.scatter)
        if self.sort is not None:
            return self._sorted(name, *self.sort)
        outputs = {o: self._output(o) for o in self.body.outputs}
        params = (*(Param(b, "in") for b in self.inputs), *(Param(b, "out") for b in outputs.values()))
        if self.scan is not None:
            return scan_nest(name, params, [(b, self.sources[o]) for o, b in outputs.items()], *self.scan)
        if not self.roots:
            return loop_nest(name, params, [(b, self.sources[o]) for o, b in outputs.items()])
        if self.linked is None or self.link is None:
            return self._reduction(name, params, outputs, *self.roots)
        firsts = {o: b for o, b in outputs.items() if self._in_first(o)} | {self.linked: self.link}
        first = self._reduction(name, params, firsts, self.roots[0])
        rest = {o: b for o, b in outputs.items() if not self._in_first(o)}
        return ChainNest(name, params, first, self.link, self._reduction(name, params, rest, self.roots[1]))

    def _sorted(self, name: str, s: Sort, node: Node) -> SortNest:
        outputs = {o: Buffer(self._name(o), o.type.shape, o.type.dtype) for o in self.body.outputs}
        params = (*(Param(b, "in") for b in self.inputs), *(Param(b, "out") for b in outputs.values()))
        i = variables("i", s.shape)
        return SortNest(
            name, params, s.shape, i, s.dim, s.source[i], s.k, s.descending, *map(outputs.get, node.results)
        )

    def _in_first(self, value: Value) -> bool:
        return self.linked is None or value.type.numel == self.linked.type.numel

    def _output(self, value: Value) -> Buffer:
        """A buffer in the shape of the loops that store it."""
        if self.link is not None and value is self.linked:
            return self.link
        shape = value.type.shape
        if self.roots:
            shape = self.roots[0 if self._in_first(value) else 1].reduce.shape
        return Buffer(self._name(value), shape, value.type.dtype)

    def _reduction(
        self, name: str, params: tuple[Param, ...], outputs: dict[Value, Buffer], *roots: _Root
    ) -> ReduceNest:
        stored = [(b, self.sources[o]) for o, b in outputs.items()]
        reduce = together([r.reduce for r in roots])
        accumulators = tuple(a for r in roots for a in r.accumulators)
        if reduce.alone and not any(_mentions(r, accumulators[1:]) for _, r in stored):
            reduce, accumulators = first_alone(reduce), accumulators[:1]
        return replace(reduce_nest(name, params, stored, reduce, accumulators), op=roots[0].op)


def _mentions(source: Source, vars: Sequence[Var]) -> bool:
    return not free_vars(source[variables("i", source.shape)]).isdisjoint(vars)


def _result_of(final: Expr, result: Value) -> Compute:
    """A reduction's result as a source: its epilogue reads it only at the index being written."""
    return Compute(result.type.shape, result.type.dtype, lambda *_: final)
