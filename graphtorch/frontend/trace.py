"""Tracing: run Python once over tensors without data, and keep the graph and all that a call needs beside it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphtorch.codegen.stages import cuda_text
from graphtorch.frontend.assignments import Assignment, lookup
from graphtorch.frontend.guards import Guard, Recorder
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tracer import Binding, Tracer
from graphtorch.frontend.tree import leaves, map_leaves
from graphtorch.ir import bind
from graphtorch.ir.errors import TraceError
from graphtorch.ir.graph import Graph, Value
from graphtorch.ir.types import DType, TensorType, float32


@dataclass(frozen=True)
class TensorSpec:
    """A shape and a dtype without data, in the place of a tensor: ``TensorSpec((64, 3, 32, 32))``."""

    shape: tuple[int, ...]
    dtype: DType = float32
    requires_grad: bool = False

    @property
    def type(self) -> TensorType:
        return TensorType(tuple(self.shape), self.dtype)


@dataclass
class Traced:
    """What a trace gave.

    ``graph.outputs`` are ``outputs``, the tensors of ``result`` and of ``assignments``, and then the gradients of
    ``grads``: (leaf, whether there is a new gradient or it was cleared, whether it adds to what an argument
    had before the call). ``inputs`` and ``captures`` are the parameters, in order.
    """

    graph: Graph
    tracer: Tracer
    recorder: Recorder
    result: Any
    outputs: list[Tensor]
    grads: list[tuple[Tensor, bool, bool]]
    assignments: list[Assignment]
    guards: list[Guard] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bindings: list[Binding] = [*self.tracer.inputs, *self.tracer.captures]
        self.input_names = {b.param.name for b in self.tracer.inputs}
        self.leaves: dict[Value, Tensor] = self.tracer.leaves
        self.requires = [o._requires_grad for o in self.outputs]
        self.had_backward = self.tracer.had_backward
        self.grad_count = sum(made for _, made, _ in self.grads)
        self._positions = {id(b.tensor): i for i, b in enumerate(self.tracer.inputs)}

    def is_input(self, t: Tensor) -> bool:
        """Whether ``t`` stands for an argument."""
        return id(t) in self._positions

    def actual(self, t: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        """The caller's tensor behind an argument of the trace; any other tensor is itself."""
        position = self._positions.get(id(t))
        return t if position is None else tensors[position]

    def undo(self) -> None:
        """The trace came to nothing: leave no mark of it on modules, optimizers and lists."""
        self.tracer.assignments.undo()
        self.recorder.restore()


def name_of(target: Any) -> str:
    """What a function or a module is called in messages and dumps."""
    if isinstance(target, functools.partial):
        return name_of(target.func)
    return str(getattr(target, "__name__", type(target).__name__))


def run_trace(target: Callable[..., Any], args: Any, kwargs: Any) -> Traced:
    """Trace one call. ``args`` and ``kwargs`` may hold tensors and TensorSpecs anywhere."""
    tracer = Tracer(name_of(target))

    def stand_in(leaf: Any) -> Any:
        if isinstance(leaf, TensorSpec):
            return tracer.add_input(leaf.type, leaf.requires_grad)
        if isinstance(leaf, Tensor):
            return tracer.add_input(leaf.aval, leaf._requires_grad)
        return leaf

    recorder = Recorder(getattr(target, "__wrapped__", target), (args, kwargs), tracer.assignments)
    args, kwargs = map_leaves(stand_in, args), map_leaves(stand_in, kwargs)
    bind.push(tracer)
    try:
        with recorder:
            result = target(*args, **kwargs)
        assignments = _assignments(tracer, recorder)
        traced = _finish(tracer, recorder, result, assignments)
        _check_repeatable(traced, name_of(target))
        _label(traced, target)
    except BaseException:
        tracer.assignments.undo()
        recorder.restore()
        raise
    finally:
        bind.pop()
    return traced


def _assignments(tracer: Tracer, recorder: Recorder) -> list[Assignment]:
    """What the function assigned to modules. State that it also reads has to be a tensor, fetched at every call."""
    out = []
    for a in tracer.assignments.take_back():
        tensors = [t for t in leaves(a.after) if isinstance(t, Tensor) and t._traced is not None]
        if a.after is a.before:
            continue
        out.append(a)
        if isinstance(a.after, Tensor) and tensors:
            vars(a.owner).setdefault("_reassigned", set()).add(a.name)
        key = id(a.owner), a.name
        guard = recorder.module_guards.get(key) or recorder.other_guards.get(key)
        if guard is None or guard.accepts(a.after):
            continue
        if _is_state(a.before) and _is_state(a.after) and a.before.aval == a.after.aval:
            recorder.by_attribute(a.owner, a.name, a.before)
        elif key not in recorder.by_attributes:
            raise _not_repeatable(tracer.graph.name, [guard.name])
    for binding in tracer.captures:
        found = recorder.reassigned.get(id(binding.tensor))
        if found is not None:
            binding.fetch = functools.partial(_by_attribute, found[1], found[2])
    return out


def _is_state(t: Any) -> bool:
    return isinstance(t, Tensor) and not isinstance(t, Parameter) and not t._requires_grad


def _by_attribute(module: Module, name: str, _: Sequence[Tensor]) -> Any:
    return lookup(module, name)


def _check_repeatable(traced: Traced, name: str) -> None:
    """TraceError GT605 or GT609 for what a program could not do again at every call."""
    recorder = traced.recorder
    guards = [*recorder.module_guards.values(), *recorder.other_guards.values(), *traced.guards]
    broken = [g.name for g in guards if not g.holds()]
    if broken:
        raise _not_repeatable(name, broken)
    if recorder.impure is not None:
        what, loc = recorder.impure
        error = TraceError(
            "GT609",
            f"{name} draws numbers from {what}, which a compiled program would repeat at every call",
            ["use gt.rand, gt.randn or gt.randint, or draw outside and pass the number as a tensor argument"],
        )
        error.loc, error.path = loc, loc.path
        raise error


def _not_repeatable(name: str, changed: Sequence[str]) -> TraceError:
    return TraceError(
        "GT605",
        f"{name} changes Python state that it also reads, which a compiled program cannot repeat at every call",
        [f"changed while tracing: {', '.join(changed)}", "keep it in a tensor (a buffer of a module)"],
    )


def _finish(tracer: Tracer, recorder: Recorder, result: Any, assignments: list[Assignment]) -> Traced:
    graph, inputs = tracer.graph, {id(b.tensor) for b in tracer.inputs}
    trees = [result, *(a.after for a in assignments)]
    tensors = {id(t): t for t in leaves(trees) if isinstance(t, Tensor) and t._traced is tracer and id(t) not in inputs}
    outputs = list(tensors.values())
    grads = [
        (leaf, grad, id(leaf) in inputs and id(leaf) not in tracer.replaced)
        for leaf, grad in tracer.grads.values()
        if grad is not leaf._grad or grad is None
    ]
    grads.sort(key=lambda entry: id(entry[0]) in inputs)  # arguments last: they may be parameters as well
    graph.outputs = [tracer.read(o) for o in outputs]
    graph.outputs += [tracer.read(g) for _, g, _ in grads if g is not None]
    _updates(tracer)
    graph.params += [b.param for b in tracer.captures]
    made = [(leaf, grad is not None, adds) for leaf, grad, adds in grads]
    return Traced(graph, tracer, recorder, result, outputs, made, assignments, tracer.guards)


def _updates(tracer: Tracer) -> None:
    """Parameters that the function wrote in place are "inout"."""
    partial = {key[0] for key in tracer.parts}
    for storage, param in tracer.written.items():
        if id(storage) in partial:
            raise TraceError(
                "GT604",
                "state is written in place while a view of it is read",
                ["clone() the view outside of the compiled function"],
            )
        param.role = "inout"
        tracer.graph.updates[param] = tracer.values[storage]
    for binding in tracer.inputs:
        assert binding.tensor is not None  # an argument has a stand-in
        storage = binding.tensor._storage
        if tracer.values[storage] is not binding.param and tracer.versions.get(storage):
            binding.param.role = "inout"
            tracer.graph.updates[binding.param] = tracer.values[storage]


def _label(traced: Traced, target: Any) -> None:
    """Give state the qualified names of the modules that hold it."""
    roots = (
        [target, *traced.recorder.modules.values()] if isinstance(target, Module) else traced.recorder.modules.values()
    )
    labels: dict[int, str] = {}
    for root in roots:
        for name, t in (*root.named_parameters(), *root.named_buffers()):
            labels.setdefault(id(t._storage), name)
    for binding in traced.tracer.captures:
        if binding.tensor is not None and not binding.param.label:
            binding.param.label = labels.get(id(binding.tensor._storage), "")


def trace(target: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """The graph of one call of a function or module, before any pass.

    Arguments are tensors or `TensorSpec`s; nothing is computed. Raises TraceError GT601 where Python
    asks for numbers, and every error that the ops themselves raise.
    """
    return run_trace(target, args, kwargs).graph


def _cuda_source(self: Graph) -> str:
    """CUDA C of every kernel of this graph (fused first, if it is not yet)."""
    return cuda_text(self)


Graph.cuda_source = _cuda_source  # type: ignore[attr-defined]  # here, since ir knows nothing of code generation
