"""Losses: composites that check their contract first."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import dtype_of, require_float, shape_of, to_dtype
from graphtorch.ir.ops.logic import check_index, eq, logical_and, ne, where
from graphtorch.ir.ops.movement import broadcast_to, iota, reshape
from graphtorch.ir.ops.reduce import log_softmax, mean
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.types import int64


def _reduce(values: Any, reduction: str) -> Any:
    if reduction == "none":
        return values
    return mean(values) if reduction == "mean" else sum_(values)


def _check_reduction(reduction: str) -> None:
    check(
        reduction in ("none", "mean", "sum"),
        "GT304",
        f"reduction={reduction!r} is not allowed",
        'expected "none", "mean" or "sum"',
        kind=ArgumentError,
    )


@composite("F")
def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """The squared difference of ``input`` and ``target``, reduced by "mean", "sum" or "none"."""
    _check_reduction(reduction)
    difference = input - target
    return _reduce(difference * difference, reduction)


@composite("F")
def nll_loss(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """-input[target] for log-probabilities [n, c, ...] or [c] and int64 class indices [n, ...] or [].

    "mean" divides by the total weight of the targets that count. An index outside of [0, c) other than
    ``ignore_index`` is an IndexRangeError GT302 in eager mode; a compiled program cannot stop, and there it
    contributes nothing.
    """
    _check_reduction(reduction)
    classes = _check_targets(input, target)
    shape = shape_of(input)
    target = bind.bind(check_index, target, size=shape[classes], ignore=ignore_index)
    hit = _hits(target, shape, classes, ignore_index)
    scores = input if weight is None else input * _per_class(weight, shape, classes)
    losses = -sum_(where(hit, scores, 0), classes)
    if reduction != "mean":
        return _reduce(losses, reduction)
    return sum_(losses) / _total_weight(target, weight, hit, dtype_of(input), ignore_index)


def _hits(target: Any, shape: tuple[int, ...], classes: int, ignore_index: int) -> Any:
    """Where the class is the target, and the target counts."""
    index = broadcast_to(reshape(target, (*shape[:classes], 1, *shape[classes + 1 :])), shape)
    wanted = bind.bind(iota, shape=shape, dim=classes, dtype=int64)
    return logical_and(eq(index, wanted), ne(index, ignore_index))


def _total_weight(target: Any, weight: Any, hit: Any, dtype: Any, ignore_index: int) -> Any:
    if weight is None:
        return sum_(to_dtype(ne(target, ignore_index), dtype))
    classes = 1 if len(shape_of(hit)) > 1 else 0
    return sum_(where(hit, broadcast_to(_per_class(weight, shape_of(hit), classes), shape_of(hit)), 0))


def _per_class(weight: Any, shape: tuple[int, ...], classes: int) -> Any:
    check(
        shape_of(weight) == (shape[classes],),
        "GT103",
        "weight does not match the classes",
        f"expected [{shape[classes]}], got {list(shape_of(weight))}",
    )
    return reshape(weight, tuple(n if i == classes else 1 for i, n in enumerate(shape)))


def _check_targets(input: Any, target: Any) -> int:
    """The class dimension of ``input``, after the contract of class-index targets was checked."""
    shape = shape_of(input)
    check(
        len(shape) >= 1,
        "GT107",
        "input must be [n, c, ...] or [c]",
        f"expected at least 1 dimension, got {len(shape)}",
    )
    classes = 1 if len(shape) > 1 else 0
    expected = (*shape[:classes], *shape[classes + 1 :])
    check(
        dtype_of(target) == int64,
        "GT205",
        "class targets must be int64",
        f"expected graphtorch.int64, got {dtype_of(target)!r}",
        kind=DTypeError,
    )
    check(
        shape_of(target) == expected,
        "GT112",
        "targets do not match the input",
        f"expected class indices {list(expected)} for scores {list(shape)}, got {list(shape_of(target))}",
    )
    return classes


@composite("F")
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Cross entropy of scores [n, c, ...] or [c] with class indices, or with probabilities of that shape.

    DTypeError GT202 when the scores are not floating point (swapped arguments, most often), GT205
    when class indices are not int64; ShapeError GT112 when the shapes do not match.
    """
    _check_reduction(reduction)
    check(
        0.0 <= label_smoothing <= 1.0,
        "GT304",
        f"label_smoothing={label_smoothing} is not allowed",
        "expected a number in [0, 1]",
        kind=ArgumentError,
    )
    require_float(input.aval, "the scores of cross_entropy")
    shape = shape_of(input)
    classes = 1 if len(shape) > 1 else 0
    logp = log_softmax(input, classes)
    if dtype_of(target).is_floating_point and shape_of(target) == shape:
        return _soft_targets(logp, target, weight, reduction, label_smoothing, classes)
    hard = nll_loss(logp, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return hard
    weighted = logp if weight is None else logp * _per_class(weight, shape, classes)
    kept = ne(target, ignore_index)
    spread = where(kept, -sum_(weighted, classes), 0)
    if reduction == "mean":
        hit = _hits(target, shape, classes, ignore_index)
        smooth = sum_(spread) / _total_weight(target, weight, hit, dtype_of(input), ignore_index)
    else:
        smooth = _reduce(spread, reduction)
    return hard * (1 - label_smoothing) + smooth * (label_smoothing / shape[classes])


def _soft_targets(logp: Any, target: Any, weight: Any, reduction: str, label_smoothing: float, classes: int) -> Any:
    shape = shape_of(logp)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / shape[classes]
    if weight is not None:
        logp = logp * _per_class(weight, shape, classes)
    losses = -sum_(logp * target, classes)
    if reduction != "mean":
        return _reduce(losses, reduction)
    return sum_(losses) * (1.0 / (math.prod(shape_of(losses)) or math.nan))
