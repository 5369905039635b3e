"""Fusions of attention, or of its gradient, with what moves its operands -> `AttentionNest`."""

from __future__ import annotations

from graphtorch.codegen.kernel_ir import Param
from graphtorch.codegen.loops import AttentionNest
from graphtorch.ir.expr import Attention, AttentionGrad, Buffer, BufferSource, Source
from graphtorch.ir.graph import Graph, Value
from graphtorch.ir.low_precision import lower_op


def lower_attention(body: Graph, name: str) -> AttentionNest:
    """Every other node is inlined where its result is read."""
    inputs = [Buffer(p.name, p.type.shape, p.type.dtype) for p in body.params]
    sources: dict[Value, Source] = {p: BufferSource(b, b.shape) for p, b in zip(body.params, inputs, strict=True)}
    for node in body.nodes:
        lowered = lower_op(node, [sources[o] for o in node.operands])
        if isinstance(lowered, Attention | AttentionGrad):
            outputs = {o: Buffer(f"out{n}", o.type.shape, o.type.dtype) for n, o in enumerate(body.outputs)}
            params = (*(Param(b, "in") for b in inputs), *(Param(b, "out") for b in outputs.values()))
            return AttentionNest(name, params, lowered, tuple(map(outputs.get, node.results)))
        results = lowered if isinstance(lowered, tuple) else (lowered,)
        sources.update(zip(node.results, results, strict=True))
    raise ValueError(f"no attention in {body.name}")
