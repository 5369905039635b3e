"""Bodies of loops and branches in a trace: a function, traced once into a graph of its own.

While a body is traced its nodes go to its own graph, and read values of the graphs around it as if those were its own.
At the end each such value becomes a further parameter. What was made in the body ends with it; what there was before
cannot be changed in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphtorch.frontend import autograd
from graphtorch.frontend.tensor import Storage, Tensor
from graphtorch.ir.errors import TraceError
from graphtorch.ir.graph import Builder, Graph, Param, Value
from graphtorch.ir.loc import state
from graphtorch.ir.types import TensorType

if TYPE_CHECKING:
    from graphtorch.frontend.tracer import Tracer


@dataclass
class Body:
    """What is being traced: the op's name, its graph, and the storages that were made in it."""

    op: str
    graph: Graph
    made: set[Storage] = field(default_factory=set)

    def refuse(self, what: str, instead: str) -> TraceError:
        """TraceError GT616, to be raised."""
        error = TraceError("GT616", f"{what} in a function given to {self.op}", [instead])
        error.op = self.op
        return error


@dataclass
class Traced:
    """A body's graph, what it gave, and the values from around it that its last parameters stand for."""

    graph: Graph
    result: Any
    outputs: list[Tensor]
    captured: list[Value]


def trace_body(
    tracer: Tracer,
    op: str,
    name: str,
    types: Sequence[TensorType],
    call: Callable[[Sequence[Tensor]], tuple[Any, list[Tensor]]],
) -> Traced:
    """``call`` of stand-ins for these types gives (the result, its tensors, which are the outputs of graph ``name``).

    Raises TraceError GT616 for what a body cannot do.
    """
    body = Body(op, Graph(name))
    params = [Param(f"a{i}", t) for i, t in enumerate(types)]
    body.graph.params += params
    given = [tracer.wrap(p) for p in params]
    recording = autograd.is_grad_enabled()
    for t in given:
        if recording and t.dtype.is_floating_point:
            tracer.follow(t)
    with _inside(tracer, body):
        result, outputs = call(given)
        body.graph.outputs = [tracer.gradients.path(tracer.read(o), o, recording) for o in outputs]
    return Traced(body.graph, result, outputs, _close(body.graph))


@contextmanager
def _inside(tracer: Tracer, body: Body) -> Iterator[None]:
    builder, tracer.builder = tracer.builder, Builder(body.graph)
    tracer.bodies.append(body)
    try:
        with tracer.gradients.in_body():
            yield
    finally:
        tracer.builder = builder
        tracer.bodies.pop()
        tracer.ended.update(dict.fromkeys(body.made, body))


def _close(graph: Graph) -> list[Value]:
    """Make parameters of the values that ``graph`` reads and does not make; those values."""
    inside: dict[Value, Value] = {p: p for p in graph.params}
    captured: list[Value] = []

    def own(value: Value) -> Value:
        if value not in inside:
            captured.append(value)
            inside[value] = Param(f"k{len(captured) - 1}", value.type)
            graph.params.append(inside[value])  # type: ignore[arg-type]
        return inside[value]

    for node in graph.nodes:
        node.operands = tuple(map(own, node.operands))
        inside.update((r, r) for r in node.results)
    graph.outputs = list(map(own, graph.outputs))
    return captured


def results_of(
    tracer: Tracer, values: Sequence[Value], operands: Sequence[Tensor], captured: Sequence[Value]
) -> list[Tensor]:
    """Results of a node as tensors, which require gradients where an operand or what a body captured does."""
    results = list(map(tracer.wrap, values))
    if state.scope is not None:
        tracer.owners |= {v.node: state.scope.owner for v in values if v.node is not None}
    known = tracer.gradients
    followed = any(o._requires_grad for o in operands) or any(v in known.leaves or v in known.tracked for v in captured)
    for r in results:
        if autograd.is_grad_enabled() and followed and r.dtype.is_floating_point:
            tracer.follow(r)
    return results
