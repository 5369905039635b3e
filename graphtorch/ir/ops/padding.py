"""`pad` as torch has it."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import (
    as_int,
    shape_of,
)
from graphtorch.ir.ops.movement import pad_op, slice_op

Array = Any


@composite("F", name="pad")
def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """Zeros around ``input``: pairs (before, after) from the last dimension backwards.

    Negative amounts crop. Modes other than "constant" and other values are not there yet.
    """
    check(
        mode == "constant" and not value,
        "GT304",
        f"mode={mode!r}, value={value!r} is not supported",
        'expected mode="constant" and value=0',
        kind=ArgumentError,
    )
    given, ndim = [as_int(p, "pad") for p in pad], len(shape_of(input))
    check(
        len(given) % 2 == 0 and len(given) <= 2 * ndim,
        "GT304",
        f"pad has {len(given)} entries",
        f"expected an even number, at most {2 * ndim}",
        kind=ArgumentError,
    )
    pairs = [(0, 0)] * (ndim - len(given) // 2) + list(zip(given[::2], given[1::2], strict=True))[::-1]
    shape = shape_of(input)
    start = tuple(max(-a, 0) for a, _ in pairs)
    stop = tuple(n - max(-b, 0) for n, (_, b) in zip(shape, pairs, strict=True))
    cropped = bind.bind(slice_op, input, start=start, stop=stop, step=(1,) * ndim) if min(given) < 0 else input
    low, high = tuple(max(a, 0) for a, _ in pairs), tuple(max(b, 0) for _, b in pairs)
    return bind.bind(pad_op, cropped, low=low, high=high, interior=(0,) * ndim)
