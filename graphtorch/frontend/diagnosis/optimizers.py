"""Contracts between a model and the optimizers of a step: each parameter that is trained is in one of them, once."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from graphtorch.frontend.diagnosis.paths import brief, listed
from graphtorch.frontend.diagnosis.problem import Problem, Severity, Site, finding
from graphtorch.frontend.diagnosis.step import Held, Step, within
from graphtorch.frontend.notes import Event
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.loc import Loc

#: how many parameters get a line
_MOST = 6


def optimizer_problems(step: Step) -> Iterator[Problem]:
    """What is wrong with what the optimizers of a step hold."""
    reported: set[int] = set()
    for optimizer in step.optimizers:
        problem, names = _outdated(step, optimizer)
        reported |= names
        if problem is not None:
            yield problem
    yield from _not_held(step, reported)
    yield from _frozen(step)
    yield from _twice(step)


# ---- parameters that are not in the model ----


def _outdated(step: Step, optimizer: Any) -> tuple[Problem | None, set[int]]:
    """GT330: the optimizer holds parameters that are in no model and take no part; with the ids of those that should
    be in their place."""
    params = step.params_of(optimizer)
    foreign = [p for p in params if not _takes_part(step, p)]
    if not foreign:
        return None, set()
    if len(foreign) == len(params):
        return _of_another_model(step, optimizer, params)
    old, new = _replaced(step, params, foreign)
    if not new:  # of a model that takes no part in this step, or of a layer that was removed
        return None, set()
    belong = "belongs" if len(old) == 1 else "belong"
    message = f"{len(old)} of the {len(params)} parameters of the optimizer {belong} to a layer that was replaced"
    pairs = list(zip(old, new, strict=False))
    facts = [f"{h.name}: the optimizer has {p.aval}, the model {h.tensor.aval}" for p, h in pairs[:_MOST]]
    facts += [f"and {len(pairs) - _MOST} more"] if len(pairs) > _MOST else []
    facts.append(f"{opt_name(optimizer)} updates what the model no longer uses; {listed(_names(new))} will not change")
    problem = _report("warning", message, facts, optimizer, _youngest(new), new)
    return problem, {id(h.tensor) for h in new}


def _of_another_model(step: Step, optimizer: Any, params: Sequence[Tensor]) -> tuple[Problem | None, set[int]]:
    """None where it may be one of another task, which has nothing to do in this step: others have, and what they leave
    is no copy of what it holds."""
    new = step.untrained
    if step.updated and [p.aval for p in params] != [h.tensor.aval for h in new]:
        return None, set()
    count = "the parameter" if len(params) == 1 else f"none of the {len(params)} parameters"
    message = f"{count} of the optimizer is {'not ' if len(params) == 1 else ''}in the model"
    facts = [f"the model has {listed(_names(new))}, which no optimizer holds"] if new else []
    facts.append(
        f"the optimizer has {listed([str(p.aval) for p in params])}; {opt_name(optimizer)}.step() does nothing"
    )
    problem = _report("error", message, facts, optimizer, new[0].model._created_at if new else None)
    return problem, {id(h.tensor) for h in new}


def _takes_part(step: Step, p: Tensor) -> bool:
    return id(p) in step.held or id(p) in step.lost or id(p) in step.read or step.reached(p) or id(p) in step.updated


def _replaced(step: Step, params: Sequence[Tensor], foreign: Sequence[Tensor]) -> tuple[list[Tensor], list[Held]]:
    """Foreign parameters, and what stands in their place in the model and is not trained."""
    outside, untrained = {id(p) for p in foreign}, {id(h.tensor) for h in step.untrained}
    have, want = [id(p) for p in params], list(step.held)
    old: list[Tensor] = []
    new: list[Held] = []
    for tag, i, j, k, m in SequenceMatcher(None, have, want, autojunk=False).get_opcodes():
        there = [step.held[key] for key in want[k:m] if key in untrained]
        if tag == "replace" and there:
            old += [p for p in params[i:j] if id(p) in outside]
            new += there
    return old, new


def _report(
    severity: Severity,
    message: str,
    facts: Sequence[str],
    optimizer: Any,
    created: Loc | None,
    new: Sequence[Held] = (),
) -> Problem:
    """``created``: where what the optimizer should hold was constructed; ``new``: of which layer it is."""
    made = made_at(optimizer)
    site = Site(within(made, new), created, opt_name(optimizer))
    return finding("GT330", severity, message, facts, site=site, fix=_moved(made, created))


def _youngest(new: Sequence[Held]) -> Loc | None:
    """Where the layer was constructed that holds them; of a whole model, where that was."""
    modules = {id(h.module): h.module for h in new}
    owners = list(modules.values()) if len(modules) == 1 else [h.model for h in new]
    return owners[0]._created_at if owners else None


def _moved(made: Loc | None, created: Loc | None) -> str:
    """The construction of the optimizer, to be moved below that of the layer."""
    if made is None or created is None or made.file != created.file or not created.line > made.line:
        return "build the optimizer from the model that is trained, after its last layer is in place"
    source = made.source()
    if not _is_whole(source):
        return f"build the optimizer below line {created.line}"
    return f"below line {created.line}: {source}"


def _is_whole(source: str) -> bool:
    try:
        return len(ast.parse(source).body) == 1
    except SyntaxError:
        return False


# ---- parameters that no optimizer holds ----


def _not_held(step: Step, reported: set[int]) -> Iterator[Problem]:
    """GT331. A net of which gradients are asked while a tensor is trained is meant to stay as it is, and so is one in
    evaluation mode, which a loss may be computed by: these are notes."""
    trained = {id(h.model) for key, h in step.held.items() if key in step.optimized}
    left = [h for h in step.untrained if id(h.tensor) not in reported]
    for model in {id(h.model): h.model for h in left}.values():
        own = [h for h in left if h.model is model]
        message = f"{_some(own)} and {'is' if len(own) == 1 else 'are'} in no optimizer"
        facts = [
            f"{listed(_names(own))} will not change",
            "give the optimizer what is to be trained, and freeze the rest, requires_grad_(False)",
        ]
        site = Site(within(made_at(step.optimizers[0]), own), _youngest(own), _optimizers(step))
        meant = not trained or (id(model) not in trained and not model.training)
        yield finding("GT331", "note" if meant else "warning", message, facts, site=site)


def _some(held: Sequence[Held]) -> str:
    return "a parameter of the model gets a gradient" if len(held) == 1 else f"{len(held)} parameters get gradients"


def _frozen(step: Step) -> Iterator[Problem]:
    """GT332: usual in fine-tuning, where an optimizer is given all of a model."""
    for optimizer in step.optimizers:
        found = [p for p in step.params_of(optimizer) if not p._requires_grad]
        if found:
            names = [step.held[id(p)].name if id(p) in step.held else str(p.aval) for p in found]
            message = f"{len(found)} parameter{'s' * (len(found) > 1)} of the optimizer do{'es' * (len(found) == 1)}"
            message += " not require gradients"
            facts = [f"{listed(names)} will not change"]
            site = Site(made_at(optimizer), None, opt_name(optimizer))
            yield finding("GT332", "note", message, facts, site=site)


def _twice(step: Step) -> Iterator[Problem]:
    """GT333: two optimizers update one parameter with one gradient. After another backward pass it is another one."""
    since: list[Event] = []
    for event in step.notes.events:
        if event.kind == "backward":
            since = []
        elif event.kind == "step":
            others = [e for e in since if e.subject is not event.subject and e.updated & event.updated]
            if others:
                yield _both(step, others[0], event)
            since.append(event)


def _both(step: Step, first: Event, second: Event) -> Problem:
    shared = [p for p in step.params_of(second.subject) if id(p) in first.updated & second.updated]
    names = [step.held[id(p)].name if id(p) in step.held else str(p.aval) for p in shared]
    count = "a parameter" if len(shared) == 1 else f"{len(shared)} parameters"
    made = [(opt_name(e.subject), made_at(e.subject)) for e in (first, second)]
    facts = [
        listed(names),
        *(f"{name} was built at {brief(at)}" for name, at in made if at is not None),
        f"the first of the two steps is {brief(first.loc)}",
        "give each parameter to one optimizer, or call backward() between the two steps",
    ]
    message = f"two optimizers update {count} with the same gradient"
    return finding("GT333", "warning", message, facts, site=Site(second.loc, None, opt_name(second.subject)))


def made_at(optimizer: Any) -> Loc | None:
    """The user's line that built an optimizer."""
    return getattr(optimizer, "_made_at", None)


def opt_name(optimizer: Any) -> str:
    return type(optimizer).__name__


def _optimizers(step: Step) -> str:
    return ", ".join(dict.fromkeys(map(opt_name, step.optimizers)))


def _names(held: Sequence[Held]) -> list[str]:
    return [h.name for h in held]
