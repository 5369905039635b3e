"""Bags of embeddings, one-hot vectors, and bilinear forms."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.op import OPS, composite
from graphtorch.ir.ops.arithmetic import maximum
from graphtorch.ir.ops.common import as_int, aval_of, broadcast, dtype_of, lift, require_float, shape_of, to_dtype
from graphtorch.ir.ops.contract import matmul
from graphtorch.ir.ops.embedding import looked_up, padding_row, refuse_sparse, renormalize
from graphtorch.ir.ops.index import put_rows, select_rows, wide
from graphtorch.ir.ops.joining import cat
from graphtorch.ir.ops.logic import eq, ge, logical_and, where
from graphtorch.ir.ops.movement import iota, permute, reshape
from graphtorch.ir.ops.reduce import amax
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.shapes import narrow
from graphtorch.ir.types import float32, int64

_NONE = -(2**63)


@composite("F")
def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """int64 [*shape, num_classes]: 1 at the class that ``tensor``, int64, names, and 0 elsewhere.

    -1 is one class more than the greatest of ``tensor``: only without gt.compile, which needs to know shapes. A class
    outside of [0, num_classes) is an IndexRangeError GT302 in eager mode, and all 0 in a compiled program.
    """
    check(
        dtype_of(tensor) == int64,
        "GT203",
        f"one_hot does not take {dtype_of(tensor)!r}",
        "expected graphtorch.int64",
        kind=DTypeError,
    )
    classes = as_int(num_classes, "num_classes")
    if classes == -1:
        check(
            math.prod(shape_of(tensor)) > 0,
            "GT304",
            "num_classes=-1 is not allowed for an empty tensor",
            "expected num_classes > 0",
            kind=ArgumentError,
        )
        classes = int(amax(tensor).item()) + 1
    check(
        classes > 0 or (classes == 0 and not math.prod(shape_of(tensor))),
        "GT304",
        f"num_classes={num_classes} is not allowed",
        "expected num_classes > 0, or -1",
        kind=ArgumentError,
    )
    bind.bind(OPS["check_index"], tensor, size=classes, ignore=_NONE, dtype=float32)
    shape = (*shape_of(tensor), classes)
    names = bind.bind(iota, shape=shape, dim=len(shape) - 1, dtype=int64)
    return to_dtype(eq(reshape(tensor, (*shape[:-1], 1)), names), int64)


@composite("gt", "F")
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """input1 [..., i], weight [o, i, j], input2 [..., j] to [..., o]: sums of all three, plus ``bias`` [o]."""
    a, b, w = shape_of(input1), shape_of(input2), shape_of(weight)
    check(
        len(w) == 3 and a[:-1] == b[:-1] and (*a[-1:], *b[-1:]) == w[1:],
        "GT103",
        f"input1 {list(a)}, input2 {list(b)} and weight {list(w)} do not fit",
        "expected [..., i], [..., j] and [o, i, j]",
    )
    require_float(aval_of(input1), "input1")
    o, i, j = w
    halves = matmul(
        reshape(input1, (-1, i) if math.prod(a) else (math.prod(a[:-1]), i)),
        reshape(permute(weight, (1, 0, 2)), (i, o * j)),
    )
    rows = math.prod(a[:-1])
    out = sum_(reshape(halves, (rows, o, j)) * reshape(input2, (rows, 1, j)), -1)
    out = reshape(out, (*a[:-1], o))
    return out if bias is None else out + bias


@composite("F")
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Sums, means or maxima of bags of rows of ``weight`` [rows, size]: [bags, size].

    ``input``, int64 or int32, is [bags, n], or [n] with bag k from ``offsets[k]`` on; ``include_last_offset``: the
    last offset is the end of the last bag. ``per_sample_weights``, shaped as ``input``, scale rows (mode "sum" alone).
    The row ``padding_idx`` counts in no bag; empty bags are 0. ``max_norm`` and ``scale_grad_by_freq`` (not for "max")
    are those of `embedding`. ``sparse`` is refused: ArgumentError GT304.
    """
    refuse_sparse(sparse)
    given = shape_of(input)
    check(
        mode in ("sum", "mean", "max"),
        "GT304",
        f"mode={mode!r} is not allowed",
        'expected "sum", "mean" or "max"',
        kind=ArgumentError,
    )
    check(len(shape_of(weight)) == 2, "GT107", "weight must be [rows, size]", f"got {list(shape_of(weight))}")
    check(
        len(given) == (2 if offsets is None else 1),
        "GT107",
        f"input must be {'[bags, n]' if offsets is None else '[n]'}",
        "expected [bags, n], or [n] with offsets",
    )
    check(
        per_sample_weights is None or (mode == "sum" and shape_of(per_sample_weights) == given),
        "GT304",
        f"per_sample_weights are not allowed with mode={mode!r} and input {list(given)}",
        'expected mode="sum", and one for each element of input',
        kind=ArgumentError,
    )
    check(
        mode != "max" or not scale_grad_by_freq,
        "GT304",
        'scale_grad_by_freq=True is not allowed with mode="max"',
        kind=ArgumentError,
    )
    input = wide(input)
    if max_norm is not None:
        renormalize(weight, input, max_norm, norm_type)
    rows = looked_up(weight, input, scale_grad_by_freq)
    counts = broadcast(lift(1, dtype_of(weight)), (*given, 1))
    if padding_idx is not None:
        padded = reshape(eq(input, padding_row(padding_idx, shape_of(weight)[0])), (*given, 1))
        counts = where(padded, 0, counts)
        rows = where(padded, 0 if mode != "max" else -math.inf, rows)
    if per_sample_weights is not None:
        rows = rows * reshape(per_sample_weights, (*given, 1))
    if offsets is None:
        return _finish(
            mode, *((amax(rows, 1) if given[1] else sum_(rows, 1)) if mode == "max" else sum_(rows, 1), sum_(counts, 1))
        )
    return _bags(mode, rows, counts, to_dtype(offsets, int64), include_last_offset)


def _finish(mode: str, total: Any, count: Any) -> Any:
    if mode == "sum":
        return total
    return where(eq(count, 0), 0, total / where(eq(count, 0), 1, count) if mode == "mean" else total)


def _bags(mode: str, rows: Any, counts: Any, offsets: Any, ends: bool) -> Any:
    n, bags = shape_of(rows)[0], shape_of(offsets)[0] - bool(ends)
    check(bags >= 0, "GT304", "offsets are empty", "expected the end of the last bag", kind=ArgumentError)
    starts = narrow(offsets, 0, 0, bags)
    if not n or not bags:
        return broadcast(lift(0, dtype_of(rows)), (bags, shape_of(rows)[1]))
    bag = _bag_of(starts, n)
    if mode == "max":
        rows = _running_max(rows, bag)
        after = (
            narrow(offsets, 0, 1, bags)
            if ends
            else cat([narrow(offsets, 0, 1, bags - 1), broadcast(lift(n, int64), (1,))], 0)
        )
        last = maximum(after - 1, 0)
        total = select_rows(rows, last, 0)
    else:
        total = _added(rows, bag, bags)
    return _finish(mode, total, _added(counts, bag, bags))


def _added(rows: Any, bag: Any, bags: int) -> Any:
    zeros = broadcast(lift(0, dtype_of(rows)), (bags, *shape_of(rows)[1:]))
    return put_rows(zeros, bag, rows, 0, accumulate=True)


def _bag_of(starts: Any, n: int) -> Any:
    """The last bag that starts at or before each of ``n`` places: a binary search, all places at once."""
    bags = shape_of(starts)[0]
    places = bind.bind(iota, shape=(n,), dim=0, dtype=int64)
    at = broadcast(lift(0, int64), (n,))
    step = 1 << max(bags - 1, 0).bit_length()
    while step := step >> 1:
        ahead = at + step
        exists = ahead < bags
        start = select_rows(starts, where(exists, ahead, 0), 0)
        at = where(logical_and(exists, ge(places, start)), ahead, at)
    return at


def _running_max(rows: Any, bag: Any) -> Any:
    """The greatest of each row and those before it in its bag, by doubling the distance that is looked back."""
    n, step = shape_of(rows)[0], 1
    while step < n:
        same = reshape(eq(narrow(bag, 0, step, n - step), narrow(bag, 0, 0, n - step)), (n - step, 1))
        here, before = narrow(rows, 0, step, n - step), narrow(rows, 0, 0, n - step)
        rows = cat([narrow(rows, 0, 0, step), where(same, maximum(here, before), here)], 0)
        step *= 2
    return rows
