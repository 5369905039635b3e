"""Losses over classes, and the ops that look at class indices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.dim import same
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.arguments import number
from graphtorch.ir.ops.common import aval_of, check_dim, check_sizes, dtype_of, require_float, shape_of, to_dtype
from graphtorch.ir.ops.elementwise import Array
from graphtorch.ir.ops.in_float32 import in_float32
from graphtorch.ir.ops.logic import ne, where
from graphtorch.ir.ops.loss_common import reduced, reduction_of
from graphtorch.ir.ops.loss_contract import check_labels, check_order, label_out_of_range
from graphtorch.ir.ops.movement import broadcast_to, reshape
from graphtorch.ir.ops.reduce import log_softmax
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.reduction import averaged
from graphtorch.ir.types import DType, TensorType, bool_, int64


class CheckIndex(Op):
    """1 for each index that is in [0, size) or equal to ``ignore``.

    Any other one is an IndexRangeError GT302 in eager mode. A program cannot stop: it says nan.
    """

    name = "check_index"
    nondifferentiable = True
    elementwise = True

    def infer(self, index: TensorType, *, size: int, ignore: int, dtype: DType) -> TensorType:
        _check_index(index, self.name)
        require_float(TensorType((), dtype), "the result of check_index")
        return index.with_dtype(dtype)

    def ref(self, index: Array, *, size: int, ignore: int, dtype: DType) -> Array:
        wrong = index[((index < 0) | (index >= size)) & (index != ignore)]
        if wrong.size:
            kept = index[index != ignore]
            raise label_out_of_range(int(kept.min()), int(kept.max()), int(wrong[0]), size, ignore)
        return np.ones(index.shape, dtype.np)

    def lower(self, index: Source, *, size: int, ignore: int, dtype: DType) -> Compute:
        one, unknown = expr.const(1, dtype), expr.const(math.nan, dtype)
        return compute(index.shape, dtype, lambda *i: expr.select(_known(index[i], size, ignore), one, unknown))


class OneHot(Op):
    """Whether ``index`` names the class, along a new ``dim`` of ``size`` classes.

    ``ignore`` names none of them. An index out of range names them all, so that what `check_index` says of it reaches
    the gradient of each.
    """

    name = "one_hot"
    nondifferentiable = True

    def infer(self, index: TensorType, *, dim: int, size: int, ignore: int) -> TensorType:
        _check_index(index, self.name)
        check_dim(dim, index.ndim + 1)
        check_sizes((size,), "size")
        return TensorType((*index.shape[:dim], size, *index.shape[dim:]), bool_)

    def ref(self, index: Array, *, dim: int, size: int, ignore: int) -> Array:
        at = np.expand_dims(index, dim)
        hit = at == np.arange(size).reshape(size, *(1,) * (index.ndim - dim))
        return (hit | (at < 0) | (at >= size)) & (at != ignore)

    def lower(self, index: Source, *, dim: int, size: int, ignore: int) -> Compute:
        def body(*i: Expr) -> Expr:
            at = index[(*i[:dim], *i[dim + 1 :])]
            return (at.eq(i[dim]) & at.ne(ignore)) | expr.unary("not", _known(at, size, ignore))

        return compute((*index.shape[:dim], size, *index.shape[dim:]), bool_, body)


def _known(at: Expr, size: int, ignore: int) -> Expr:
    return ((at >= 0) & (at < size)) | at.eq(ignore)


def _check_index(index: TensorType, op: str) -> None:
    check(
        index.dtype == int64,
        "GT203",
        f"{op} does not take {index.dtype!r}",
        "expected graphtorch.int64",
        kind=DTypeError,
    )


check_index, one_hot = register(CheckIndex()), register(OneHot())


@composite("F", whole=True, noted=True)
@in_float32("input")
def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """-input[target] for log-probabilities [n, c, ...] or [c] and int64 class indices [n, ...] or [].

    "mean" divides by the total weight of the targets that count. An index outside of [0, c) other than
    ``ignore_index`` is an IndexRangeError GT302 in eager mode; a compiled program cannot stop, and there the loss
    and the gradient of its scores are nan.
    """
    check_order("nll_loss", input, target)
    return _nll(input, target, weight, ignore_index, reduction_of(size_average, reduce, reduction))


def _nll(input: Any, target: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    classes = check_labels(input, target)
    require_float(aval_of(input), "the log-probabilities of nll_loss")
    shape = shape_of(input)
    counts = bind.bind(check_index, target, size=shape[classes], ignore=ignore_index, dtype=dtype_of(input))
    hit = _hits(target, shape, classes, ignore_index)
    scores = input if weight is None else input * _per_class(weight, shape, classes)
    losses = -sum_(where(hit, scores, 0), classes) * counts
    if reduction != "mean":
        return reduced(losses, reduction)
    return sum_(losses) / _total_weight(target, weight, hit, dtype_of(input), ignore_index)


def _hits(target: Any, shape: tuple[int, ...], classes: int, ignore_index: int) -> Any:
    """Where the class is the target, and the target counts."""
    return bind.bind(one_hot, target, dim=classes, size=shape[classes], ignore=ignore_index)


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


@composite("F", whole=True, noted=True)
@in_float32("input")
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Cross entropy of scores [n, c, ...] or [c] with class indices, or with probabilities of that shape.

    ContractError GT320 when labels come first; DTypeError GT202 when the scores are not floating point, GT205
    when class indices are not int64; ShapeError GT112 when the shapes do not match. A class index out of range is an
    error in eager mode, and makes a compiled loss and its gradient nan: see `nll_loss`.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    number(label_smoothing, "label_smoothing", 0, 1)
    check_order("cross_entropy", input, target)
    require_float(aval_of(input), "the scores of cross_entropy")
    shape = shape_of(input)
    classes = 1 if len(shape) > 1 else 0
    logp = log_softmax(input, classes)
    if dtype_of(target).is_floating_point and same(shape_of(target), shape):
        return _soft_targets(logp, target, weight, reduction, label_smoothing, classes)
    hard = _nll(logp, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return hard
    weighted = logp if weight is None else logp * _per_class(weight, shape, classes)
    kept = ne(target, ignore_index)
    spread = where(kept, -sum_(weighted, classes), 0)
    if reduction == "mean":
        hit = _hits(target, shape, classes, ignore_index)
        smooth = sum_(spread) / _total_weight(target, weight, hit, dtype_of(input), ignore_index)
    else:
        smooth = reduced(spread, reduction)
    return hard * (1 - label_smoothing) + smooth * (label_smoothing / shape[classes])


def _soft_targets(logp: Any, target: Any, weight: Any, reduction: str, label_smoothing: float, classes: int) -> Any:
    shape = shape_of(logp)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / shape[classes]
    if weight is not None:
        logp = logp * _per_class(weight, shape, classes)
    losses = -sum_(logp * target, classes)
    if reduction != "mean":
        return reduced(losses, reduction)
    return averaged(sum_(losses), math.prod(shape_of(losses)))
