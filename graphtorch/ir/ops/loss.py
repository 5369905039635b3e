"""Losses: composites that check their contract first, and the op that tells which class is the target."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, DTypeError, IndexRangeError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.common import aval_of, check_dim, check_sizes, dtype_of, require_float, shape_of, to_dtype
from graphtorch.ir.ops.elementwise import Array
from graphtorch.ir.ops.logic import ne, where
from graphtorch.ir.ops.movement import broadcast_to, reshape
from graphtorch.ir.ops.reduce import log_softmax, mean
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.types import DType, TensorType, int64


class OneHot(Op):
    """1 at the class that ``index`` names and 0 at the others, along a new ``dim`` of ``size`` classes.

    An index of ``ignore`` names none. Any other one outside of [0, size) is an IndexRangeError GT302 in eager mode; a
    program cannot stop, and says nan for every class.
    """

    name = "one_hot"
    nondifferentiable = True

    def infer(self, index: TensorType, *, dim: int, size: int, ignore: int, dtype: DType) -> TensorType:
        check(
            index.dtype == int64,
            "GT203",
            f"one_hot does not take {index.dtype!r}",
            "expected graphtorch.int64",
            kind=DTypeError,
        )
        check_dim(dim, index.ndim + 1)
        check_sizes((size,), "size")
        require_float(TensorType((), dtype), "the result of one_hot")
        return TensorType((*index.shape[:dim], size, *index.shape[dim:]), dtype)

    def ref(self, index: Array, *, dim: int, size: int, ignore: int, dtype: DType) -> Array:
        wrong = index[((index < 0) | (index >= size)) & (index != ignore)]
        if wrong.size:
            raise IndexRangeError(
                "GT302",
                f"index {wrong[0]} is out of range",
                [f"expected 0 <= index < {size}, or {ignore} to ignore it"],
            )
        wanted = np.arange(size).reshape(size, *(1,) * (index.ndim - dim))
        at = np.expand_dims(index, dim)
        return ((at == wanted) & (at != ignore)).astype(dtype.np)

    def lower(self, index: Source, *, dim: int, size: int, ignore: int, dtype: DType) -> Compute:
        one, zero, unknown = (expr.const(v, dtype) for v in (1, 0, math.nan))

        def body(*i: Expr) -> Expr:
            at = index[(*i[:dim], *i[dim + 1 :])]
            known = ((at >= 0) & (at < size)) | at.eq(ignore)
            return expr.select(at.eq(i[dim]) & at.ne(ignore), one, expr.select(known, zero, unknown))

        return compute((*index.shape[:dim], size, *index.shape[dim:]), dtype, body)


one_hot = register(OneHot())


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
    ``ignore_index`` is an IndexRangeError GT302 in eager mode; a compiled program cannot stop, and there the loss
    and the gradient of its scores are nan.
    """
    _check_reduction(reduction)
    classes = _check_targets(input, target)
    require_float(aval_of(input), "the log-probabilities of nll_loss")
    shape = shape_of(input)
    hot = _one_hot(target, input, classes, ignore_index)
    hit = ne(hot, 0)  # nan is hit too: it has to reach the loss, and by the product the gradient
    scores = (input if weight is None else input * _per_class(weight, shape, classes)) * hot
    losses = -sum_(where(hit, scores, 0), classes)
    if reduction != "mean":
        return _reduce(losses, reduction)
    return sum_(losses) / _total_weight(target, weight, hit, dtype_of(input), ignore_index)


def _one_hot(target: Any, input: Any, classes: int, ignore_index: int) -> Any:
    size = shape_of(input)[classes]
    return bind.bind(one_hot, target, dim=classes, size=size, ignore=ignore_index, dtype=dtype_of(input))


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
    when class indices are not int64; ShapeError GT112 when the shapes do not match. A class index out of range is an
    error in eager mode, and makes a compiled loss and its gradient nan: see `nll_loss`.
    """
    _check_reduction(reduction)
    check(
        0.0 <= label_smoothing <= 1.0,
        "GT304",
        f"label_smoothing={label_smoothing} is not allowed",
        "expected a number in [0, 1]",
        kind=ArgumentError,
    )
    require_float(aval_of(input), "the scores of cross_entropy")
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
        hit = ne(_one_hot(target, input, classes, ignore_index), 0)
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
