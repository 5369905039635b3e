"""GT321 to GT323: what stands between the last layer and the loss. Losses of scores apply their activation themselves;
others want probabilities, or their logarithms."""

from __future__ import annotations

import math
from collections.abc import Iterator

from graphtorch.frontend.diagnosis.dataflow import Made
from graphtorch.frontend.diagnosis.loss_view import LossView
from graphtorch.frontend.diagnosis.problem import Problem

#: the numbers that each gives
_GIVES = {
    "layer": "numbers of any size",
    "softmax": "probabilities",
    "sigmoid": "probabilities",
    "relu": "numbers of at least 0",
    "exp": "numbers of at least 0",
    "tanh": "numbers in [-1, 1]",
    "log": "logarithms",
    "log_softmax": "logarithms of probabilities",
    "logsigmoid": "logarithms of probabilities",
}
_NO_LOGARITHMS = frozenset(("layer", "softmax", "sigmoid", "relu", "exp", "tanh"))
_NO_PROBABILITIES = frozenset(("layer", "relu", "tanh", "log_softmax", "logsigmoid"))
_LOGARITHMS = frozenset(("log_softmax", "logsigmoid"))


def activation_problems(loss: LossView) -> Iterator[Problem]:
    """Problems GT321, GT322 and GT323 of a call."""
    made = loss.input_made
    if made is not None:
        yield from _of_input(loss, made)
    if loss.name == "kl_div":
        yield from _of_kl_target(loss)


def _of_input(loss: LossView, made: Made) -> Iterator[Problem]:
    name, kind = loss.name, made.kind
    if name == "cross_entropy" and kind == "softmax":
        yield _twice(loss, made, "which applies log_softmax itself", _perfect_classes(loss))
    elif name == "cross_entropy" and kind == "log_softmax":
        yield _once_more(loss, made)
    elif name == "binary_cross_entropy_with_logits" and kind in ("sigmoid", "softmax"):
        yield _twice(
            loss, made, "which applies sigmoid itself", "the best prediction of 1 has the loss 0.313 and not 0"
        )
    elif name in ("nll_loss", "kl_div") and kind in _NO_LOGARITHMS and not _swapped(loss):
        yield _no_logarithms(loss, made)
    elif name == "binary_cross_entropy" and kind in _NO_PROBABILITIES:
        yield _no_probabilities(loss, made)


# ---- GT321: an activation that the loss applies itself ---------------------------------------------


def _twice(loss: LossView, made: Made, which: str, cost: str) -> Problem:
    facts = ["expected scores as the last layer gives them", *([cost] if cost else [])]
    message = f"{made.kind} is applied before {loss.name}, {which}"
    return loss.problem("GT321", "warning", message, facts, trail=[_given_by(loss, made)], fix=_removed(loss, made))


def _perfect_classes(loss: LossView) -> str:
    """-log of the greatest softmax of probabilities: 1 against zeros."""
    if type(loss.classes) is not int or loss.classes < 2:
        return ""
    least = math.log1p((loss.classes - 1) / math.e)
    return f"the best prediction of one of {loss.classes} classes has the loss {least:.3g} and not 0"


def _once_more(loss: LossView, made: Made) -> Problem:
    message = "log_softmax is applied before cross_entropy, which applies it itself"
    facts = ["the loss is the same without it: once more changes nothing, and costs time"]
    return loss.problem("GT321", "note", message, facts, trail=[_given_by(loss, made)], fix=_removed(loss, made))


def _removed(loss: LossView, made: Made) -> str:
    """How the user's line reads without the activation."""
    call, layer = loss.view.call(made), loss.view.layer(made.node)
    if call is None:
        return ""
    if layer is not None:
        path = made.node.locs[0].path
        return f"remove {call.text}" + (f', which is "{path}"' if path else "")
    before = call.receiver if call.is_method else next(iter(call.arguments), "")
    return f"{before} in place of {call.text}" if before else ""


# ---- GT322 and GT323: another kind of number than the loss wants -----------------------------------


def _no_logarithms(loss: LossView, made: Made) -> Problem:
    facts = [f"expected what log_softmax gives, got {_GIVES[made.kind]}"]
    message = f"the input of {loss.name} is not log-probabilities"
    if made.kind == "softmax":
        fix = _renamed(loss, made, "LogSoftmax", "log_softmax")
    elif made.kind == "sigmoid":
        fix = _renamed(loss, made, "LogSigmoid", "logsigmoid") if loss.name == "kl_div" else ""
    else:
        fix = loss.as_other("CrossEntropyLoss", "cross_entropy") if loss.name == "nll_loss" else ""
    return loss.problem("GT322", "warning", message, facts, trail=[_given_by(loss, made)], fix=fix)


def _of_kl_target(loss: LossView) -> Iterator[Problem]:
    """Probabilities, or with ``log_target`` their logarithms."""
    made, in_logarithms = loss.target_made, bool(loss.call.arguments.get("log_target"))
    if made is None or _swapped(loss):
        return
    wrong = _NO_LOGARITHMS if in_logarithms else {"layer", *_LOGARITHMS}
    if made.kind not in wrong:
        return
    wanted = "log-probabilities, as log_target=True says" if in_logarithms else "probabilities"
    fix = loss.with_setting("log_target", "True") if made.kind in _LOGARITHMS else ""
    facts = [f"expected {wanted}, got {_GIVES[made.kind]}"]
    trail = [_given_by(loss, made, "target")]
    yield loss.problem("GT322", "warning", "the target of kl_div is of another kind", facts, trail=trail, fix=fix)


def _swapped(loss: LossView) -> bool:
    """Whether that is what is said of a call of kl_div (loss_order.py)."""
    made, target = loss.input_made, loss.target_made
    if loss.name != "kl_div" or made is None or target is None or loss.call.arguments.get("log_target"):
        return False
    return made.kind == "softmax" and target.kind in _LOGARITHMS


def _no_probabilities(loss: LossView, made: Made) -> Problem:
    facts = [f"expected numbers in [0, 1], as sigmoid gives them, got {_GIVES[made.kind]}"]
    fix = ""
    if made.kind == "layer":
        fix = loss.as_other("BCEWithLogitsLoss", "binary_cross_entropy_with_logits")
    elif made.kind == "tanh":
        fix = _renamed(loss, made, "Sigmoid", "sigmoid")
    message = "the input of binary_cross_entropy is not probabilities"
    return loss.problem("GT323", "warning", message, facts, trail=[_given_by(loss, made)], fix=fix)


# ---- words -----------------------------------------------------------------------------------------


def _given_by(loss: LossView, made: Made, argument: str = "input") -> str:
    return f"{argument} is what {loss.view.named(made)} gives"


def _renamed(loss: LossView, made: Made, layer: str, function: str) -> str:
    """The activation's call with another activation."""
    call = loss.view.call(made)
    if call is None:
        return ""
    other = layer if loss.view.layer(made.node) is not None else function
    return call.renamed(other)
