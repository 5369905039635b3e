"""What a trace is told of losses, dropout, backward passes, optimizers and modules, for contracts to be checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.bind import Interpreter
from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.graph import Value
from graphtorch.ir.loc import Loc, Places, state


@dataclass(frozen=True)
class LossCall:
    """A call of a loss function: ``cross_entropy`` and its like.

    ``arguments`` are as the user gave them, by parameter; ``values`` are those of its tensors when it was called.
    ``loc`` is the user's line (with the module path), ``created`` the line that made the loss module, if one ran.
    """

    name: str
    arguments: dict[str, Any]
    values: dict[str, Value]
    result: Value
    loc: Loc
    created: Loc | None


@dataclass(frozen=True)
class Event:
    """Something in the course of a training step: "backward" (``subject`` is the loss), "step" (an optimizer) or
    "zero_grad" (an optimizer or a module)."""

    kind: str
    subject: Any
    loc: Loc
    #: of a step, by id, the parameters that had a gradient
    updated: frozenset[int] = frozenset()


@dataclass
class Called:
    """A module that was called: its path at the first call, and whether it was in training mode, at any call."""

    module: Module
    path: str
    modes: set[bool] = field(default_factory=set)


@dataclass
class Notes:
    """In the order in which they came."""

    losses: list[LossCall] = field(default_factory=list)
    #: what functions found themselves that runs, and hardly is what was meant
    doubts: list[GraphTorchError] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    #: what was dropped in training mode, told like a loss
    dropouts: list[LossCall] = field(default_factory=list)
    #: hooks of modules that were called, in words
    hooks: list[str] = field(default_factory=list)
    #: by id
    called: dict[int, Called] = field(default_factory=dict)

    def entered(self, module: Module, path: str) -> None:
        """``module`` is called."""
        known = self.called.setdefault(id(module), Called(module, path))
        known.modes.add(vars(module).get("training", True))

    @property
    def trains(self) -> bool:
        """Whether there was a backward pass, and a step after it."""
        kinds = [event.kind for event in self.events]
        return "backward" in kinds and "step" in kinds[kinds.index("backward") :]


class Noting(Interpreter):
    """The part of a trace that takes notes: of what contracts are checked against."""

    notes: Notes
    gradients: Any
    lines: Places
    read: Callable[[Tensor], Value]

    hears_modules = True

    def calling(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
        self.notes.entered(module, state.scope.path if state.scope else "")
        return module.forward, args, kwargs

    def hooked(self, what: str) -> None:
        self.notes.hooks.append(what)

    def noted(self, name: str, arguments: dict[str, Any], result: Tensor) -> None:
        values = {p: self.read(t) for p, t in arguments.items() if isinstance(t, Tensor)}
        created = state.scope.owner._created_at if state.scope else None
        call = LossCall(name, arguments, values, self.read(result), self.lines.here(), created)
        (self.notes.losses if "target" in arguments else self.notes.dropouts).append(call)

    def explain(self, error: GraphTorchError) -> None:
        from graphtorch.frontend.diagnosis.float64 import explain  # only failures need it

        explain(error, self)  # type: ignore[arg-type]  # a Tracer

    def stepped(self, optimizer: Any) -> None:
        params = [p for group in optimizer.param_groups for p in group["params"]]
        self._event("step", optimizer, frozenset(id(p) for p in params if self.gradients.has(p)))

    def cleared(self, owner: Any) -> None:
        self._event("zero_grad", owner)

    def _event(self, kind: str, subject: Any, updated: frozenset[int] = frozenset()) -> None:
        self.notes.events.append(Event(kind, subject, self.lines.here(), updated))

    def path_ends(self, t: Tensor) -> list[str]:
        from graphtorch.frontend.diagnosis.paths import told

        return told(self, t)  # type: ignore[arg-type]
