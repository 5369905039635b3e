"""GT320: input and target are swapped, as their provenance or what they are says where their types do not."""

from __future__ import annotations

from collections.abc import Iterator

from graphtorch.frontend.diagnosis.loss_view import LossView
from graphtorch.frontend.diagnosis.mending import mended
from graphtorch.frontend.diagnosis.problem import Problem
from graphtorch.ir.dim import same
from graphtorch.ir.ops.loss_contract import swapped

#: losses that are another number when their arguments are swapped, and whose target is a float of the input's shape
_BY_PROVENANCE = {
    "cross_entropy": "scores",
    "binary_cross_entropy": "probabilities",
    "binary_cross_entropy_with_logits": "logits",
}


def order_problems(loss: LossView) -> Iterator[Problem]:
    """Problems GT320 of a call."""
    if loss.name in _BY_PROVENANCE and same(loss.input.type.shape, loss.target.type.shape):
        yield from _by_provenance(loss)
    elif loss.name == "kl_div" and not loss.call.arguments.get("log_target"):
        yield from _by_logarithms(loss)


def _by_provenance(loss: LossView) -> Iterator[Problem]:
    """No parameter has to do with the input, and the target comes from some: the model's output stands second.

    A teacher's output comes from parameters too, frozen or not, so distillation is silent.
    """
    if loss.trained(loss.input) or not loss.trained(loss.target):
        return
    facts = [
        f"expected the model's {_BY_PROVENANCE[loss.name]} first, and the targets second",
        "got an input that no parameter has to do with, and a target that is computed from parameters",
        'a target that is meant to be trained is let pass by ignore={"GT320"}',
    ]
    yield _swapped(loss, facts)


def _by_logarithms(loss: LossView) -> Iterator[Problem]:
    made, target = loss.input_made, loss.target_made
    if made is None or target is None or made.kind != "softmax" or target.kind not in ("log_softmax", "logsigmoid"):
        return
    named = loss.view.named
    facts = [
        "expected log-probabilities first, and probabilities second",
        f"got probabilities of {named(made)} first, and log-probabilities of {named(target)} second",
    ]
    yield _swapped(loss, facts)


def _swapped(loss: LossView, facts: list[str]) -> Problem:
    error = swapped(loss.name, *facts)
    assert error.mend is not None  # as `swapped` makes it
    fix = mended(error.mend, loss.name, loss.call.loc, loss.call.created)
    return loss.problem(error.code, "error", error.message, facts, fix=fix)
