"""The tracing interpreter: tensors without data stand for the values of a graph that is being recorded.

A tensor has a storage, and a storage has a value at each point of the program: an op that writes in place
gives its target's storage another value. Tensors that exist outside of the function become parameters:
"const" when they are only read, "inout" when the function writes them. `loss.backward()` becomes a
`gradient` node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.frontend import autograd
from graphtorch.frontend.assignments import Assignments
from graphtorch.frontend.guards import Guard
from graphtorch.frontend.tensor import Storage, Tensor, _no_data
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, AutogradError, TraceError
from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.loc import here, state
from graphtorch.ir.op import OPS, Op
from graphtorch.ir.ops.gradient import gradient
from graphtorch.ir.types import TensorType, float64


@dataclass
class Binding:
    """Where a parameter of the program is found: ``fetch(arguments)`` gives its tensor (or number) at a call.

    ``tensor`` is what stood there while tracing: an argument's stand-in, or a tensor from outside.
    """

    param: Param
    fetch: Callable[[Sequence[Tensor]], Any]
    tensor: Tensor | None


class Tracer(bind.Interpreter):
    """The interpreter of a trace."""

    tracing = True

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self.builder = Builder(self.graph)
        #: what a storage holds now, how often it was written, and what a view's storage views since when
        self.values: dict[Storage, Value] = {}
        self.versions: dict[Storage, int] = {}
        self.views: dict[Storage, tuple[Storage, int]] = {}
        self.inputs: list[Binding] = []
        self.captures: list[Binding] = []
        self.params: dict[Storage, Param] = {}
        self.written: dict[Storage, Param] = {}
        #: views of a part of an outside storage, by storage, address, shape and strides
        self.parts: dict[tuple[int, ...], Value] = {}
        self.numbers: dict[tuple[int, Any], Tensor] = {}
        #: the leaf that a value is read from, the values of further leaves of one storage, what is computed from leaves
        self.leaves: dict[Value, Tensor] = {}
        self.twins: dict[tuple[Value, int], Value] = {}
        self.tracked: set[Value] = set()
        self.detached: dict[Value, Value] = {}
        #: gradients that were set or added to, by the id of their leaf
        self.grads: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.replaced: set[int] = set()
        self.guards: list[Guard] = []
        self.assignments = Assignments()
        self.had_backward = False

    # ---- values of tensors ----

    def wrap(self, value: Value) -> Tensor:
        """A tensor of this trace."""
        out = Tensor.__new__(Tensor)
        out._data, out._storage, out._aval, out._traced = None, Storage(None), value.type, self
        self.values[out._storage] = value
        return out

    def add_input(self, type_: TensorType, requires_grad: bool) -> Tensor:
        """A stand-in for the next argument."""
        position = len(self.inputs)
        param = Param(f"x{position}", type_, "in")
        self.graph.params.append(param)
        out = self.wrap(param)
        out._requires_grad = requires_grad
        self.inputs.append(Binding(param, lambda tensors: tensors[position], out))
        return out

    def read(self, t: Tensor) -> Value:
        """The value that a tensor has at this point of the program."""
        if not isinstance(t, Tensor):
            raise ArgumentTypeError("GT301", f"expected a tensor, got {type(t).__name__}")
        if t._traced is not None and t._traced is not self:
            raise TraceError(
                "GT603",
                "a tensor of an earlier trace was kept and is used again",
                ["return it from the compiled function instead of storing it"],
            )
        value = self._part(t) if t._traced is None and not _covers(t) else self._whole(t)
        return self._leaf(value, t) if t._requires_grad and t.is_leaf else value

    def _whole(self, t: Tensor) -> Value:
        storage = t._storage
        base = self.views.get(storage)
        if base is not None and self.versions.get(base[0], 0) != base[1]:
            raise TraceError(
                "GT604",
                "a view is read after the tensor that it views was changed in place",
                ["clone() the view before the change, or take it again afterwards"],
            )
        if storage not in self.values:
            self.params[storage] = self.values[storage] = self._capture(t.aval, lambda _: t, t)
        return self.values[storage]

    def _part(self, t: Tensor) -> Value:
        """A view of a part of an outside storage: read-only, gathered at every call."""
        key = (id(t._storage), t.data_ptr(), *t._array.shape, *t._array.strides)
        if key not in self.parts:
            self.parts[key] = self._capture(t.aval, lambda _: t, t)
        return self.parts[key]

    def _capture(
        self, type_: TensorType, fetch: Callable[[Sequence[Tensor]], Any], tensor: Tensor | None, label: str = ""
    ) -> Param:
        param = Param(f"c{len(self.captures)}", type_, "const" if tensor is not None else "in", label=label)
        self.captures.append(Binding(param, fetch, tensor))
        return param

    def _leaf(self, value: Value, t: Tensor) -> Value:
        """The value through which ``t``, and no other leaf of the same storage, gets its gradient."""
        owner = self.leaves.setdefault(value, t)
        if owner is t:
            return value
        key = value, id(t)
        if key not in self.twins:
            twin = self.builder.bind(OPS["clone"], (value,), {})[0]
            self.twins[key], self.leaves[twin] = twin, t
        return self.twins[key]

    def constant(self, t: Tensor) -> Tensor:
        """A tensor made from Python data during the trace, as a tensor of the trace."""
        return self.wrap(self._capture(t.aval, lambda _: t, t))

    # ---- interpretation ----

    def bind(self, op: Op, operands: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        types = op.result_types(operands, attrs)
        recording = autograd.is_grad_enabled() and not op.nondifferentiable
        self.builder.locs = (here(),)
        values = [self.read(o) for o in operands]
        if op is not OPS["detach"]:
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
            r._origin = op.name, state.scope
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
            self.detached[value] = self.builder.bind(OPS["detach"], (value,), {})[0]
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
            raise TraceError(
                "GT604",
                "a view cannot be written in place in a compiled program",
                ["write the tensor that it views, or build the result out of place (gt.where, gt.cat)"],
            )
        self.values[storage] = value
        self.versions[storage] = self.versions.get(storage, 0) + 1
        if target._traced is None:
            self.written[storage] = self.params[storage]
        elif autograd.is_grad_enabled():
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

    # ---- gradients ----

    def backward(self, root: Tensor, seed: Tensor, retain_graph: bool) -> None:
        self.had_backward = True
        loss, start = self.read(root), self.read(seed)
        targets = list(history(loss, self.leaves)[0])
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
            self.params[have._storage] = self.values[have._storage] = self._capture(have.aval, lambda _: t._grad, have)
        return have

    def set_grad(self, t: Tensor, grad: Tensor | None) -> None:
        self.grads[id(t)] = t, grad
        self.replaced.add(id(t))

    # ---- what modules and optimizers ask of whatever interprets them ----

    def number(self, owner: Any, key: Any) -> Tensor:
        """A Python number as an input of the program, fetched from ``owner`` at every call."""
        if (id(owner), key) not in self.numbers:
            from graphtorch.frontend.eager import EAGER

            fetch = lambda _: EAGER.number(owner, key)
            self.numbers[id(owner), key] = self.wrap(self._capture(TensorType((), float64), fetch, None, str(key)))
        return self.numbers[id(owner), key]

    def depends(self, name: str, read: Callable[[], Any]) -> None:
        """The program is good as long as ``read()`` gives what it gives now."""
        self.guards.append(Guard(name, read, read()))

    def constructing(self, owner: Any) -> None:
        """A module that the function makes: its attributes are the function's own business."""
        self.assignments.ignore(owner)

    def assigning(self, owner: Any, name: str) -> None:
        """The attribute ``name`` of a module is about to change."""
        self.assignments.note(owner, name)

    def made(self, table: dict[Any, Any], key: Any) -> None:
        """``table[key]`` was made during the trace; it goes again if the trace fails."""
        self.assignments.on_failure.append(lambda: table.pop(key, None))

    def data(self, t: Tensor, what: str) -> Any:
        raise _no_data(what)


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


def history(root: Value, leaves: dict[Value, Tensor]) -> tuple[list[Value], set[Node]]:
    """What backward from ``root`` reaches: the leaves, in the order they were first read, and the nodes between."""
    found: set[Value] = set()
    nodes: set[Node] = set()
    stack = [root]
    while stack:
        value = stack.pop()
        if value in leaves:
            found.add(value)
        elif value.node is not None and value.node not in nodes and not value.node.op.nondifferentiable:
            nodes.add(value.node)
            stack += value.node.operands
    return [v for v in leaves if v in found], nodes
