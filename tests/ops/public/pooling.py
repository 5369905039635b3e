"""Pooling: window by window."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.ops.public.table import Call, Refusal, call, refuse, row, smooth
from tests.ops.samples import array, special

Array = Any


def each(value: Any, rank: int) -> tuple[Any, ...]:
    given = tuple(value) if isinstance(value, list | tuple) else (value,)
    return given * rank if len(given) == 1 else given


def regular(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> list[tuple[range, int]]:
    """The positions of each window, and how many of them, padding included, there would be."""
    count = (math.ceil if ceil_mode else math.floor)((n + 2 * p - d * (k - 1) - 1) / s) + 1
    starts = [o * s - p for o in range(count) if not (ceil_mode and o * s - p >= n)]
    return [(range(a, a + d * k, d), sum(1 for x in range(a, a + d * k, d) if x < n + p)) for a in starts]


def adaptive(n: int, m: int) -> list[tuple[range, int]]:
    return [(range(i * n // m, -(-(i + 1) * n // m)), 0) for i in range(m)]


def pooled(x: Array, rank: int, along: list[list[tuple[range, int]]], f: Callable[..., Any]) -> tuple[Array, ...]:
    """``f(elements, their positions in the plane, padded count)`` of each window; its results one beside the other."""
    size = x.shape[-rank:]
    planes = x.reshape(-1, *size)
    found = []
    for plane in planes:
        for windows in itertools.product(*along):
            inside = [[v for v in w if 0 <= v < n] for (w, _), n in zip(windows, size, strict=True)]
            at = list(itertools.product(*inside))
            found.append(
                f([plane[p] for p in at], [np.ravel_multi_index(p, size) for p in at], math.prod(c for _, c in windows))
            )
    shape = (*x.shape[:-rank], *map(len, along))
    return (
        tuple(np.array(list(part)).reshape(shape) for part in zip(*found, strict=True))
        if found
        else (np.zeros(shape),) * 2
    )


def greatest(values: list[Any], at: list[int], _count: int) -> tuple[Any, int]:
    best = 0
    for i, v in enumerate(values):
        if v > values[best] or v != v:
            best = i
    return values[best], at[best]


def max_pool(rank: int) -> Callable[..., Any]:
    def formula(x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
                ceil_mode: bool = False, return_indices: bool = False) -> Any:  # fmt: skip
        frame = (each(v, rank) for v in (kernel_size, kernel_size if stride is None else stride, padding, dilation))
        along = [regular(*a, ceil_mode) for a in zip(x.shape[-rank:], *frame, strict=True)]
        values, at = pooled(x, rank, along, greatest)
        return (values, at) if return_indices else values

    return formula


def avg_pool(rank: int) -> Callable[..., Any]:
    def formula(x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                count_include_pad: bool = True, divisor_override: Any = None) -> Any:  # fmt: skip
        frame = (each(v, rank) for v in (kernel_size, kernel_size if stride is None else stride, padding, 1))
        along = [regular(*a, ceil_mode) for a in zip(x.shape[-rank:], *frame, strict=True)]

        def mean(values: list[Any], _at: Any, count: int) -> tuple[Any]:
            return (sum(values) / (divisor_override or (count if count_include_pad else len(values))),)

        return pooled(x, rank, along, mean)[0]

    return formula


def lp_pool(rank: int) -> Callable[..., Any]:
    def formula(x: Array, norm_type: Any, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
        mean = avg_pool(rank)(x**norm_type, kernel_size, stride, 0, ceil_mode)
        return (mean * math.prod(each(kernel_size, rank))) ** (1 / norm_type)

    return formula


def adaptive_pool(rank: int, f: Callable[..., Any]) -> Callable[..., Any]:
    def formula(x: Array, output_size: Any, return_indices: bool = False) -> Any:
        out = [n if m is None else m for n, m in zip(x.shape[-rank:], each(output_size, rank), strict=True)]
        values, at = pooled(x, rank, [adaptive(n, m) for n, m in zip(x.shape[-rank:], out, strict=True)], f)
        return (values, at) if return_indices else values

    return formula


#: nan, infinities and equal elements, of two dimensions
TIES = np.array([[[[3, 3, 1, 2], [3, np.nan, 2, 2], [1, 1, np.inf, np.nan], [-np.inf, 1, 0, np.nan]]]], np.float32)
ODD = [call(TIES, 2, return_indices=True), call(np.tile(special(), (2, 10, 1)), 3, return_indices=True)]
NUMBERS = call(np.arange(48).reshape(1, 2, 4, 6) % 7, 2, return_indices=True)
SHAPES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((2, 3, 11), (3, 7)),
    2: ((2, 3, 7, 5), (3, 4, 9)),
    3: ((1, 2, 3, 5, 4), (2, 4, 3, 5)),
}


def refused(rank: int) -> Iterator[Call | Refusal]:
    x = array(*SHAPES[rank][0])
    yield refuse("input must be", array(3), 2)
    yield refuse("kernel_size", x, 0)
    yield refuse("kernel_size", x, (2,) * (rank + 1))
    yield refuse("stride", x, 2, 0)
    yield refuse("padding", x, 2, 2, 2)
    yield refuse("padding", x, 2, 2, -1)
    yield refuse("output would be", x, 12)


for rank, (batched, single) in SHAPES.items():
    x, y = array(*batched), array(*single)
    for name in (f"F.max_pool{rank}d", f"gt.max_pool{rank}d"):
        torch = [] if name.startswith("gt") else [
            smooth(x, 2, return_indices=True), call(x.astype(np.float64), 3, 2, 1, 1, True, True),
        ]  # fmt: skip
        row(
            name,
            max_pool(rank),
            smooth(x, 2),
            smooth(y, 2, 1),
            smooth(x, kernel_size=3, stride=2, padding=1),
            smooth(x, 2, 1, 1, 2),
            smooth(x, 2, 2, 1, 1, True),
            smooth(x, [2] * rank, [3] * rank),
            call(x[:0], 2),
            *torch,
            *([*ODD, NUMBERS] if rank == 2 and torch else []),
            *refused(rank),
        )
    row(
        f"F.avg_pool{rank}d",
        avg_pool(rank),
        smooth(x, 2),
        smooth(y, 2, 1),
        smooth(x, kernel_size=3, stride=2, padding=1),
        smooth(x, 3, 2, 1, False, False),
        smooth(x, 3, 2, 1, True),
        smooth(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        smooth(x.astype(np.float64), [2] * rank, [3] * rank),
        *([smooth(x, 2, divisor_override=3), smooth(x, 3, 2, 1, True, False, -2)] if rank > 1 else []),
        *([refuse("divisor", x, 2, divisor_override=0)] if rank > 1 else []),
        call(x[:0], 2),
        *refused(rank),
    )
    row(
        f"F.lp_pool{rank}d",
        lp_pool(rank),
        smooth(abs(x) + 0.1, 2, 2),
        smooth(abs(y) + 0.1, 3.0, 2, 1),
        smooth(abs(x) + 0.1, norm_type=1.5, kernel_size=3, stride=2, ceil_mode=True),
        refuse("kernel_size", x, 2, 0),
    )
    sizes = {1: (4, 3), 2: (4, (3, None)), 3: (2, (2, None, 3))}[rank]
    for f, name in (
        (greatest, f"F.adaptive_max_pool{rank}d"),
        (lambda v, _a, _c: (sum(v) / len(v), 0), f"F.adaptive_avg_pool{rank}d"),
    ):
        row(
            name,
            adaptive_pool(rank, f),
            *(smooth(a, size) for a in (x, y) for size in sizes),
            smooth(x, 1),
            smooth(x, output_size=13),
            smooth(x, batched[2:]),
            *([smooth(x, s, return_indices=True) for s in sizes] if "max" in name else []),
            call(x[:0], 2),
            Call((x, 0), torch=False),  # whose gradient it refuses
            *(ODD if name == "F.adaptive_max_pool2d" else []),
            refuse("input must be", array(3), 2),
            refuse("output_size", x, (2,) * (rank + 1)),
            refuse("output_size", x, -1),
            refuse("floating point", np.arange(math.prod(batched)).reshape(batched), 2),
        )

row(
    "gt.adaptive_avg_pool1d",
    adaptive_pool(1, lambda v, _a, _c: (sum(v) / len(v), 0)),
    smooth(array(2, 3, 11), 4),
    refuse("output_size", array(2, 3, 11), -1),
)
row("gt.avg_pool1d", avg_pool(1), smooth(array(2, 3, 11), 4, 3, 2), refuse("kernel_size", array(2, 3, 11), 0))


def max_unpool(rank: int) -> Callable[..., Any]:
    def formula(
        x: Array, at: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
    ) -> Any:
        k, s, p = (each(v, rank) for v in (kernel_size, kernel_size if stride is None else stride, padding))
        usual = [(n - 1) * b - 2 * c + a for n, a, b, c in zip(x.shape[-rank:], k, s, p, strict=True)]
        size = tuple(output_size)[-rank:] if output_size else tuple(usual)
        planes, places = x.reshape(-1, math.prod(x.shape[-rank:])), at.reshape(-1, math.prod(x.shape[-rank:]))
        out = np.zeros((len(planes), math.prod(size)))
        for plane, (values, where) in enumerate(zip(planes, places, strict=True)):
            out[plane, where] = values
        return out.reshape(*x.shape[:-rank], *size)

    return formula


for rank, (batched, single) in SHAPES.items():
    found = [max_pool(rank)(array(*s).astype(np.float32), 2, return_indices=True) for s in (batched, single)]
    (values, places), (few, where) = ((v.astype(np.float32), at.astype(np.int64)) for v, at in found)
    row(
        f"F.max_unpool{rank}d",
        max_unpool(rank),
        smooth(values, places, 2, output_size=batched[-rank:]),
        smooth(few, where, 2, output_size=list(single[-rank:])),
        smooth(values, np.arange(values.size).reshape(values.shape) % math.prod(values.shape[-rank:]), (2,) * rank),
        refuse("do not fit", values, places[:, :1], 2),
        refuse("do not fit", values, places.astype(np.int32), 2),
        refuse("output_size", values, places, 2, output_size=(99,) * rank),
        refuse("out of range", values, places + 10_000, 2, output_size=batched[-rank:]),
    )
