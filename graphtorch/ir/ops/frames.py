"""Where windows of the zero-padded last dimensions lie: in numpy for `ref`, in expressions for `lower`.

``size`` are those dimensions, ``out`` how many windows there are, ``kernel`` their elements, ``dilation`` apart; all
have an entry for each dimension. Window o holds the elements o * stride + tap * dilation - padding for tap < kernel.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.expr import Compute, Expr, Reduce, Values
from graphtorch.ir.ops.common import Shape, check_sizes
from graphtorch.ir.types import DType, TensorType

Array = Any


def split(shape: Shape, rank: int) -> tuple[Shape, Shape]:
    """(out, kernel) of windows [*lead, *out, *kernel]."""
    return shape[-2 * rank : -rank], shape[-rank:]


def check_windows(ndim: int, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, out: Shape) -> int:
    """How many dimensions come before the windowed ones."""
    rank = len(kernel)
    check(
        1 <= rank <= ndim and rank == len(stride) == len(padding) == len(dilation) == len(out),
        "GT304",
        f"windows of {rank} dimensions do not fit a tensor of {ndim}",
        "expected a number for each windowed dimension in kernel, stride, padding, dilation and out",
        kind=ArgumentError,
    )
    for name, values, least in (("kernel", kernel, 1), ("stride", stride, 1), ("dilation", dilation, 1)):
        check_sizes(values, name, least)
    check_sizes(padding, "padding")
    check_sizes(out, "out")
    return ndim - rank


def check_summed(input: TensorType) -> None:
    check(
        input.dtype.kind != "b",
        "GT203",
        f"{input.dtype!r} has no sums",
        "convert it first, e.g. with .to(graphtorch.float32)",
        kind=DTypeError,
    )


def span_of(out: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Shape:
    """How far the windows reach from the first one's begin."""
    along = zip(out, kernel, stride, dilation, strict=True)
    return tuple(max((o - 1) * s + d * (k - 1) + 1, 0) for o, k, s, d in along)


def padded(x: Array, kernel: Shape, out: Shape, value: float, stride: Shape, padding: Shape, dilation: Shape) -> Array:
    """``x`` with ``value`` around it, wherever a window reaches."""
    lead = x.ndim - len(kernel)
    reach = span_of(out, kernel, stride, dilation)
    more = [(p, max(w - n - p, 0)) for w, n, p in zip(reach, x.shape[lead:], padding, strict=True)]
    return np.pad(x, (*((0, 0),) * lead, *more), constant_values=value) if any(map(any, more)) else x


def taps_of(kernel: Shape, out: Shape, stride: Shape, dilation: Shape) -> Iterator[tuple[Shape, tuple[Any, ...]]]:
    """Each place in a window, and the part of the padded input that stands there, window by window."""
    for tap in itertools.product(*map(range, kernel)):
        along = zip(tap, out, stride, dilation, strict=True)
        part: list[Any] = [..., *(slice(t * d, t * d + o * s, s) for t, o, s, d in along)]
        yield tap, tuple(part)


def spread(
    lead: Shape, dtype: Any, size: Shape, kernel: Shape, out: Shape, part: Any,
    stride: Shape, padding: Shape, dilation: Shape,
) -> Array:  # fmt: skip
    """``part(tap)`` added to where `taps_of` reads."""
    reach = span_of(out, kernel, stride, dilation)
    wide = [max(n + p, w) + s for n, p, w, s in zip(size, padding, reach, stride, strict=True)]
    x: Any = np.zeros((*lead, *wide), dtype)
    with np.errstate(all="ignore"):
        for tap, to in taps_of(kernel, out, stride, dilation):
            x[to] += part(tap)
    return x[(..., *(slice(p, p + n) for p, n in zip(padding, size, strict=True)))]


def read(
    at: Values, tap: Values, size: Shape, stride: Shape, padding: Shape, dilation: Shape
) -> tuple[list[Expr], Expr]:
    """Where window ``at`` reads the input for its place ``tap``, and whether that is inside of it."""
    inside: Expr = expr.const(True)
    where = []
    for o, t, n, s, p, d in zip(at, tap, size, stride, padding, dilation, strict=True):
        a = o * s + t * d - p
        inside = inside & (a >= 0) & (a < n)
        where.append(a)
    return where, inside


def once(kernel: Shape, stride: Shape, dilation: Shape) -> bool:
    """Whether no element stands in two windows, so that `gathered` has nothing to add up."""
    return all(n == 1 for n in _owners(kernel, stride, dilation))


def _owners(kernel: Shape, stride: Shape, dilation: Shape) -> Shape:
    """How many windows may hold one element, along each dimension."""
    along = zip(kernel, stride, dilation, strict=True)
    return tuple(-(-k // s) if d == 1 else k for k, s, d in along)


def gathered(
    lead: Shape, dtype: DType, size: Shape, kernel: Shape, out: Shape, share: Callable[..., Expr],
    stride: Shape, padding: Shape, dilation: Shape,
) -> Reduce | Compute:  # fmt: skip
    """For each element of [*lead, *size] the sum over the windows that hold it of ``share(lead, window, tap, inside)``:
    what it gets where it stands at ``tap`` of ``window``; ``inside`` says whether there is such a window."""

    def one(i: Values, which: Values) -> Expr:
        inside: Expr = expr.const(True)
        at, tap = [], []
        for v, t, k, m, s, p, d in zip(i[len(lead) :], which, kernel, out, stride, padding, dilation, strict=True):
            window, place, there = _owner(v + p, t, k, s, d)
            inside = inside & there & (window >= 0) & (window < m)
            at.append(window)
            tap.append(place)
        return share(i[: len(lead)], at, tap, inside)

    count = _owners(kernel, stride, dilation)
    if once(kernel, stride, dilation):
        first = (expr.const(0),) * len(count)
        return expr.compute((*lead, *size), dtype, lambda *i: one(i, first))
    return expr.reduce("add", (*lead, *size), count, expr.const(0, dtype), one)


def _owner(at: Expr, number: Expr, k: int, s: int, d: int) -> tuple[Expr, Expr, Expr]:
    """Window ``number`` of those that may hold the padded position ``at``, its place there, and whether it has one."""
    if d == 1 and s == 1:
        return at - number, number, expr.const(True)
    if d == 1:
        place = at % s + number * s
        return at // s - number, place, place < k
    begin = at - number * d
    return begin // s, number, (begin >= 0) & (begin % s).eq(0)


def row_major(tap: Values, kernel: Shape) -> Expr:
    """The number of a place in its window."""
    number: Expr = expr.const(0)
    for t, k in zip(tap, kernel, strict=True):
        number = number * k + t
    return number
