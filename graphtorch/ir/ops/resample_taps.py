"""Which old elements a new one is made of, and with which weights: once, for numpy's arrays and for expressions.

    kind             new element i of m, of n old ones                                          weights
    nearest          min(floor(i * scale), n - 1)                                               1
    nearest-exact    min(floor((i + 1/2) * scale), n - 1)                                       1
    cover            the windows of "area", each of the longest one's length, its last element repeated: m * longest
    linear           the two beside max((i + 1/2) * scale - 1/2, 0)                             by distance
    linear-corners   the two beside i * scale                                                   by distance
    cubic            the four around (i + 1/2) * scale - 1/2                                    Keys' kernel, a = -3/4
    cubic-corners    the four around i * scale                                                  Keys' kernel, a = -3/4
    area             floor(i * n / m) up to, not including, ceil((i + 1) * n / m)               1 / their number

What stands outside is the element at the border. R. Keys, "Cubic convolution interpolation for digital image
processing", IEEE Trans. ASSP 29 (1981).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.expr import Expr
from graphtorch.ir.types import DType, float32, int32, int64

Array = Any
#: index and weight; None is 1
Tap = tuple[Any, Any]


class _Numbers(NamedTuple):
    """Arithmetic that numpy and expressions spell differently."""

    real: Callable[[Any], Any]  # of an index
    floor: Callable[[Any], Any]  # to an index
    least: Callable[[Any, Any], Any]
    most: Callable[[Any, Any], Any]
    choose: Callable[[Any, Any, Any], Any]


def _nearest(a: _Numbers, i: Any, n: int, _m: int, scale: float) -> list[Tap]:
    return [(a.least(a.floor(a.real(i) * scale), n - 1), None)]


def _nearest_exact(a: _Numbers, i: Any, n: int, _m: int, scale: float) -> list[Tap]:
    return [(a.least(a.floor((a.real(i) + 0.5) * scale), n - 1), None)]


def _cover(a: _Numbers, i: Any, n: int, m: int, _scale: float) -> list[Tap]:
    longest = window(n, m)
    start, end = _bounds(i // longest, n, m)
    return [(a.least(start + i % longest, end - 1), None)]


def _between(a: _Numbers, at: Any, n: int) -> list[Tap]:
    below = a.floor(at)
    far = a.least(a.most(at - a.real(below), 0.0), 1.0)
    return [(a.least(below, n - 1), 1.0 - far), (a.least(below + 1, n - 1), far)]


def _linear(a: _Numbers, i: Any, n: int, _m: int, scale: float) -> list[Tap]:
    return _between(a, a.most((a.real(i) + 0.5) * scale - 0.5, 0.0), n)


def _linear_corners(a: _Numbers, i: Any, n: int, _m: int, scale: float) -> list[Tap]:
    return _between(a, a.real(i) * scale, n)


def _around(a: _Numbers, at: Any, n: int) -> list[Tap]:
    below = a.floor(at)
    t = at - a.real(below)
    places = [a.most(a.least(below + k, n - 1), 0) for k in (-1, 0, 1, 2)]
    return list(zip(places, (_far(t + 1.0), _near(t), _near(1.0 - t), _far(2.0 - t)), strict=True))


def _near(x: Any) -> Any:
    """Keys' kernel for x <= 1."""
    return (x * 1.25 - 2.25) * x * x + 1.0


def _far(x: Any) -> Any:
    """Keys' kernel for 1 <= x <= 2."""
    return ((x * -0.75 + 3.75) * x - 6.0) * x + 3.0


def _cubic(a: _Numbers, i: Any, n: int, _m: int, scale: float) -> list[Tap]:
    return _around(a, (a.real(i) + 0.5) * scale - 0.5, n)


def _cubic_corners(a: _Numbers, i: Any, n: int, _m: int, scale: float) -> list[Tap]:
    return _around(a, a.real(i) * scale, n)


def _bounds(i: Any, n: int, m: int) -> tuple[Any, Any]:
    """Where window i of "area" begins and ends."""
    return i * n // m, (i * n + n + m - 1) // m


def _area(a: _Numbers, i: Any, n: int, m: int, _scale: float) -> list[Tap]:
    start, end = _bounds(i, n, m)
    share = a.choose(end > start, 1.0, 0.0) / a.real(end - start)
    taps = ((start + t, start + t < end) for t in range(window(n, m)))
    return [(a.least(at, n - 1), a.choose(inside, share, 0.0)) for at, inside in taps]


_TAPS: dict[str, Callable[[_Numbers, Any, int, int, float], list[Tap]]] = {
    "nearest": _nearest,
    "nearest-exact": _nearest_exact,
    "cover": _cover,
    "linear": _linear,
    "linear-corners": _linear_corners,
    "cubic": _cubic,
    "cubic-corners": _cubic_corners,
    "area": _area,
}
KINDS = tuple(_TAPS)
#: kinds that compute nothing
MOVES = frozenset(["nearest", "nearest-exact", "cover"])


def window(n: int, m: int) -> int:
    """The length of the longest of the ``m`` windows of "area"."""
    return max((end - start for start, end in (_bounds(i, n, m) for i in range(m))), default=0)


def length(kind: str, n: int, m: int) -> int:
    """How many elements there are afterwards."""
    return m * window(n, m) if kind == "cover" else m


def taps_in_numpy(kind: str, n: int, m: int, scale: float, dtype: Any) -> list[tuple[Array, Array | None]]:
    """The taps of every new element, [length] each; weights, and the arithmetic of places, in ``dtype``."""
    real = np.dtype(np.float32 if kind in MOVES else dtype).type
    numbers = _Numbers(
        lambda i: i.astype(real), lambda x: np.floor(x).astype(np.int64), np.minimum, np.maximum,
        lambda c, x, y: np.where(c, x, y).astype(real),
    )  # fmt: skip
    return _TAPS[kind](numbers, np.arange(length(kind, n, m)), n, m, scale)


def taps_in_expr(kind: str, i: Expr, n: int, m: int, scale: float, dtype: DType) -> list[tuple[Expr, Expr | None]]:
    """The taps of new element ``i``."""
    real = float32 if kind in MOVES else dtype
    numbers = _Numbers(
        lambda i: expr.cast(expr.cast(i, int32), real),  # vectors have no conversion of 64 bits everywhere
        lambda x: expr.cast(expr.cast(expr.unary("floor", x), int32), int64),
        expr.minimum, expr.maximum,
        lambda c, x, y: expr.select(c, *(v if isinstance(v, Expr) else expr.const(v, real) for v in (x, y))),
    )  # fmt: skip
    return _TAPS[kind](numbers, i, n, m, scale)


@dataclass(frozen=True)
class Band:
    """Old element j is read by some of the ``count`` new ones from j * num // den - back."""

    num: int
    den: int
    back: int
    count: int


@lru_cache(maxsize=256)
def band(kind: str, n: int, m: int, scale: float, dtype: DType) -> Band:
    """The narrowest such ranges of one length, by looking at every tap."""
    total = length(kind, n, m)
    common = math.gcd(n, total) or 1
    num, den = total // common, max(n // common, 1)
    first, last = np.full(n, total), np.full(n, -1)
    for index, _ in taps_in_numpy(kind, n, m, scale, dtype.np):
        np.minimum.at(first, index, np.arange(total))
        np.maximum.at(last, index, np.arange(total))
    begin = np.arange(n) * num // den
    read = last >= 0
    back = int(np.max((begin - first)[read], initial=-total))
    count = int(np.max((last - begin + back + 1)[read], initial=1))
    return Band(num, den, back, count)
