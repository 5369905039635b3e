"""The tracing interpreter: tensors without data stand for the values of a graph that is being recorded.

A tensor has a storage, and a storage has a value at each point of the program: an op that writes in place
gives its target's storage another value. Tensors that exist outside of the function become parameters:
"const" when they are only read, "inout" when the function writes them. Gradients stand in `gradients.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphtorch.frontend import autograd, derivatives, traced_functions
from graphtorch.frontend.asked import Questions
from graphtorch.frontend.assignments import NOTHING
from graphtorch.frontend.autocast_mode import suspended
from graphtorch.frontend.bodies import Body
from graphtorch.frontend.gradients import Argument, Gradients
from graphtorch.frontend.notes import Notes, Noting
from graphtorch.frontend.tensor import Storage, Tensor
from graphtorch.frontend.tensors.base import no_data
from graphtorch.frontend.tensors.memory import unknown_memory
from graphtorch.frontend.traced_state import Binding, TracedState
from graphtorch.frontend.writes import Writes, covers
from graphtorch.ir.errors import ArgumentTypeError, TraceError
from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.loc import Places, ScopeOwner, state
from graphtorch.ir.op import OPS, Op
from graphtorch.ir.ops.casts import row_major
from graphtorch.ir.types import TensorType, contiguous_strides


class Tracer(TracedState, Noting):
    """The interpreter of a trace."""

    tracing = True

    def __init__(self, name: str) -> None:
        super().__init__()
        self.graph = Graph(name)
        #: tensors made of Python data in the trace, by id
        self.constants: dict[int, Tensor] = {}
        self.builder, self.lines = Builder(self.graph), Places()
        #: what a storage holds now, and how often it was written
        self.values: dict[Storage, Value] = {}
        self.versions: dict[Storage, int] = {}
        self.inputs: list[Binding] = []
        self.params: dict[Storage, Param] = {}
        self.written: dict[Storage, Param] = {}
        #: views of a part of an outside storage, by storage, address, shape and strides
        self.parts: dict[tuple[int, ...], Value] = {}
        self.gradients = Gradients(self)
        #: what was asked of arguments beyond their types
        self.questions = Questions()
        self.writes = Writes(self, _NODE)
        self.notes = Notes()
        #: the module that ran when a node was made
        self.owners: dict[Node, ScopeOwner] = {}
        #: what was made in bodies that have ended
        self.ended: dict[Storage, Body] = {}

    # ---- values of tensors ----

    def wrap(self, value: Value, cls: type[Tensor] = Tensor) -> Tensor:
        """A tensor of this trace."""
        out = cls.__new__(cls)
        out._data, out._storage, out._aval, out._traced = None, Storage(None), value.type, self
        self.values[out._storage] = value
        if self.bodies:
            self.bodies[-1].made.add(out._storage)
        return out

    def follow(self, t: Tensor) -> None:
        """``t`` depends on what requires gradients."""
        t._requires_grad, t._grad_fn = True, _NODE
        self.gradients.tracked.add(self.values[t._storage])

    def add_input(self, type_: TensorType, position: int, actual: Tensor | None, requires_grad: bool) -> Tensor:
        """A stand-in for the argument at ``position``, which is ``actual`` at this call."""
        param = Param(f"x{position}", type_, "in")
        self.graph.params.append(param)
        out = self.wrap(param, Tensor if actual is None else type(actual))
        if actual is not None:
            self.found(actual)
            self.questions.stands_for(out, position, actual)
            out._hooks = autograd.Hooks(actual).given  # the program calls them, as those of what it captures
        out._requires_grad = requires_grad
        self.inputs.append(Binding(param, lambda tensors: tensors[position], out, position))
        known = (True, None) if actual is None else (actual.is_leaf, actual._grad)
        self.gradients.arguments[id(out)] = Argument(position, *known)
        return out

    def attribute(self, t: Tensor, name: str) -> Any:
        """What the user has put on the tensor; `NOTHING` for none."""
        return self.questions.attribute(t, name)

    def layout(self, t: Tensor) -> Any:
        """(strides, offset) of a tensor; what a program computes lies in row-major order."""
        found = self.questions.layout(t)
        if found is NOTHING and t._storage in self.writes.aliases.known:
            raise TraceError(
                "GT601",
                "the layout of a view is not known while tracing",
                ["contiguous() and reshape() can be called whatever it is; ask for strides outside of the function"],
            )
        return (contiguous_strides(t.aval.shape), 0) if found is NOTHING else found

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
        value = self._part(t) if t._traced is None and not covers(t) else self._whole(t)
        own = t.is_leaf or t._traced is None  # what was computed outside is where the program's gradient ends
        return self.gradients.leaf(value, t) if t._requires_grad and own else value

    def _whole(self, t: Tensor) -> Value:
        view = self.writes.value(t)
        if view is not None:
            return view
        storage = t._storage
        if storage in self.ended:
            what = "a tensor that was made there is used outside of it, and is gone by then:"
            raise self.ended[storage].refuse(what, "return it from the function")
        if storage not in self.values:
            self.params[storage] = self.values[storage] = self._capture(t.aval, lambda _: t, t)
        return self.values[storage]

    def _part(self, t: Tensor) -> Value:
        """A view of a part of an outside storage: read-only, gathered at every call."""
        key = (id(t._storage), t.data_ptr(), *t._array.shape, *t._array.strides)
        if key not in self.parts:
            self.parts[key] = self._capture(t.aval, lambda _: t, t)
        return self.parts[key]

    def at_entry(self, t: Tensor) -> Tensor:
        """What a tensor that exists outside of the function holds when a call begins."""
        self.read(t)
        return self.wrap(self.params[t._storage])

    def constant(self, t: Tensor) -> Tensor:
        """A tensor made from Python data during the trace, as a tensor of the trace."""
        self.constants[id(t)] = t
        return self.wrap(self._capture(t.aval, lambda _: t, t))

    # ---- interpretation ----

    def bind(self, op: Op, operands: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        types = op.result_types(operands, attrs)
        recording = autograd.is_grad_enabled() and not op.nondifferentiable
        self.builder.locs = (self.lines.here(),)
        given = [self.read(o) for o in operands]
        values = given if op is OPS["detach"] else self.passed(given, operands, recording)
        node = self.builder.append(Node(op, values, attrs, types, self.builder.locs))
        if state.scope is not None:
            self.owners[node] = state.scope.owner
        results = tuple(map(self.wrap, node.results))
        if op.is_view and operands:
            self.writes.viewing(results[0], operands[0], op, attrs, values[0] is not given[0])
        elif op.elementwise and not attrs.get("row_major"):
            self.writes.aliases.made(results[0], operands)
        if recording and any(o._requires_grad for o in operands):
            for r in results:
                if r.dtype.is_floating_point:
                    self.follow(r)
        for r in results:
            r._origin = op.name, state.scope
        return results

    def in_order_of(self, t: Tensor, other: Tensor) -> Tensor:
        self.writes.aliases.made(t, (other,))
        return t

    def operands(self, tensors: Sequence[Tensor], recording: bool) -> list[Value]:
        """What a node is to read: values, cut off where autograd does not follow."""
        return self.passed([self.read(t) for t in tensors], tensors, recording)

    def passed(self, values: Sequence[Value], tensors: Sequence[Tensor], recording: bool) -> list[Value]:
        """``values`` of ``tensors``, cut off where autograd does not follow."""
        return [self.gradients.path(v, t, recording) for v, t in zip(values, tensors, strict=True)]

    # ---- what is written in place ----

    def check_write(self, target: Tensor, name: str) -> None:
        self.writes.check(target, name)

    def write(self, target: Tensor, source: Tensor, _name: str = "copy_", since: int | None = None) -> None:
        self.writes.write(target, source, replaces=since is None)

    def become(self, t: Tensor, view: Tensor, name: str) -> None:
        self.writes.become(t, view, name)

    def memory(self, t: Tensor) -> Tensor:
        """What `as_strided` of ``t`` reads; TraceError GT604 where that is not known."""
        if t._traced is None and covers(t):
            return t
        found = self.writes.aliases.memory(t) if t._traced is not None else None
        if found is None:
            raise unknown_memory()
        return found

    def several(self, tensors: Sequence[Tensor], name: str) -> None:
        """``tensors`` are views that one function made."""
        for t in tensors:
            alias = self.writes.aliases.known.get(t._storage)
            if alias is not None:
                alias.several = name

    def contiguous(self, t: Tensor) -> Tensor:
        """``t`` itself: what lies in another order is laid out anew before a program runs. Of a view it is one more
        view, or, where a write asks for it and eager mode would have copied, a tensor of its own."""
        if t._traced is None:
            return t if t.is_contiguous() else row_major(t)
        if t._storage not in self.writes.aliases.known:
            self.writes.aliases.contiguous(t)
            return t
        out = self.wrap(self.read(t))
        self.writes.viewing(out, t, OPS["reshape"], {"shape": t.aval.shape}, cut=False, contiguous=True)
        if t._requires_grad:
            self.follow(out)
        return out

    def is_view(self, t: Tensor) -> bool:
        return t._view is not None or t._storage in self.writes.aliases.known

    def detach_in_place(self, t: Tensor) -> None:
        if t._requires_grad:
            self.switching(t)
            self.values[t._storage] = self.gradients.cut(self.read(t))
        t._requires_grad, t._grad_fn = False, None

    # ---- gradients ----

    def backward(
        self,
        root: Tensor,
        seed: Tensor,
        retain_graph: bool,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:
        if self.bodies:
            raise self.bodies[-1].refuse("backward() is called", "call it outside, on what the loop gives")
        self._event("backward", self.read(root))
        with suspended():
            self._backward(root, seed, retain_graph, create_graph, inputs)

    def _backward(
        self, root: Tensor, seed: Tensor, retain_graph: bool, create_graph: bool, inputs: Sequence[Tensor] | None
    ) -> None:
        if create_graph or inputs is not None or self.gradients.is_hooked(self.read(root)):
            derivatives.backward(self, root, seed, retain_graph, create_graph, inputs)
        else:
            self.gradients.backward(root, seed, retain_graph)

    def grad(self, *request: Any) -> dict[int, tuple[Tensor, Tensor]]:
        """What `autograd.grad` asks for: see `derivatives.grad`."""
        with suspended():
            return derivatives.grad(self, *request)

    def attach(self, *call: Any) -> tuple[Any, ...]:
        """The outputs of a call of an `autograd.Function`, with its gradients: see `traced_functions.attach`."""
        return traced_functions.attach(self, *call)

    def hooks_of(self, t: Tensor) -> dict[int, Callable[[Tensor], Any]]:
        if self.bodies:
            raise self.bodies[-1].refuse("register_hook() is called", "call it outside")
        return self.gradients.hooks_of(t)

    def get_grad(self, t: Tensor) -> Tensor | None:
        return self.gradients.get(t)

    def set_grad(self, t: Tensor, grad: Tensor | None) -> None:
        if self.bodies:
            raise self.bodies[-1].refuse("the gradient of a tensor is set", "set it outside")
        self.gradients.set(t, grad)

    def data(self, t: Tensor, what: str) -> Any:
        raise no_data(what)

    def array(self, array: Any) -> Tensor:
        return self.constant(Tensor._from_array(array))


class _TracedNode(autograd.GradNode):
    """Stands for the history of a traced tensor, which is the graph itself."""

    def __init__(self) -> None:
        super().__init__((), ())


_NODE = _TracedNode()
