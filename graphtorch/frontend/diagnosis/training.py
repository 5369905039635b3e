"""The training contract: what must hold between a model, its loss and its optimizers so that all of it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphtorch.frontend.diagnosis.gradients import gradient_problems
from graphtorch.frontend.diagnosis.modes import mode_problems
from graphtorch.frontend.diagnosis.optimizers import optimizer_problems
from graphtorch.frontend.diagnosis.problem import Problem
from graphtorch.frontend.diagnosis.registering import registering_problems
from graphtorch.frontend.diagnosis.step import Step
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.notes import Notes

if TYPE_CHECKING:
    from graphtorch.frontend.tracer import Tracer


def training_problems(
    tracer: Tracer,
    models: Sequence[tuple[str, Module]],
    optimizers: Sequence[Any] = (),
    before: Sequence[Notes] | None = None,
) -> list[Problem]:
    """What is wrong with the training (GT330 and on) that a trace shows.

    ``models`` are all models that take part, each with a name, which is shown where there are several. ``optimizers``
    are those that should train them, besides those that the trace has seen to make a step. ``before`` are the notes of
    earlier programs of a compiled function; None says that the trace is all that there is, as for `gt.check`.
    """
    step = Step(tracer, models, optimizers, before)
    found = list(registering_problems(step))
    if step.optimizers:
        found += optimizer_problems(step)
    if step.has_backward:
        found += gradient_problems(step)
        found += mode_problems(step)
    return found
