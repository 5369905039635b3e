"""One run over shapes: no number is computed, no memory is taken, and a failure is a result like any other.

It is a trace without what a compiled program needs to be called again (guards), so it costs what Python costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphtorch.frontend import autograd
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.trace import TensorSpec, name_of
from graphtorch.frontend.tracer import Tracer
from graphtorch.frontend.tree import leaves, map_leaves
from graphtorch.ir import bind
from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.graph import Node, Value
from graphtorch.ir.loc import Place, place, state
from graphtorch.ir.op import Op
from graphtorch.ir.types import TensorType, defaults


@dataclass
class ModuleCall:
    """A call of a module. ``inputs`` and ``outputs`` are the types of its tensors; a failed call has no outputs."""

    path: str
    module: Module
    depth: int
    inputs: list[TensorType]
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    outputs: list[TensorType] = field(default_factory=list)
    failed: bool = False


class AbstractTracer(Tracer):
    """A tracer that remembers which modules were called, outer ones before what they call; between which numbers the
    specs say that inputs lie; and which call of the user's each node was made by."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[ModuleCall] = []
        self.ranges: dict[Value, tuple[float, float]] = {}
        self.callers: dict[Node, Place | None] = {}
        self._depth = 0

    def bind(self, op: Op, operands: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        results = super().bind(op, operands, attrs)
        node = self.values[results[0]._storage].node
        if node is not None:
            self.callers[node] = place()
        return results

    def calling(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        assert state.scope is not None  # that of the module
        call = ModuleCall(state.scope.path, module, self._depth, types_in((args, kwargs)), (args, kwargs), failed=True)
        self.calls.append(call)
        self._depth += 1
        try:
            out = module.forward(*args, **kwargs)
        finally:
            self._depth -= 1
        call.outputs, call.failed = types_in(out), False
        return out


@dataclass
class Observation:
    """What a run showed. ``error`` is what ended it, if anything did; ``result`` is then None."""

    tracer: AbstractTracer
    result: Any
    error: GraphTorchError | None

    @property
    def calls(self) -> list[ModuleCall]:
        return self.tracer.calls


def types_in(tree: Any) -> list[TensorType]:
    """The types of the tensors in a nesting, in order."""
    return [t.aval for t in leaves(tree) if isinstance(t, Tensor)]


def observe(target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Observation:
    """Run ``target`` over the shapes of ``args`` and ``kwargs``, tensors or TensorSpecs at any depth.

    What the run assigned to modules is taken back. Only errors of graphtorch are results; others leave as they came.
    """
    tracer = AbstractTracer(name_of(target))
    mode, dtype, scope = autograd.is_grad_enabled(), defaults.dtype, state.scope
    args, kwargs = stand_ins(tracer, (args, kwargs or {}))
    bind.push(tracer)
    try:
        return Observation(tracer, target(*args, **kwargs), None)
    except GraphTorchError as error:
        return Observation(tracer, None, error)
    finally:
        bind.pop()
        tracer.assignments.undo()
        autograd._mode.enabled, defaults.dtype, state.scope = mode, dtype, scope


def stand_ins(tracer: AbstractTracer, tree: Any) -> Any:
    """The nesting with an input of the trace for each tensor and spec; one that comes twice is one input."""
    made: dict[int, Tensor] = {}

    def stand_in(leaf: Any) -> Any:
        if isinstance(leaf, TensorSpec):
            found = tracer.add_input(leaf.type, len(tracer.inputs), None, leaf.requires_grad)
            if leaf.range is not None:
                tracer.ranges[tracer.values[found._storage]] = leaf.range
            return found
        if not isinstance(leaf, Tensor):
            return leaf
        if id(leaf) not in made:
            made[id(leaf)] = tracer.add_input(leaf.aval, len(tracer.inputs), leaf, leaf._requires_grad)
        return made[id(leaf)]

    return map_leaves(stand_in, tree)
