"""The tracing interpreter: tensors without data stand for the values of a graph that is being recorded.

A tensor has a storage, and a storage has a value at each point of the program: an op that writes in place
gives its target's storage another value. Tensors that exist outside of the function become parameters:
"const" when they are only read, "inout" when the function writes them. Gradients stand in `gradients.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.frontend import autograd, derivatives, traced_functions
from graphtorch.frontend.asked import Questions
from graphtorch.frontend.assignments import NOTHING, Assignments
from graphtorch.frontend.bodies import Body
from graphtorch.frontend.gradients import Argument, Gradients
from graphtorch.frontend.guards import Guard, Objects
from graphtorch.frontend.tensor import Storage, Tensor
from graphtorch.frontend.tensors.base import no_data
from graphtorch.frontend.tensors.memory import unknown_memory
from graphtorch.frontend.writes import Writes, covers
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, TraceError
from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.loc import Places, state
from graphtorch.ir.op import OPS, Op
from graphtorch.ir.types import TensorType, contiguous_strides, float64


@dataclass
class Binding:
    """Where a parameter of the program is found: ``fetch(arguments)`` gives its tensor (or number) at a call.

    ``tensor`` is what stood there while tracing: an argument's stand-in, or a tensor from outside. Where the place may
    come to hold another tensor with no guard that breaks (a gradient, the state of an optimizer), it is ``volatile``.
    """

    param: Param
    fetch: Callable[[Sequence[Tensor]], Any]
    tensor: Tensor | None
    position: int | None = None
    volatile: bool = False


class Tracer(bind.Interpreter):
    """The interpreter of a trace."""

    tracing = True

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self.builder, self.lines = Builder(self.graph), Places()
        #: what a storage holds now, and how often it was written
        self.values: dict[Storage, Value] = {}
        self.versions: dict[Storage, int] = {}
        self.inputs: list[Binding] = []
        self.captures: list[Binding] = []
        self.params: dict[Storage, Param] = {}
        self.written: dict[Storage, Param] = {}
        #: views of a part of an outside storage, by storage, address, shape and strides
        self.parts: dict[tuple[int, ...], Value] = {}
        self.numbers: dict[tuple[int, Any], Tensor] = {}
        #: tensors from outside that are asked for at every call, by id, and how
        self.places: dict[int, tuple[Tensor, Callable[[Sequence[Tensor]], Any]]] = {}
        self.gradients = Gradients(self)
        #: Python numbers that became inputs: name, how to read it, what it was then
        self.numbers_seen: list[tuple[str, Callable[[], float], float]] = []
        self.guards: list[Guard] = []
        #: what was asked of arguments beyond their types
        self.questions = Questions()
        self.writes = Writes(self, _NODE)
        self.assignments = Assignments()
        #: bodies that are being traced, the innermost last; what was made in those that have ended
        self.bodies: list[Body] = []
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
            self.questions.stands_for(out, position, actual)
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

    def _capture(
        self, type_: TensorType, fetch: Callable[[Sequence[Tensor]], Any], tensor: Tensor | None, label: str = ""
    ) -> Param:
        param = Param(f"c{len(self.captures)}", type_, "const" if tensor is not None else "in", label=label)
        self.captures.append(Binding(param, fetch, tensor))
        return param

    def constant(self, t: Tensor) -> Tensor:
        """A tensor made from Python data during the trace, as a tensor of the trace."""
        return self.wrap(self._capture(t.aval, lambda _: t, t))

    # ---- interpretation ----

    def bind(self, op: Op, operands: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        types = op.result_types(operands, attrs)
        recording = autograd.is_grad_enabled() and not op.nondifferentiable
        self.builder.locs = (self.lines.here(),)
        given = [self.read(o) for o in operands]
        values = given if op is OPS["detach"] else self.passed(given, operands, recording)
        node = self.builder.append(Node(op, values, attrs, types, self.builder.locs))
        results = tuple(map(self.wrap, node.results))
        if op.is_view and operands:
            self.writes.viewing(results[0], operands[0], op, attrs, values[0] is not given[0])
        elif op.elementwise and op is not OPS["clone"]:
            self.writes.aliases.made(results[0], operands)
        if recording and any(o._requires_grad for o in operands):
            for r in results:
                if r.dtype.is_floating_point:
                    self.follow(r)
        for r in results:
            r._origin = op.name, state.scope
        return results

    def operands(self, tensors: Sequence[Tensor], recording: bool) -> list[Value]:
        """What a node is to read: values, cut off where autograd does not follow."""
        return self.passed([self.read(t) for t in tensors], tensors, recording)

    def passed(self, values: Sequence[Value], tensors: Sequence[Tensor], recording: bool) -> list[Value]:
        """``values`` of ``tensors``, cut off where autograd does not follow."""
        return [self.gradients.path(v, t, recording) for v, t in zip(values, tensors, strict=True)]

    # ---- what is written in place ----

    def check_write(self, target: Tensor, name: str) -> None:
        self.writes.check(target, name)

    def write(self, target: Tensor, source: Tensor, _name: str = "copy_", _since: int | None = None) -> None:
        self.writes.write(target, source)

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
            return t if t.is_contiguous() else t.clone()
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
        if create_graph or inputs is not None or self.gradients.is_hooked(self.read(root)):
            derivatives.backward(self, root, seed, retain_graph, create_graph, inputs)
        else:
            self.gradients.backward(root, seed, retain_graph)

    def grad(self, *request: Any) -> dict[int, tuple[Tensor, Tensor]]:
        """What `autograd.grad` asks for: see `derivatives.grad`."""
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

    # ---- what modules and optimizers ask of whatever interprets them ----

    def number(self, owner: Any, key: Any) -> Tensor:
        """A Python number as an input of the program, fetched from ``owner`` at every call."""
        if (id(owner), key) not in self.numbers:
            from graphtorch.frontend.eager import EAGER

            read: Callable[[], float] = functools.partial(EAGER.number, owner, key)
            self.numbers_seen.append((str(key), read, read()))
            made = self._capture(TensorType((), float64), lambda _: read(), None, str(key))
            self.numbers[id(owner), key] = self.wrap(made)
            if self.bodies:  # it is the program's, and outlives the body
                self.bodies[-1].made.discard(self.numbers[id(owner), key]._storage)
        return self.numbers[id(owner), key]

    def located(self, t: Tensor, fetch: Callable[[Sequence[Tensor]], Any]) -> None:
        """``t`` is what ``fetch`` gives now: calls ask it, since there may be another tensor by then."""
        self.places[id(t)] = t, fetch

    def locate(self) -> None:
        """At the end of the trace: tell the bindings."""
        for binding in self.captures:
            found = self.places.get(id(binding.tensor))
            if found is not None:
                binding.fetch, binding.volatile = found[1], True

    def depends(self, name: str, read: Callable[[], tuple[Any, ...]]) -> None:
        """The program is good as long as ``read()`` gives the objects that it gives now."""
        self.guards.append(Objects(name, read))

    def constructing(self, owner: Any) -> None:
        """A module that the function makes: its attributes are the function's own business."""
        self.assignments.ignore(owner)

    def assigning(self, owner: Any, name: str) -> None:
        """The attribute ``name`` of a module is about to change."""
        self.assignments.note(owner, name)

    def switching(self, t: Tensor) -> None:
        """``t.requires_grad`` is about to change."""
        if self.bodies:
            raise self.bodies[-1].refuse("requires_grad of a tensor is changed", "change it outside")
        if (t._traced is None and not self.assignments.ignores(t)) or id(t) in self.gradients.arguments:
            raise TraceError(
                "GT610",
                f"requires_grad of a tensor from outside, {t.aval}, is changed inside of a compiled function",
                ["call requires_grad_() before or after the call; programs are compiled for either"],
            )

    def made(self, table: dict[Any, Any], key: Any) -> None:
        """``table[key]`` was made during the trace; it goes again if the trace fails."""
        self.assignments.on_failure.append(lambda: table.pop(key, None))

    def data(self, t: Tensor, what: str) -> Any:
        raise no_data(what)

    def array(self, array: Any) -> Tensor:
        return self.constant(Tensor._from_array(array))


class _TracedNode(autograd.GradNode):
    """Stands for the history of a traced tensor, which is the graph itself."""

    def __init__(self) -> None:
        super().__init__((), ())


_NODE = _TracedNode()
