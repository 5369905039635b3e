"""Contracts of layers that behave otherwise in training than in use: dropout and batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphtorch.frontend.diagnosis.optimizers import opt_name
from graphtorch.frontend.diagnosis.paths import listed, paths_from
from graphtorch.frontend.diagnosis.problem import Problem, Site, finding
from graphtorch.frontend.diagnosis.step import Step
from graphtorch.frontend.nn.batchnorm import _BatchNorm
from graphtorch.frontend.nn.dropout import _Dropout
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.notes import Called, LossCall
from graphtorch.ir.graph import Value
from graphtorch.ir.op import OPS

#: losses of scores, whose first argument a last layer gives
_OF_LOGITS = frozenset(("cross_entropy", "binary_cross_entropy_with_logits", "nll_loss"))
#: losses of predictions: dropping is a mistake where the target is data, and may be meant between two outputs of nets
_OF_PREDICTIONS = frozenset("mse_loss l1_loss smooth_l1_loss huber_loss".split())


def mode_problems(step: Step) -> Iterator[Problem]:
    """What is wrong with how dropout and batch norm are used in training."""
    for model in {id(h.model): h.model for key, h in step.held.items() if key in step.updated}.values():
        problem = _in_eval(step, model)
        if problem is not None:
            yield problem
    yield from _dropped_logits(step)


def _in_eval(step: Step, model: Module) -> Problem | None:
    """GT337: the whole model is in eval mode. Layers that are while the model is not are so on purpose."""
    called = step.notes.called
    modes = called[id(model)].modes if id(model) in called else {model.training}
    if True in modes:
        return None
    found = [called[id(m)] for m in model.modules() if id(m) in called and _is_off(called[id(m)])]
    if not found:
        return None
    names = [f"{type(c.module).__name__} {path!r}" for c, path in ((c, _path(model, c.module)) for c in found)]
    facts = [f"{listed(names)}: {_effect(found)}", "call train() after an evaluation"]
    message = f"{type(model).__name__} is trained in evaluation mode"
    last = next(e for e in reversed(step.notes.events) if e.kind in ("step", "backward"))
    site = Site(last.loc, model._created_at, opt_name(last.subject) if last.kind == "step" else "")
    return finding("GT337", "warning", message, facts, site=site)


def _is_off(called: Called) -> bool:
    module: Any = called.module
    matters = isinstance(module, _Dropout) and module.p > 0
    matters = matters or (isinstance(module, _BatchNorm) and module.running_mean is not None)
    return matters and True not in called.modes


def _effect(found: list[Called]) -> str:
    norms = any(isinstance(c.module, _BatchNorm) for c in found)
    drops = any(isinstance(c.module, _Dropout) for c in found)
    out = ["nothing is dropped"] * drops + ["running statistics are used and do not move"] * norms
    return ", ".join(out)


def _path(model: Module, module: Module) -> str:
    return next(path for path, m in model.named_modules() if m is module)


def _dropped_logits(step: Step) -> Iterator[Problem]:
    """GT338: what a dropout gives goes into the loss as it is, so that some scores are 0 and the others too large."""
    made = {call.result: call for call in step.notes.dropouts}
    for loss in step.notes.losses if made else ():
        dropout = made.get(_unviewed(loss.values.get("input")))  # type: ignore[arg-type]
        if dropout is not None and _is_last(step, loss):
            yield _last(dropout, loss)


def _unviewed(value: Value | None) -> Value | None:
    """What ``value`` shows in another shape or dtype."""
    while value is not None and value.node is not None and (value.node.op.is_view or value.node.op is OPS["cast"]):
        value = value.node.operands[0]
    return value


def _is_last(step: Step, loss: LossCall) -> bool:
    if loss.name in _OF_LOGITS:
        return True
    target = loss.values.get("target")
    return loss.name in _OF_PREDICTIONS and target is not None and not paths_from(step.tracer, [target]).leaves


def _last(dropout: LossCall, loss: LossCall) -> Problem:
    p = dropout.arguments.get("p", 0.5)
    what = "scores" if loss.name in _OF_LOGITS else "predictions"
    facts = [
        f"{p:.0%} of the {what} become 0 in training, and the others are scaled by {1 / (1 - p):g}" if p < 1 else "",
        "dropout belongs before the last layer",
    ]
    message = f"dropout is the last layer: its output goes into {loss.name}"
    site = Site(dropout.loc, dropout.created, dropout.name)
    return finding("GT338", "warning", message, [f for f in facts if f], site=site)
