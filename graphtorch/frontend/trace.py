"""The tracer: runs Python once over tensors without data, and records a graph.

Tensors that exist outside of the function become parameters of the graph: "const" when they are only
read, "inout" when the function writes them in place. `loss.backward()` becomes a `gradient` node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from graphtorch.codegen.stages import cuda_text
from graphtorch.frontend import autograd
from graphtorch.frontend.guards import Guard, Recorder
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Storage, Tensor, _no_data
from graphtorch.frontend.tree import leaves, map_leaves
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, AutogradError, GraphTorchError, TraceError
from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.loc import here
from graphtorch.ir.op import Op
from graphtorch.ir.ops.elementwise import detach
from graphtorch.ir.ops.gradient import gradient
from graphtorch.ir.types import DType, TensorType, float32, float64


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
class Capture:
    """A parameter of the graph that is not an argument: how to get at its tensor at every call."""

    param: Param
    fetch: Callable[[], Any]
    storage: Storage | None


@dataclass
class Traced:
    """What a trace gave.

    ``graph.outputs`` are the tensors of ``result`` in order, then the gradients of ``grads`` (owner,
    gradient or None where it was cleared, whether it adds to what an argument had before the call).
    ``captures`` follow the inputs among the parameters.
    """

    graph: Graph
    inputs: list[Tensor]
    captures: list[Capture]
    result: Any
    outputs: list[Tensor]
    grads: list[tuple[Tensor, Tensor | None, bool]]
    leaves: dict[Value, Tensor]
    requires: list[bool]
    had_backward: bool
    recorder: Recorder
    guards: list[Guard] = field(default_factory=list)


class Tracer(bind.Interpreter):
    """The interpreter of a trace."""

    tracing = True

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self.builder = Builder(self.graph)
        self.values: dict[Storage, Value] = {}
        self.versions: dict[Storage, int] = {}
        self.views: dict[Storage, tuple[Storage, int]] = {}
        self.inputs: list[Tensor] = []
        self.captures: list[Capture] = []
        self.written: dict[Storage, Param] = {}
        self.partial: dict[tuple[int, ...], Tensor] = {}
        self.params: dict[Storage, Param] = {}
        self.born: set[Storage] = set()
        self.grads: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.guards: list[Guard] = []
        self.numbers: dict[tuple[int, Any], Tensor] = {}
        self.leaves: dict[Value, Tensor] = {}
        self.detached: dict[Value, Value] = {}
        self.replaced: set[int] = set()
        self.tracked: set[Value] = set()
        self.had_backward = False

    # ---- values of tensors ----

    def wrap(self, value: Value) -> Tensor:
        """A tensor of this trace."""
        out = Tensor.__new__(Tensor)
        out._data, out._storage, out._aval, out._traced = None, Storage(None), value.type, self
        self.values[out._storage] = value
        return out

    def add_input(self, type_: TensorType, requires_grad: bool, name: str) -> Tensor:
        param = Param(name, type_, "in")
        self.graph.params.append(param)
        out = self.wrap(param)
        out._requires_grad = requires_grad
        self.inputs.append(out)
        return out

    def read(self, t: Tensor) -> Value:
        """The value that a tensor has at this point of the program."""
        if not isinstance(t, Tensor):
            raise ArgumentTypeError("GT301", f"expected a tensor, got {type(t).__name__}")
        if t._traced is not None and t._traced is not self:
            raise self._error(
                "GT603",
                "a tensor of an earlier trace was kept and is used again",
                ["return it from the compiled function instead of storing it"],
            )
        storage = t._storage
        if t._traced is None and not _covers(t):
            return self._read_part(t)
        base = self.views.get(storage)
        if base is not None and self.versions.get(base[0], 0) != base[1]:
            raise self._error(
                "GT604",
                "a view is read after the tensor that it views was changed in place",
                ["clone() the view before the change, or take it again afterwards"],
            )
        if storage not in self.values:
            self._capture(t)
        value = self.values[storage]
        if t._requires_grad and t.is_leaf:
            self.leaves.setdefault(value, t)
        return value

    def _capture(self, t: Tensor) -> None:
        param = Param(f"c{len(self.captures)}", t.aval, "const")
        self.captures.append(Capture(param, lambda: t, t._storage))
        self.params[t._storage] = param
        self.values[t._storage] = param

    def _read_part(self, t: Tensor) -> Value:
        """A concrete view of part of a storage: read-only, gathered at every call."""
        array = t._array
        key = (id(t._storage), t.data_ptr(), *array.shape, *array.strides)
        if key not in self.partial:
            alias = t._alias()
            param = Param(f"c{len(self.captures)}", t.aval, "const")
            self.captures.append(Capture(param, lambda: t, None))
            self.values[Storage(None)] = param
            self.partial[key] = alias
            alias._part = param  # type: ignore[attr-defined]
        value: Value = self.partial[key]._part
        if t._requires_grad and t.is_leaf:
            self.leaves.setdefault(value, t)
        return value

    def note_born(self, t: Tensor) -> None:
        """A tensor made from Python data during the trace: its storage is new at every call."""
        self.born.add(t._storage)

    # ---- interpretation ----

    def bind(self, op: Op, operands: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        types = op.result_types(operands, attrs)
        recording = autograd.is_grad_enabled() and not op.nondifferentiable
        self.builder.locs = (here(),)
        values = [self.read(o) for o in operands]
        if op is not detach:
            values = [self._path(v, o, recording) for v, o in zip(values, operands, strict=True)]
        node = self.builder.append(Node(op, values, attrs, types, self.builder.locs))
        results = tuple(map(self.wrap, node.results))
        if op.is_view and operands:
            base = self.views.get(operands[0]._storage, (operands[0]._storage, 0))[0]
            for r in results:
                self.views[r._storage] = base, self.versions.get(base, 0)
        if recording and any(o._requires_grad for o in operands):
            for r in results:
                if r.dtype.is_floating_point:
                    r._requires_grad, r._grad_fn = True, _NODE
                    self.tracked.add(self.values[r._storage])
        for r in results:
            r._origin = (op.name, None)
        return results

    def _path(self, value: Value, operand: Tensor, recording: bool) -> Value:
        """The value, cut off where autograd does not follow: no_grad, frozen leaves, `.data`."""
        if recording and operand._requires_grad:
            return value
        followed = value in self.leaves or value in self.tracked or operand._is_data
        return self._cut(value) if operand._requires_grad or followed else value

    def _cut(self, value: Value) -> Value:
        """The value with no path for gradients: what runs under no_grad does not depend on parameters."""
        if value not in self.detached:
            self.detached[value] = self.builder.bind(detach, (value,), {})[0]
        return self.detached[value]

    def write(self, target: Tensor, source: Tensor) -> None:
        """target[...] = source."""
        if autograd.is_grad_enabled():
            self._check_autograd(target, source)
        self.builder.locs = (here(),)
        value = self.read(source)
        self.read(target)
        storage = target._storage
        if storage in self.views or (target._traced is None and not _covers(target)):
            raise self._error(
                "GT604",
                "a view cannot be written in place in a compiled program",
                ["write the tensor that it views, or build the result out of place (gt.where, gt.cat)"],
            )
        self.values[storage] = value
        self.versions[storage] = self.versions.get(storage, 0) + 1
        if target._traced is None and storage not in self.born:
            self.written[storage] = self.params[storage]
        elif target._traced is not None and autograd.is_grad_enabled():
            target._requires_grad, target._grad_fn = source._requires_grad, source._grad_fn

    @staticmethod
    def _check_autograd(target: Tensor, source: Tensor) -> None:
        if target._requires_grad and target.is_leaf:
            raise AutogradError(
                "GT503",
                "a leaf that requires grad cannot be changed in place while gradients are recorded",
                ["do it inside of `with gt.no_grad():`, or change a copy: x = x.clone()"],
            )
        if target._traced is None and source._requires_grad:
            raise AutogradError(
                "GT509",
                "state cannot take a value that depends on gradients",
                ["detach it first: state.copy_(value.detach())"],
            )

    def backward(self, root: Tensor, seed: Tensor, retain_graph: bool) -> None:
        self.had_backward = True
        loss, start = self.read(root), self.read(seed)
        targets = _reachable_leaves(loss, self.leaves)
        if not targets:
            return
        self.builder.locs = (here(),)
        with autograd.no_grad():
            found = self.builder.bind(gradient, (loss, start, *targets), {})
            for target, g in zip(targets, found, strict=True):
                leaf, new = self.leaves[target], self.wrap(g)
                have = self.get_grad(leaf)
                self.grads[id(leaf)] = leaf, new if have is None else have + new

    def get_grad(self, t: Tensor) -> Tensor | None:
        if id(t) in self.grads:
            return self.grads[id(t)][1]
        have = t._grad
        self.guards.append(Guard("whether a gradient is None", lambda: t._grad is None, have is None))
        if have is not None and have._storage not in self.values:
            param = Param(f"c{len(self.captures)}", have.aval, "const")
            self.captures.append(Capture(param, lambda: t._grad, have._storage))
            self.params[have._storage] = self.values[have._storage] = param
        return have

    def set_grad(self, t: Tensor, grad: Tensor | None) -> None:
        self.grads[id(t)] = t, grad
        self.replaced.add(id(t))

    def number(self, owner: Any, key: Any) -> Tensor:
        """A Python number as an input of the program, fetched from ``owner`` at every call."""
        if (id(owner), key) not in self.numbers:
            from graphtorch.frontend.eager import EAGER

            param = Param(f"c{len(self.captures)}", TensorType((), float64), "in", label=str(key))
            self.captures.append(Capture(param, lambda: EAGER.number(owner, key), None))
            self.numbers[id(owner), key] = self.wrap(param)
        return self.numbers[id(owner), key]

    def depends(self, name: str, read: Callable[[], Any]) -> None:
        """The program is good as long as ``read()`` gives what it gives now."""
        self.guards.append(Guard(name, read, read()))

    def data(self, t: Tensor, what: str) -> Any:
        raise _no_data(what)

    def _error(self, code: str, message: str, facts: list[str]) -> GraphTorchError:
        error = TraceError(code, message, facts)
        error.loc = here()
        error.path = error.loc.path
        return error


class _TracedNode(autograd.GradNode):
    """Stands for the history of a traced tensor, which is the graph itself."""

    def __init__(self) -> None:
        super().__init__((), ())


_NODE = _TracedNode()


def _covers(t: Tensor) -> bool:
    """Whether a concrete tensor is its whole storage, in row-major order."""
    array, base = t._array, t._storage.array
    return (array is base and array.flags.c_contiguous) or (
        base is not None
        and array.flags.c_contiguous
        and array.size == base.size
        and array.__array_interface__["data"] == base.__array_interface__["data"]
        and array.shape == base.shape
    )


def _reachable_leaves(loss: Value, leaves: dict[Value, Tensor]) -> list[Value]:
    found: dict[Value, None] = {}
    seen: set[int] = set()
    stack = [loss]
    while stack:
        value = stack.pop()
        if value in leaves:
            found[value] = None
            continue
        if value.node is None or id(value.node) in seen or value.node.op.nondifferentiable:
            continue
        seen.add(id(value.node))
        stack += value.node.operands
    order = list(leaves)
    return sorted(found, key=order.index)


def run_trace(target: Callable[..., Any], args: Any, kwargs: Any, name: str) -> Traced:
    """Trace one call. ``args`` and ``kwargs`` may hold tensors and TensorSpecs anywhere."""
    tracer = Tracer(name)
    names: Iterator[int] = iter(range(1 << 30))

    def proxy(leaf: Any) -> Any:
        if isinstance(leaf, TensorSpec):
            return tracer.add_input(leaf.type, leaf.requires_grad, f"x{next(names)}")
        if isinstance(leaf, Tensor):
            return tracer.add_input(leaf.aval, leaf._requires_grad, f"x{next(names)}")
        return leaf

    args, kwargs = map_leaves(proxy, args), map_leaves(proxy, kwargs)
    recorder = Recorder(getattr(target, "__wrapped__", target))
    bind.push(tracer)
    try:
        with recorder:
            result = target(*args, **kwargs)
        inputs = set(map(id, tracer.inputs))
        tensors = [leaf for leaf in leaves(result) if isinstance(leaf, Tensor)]
        outputs = [t for t in tensors if t._traced is not None and id(t) not in inputs]
        return _finish(tracer, recorder, result, outputs, target)
    finally:
        bind.pop()


def _finish(tracer: Tracer, recorder: Recorder, result: Any, outputs: list[Tensor], target: Any) -> Traced:
    graph = tracer.graph
    inputs = set(map(id, tracer.inputs))
    grads = [
        (leaf, grad, id(leaf) in inputs and id(leaf) not in tracer.replaced)
        for leaf, grad in tracer.grads.values()
        if grad is not leaf._grad or grad is None
    ]
    grads.sort(key=lambda entry: id(entry[0]) in inputs)  # arguments last: they may be parameters as well
    values = [tracer.read(o) for o in outputs]
    values += [tracer.read(g) for _, g, _ in grads if g is not None]
    requires = [o._requires_grad for o in outputs]
    partial = {key[0] for key in tracer.partial}
    for storage, param in tracer.written.items():
        if id(storage) in partial:
            raise tracer._error(
                "GT604",
                "state is written in place while a view of it is read",
                ["clone() the view outside of the compiled function"],
            )
        param.role = "inout"
        graph.updates[param] = tracer.values[storage]
    for x, param in zip(tracer.inputs, list(graph.params), strict=False):
        if tracer.values[x._storage] is not param and tracer.versions.get(x._storage):
            param.role = "inout"
            graph.updates[param] = tracer.values[x._storage]
    graph.params += [c.param for c in tracer.captures]
    graph.outputs = values
    _label(tracer, target, recorder)
    return Traced(
        graph, tracer.inputs, tracer.captures, result, outputs, grads, tracer.leaves, requires,
        tracer.had_backward, recorder, tracer.guards,
    )  # fmt: skip


def _label(tracer: Tracer, target: Any, recorder: Recorder) -> None:
    """Give state the qualified names of the modules that hold it."""
    roots = [target] if isinstance(target, Module) else []
    for guard in recorder.other_guards.values():
        if isinstance(guard.keep, Module) and not any(guard.keep is r for r in roots):
            roots.append(guard.keep)
    labels: dict[int, str] = {}
    for root in roots:
        for name, t in (*root.named_parameters(), *root.named_buffers()):
            labels.setdefault(id(t._storage), name)
    for capture in tracer.captures:
        if capture.storage is not None and not capture.param.label:
            capture.param.label = labels.get(id(capture.storage), "")


def trace(target: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """The graph of one call of a function or module, before any pass.

    Arguments are tensors or `TensorSpec`s; nothing is computed. Raises TraceError GT601 where Python
    asks for numbers, and every error that the ops themselves raise.
    """
    name = getattr(target, "__name__", type(target).__name__)
    return run_trace(target, args, kwargs, name).graph


def _cuda_source(self: Graph) -> str:
    """CUDA C of every kernel of this graph (fused first, if it is not yet)."""
    return cuda_text(self)


Graph.cuda_source = _cuda_source  # type: ignore[attr-defined]  # here, since ir knows nothing of code generation
