"""`pad` as torch has it: a constant around, the elements mirrored or repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.casts import holdable, row_major
from graphtorch.ir.ops.common import as_int, broadcast, dtype_of, lift, shape_of
from graphtorch.ir.ops.joining import cat
from graphtorch.ir.ops.logic import where
from graphtorch.ir.ops.movement import pad_op, slice_op
from graphtorch.ir.ops.repeating import flip
from graphtorch.ir.types import bool_

Pairs = list[tuple[int, int]]


@composite("F", name="pad")
def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """More elements around ``input``: pairs (before, after) from the last dimension backwards; negative ones crop.

    They are ``value`` (0 unless given), or with ``mode`` "reflect" the others mirrored at the first and at the last,
    with "replicate" the border repeated, with "circular" those of the other end. These three pad the last 1 to 3
    dimensions of [n, c, *size] or [c, *size]. ArgumentError GT304 for amounts that do not fit.
    """
    given, ndim = [as_int(p, "pad") for p in pad], len(shape_of(input))
    check(
        len(given) % 2 == 0 and len(given) <= 2 * ndim,
        "GT304",
        f"pad has {len(given)} entries",
        f"expected an even number, at most {2 * ndim}",
        kind=ArgumentError,
    )
    pairs = [(0, 0)] * (ndim - len(given) // 2) + list(zip(given[::2], given[1::2], strict=True))[::-1]
    if mode == "constant":
        return _constant(input, pairs, value)
    expected = 'expected mode="constant", "reflect", "replicate" or "circular"'
    check(mode in _MORE, "GT304", f"mode={mode!r} is not allowed", expected, kind=ArgumentError)
    check(
        not value,
        "GT304",
        f"value={value!r} is not allowed with mode={mode!r}",
        "expected value=None: the elements are those of input",
        kind=ArgumentError,
    )
    _check_form(len(given) // 2, ndim)
    if max(given, default=0) <= 0:
        return row_major(_cropped(input, pairs))
    if mode == "circular":  # what was cropped is not there to be repeated
        return _around(_cropped(input, pairs), mode, pairs)
    return _cropped(_around(input, mode, pairs), pairs)


def _constant(input: Any, pairs: Pairs, value: float | None) -> Any:
    cropped = _cropped(input, pairs)
    low, high = tuple(max(a, 0) for a, _ in pairs), tuple(max(b, 0) for _, b in pairs)
    more = {"low": low, "high": high, "interior": (0,) * len(pairs)}
    out = bind.bind(pad_op, cropped, **more)
    if not value:
        return out
    dtype = dtype_of(input)
    holdable(value, dtype, "value")
    filled = lift(value if dtype.kind == "f" else bool(value) if dtype.kind == "b" else int(value), dtype)
    inside = bind.bind(pad_op, broadcast(lift(True, bool_), shape_of(cropped)), **more)
    return where(inside, out, broadcast(filled, shape_of(out)))


def _cropped(input: Any, pairs: Pairs) -> Any:
    """Less what is negative."""
    if all(min(pair) >= 0 for pair in pairs):
        return input
    shape = shape_of(input)
    start = tuple(max(-a, 0) for a, _ in pairs)
    stop = tuple(n - max(-b, 0) for n, (_, b) in zip(shape, pairs, strict=True))
    check(
        all(a <= b for a, b in zip(start, stop, strict=True)),
        "GT304",
        f"pad crops more than there is of {list(shape)}",
        "expected at least 0 elements to stay",
        kind=ArgumentError,
    )
    return bind.bind(slice_op, input, start=start, stop=stop, step=(1,) * len(shape))


def _check_form(rank: int, ndim: int) -> None:
    check(
        rank in (1, 2, 3) and ndim in (rank + 1, rank + 2),
        "GT304",
        f"pad of {rank} dimensions is not allowed for an input of {ndim}",
        "expected the last 1 to 3 dimensions of [n, c, *size] or [c, *size]",
        kind=ArgumentError,
    )


def _around(input: Any, mode: str, pairs: Pairs) -> Any:
    most, more = _MORE[mode]
    for dim, (a, b) in enumerate(pairs):
        before, after, n = max(a, 0), max(b, 0), shape_of(input)[dim]
        if not before and not after:
            continue
        check(
            n > 0 and max(before, after) <= most(n),
            "GT304",
            f"pad={(a, b)} is not allowed for dimension {dim} of {n} elements with mode={mode!r}",
            f"expected at most {most(n)} before and after",
            kind=ArgumentError,
        )
        left, right = more(input, dim, n, before, after)
        input = cat([*([left] if before else []), input, *([right] if after else [])], dim)
    return input


def _part(input: Any, dim: int, start: int, stop: int) -> Any:
    shape = shape_of(input)
    ends = {"start": [0] * len(shape), "stop": list(shape), "step": [1] * len(shape)}
    ends["start"][dim], ends["stop"][dim] = start, stop
    return bind.bind(slice_op, input, **{k: tuple(v) for k, v in ends.items()})


def _reflected(x: Any, dim: int, n: int, before: int, after: int) -> tuple[Any, Any]:
    return flip(_part(x, dim, 1, before + 1), (dim,)), flip(_part(x, dim, n - 1 - after, n - 1), (dim,))


def _replicated(x: Any, dim: int, n: int, before: int, after: int) -> tuple[Any, Any]:
    def repeated(at: int, count: int) -> Any:
        shape = shape_of(x)
        return broadcast(_part(x, dim, at, at + 1), (*shape[:dim], count, *shape[dim + 1 :]))

    return repeated(0, before), repeated(n - 1, after)


def _wrapped(x: Any, dim: int, n: int, before: int, after: int) -> tuple[Any, Any]:
    return _part(x, dim, n - before, n), _part(x, dim, 0, after)


#: mode -> how many elements there may be of ``n``, and those before and after
_MORE: dict[str, tuple[Callable[[int], float], Callable[..., tuple[Any, Any]]]] = {
    "reflect": (lambda n: n - 1, _reflected),
    "replicate": (lambda n: float("inf"), _replicated),
    "circular": (lambda n: n, _wrapped),
}
