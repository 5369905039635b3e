"""The contract of attributes: layers and parameters that are trained are kept where their module looks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from graphtorch.frontend.diagnosis.assigned import Assignment, assignment
from graphtorch.frontend.diagnosis.paths import listed
from graphtorch.frontend.diagnosis.problem import Problem, Severity, Site, finding
from graphtorch.frontend.diagnosis.step import Step
from graphtorch.frontend.diagnosis.unregistered import Unregistered
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.loc import Loc

_EMPTY = ("[]", "{}", "()", "list()", "dict()")


def registering_problems(step: Step) -> Iterator[Problem]:
    """GT334: an error where nothing trains what is in a container, and a note where an optimizer was given it by hand.
    A tensor by itself may be meant to be no parameter: that is a warning."""
    for found in step.unregistered:
        lost = [t for _, t in found.tensors if id(t) in step.lost]
        by_hand = [t for _, t in found.tensors if id(t) in step.optimized]
        if lost or by_hand:
            bad: Severity = "warning" if isinstance(found.value, Tensor) else "error"
            yield _problem(found, lost or by_hand, bad if lost else "note")


def _problem(found: Unregistered, tensors: Sequence[Tensor], severity: Severity) -> Problem:
    names = {id(t): name for name, t in found.tensors}
    them = "it" if isinstance(found.value, Tensor) else "them"
    facts = [
        f"{listed([names[id(t)] for t in tensors])}: parameters(), state_dict() and to() do not find {them}",
        f"the forward pass uses {them}, and no optimizer trains {them}"
        if severity != "note"
        else f"load_state_dict() will not restore {them}",
    ]
    near = _made_at(found)
    written = assignment(type(found.owner), found.name, near or found.owner._created_at)
    fix = _fix(found, written)
    if not fix:
        facts.append(_advice(found))
    at = written.loc if written else near
    at = replace(at, path=found.path.rpartition(".")[0]) if at else None
    site = Site(at, found.owner._created_at)
    return finding("GT334", severity, _message(found), facts, site=site, fix=fix)


def _message(found: Unregistered) -> str:
    owner = f"{type(found.owner).__name__}.{found.name}"
    if isinstance(found.value, Tensor):
        return (
            f"{owner} is a tensor that requires gradients and no nn.Parameter, which the module would count as its own"
        )
    what, kind = "layers" if found.modules else "parameters", type(found.value).__name__
    return f"{owner} keeps {what} in a plain {kind}, where the module does not count them as its own"


def _made_at(found: Unregistered) -> Loc | None:
    return found.modules[0]._created_at if found.modules else None


def _fix(found: Unregistered, written: Assignment | None) -> str:
    """The user's assignment of what is counted; "" where nothing counts what is there."""
    if written is None:
        return ""
    value = found.value
    if isinstance(value, Tensor):
        return f"{written.target} = nn.Parameter({written.value})"
    flat = list(value.values()) if isinstance(value, dict) else list(value)
    named = not isinstance(value, dict) or all(isinstance(key, str) for key in value)
    if not named or not all(isinstance(m, Module) for m in flat):
        return ""
    name = "ModuleDict" if isinstance(value, dict) else "ModuleList"
    given = "" if written.value in _EMPTY else written.value
    return f"{written.target} = {written.prefix}{name}({given})"


def _advice(found: Unregistered) -> str:
    if isinstance(found.value, Tensor):
        return "wrap it, nn.Parameter(...), where it is assigned"
    if not found.modules:
        return "assign each to an attribute of its own, or call register_parameter(name, parameter)"
    return "an nn.ModuleList or an nn.ModuleDict, whose keys are strings, counts what it holds; so does an attribute"
