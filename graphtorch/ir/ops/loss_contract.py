"""What losses ask of how they are called, said in the words of who calls them, with the edit that mends the call.

Only calls that cannot be computed are refused here; what runs and is hardly meant is found in
frontend/diagnosis/losses.py, except that broadcasting is told at once (`doubt_shapes`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.dim import same
from graphtorch.ir.errors import ContractError, DTypeError, IndexRangeError, Mend, ShapeError, check
from graphtorch.ir.op import describe
from graphtorch.ir.ops.common import aval_of, broadcast_shapes, dtype_of, shape_of
from graphtorch.ir.types import TensorType, float32, int64

Shape = tuple[int, ...]


def mend(otherwise: str = "", **arguments: str) -> Mend:
    """One edit of the call."""
    return Mend((tuple(arguments.items()),), otherwise)


# ---- which argument is which -----------------------------------------------------------------------


def check_order(loss: str, input: Any, target: Any) -> None:
    """ContractError GT320 where ``input`` is class labels, and ``target`` scores that fit them."""
    x, y = aval_of(input), aval_of(target)
    if not y.dtype.is_floating_point or not _are_labels_for(x, y):
        return
    scores = "scores" if loss == "cross_entropy" else "log-probabilities"
    if x.shape == y.shape:
        labels = one_hot_as_labels(x)
    else:
        labels = "" if x.dtype == int64 else ".long()"
    raise swapped(
        loss,
        f"expected {scores} [n, c, ...] first, and class labels [n, ...] second",
        f"got labels {x} first, and {scores} {y} second",
        labels=labels,
    )


def _are_labels_for(x: TensorType, y: TensorType) -> bool:
    if not x.dtype.is_floating_point and x.shape == y.shape:
        return True  # one-hot labels
    return y.ndim == x.ndim + 1 and x.shape == without_classes(y.shape)


def check_binary_order(loss: str, input: Any, target: Any) -> None:
    """ContractError GT320 where ``input`` is labels, and ``target`` the predictions for them."""
    x, y = aval_of(input), aval_of(target)
    if x.dtype.is_floating_point or not y.dtype.is_floating_point or not same(x.shape, y.shape):
        return
    given = "probabilities" if loss == "binary_cross_entropy" else "logits"
    raise swapped(
        loss,
        f"expected {given} first, and labels second",
        f"got labels {x} first, and {given} {y} second",
        labels=".float()",
    )


def swapped(loss: str, *facts: str, labels: str = "") -> ContractError:
    """The error for swapped arguments; ``labels`` is what has to follow what was given first."""
    error = ContractError("GT320", f"the arguments of {loss} are swapped", facts)
    error.mend = mend(f"{loss}(output, target{labels})", input="{target}", target="{input}" + labels)
    return error


# ---- class labels ----------------------------------------------------------------------------------


def without_classes(scores: Shape) -> Shape:
    """The shape of the labels for scores [n, c, ...] or [c]."""
    at = 1 if len(scores) > 1 else 0
    return (*scores[:at], *scores[at + 1 :])


def check_labels(input: Any, target: Any) -> int:
    """The class dimension of ``input``, whose labels ``target`` is.

    ShapeError GT107 for an input of no dimensions, DTypeError GT205 for labels that are not int64, ShapeError GT112 for
    a shape that is not that of the input less its classes.
    """
    shape, labels = shape_of(input), aval_of(target)
    check(
        len(shape) >= 1,
        "GT107",
        "input must be [n, c, ...] or [c]",
        f"expected at least 1 dimension, got {len(shape)}",
    )
    expected = without_classes(shape)
    if labels.dtype == int64 and labels.shape == expected:
        return 1 if len(shape) > 1 else 0
    given = f"expected class indices {list(expected)} for scores {list(shape)}, got {list(labels.shape)}"
    error: DTypeError | ShapeError
    if labels.dtype != int64:
        wanted = f"expected graphtorch.int64, got {labels.dtype!r}"
        error = DTypeError("GT205", "class targets must be int64", [wanted])
    else:
        error = ShapeError("GT112", "targets do not match the input")
    if labels.shape != expected:
        error.facts.append(given)
    if labels.shape == shape and not labels.dtype.is_floating_point:
        error.facts.append("one-hot labels are no class indices: argmax gives those")
    error.mend = _labels_mended(shape, labels)
    raise error


def _labels_mended(scores: Shape, labels: TensorType) -> Mend | None:
    """The edit after which the labels fit, where there is one that is surely meant."""
    expected, converted = without_classes(scores), "" if labels.dtype == int64 else ".long()"
    if labels.shape == expected:
        return mend(f"target{converted}", target="{target}" + converted)
    for dim, size in enumerate(labels.shape):
        if size == 1 and (*labels.shape[:dim], *labels.shape[dim + 1 :]) == expected:
            text = f".squeeze({dim}){converted}"
            return mend(f"target{text}", target="{target}" + text)
    if labels.shape == scores and len(scores) > 1 and not labels.dtype.is_floating_point:
        return mend("target.argmax(1)", target="{target}" + one_hot_as_labels(labels))
    return _flattened(scores, labels.shape, expected, converted)


def one_hot_as_labels(one_hot: TensorType) -> str:
    """What makes class indices of one-hot labels."""
    return ".long().argmax(1)" if one_hot.dtype.kind == "b" else ".argmax(1)"


def _flattened(scores: Shape, labels: Shape, expected: Shape, converted: str) -> Mend | None:
    """The classes are last in what sequence models give; or one of both is flattened already."""
    if len(scores) > 2 and labels == scores[:-1]:
        return _both("{input}.movedim(-1, 1)", converted)
    if len(scores) > 2 and labels == (math.prod(scores[:-1]),):
        return _both(f"{{input}}.flatten(0, {len(scores) - 2})", converted)
    if len(scores) == 2 and len(labels) > 1 and (math.prod(labels),) == expected:
        return mend(f"target.flatten(){converted}", target="{target}.flatten()" + converted)
    return None


def _both(input: str, converted: str) -> Mend:
    otherwise = input.format(input="output")
    return mend(otherwise, input=input, target="{target}" + converted) if converted else mend(otherwise, input=input)


def label_out_of_range(low: int, high: int, wrong: int, size: int, ignore: int) -> IndexRangeError:
    """The error for labels, or other indices, from ``low`` to ``high`` of which ``wrong`` is not in [0, size)."""
    error = IndexRangeError(
        "GT302",
        f"index {wrong} is out of range",
        [
            f"expected 0 <= index < {size}" + ("" if 0 <= ignore < size else f", or {ignore} to ignore it"),
            f"got indices from {low} to {high}",
        ],
    )
    error.mend = _range_mended(low, high, size)
    return error


def _range_mended(low: int, high: int, size: int) -> Mend:
    """Labels that count from 1, that mark what is to be ignored by -1, or that are more than the classes."""
    if (low, high) == (1, size):
        return replace(mend("target - 1", target="{target} - 1"), by_layer=True)
    if low == -1 and high < size:
        return replace(mend("ignore_index=-1", ignore_index="-1"), by_layer=True)
    return Mend(by_layer=True, outputs=high + 1 if low >= 0 else 0)


# ---- shapes ----------------------------------------------------------------------------------------


def doubt_shapes(loss: str, input: Any, target: Any) -> None:
    """A ContractWarning GT324 that ``input`` and ``target`` have shapes which differ, and broadcast.

    It begins as torch's does, which users may have filtered out.
    """
    x, y = shape_of(input), shape_of(target)
    error = ContractError(
        "GT324",
        f"Using a target size ({list(y)}) that is different to the input size ({list(x)}) broadcasts them to "
        f"{list(broadcast_shapes(x, y))}",
        [f"expected a target for each output, {list(x)}, got {list(y)}: they are compared as broadcasting pairs them"],
    )
    error.mend = fitting_shapes(x, y)
    describe(error, loss, [("input", input), ("target", target)])
    bind.current().doubted(error)


def fitting_shapes(x: Shape, y: Shape, converted: str = "") -> Mend | None:
    """The edits after which ``input`` [x] and ``target`` [y], of which one has a dimension of size 1 more, agree.
    ``converted`` is what has to follow the target besides."""
    longer, shorter = (x, y) if len(x) > len(y) else (y, x)
    for dim, size in enumerate(longer):
        if size == 1 and (*longer[:dim], *longer[dim + 1 :]) == shorter:
            less, more = f".squeeze({dim})", f".unsqueeze({dim})"
            edits = (less, "", "", more) if longer is x else ("", less, more, "")
            return _either(*edits, converted)
    return None


def _either(input: str, target: str, other_input: str, other_target: str, converted: str) -> Mend:
    """One edit or the other one, each of the input or of the target."""
    calls, spoken = [], []
    for x, y in ((input, target), (other_input, other_target)):
        edits = {"input": x, "target": y + converted}
        calls.append(tuple((name, "{" + name + "}" + edit) for name, edit in edits.items() if edit))
        spoken.append(f"output{x}" if x else f"target{y}{converted}")
    return Mend(tuple(calls), " or ".join(spoken))


def check_same_shape(input: Any, target: Any) -> None:
    """ShapeError GT103 unless the target has the shape of the input; a dtype that differs is mended with it."""
    x, y = shape_of(input), shape_of(target)
    if x != y:
        facts = [f"expected {list(x)}, got {list(y)}"]
        error = ShapeError("GT103", "target does not match the input", facts)
        error.mend = fitting_shapes(x, y, "" if dtype_of(target).is_floating_point else ".float()")
        raise error


def check_same_dtype(input: Any, target: Any) -> None:
    """DTypeError GT201 unless the target has the dtype of the input."""
    wanted, got = dtype_of(input), dtype_of(target)
    if got != wanted:
        facts = [f"expected {wanted!r}, got {got!r}"]
        error = DTypeError("GT201", "target must have the dtype of the input", facts)
        edit = ".float()" if wanted == float32 else f".to(gt.{wanted.name})"
        error.mend = mend(f"target{edit}", target="{target}" + edit)
        raise error
