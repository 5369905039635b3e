"""What a trace is told of losses, dropout, backward passes, optimizers and modules, for contracts to be checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphtorch.frontend.nn.module import Module
from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.graph import Value
from graphtorch.ir.loc import Loc


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
