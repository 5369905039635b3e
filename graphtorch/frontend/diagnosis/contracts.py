"""The contracts of a training step, as `gt.check` lists what breaks them and `gt.compile` raises it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphtorch.frontend.diagnosis.float64 import float64_problems_of
from graphtorch.frontend.diagnosis.losses import loss_problems
from graphtorch.frontend.diagnosis.problem import Problem, order
from graphtorch.frontend.diagnosis.training import training_problems
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.notes import Notes
from graphtorch.ir.errors import ContractWarning
from graphtorch.ir.loc import warn_user

if TYPE_CHECKING:
    from graphtorch.frontend.trace import Traced
    from graphtorch.frontend.tracer import Tracer


def training_problems_of(
    tracer: Tracer,
    models: Sequence[tuple[str, Module]] | None = None,
    optimizers: Sequence[Any] = (),
    before: Sequence[Notes] | None = None,
) -> list[Problem]:
    """What a trace shows to be wrong with its training.

    ``models`` (without them, those that were called), ``optimizers`` and ``before`` are as in `training_problems`.
    """
    if not tracer.notes.trains and before is not None:
        return []
    if models is None:
        models = outermost([called.module for called in tracer.notes.called.values()])
    return training_problems(tracer, models, optimizers, before)


def enforce(traced: Traced, target: Any, ignore: Collection[str], before: Sequence[Notes]) -> None:
    """Raise the first error of a trace that is to be compiled; warn of what is worth it, at the user's line."""
    tracer, notes = traced.tracer, traced.tracer.notes
    found = float64_problems_of(tracer)
    if notes.trains or notes.losses:
        found += [*loss_problems(tracer), *training_problems_of(tracer, models_of(traced, target), (), before)]
    for problem in order(found):
        if problem.code in ignore:
            continue
        if problem.severity == "error":
            raise problem.error
        if problem.severity == "warning":
            warn_user(str(problem), ContractWarning)


def models_of(traced: Traced, target: Any) -> list[tuple[str, Module]]:
    """The modules that a traced function has looked at and that no other one holds, by the names of its variables."""
    seen = [*traced.recorder.modules.values(), *(c.module for c in traced.tracer.notes.called.values())]
    guards = [g for g in traced.recorder.other_guards.values() if isinstance(g.keep, Module)]
    return outermost([*seen, *([target] if isinstance(target, Module) else [])], {id(g.keep): g.name for g in guards})


def outermost(modules: Sequence[Module], names: Mapping[int, str] = {}) -> list[tuple[str, Module]]:
    """Those that no other one holds, with the last word of a name by id, or else the name of the class."""
    found = {id(m): m for m in (vars(m).get("_module", m) for m in modules)}
    held = {
        id(vars(child).get("_module", child))
        for m in found.values()
        for child in m._modules.values()
        if child is not None
    }
    return [(names.get(key, type(m).__name__).rpartition(" ")[2], m) for key, m in found.items() if key not in held]
