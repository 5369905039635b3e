"""Tracing: run Python once over tensors without data, and keep the graph and all that a call needs beside it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from graphtorch.codegen.stages import cuda_text
from graphtorch.frontend import autocast_mode, autograd
from graphtorch.frontend.assignments import Assignment, lookup
from graphtorch.frontend.calls import Calls
from graphtorch.frontend.derivatives import check_hooks
from graphtorch.frontend.gradients import NewGrad
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.recorder import Recorder
from graphtorch.frontend.refusals import (
    IN_A_TENSOR,
    HandedIn,
    check_mode,
    check_repeatable,
    check_result,
    not_repeatable,
)
from graphtorch.frontend.spec import TensorSpec
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.traced_state import Binding
from graphtorch.frontend.tracer import Tracer
from graphtorch.frontend.tree import leaves, map_leaves
from graphtorch.ir import bind
from graphtorch.ir.errors import GraphTorchError, TraceError
from graphtorch.ir.graph import Graph, Value
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import TensorType, defaults


@dataclass
class Traced:
    """What a trace gave.

    ``graph.outputs`` are ``outputs``, the tensors of ``result`` and of ``assignments``, and then the gradients that
    ``grads`` makes. ``inputs`` and ``captures`` are the parameters, in order.
    """

    graph: Graph
    tracer: Tracer
    recorder: Recorder
    result: Any
    outputs: list[Tensor]
    grads: list[NewGrad]
    assignments: list[Assignment]

    def __post_init__(self) -> None:
        #: the positions of arguments, by the ids of their stand-ins
        self.arguments = {id(b.tensor): b.position for b in self.tracer.inputs}
        self.bindings: list[Binding] = [*self.tracer.inputs, *self.tracer.captures]
        self.leaves: dict[Value, Tensor] = self.tracer.gradients.leaves
        #: the leaves that there are without the program
        self.targets = [(v, t) for v, t in self.leaves.items() if t._traced is None or id(t) in self.arguments]
        self.requires = [o._requires_grad for o in self.outputs]
        self.had_backward = self.tracer.gradients.had_backward
        self.grad_count = sum(g.made for g in self.grads)
        self._places = self.tracer.places
        known = {id(b.tensor): b.tensor for b in self.tracer.captures if b.tensor is not None}
        #: tensors from outside that were looked at, whether or not the program needs them
        self.outside = [t for k, t in {**self.recorder.tensors, **known}.items() if k not in self._places]

    def actual(self, t: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        """The tensor of this call behind one of the trace: an argument, or what stands in its place now."""
        position = self.arguments.get(id(t))
        if position is not None:
            return tensors[position]
        place = self._places.get(id(t))
        return t if place is None else place[1](tensors)

    def is_fixed(self, t: Tensor) -> bool:
        """Whether the tensor of a call behind ``t`` is always ``t`` itself."""
        return id(t) not in self.arguments and id(t) not in self._places

    def undo(self) -> None:
        """The trace came to nothing: leave no mark of it on modules, optimizers and lists."""
        self.tracer.assignments.undo()
        self.recorder.restore()


def name_of(target: Any) -> str:
    """What a function or a module is called in messages and dumps."""
    if isinstance(target, functools.partial):
        return name_of(target.func)
    return str(getattr(target, "__name__", type(target).__name__))


def run_trace(
    target: Callable[..., Any], args: Any, kwargs: Any, types: Mapping[int, TensorType] | None = None
) -> Traced:
    """Trace one call. ``args`` and ``kwargs`` may hold tensors and TensorSpecs anywhere.

    ``types`` are those that stand-ins have in the place of their tensors' own, by number: of sizes that are not known.
    """
    tracer = Tracer(name_of(target))
    given, mode, dtype, cast = (args, kwargs), autograd.is_grad_enabled(), defaults.dtype, autocast_mode.mode.active
    args, kwargs = _stand_ins(tracer, given, types or {})
    handed, traced_target = HandedIn((args, kwargs)), getattr(target, "__wrapped__", target)
    recorder = Recorder(traced_target, given, tracer.assignments, Calls(handed.containers))
    bind.push(tracer)
    try:
        with recorder:
            result = target(*args, **kwargs)
        check_mode(tracer.graph.name, recorder, mode, dtype)
        handed.check(tracer.graph.name, recorder, _code_of(traced_target))
        assignments = _assignments(tracer, recorder)
        traced = _finish(tracer, recorder, result, assignments)
        check_repeatable(tracer, recorder)
        _label(traced, target)
    except BaseException as failed:
        if isinstance(failed, GraphTorchError):
            _explain(failed, tracer, [target, *recorder.modules.values()])
        tracer.assignments.undo()
        recorder.restore()
        raise
    finally:
        bind.pop()
        autograd._mode.enabled, defaults.dtype, autocast_mode.mode.active = mode, dtype, cast
    return traced


def _explain(error: GraphTorchError, tracer: Tracer, roots: list[Any]) -> None:
    """Say where the sizes came from that do not fit, and which hooks may be to blame for what is not repeatable."""
    if isinstance(error, TraceError):
        ran = [what for what in dict.fromkeys(tracer.notes.hooks) if not any(what in fact for fact in error.facts)]
        error.facts += [f"hooks that ran: {', '.join(ran)}"] if ran else []
    from graphtorch.frontend.diagnosis.local import add_trail  # which makes traces itself

    add_trail(tracer, [root for root in roots if isinstance(root, Module)], error)


def _code_of(target: Any) -> CodeType | None:
    """The code that a call runs first."""
    function = target.forward if isinstance(target, Module) else target
    return getattr(getattr(function, "__func__", function), "__code__", None)


def _stand_ins(tracer: Tracer, tree: Any, types: Mapping[int, TensorType]) -> Any:
    """The arguments with tensors of the trace; one that comes twice is one tensor."""
    position = -1
    made: dict[int, Tensor] = {}

    def stand_in(leaf: Any) -> Any:
        nonlocal position
        if not isinstance(leaf, TensorSpec | Tensor):
            return leaf
        position += 1
        if isinstance(leaf, TensorSpec):
            return tracer.add_input(leaf.type, position, None, leaf.requires_grad)
        if id(leaf) not in made:
            made[id(leaf)] = tracer.add_input(types.get(position, leaf.aval), position, leaf, leaf._requires_grad)
        return made[id(leaf)]

    return map_leaves(stand_in, tree)


def _assignments(tracer: Tracer, recorder: Recorder) -> list[Assignment]:
    """What the function assigned to modules. State that it also reads has to be a tensor, fetched at every call."""
    out = []
    for a in tracer.assignments.take_back():
        tensors = [t for t in leaves(a.after) if isinstance(t, Tensor) and t._traced is not None]
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
            raise not_repeatable(tracer.graph.name, [guard.name], _instead(a))
    for t, module, name in recorder.reassigned.values():
        tracer.located(t, functools.partial(_by_attribute, module, name))
    tracer.locate()
    return out


def _instead(a: Assignment) -> str:
    """What to write in the place of an assignment to state that the function also reads."""
    tensors = isinstance(a.before, Tensor) and isinstance(a.after, Tensor)
    if tensors and a.after._requires_grad:
        return f"the tensor it is assigned requires gradients; write self.{a.name} = {a.name}.detach()"
    return IN_A_TENSOR


def _is_state(t: Any) -> bool:
    return isinstance(t, Tensor) and not isinstance(t, Parameter) and not t._requires_grad


def _by_attribute(module: Module, name: str, _: Sequence[Tensor]) -> Any:
    return lookup(module, name)


def _finish(tracer: Tracer, recorder: Recorder, result: Any, assignments: list[Assignment]) -> Traced:
    graph, inputs = tracer.graph, {id(b.tensor) for b in tracer.inputs}
    trees = [result, *(a.after for a in assignments)]
    check_result(tracer, trees)
    tensors = {id(t): t for t in leaves(trees) if isinstance(t, Tensor) and t._traced is tracer and id(t) not in inputs}
    outputs = list(tensors.values())
    grads = tracer.gradients.finish()
    check_hooks(tracer, outputs)
    graph.outputs = [tracer.read(o) for o in outputs]
    graph.outputs += [tracer.read(g.value) for g in grads if g.value is not None]
    _updates(tracer)
    graph.params += [b.param for b in tracer.captures]
    return Traced(graph, tracer, recorder, result, outputs, grads, assignments)


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


def trace(target: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The graph of one call of a function or module, before any pass.

    Arguments are tensors or `TensorSpec`s; nothing is computed. Raises TraceError GT601 where Python
    asks for numbers, and every error that the ops themselves raise.

    Of a matrix it is what torch calls so, the sum of the diagonal: ``gt.trace(x)``, ``gt.trace(input=x)``.
    """
    if target is None or isinstance(target, Tensor):
        return PUBLIC["Tensor"]["trace"](*(() if target is None else (target,)), *args, **kwargs)
    return run_trace(target, args, kwargs).graph


def _cuda_source(self: Graph) -> str:
    """CUDA C of every kernel of this graph (fused first, if it is not yet)."""
    return cuda_text(self)


Graph.cuda_source = _cuda_source  # type: ignore[attr-defined]  # here, since ir knows nothing of code generation
