"""Contracts of gradients: what an optimizer is to train gets one, and none is left from one call to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphtorch.frontend.diagnosis.optimizers import opt_name
from graphtorch.frontend.diagnosis.paths import End, brief, listed
from graphtorch.frontend.diagnosis.problem import Problem, Severity, Site, finding
from graphtorch.frontend.diagnosis.step import Held, Step, within
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.notes import Event, Notes
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.loc import Loc

#: what a user has asked for in so many words; without an optimizer there is nothing that it contradicts
_ON_PURPOSE = ("gt.no_grad()", "detach()")


def gradient_problems(step: Step) -> Iterator[Problem]:
    """Parameters without gradients, and gradients that are left."""
    without = [h for key, h in step.held.items() if _is_wanted(step, key, h) and not step.gets_gradient(h.tensor)]
    if without:
        yield from _cut_off(step, without)
    yield from _left(step)


def _is_wanted(step: Step, key: int, held: Held) -> bool:
    """Whether a parameter is to be trained by gradients of this step: without optimizers, all of the model's."""
    if not held.tensor._requires_grad or key in step.gradients.assigned:
        return False
    by_hand = step.is_written(held.tensor) and key not in step.updated
    return not by_hand and (key in step.optimized or not step.optimizers)


# ---- parameters that get no gradient ----


def _cut_off(step: Step, without: Sequence[Held]) -> Iterator[Problem]:
    """GT335 for each end of a path, GT339 for what has no path to the loss at all."""
    found: set[int] = set()
    for end, leaves in step.paths.behind(step.tracer).items():
        behind = [h for h in without if id(h.tensor) in leaves and id(h.tensor) not in found]
        found |= {id(h.tensor) for h in behind}
        if behind:
            yield _ended(step, end, behind)
    unused = [h for h in without if id(h.tensor) not in found and id(h.tensor) not in step.read]
    if unused:
        yield _unused(unused, "not used in this step")
    others = [h for h in without if id(h.tensor) not in found and id(h.tensor) in step.read]
    if others:
        yield _unused(others, "used, but not in the loss")


def _ended(step: Step, end: End, behind: Sequence[Held]) -> Problem:
    message = (
        f"{_parameters(behind)} get{'s' * (len(behind) == 1)} no gradient: the path to the loss ends in {end.what}"
    )
    names = listed([h.name for h in behind])
    kept = f"{names} will not change"
    if step.optimizers:
        kept += f", though {', '.join(dict.fromkeys(map(opt_name, step.optimizers)))} is to train them"
    advice = "freeze them, requires_grad_(False), if that is meant"
    severity: Severity = "note" if not step.optimizers and end.what in _ON_PURPOSE else "warning"
    site = Site(within(end.loc, behind), behind[0].module._created_at)
    return finding("GT335", severity, message, [kept, advice], site=site)


def _unused(held: Sequence[Held], how: str) -> Problem:
    one = len(held) == 1
    message = f"{_parameters(held)} get{'s' * one} no gradient: {'it is' if one else 'they are'} {how}"
    facts = [f"{listed([h.name for h in held])} will not change"]
    return finding("GT339", "note", message, facts, site=Site(within(held[0].module._created_at, held)))


def _parameters(held: Sequence[Held]) -> str:
    return "a parameter" if len(held) == 1 else f"{len(held)} parameters"


# ---- gradients that are left ----


def _left(step: Step) -> Iterator[Problem]:
    """GT336: backward and step in each call, and nothing that forgets the gradients.

    The caller of a compiled step may forget them between its calls. So this waits for a program that finds gradients
    which an earlier one of the same function has left.
    """
    for event in {id(e.subject): e for e in step.steps}.values():
        params = [p for p in step.params_of(event.subject) if id(p) in event.updated and step.reached(p)]
        if not params or any(_is_forgotten(step, p) for p in params):
            continue
        if step.before is None or (_steps_before(step.before, event) and any(map(_is_left, params))):
            yield _accumulating(step, event)


def _is_forgotten(step: Step, p: Tensor) -> bool:
    """Whether the step sets the gradient of ``p``, to None or whatever, or makes it zeros."""
    if step.gradients.was_set(p) or any(_clears(e, p) for e in step.notes.events if e.kind == "zero_grad"):
        return True
    return p._grad is not None and p._grad._storage in step.tracer.written


def _clears(event: Event, p: Tensor) -> bool:
    owner = event.subject
    if isinstance(owner, Module):
        return any(p is q for q in owner.parameters())
    return any(p is q for group in owner.param_groups for q in group["params"])


def _steps_before(before: Sequence[Notes], event: Event) -> bool:
    """Whether an earlier program made this step, and none forgets gradients: steps may be made every k calls."""
    events = [e for notes in before for e in notes.events]
    steps = any(e.kind == "step" and e.subject is event.subject for e in events)
    return steps and not any(e.kind == "zero_grad" for e in events)


def _is_left(p: Tensor) -> bool:
    """Whether there is a gradient from before, other than zeros."""
    return p._grad is not None and p._grad._data is not None and bool(p._grad._data.any())


def _accumulating(step: Step, event: Event) -> Problem:
    backward = next(e for e in step.notes.events if e.kind == "backward")
    name = _variable(event.loc)
    facts = [
        f"backward() adds to them: {brief(backward.loc)}",
        "each step is made with the sum of the gradients of all calls so far",
    ]
    message = "the gradients are not cleared from one step to the next"
    fix = f"{name}.zero_grad() before {backward.loc.source()}"
    return finding("GT336", "warning", message, facts, site=Site(event.loc, None, opt_name(event.subject)), fix=fix)


def _variable(loc: Loc) -> str:
    """What the line ``optimizer.step()`` calls the optimizer."""
    name, found, _ = loc.source().partition(".step(")
    return name if found and all(map(str.isidentifier, name.split("."))) else "optimizer"
