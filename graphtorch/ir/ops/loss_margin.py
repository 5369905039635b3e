"""Losses that ask for a margin: of one score, of two, and between the scores of classes."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arguments import number
from graphtorch.ir.ops.arithmetic import clamp
from graphtorch.ir.ops.common import aval_of, dtype_of, require_float, shape_of
from graphtorch.ir.ops.functions import relu
from graphtorch.ir.ops.in_float32 import in_float32
from graphtorch.ir.ops.logic import logical_and, logical_not, lt, ne, where
from graphtorch.ir.ops.loss import check_index, one_hot
from graphtorch.ir.ops.loss_common import reduced, reduction_of
from graphtorch.ir.ops.movement import iota, reshape
from graphtorch.ir.ops.reduce import amax, amin
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.types import int64

#: an index that names no class and ignores none
_NONE = -(2**63)


@composite("F")
@in_float32("input", "target")
def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The distance ``input`` for a target of 1, max(0, margin - input) for -1; their sum for any other target."""
    reduction = reduction_of(size_average, reduce, reduction)
    short = where(ne(target, 1), clamp(number(margin, "margin") - input, min=0), 0)
    return reduced(short + where(ne(target, -1), input, 0), reduction)


@composite("F")
@in_float32("input1", "input2", "target")
def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, -target * (input1 - input2) + margin) for targets of 1 and -1: which input is to be the greater.

    ShapeError GT107 where the numbers of dimensions differ; sizes broadcast.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    wanted = aval_of(input1).ndim
    for name, x in (("input2", input2), ("target", target)):
        got = aval_of(x).ndim
        check(got == wanted, "GT107", f"{name} does not match input1", f"expected {wanted} dimensions, got {got}")
    return reduced(clamp(-target * (input1 - input2) + number(margin, "margin"), min=0), reduction)


@composite("F")
@in_float32("input", "target", "weight")
def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The sum over other classes j of max(0, margin - input[target] + input[j])^p / c, for scores [n, c] or [c].

    ``target`` is int64, [n], or [] or [1] for one sample, and the losses have its shape; ``weight`` [c] scales each
    sample by its class. ArgumentError GT304 for a ``p`` other than 1 and 2; ShapeError GT107 for another number of
    dimensions, GT112 for targets and GT103 for a weight that do not match. A target out of range is as in `nll_loss`.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check(p in (1, 2), "GT304", f"p={p} is not allowed", "expected 1 or 2", kind=ArgumentError)
    shape = _check_scores(input)
    _check_target(target, (shape[:-1],) if len(shape) == 2 else ((), (1,)), shape)
    classes, dim = shape[-1], len(shape_of(target))
    input = reshape(input, (*shape_of(target), classes))
    known = bind.bind(check_index, target, size=classes, ignore=0, dtype=dtype_of(input))
    hit = bind.bind(one_hot, target, dim=dim, size=classes, ignore=_NONE)
    short = relu(input - sum_(where(hit, input, 0), dim, True) + number(margin, "margin"))
    losses = sum_(where(hit, 0, short if p == 1 else short * short), dim) * (1 / classes) * known
    if weight is None:
        return reduced(losses, reduction)
    given = shape_of(weight)
    check(given == (classes,), "GT103", "weight does not match the classes", f"expected [{classes}], got {list(given)}")
    return reduced(losses * sum_(where(hit, weight, 0), dim), reduction)


def _check_scores(input: Any) -> tuple[int, ...]:
    """The shape of scores [n, c] or [c], of floating point and at least one class."""
    shape = shape_of(input)
    check(len(shape) in (1, 2), "GT107", "input must be [n, c] or [c]", f"expected 1 or 2 dimensions, got {len(shape)}")
    check(shape[-1] > 0, "GT112", "there are no classes", f"expected sizes > 0 at the last dimension of {list(shape)}")
    require_float(aval_of(input), "the scores")
    return shape


def _check_target(target: Any, wanted: tuple[tuple[int, ...], ...], shape: tuple[int, ...]) -> None:
    check(
        dtype_of(target) == int64,
        "GT205",
        "class targets must be int64",
        f"expected graphtorch.int64, got {dtype_of(target)!r}",
        kind=DTypeError,
    )
    got = shape_of(target)
    check(
        got in wanted,
        "GT112",
        "targets do not match the input",
        f"expected {' or '.join(str(list(w)) for w in wanted)} for scores {list(shape)}, got {list(got)}",
    )


@composite("F")
@in_float32("input", "target")
def multilabel_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The sum of max(0, 1 - input[i] + input[j]) / c over each target i and each class j that is none.

    ``input`` is scores [n, c] or [c]. ``target``, int64 of that shape, lists the classes of a sample; what comes after
    the first -1 does not count. ShapeError GT107, GT112 and DTypeError GT202, GT205 for others; a target that is
    neither a class nor -1 is an IndexRangeError GT302 in eager mode, and makes a compiled loss nan. Time is n * c^2.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    shape = _check_scores(input)
    _check_target(target, (shape,), shape)
    classes, dim = shape[-1], len(shape) - 1
    known = bind.bind(check_index, target, size=classes, ignore=-1, dtype=dtype_of(input))
    place = bind.bind(iota, shape=shape, dim=dim, dtype=int64)
    counts = lt(place, amin(where(target < 0, place, classes), dim, True))
    # [.., k, j]: whether the k-th target is class j
    hit = bind.bind(one_hot, where(counts, target, _NONE), dim=dim + 1, size=classes, ignore=_NONE)
    rows, columns = (*shape, 1), (*shape[:-1], 1, classes)
    scores = reshape(input, columns)
    own = sum_(where(hit, scores, 0), dim + 1)
    other = logical_not(reshape(amax(where(hit, 1, 0), dim), columns))
    short = relu(scores - reshape(own, rows) + 1)
    losses = sum_(where(logical_and(reshape(counts, rows), other), short, 0), (dim, dim + 1)) * (1 / classes)
    return reduced(losses * amin(known, dim), reduction)
