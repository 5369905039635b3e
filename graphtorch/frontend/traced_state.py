"""What modules and optimizers ask of a trace: numbers read at every call, where tensors stand, what is assigned.

Eager mode answers the same questions with what there is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.frontend.assignments import Assignments
from graphtorch.frontend.bodies import Body
from graphtorch.frontend.gradients import Gradients
from graphtorch.frontend.guards import Guard, Objects
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.device import device
from graphtorch.ir.errors import DeviceError, TraceError
from graphtorch.ir.graph import Param, Value
from graphtorch.ir.types import TensorType, float64


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


class TracedState(bind.Interpreter):
    """The part of a `Tracer` that knows of Python state."""

    gradients: Gradients

    def __init__(self) -> None:
        self.captures: list[Binding] = []
        #: where the program is to run; None until a tensor or a ``device=`` says so
        self.device: device | None = None
        self.numbers: dict[tuple[int, Any], Tensor] = {}
        #: tensors from outside that are asked for at every call, by id, and how
        self.places: dict[int, tuple[Tensor, Callable[[Sequence[Tensor]], Any]]] = {}
        #: Python numbers that became inputs: name, how to read it, what it was then
        self.numbers_seen: list[tuple[str, Callable[[], float], float]] = []
        self.guards: list[Guard] = []
        self.assignments = Assignments()
        #: bodies that are being traced, the innermost last
        self.bodies: list[Body] = []

    def wrap(self, value: Value) -> Tensor:
        """A tensor of this trace."""
        raise NotImplementedError

    def place(self) -> device | None:
        return self.device

    def found(self, t: Tensor) -> None:
        """The function has a tensor from outside: a GPU that it is on is where the program runs."""
        if t.is_cuda:
            self.placing(t.device)

    def placing(self, place: device) -> None:
        """DeviceError GT409 for two devices in one program."""
        if self.device is None or self.device == place:
            self.device = place if place.type == "cuda" else self.device
            return
        raise DeviceError(
            "GT409",
            f"a compiled program runs on one device: it is on {self.device}, and something in it on {place}",
            ["what is to be elsewhere is moved outside: return it, and call .cpu() on the result"],
        )

    def _capture(
        self, type_: TensorType, fetch: Callable[[Sequence[Tensor]], Any], tensor: Tensor | None, label: str = ""
    ) -> Param:
        """A parameter for what ``fetch`` gives at a call, which is ``tensor`` now; for a number there is none."""
        if tensor is not None:
            self.found(tensor)
        param = Param(f"c{len(self.captures)}", type_, "const" if tensor is not None else "in", label=label)
        self.captures.append(Binding(param, fetch, tensor))
        return param

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

    def hooking(self, owner: Any) -> None:
        """TraceError GT602 for a module from outside: every call would register one more hook."""
        if owner is None or not self.assignments.ignores(owner):
            raise TraceError(
                "GT602",
                "a hook of a module from outside cannot be registered in a compiled function",
                ["register it before; programs notice hooks that come and go between calls"],
            )

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
