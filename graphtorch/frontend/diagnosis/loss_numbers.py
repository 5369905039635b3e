"""GT302, GT325 and GT326: labels against the classes that there are, and losses that are reduced again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphtorch.frontend.diagnosis.dataflow import constant_of, layer_of
from graphtorch.frontend.diagnosis.loss_view import LossView
from graphtorch.frontend.diagnosis.mending import with_layer
from graphtorch.frontend.diagnosis.problem import Problem
from graphtorch.ir.dim import same
from graphtorch.ir.graph import Node
from graphtorch.ir.op import describe
from graphtorch.ir.ops.loss_contract import label_out_of_range
from graphtorch.ir.types import int64

#: what gives back every label that it is given
_KEEPS_LABELS = frozenset("reshape permute clone detach cast".split())


def number_problems(loss: LossView) -> Iterator[Problem]:
    """Problems GT302, GT325 and GT326 of a call."""
    if loss.name in ("cross_entropy", "nll_loss"):
        yield from _one_class(loss)
        if loss.target.type.dtype == int64:
            yield from _labels(loss)
    yield from _reduced_again(loss)


# ---- classes ---------------------------------------------------------------------------------------


def _one_class(loss: LossView) -> Iterator[Problem]:
    if type(loss.classes) is not int or loss.classes != 1 or loss.name != "cross_entropy":
        return
    facts = [f"expected scores [n, c, ...] with a score for each class, got {list(loss.input.type.shape)}"]
    yes_or_no = same(loss.target.type, loss.input.type)  # then the labels are floats of that shape already
    fix = loss.as_other("BCEWithLogitsLoss", "binary_cross_entropy_with_logits") if yes_or_no else ""
    yield loss.problem("GT326", "warning", "cross_entropy over one class is always 0", facts, fix=fix)


def _labels(loss: LossView) -> Iterator[Problem]:
    """The error that eager mode raises, where the labels are known before."""
    ignore, classes = int(loss.call.arguments.get("ignore_index", -100)), loss.classes
    low, high = _label_range(loss, ignore)
    if low is None or high is None or (low >= 0 and high < classes):
        return
    wrong = high if high >= classes else low
    error = label_out_of_range(low, high, wrong, classes, ignore)
    error.loc, error.path, error.created = loss.call.loc, loss.call.loc.path, loss.call.created
    mend, error.mend = error.mend, None  # the graph knows the layer better than the tensor
    describe(error, loss.name, loss.tensors)
    layer = layer_of(loss.input, loss.view.parameters)
    owner = loss.view.layer(layer) if layer is not None else None
    path = layer.locs[0].path if layer is not None else ""
    if mend is not None:
        error.fix = with_layer(error, mend, loss.name, owner, path)
    yield Problem(error)


def _label_range(loss: LossView, ignore: int) -> tuple[int | None, int | None]:
    """The smallest and the largest label, but for those to ignore; None where they are not known, or there are none."""
    value = loss.target
    while value.node is not None and value.node.op.name in _KEEPS_LABELS:
        value = value.node.operands[0]
    if value in loss.view.ranges:
        low, high = loss.view.ranges[value]
        return int(low), int(high)
    labels: Any = getattr(loss.view.tensors.get(value), "_data", None)
    if labels is None or not labels.size:
        return None, None
    kept = labels[labels != ignore]
    return (int(kept.min()), int(kept.max())) if kept.size else (None, None)


# ---- reductions ------------------------------------------------------------------------------------


def _reduced_again(loss: LossView) -> Iterator[Problem]:
    """A sum or a mean of the one number that the loss is already, or a mean that is divided by the samples again."""
    result = loss.call.result
    if result.type.shape:
        return
    for node in loss.view.uses.get(result, ()):
        if node.op.name == "reduce_sum":
            what = loss.reduction if loss.reduction in ("mean", "sum") else "loss"
            more = ['expected reduction="mean" for the mean of all'] if what == "sum" else []
            yield _again(loss, node, f"the {what} of all is one number: a mean or a sum of it is that number", *more)
        elif node.op.name == "div" and loss.reduction == "mean" and _by_samples(loss, node):
            samples = loss.target.type.shape[0]
            yield _again(loss, node, f"the mean of all is divided by {samples}, which is the number of samples")


def _by_samples(loss: LossView, node: Node) -> bool:
    """Whether the loss is divided by how many samples there are: the steps of accumulation are that by chance alone."""
    shape, divisor = loss.target.type.shape, constant_of(node.operands[1])
    return node.operands[0] is loss.call.result and bool(shape) and type(shape[0]) is int and divisor == shape[0] > 1


def _again(loss: LossView, node: Node, *facts: str) -> Problem:
    trail = [f"again at {node.locs[0].show()}"] if node.locs else []
    return loss.problem("GT325", "note", f"the result of {loss.name} is reduced again", facts, trail=trail)
