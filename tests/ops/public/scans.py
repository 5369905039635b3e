"""Sums, products and extrema so far, and differences of neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int8, int16, int32, int64, uint8
from tests.ops.public.reductions import OUT_OF_RANGE, as_sum
from tests.ops.public.table import Array, Call, call, refuse, row, smooth
from tests.ops.samples import array

NAN, INF = np.nan, np.inf
ROWS = np.array([[1, NAN, 3, NAN, 2], [2, 3, 3, -INF, 3], [-INF, 1, INF, 2, INF], [0, -0.0, 0, -1, 0]], np.float32)


def line(f: Any, convert: Any = lambda x: x) -> Any:
    """A formula of (array, axis) for numbers, too."""

    def formula(input: Array, dim: int | None = None, axis: int | None = None) -> Any:
        x = convert(input)
        at = axis if dim is None else dim
        found = f(np.atleast_1d(x), at)
        if x.ndim:
            return found
        return tuple(a[0] for a in found) if isinstance(found, tuple) else found[0]

    return formula


def lines(low: float = -2.0) -> list[Call]:
    return [
        smooth(array(3, 5, 2, low=low), 0),
        smooth(array(3, 5, 2, low=low), -2),
        smooth(array(3, 5, 2, low=low), dim=-1),
        smooth(array(3, 5, low=low), axis=1),
        smooth(array(low=low), 0),
        smooth(array(7, 33, dtype=float64, low=low), 1),
        smooth(array(33, 7, dtype=float64, low=low), 0),
        smooth(array(0, 3), 0),
        smooth(array(0, 3), 1),
        call(np.resize(array(70), (3, 300)), 1),
        call(np.resize(array(71), (300, 70)), 0),
        call(np.resize(array(70), (2, 40, 3)), 1),
    ]


INTEGERS = [call(array(3, 7, dtype=d), -1) for d in (int64, int32, int16, int8, uint8, bool_)]
REFUSED = [refuse("dim=1 is out of range", array(), 1), *OUT_OF_RANGE]

row("gt.cumsum", line(np.cumsum, as_sum), *lines(), *INTEGERS, call(ROWS, 1), *REFUSED, atol=1e-5)
row(
    "Tensor.cumprod",
    line(np.cumprod, as_sum),
    *lines(),
    *INTEGERS,
    # torch divides by the elements: of inf / inf it makes gradients that are nan
    Call((np.array([[NAN, 1, 2], [3, INF, 2], [-INF, 2, -1]], np.float32), 1), torch=False),
    smooth(np.array([[3, 0, 2, 0, 4], [0, 1, 2, 5, 3], [1, 2, 3, 4, 0], [0, 0, 1, 2, 0]], np.float32), 1),
    smooth(np.array([[3.0, 0, 2, 0, 4], [0, 1, 2, 5, 3], [1, 2, 3, 4, 0]]), 0),
    *REFUSED,
)


def log_sums(x: Array, axis: int) -> Array:
    return np.logaddexp.accumulate(x, axis)


row(
    "gt.logcumsumexp",
    line(log_sums),
    *lines(),
    call(np.array([[200, 300, -400, 1e30, 2], [-INF, 1, 5, 2, 0], [3, 2, NAN, 1, 2]], np.float32), 1),
    *REFUSED,
    refuse("must be floating point", array(3, dtype=int64), 0),
    rtol=4e-5,
)


def running(better: Any) -> Any:
    def formula(x: Array, axis: int) -> tuple[Array, Array]:
        rows = np.moveaxis(x, axis, -1)
        places = np.zeros(rows.shape, np.int64)
        for at in np.ndindex(rows.shape[:-1]):
            best = 0
            for i in range(rows.shape[-1]):
                new, old = rows[at][i], rows[at][best]
                best = i if new != new or (old == old and better(new, old)) else best
                places[(*at, i)] = best
        values = np.take_along_axis(rows, places, -1)
        return np.moveaxis(values, -1, axis), np.moveaxis(places, -1, axis)

    return formula


for name, better in (("cummax", np.greater_equal), ("cummin", np.less_equal)):
    row(f"gt.{name}", line(running(better)), *lines(), *INTEGERS, call(ROWS, 1), call(ROWS, 0), *REFUSED)


def differences(x: Array, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Array:
    x = np.concatenate([a for a in (prepend, x, append) if a is not None], dim)
    for _ in range(min(n, x.shape[dim])):
        after, before = np.take(x, range(1, x.shape[dim]), dim), np.take(x, range(x.shape[dim] - 1), dim)
        x = after != before if x.dtype == bool else after - before
    return x


row(
    "gt.diff",
    differences,
    smooth(array(7)),
    smooth(array(3, 7, 2), dim=1),
    smooth(array(3, 7), 2),
    smooth(array(3, 7), 3, 0),
    smooth(array(3, 7), 9),
    smooth(array(3, 7), 0),
    smooth(array(3, 7), 1, -1, array(3, 2), array(3, 1)),
    smooth(array(3, 7), append=array(2, 7), dim=0),
    smooth(array(0, 3)),
    call(array(3, 7, dtype=int64), prepend=array(3, 2)),
    *(call(array(3, 7, dtype=d)) for d in (int64, int8, uint8, bool_)),
    call(ROWS),
    refuse("0-d tensor has no differences", array()),
    refuse("n=-1 is not allowed", array(3), -1),
    refuse("n must be an int", array(3), 1.5),
    refuse("prepend must have as many dimensions", array(3), prepend=array()),
    refuse("dim=1 is out of range", array(3), dim=1),
    refuse("cannot be joined", array(3, 5), append=array(2, 7), dim=0),
)
