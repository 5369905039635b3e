"""What a trace is told about losses, backward passes and optimizers: what contracts are checked against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

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


@dataclass
class Notes:
    """In the order in which they came."""

    losses: list[LossCall] = field(default_factory=list)
    #: what functions found themselves that runs, and hardly is what was meant
    doubts: list[GraphTorchError] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
