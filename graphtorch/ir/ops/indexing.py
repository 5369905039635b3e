"""`x[...]`: what an index means."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, IndexRangeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import (
    as_int,
    shape_of,
)
from graphtorch.ir.ops.movement import reshape, slice_op
from graphtorch.ir.ops.shapes import narrow

Array = Any


@composite("Tensor", name="__getitem__")
def getitem(input: Any, index: Any) -> Any:
    """Integers, slices with a positive step, None and ...; a view. Index tensors are not there yet.

    True is a new dimension of size 1, and False one of size 0.
    """
    index = index if isinstance(index, tuple) else (index,)
    shape = shape_of(input)
    given = sum(1 for i in index if not (i is None or i is Ellipsis or isinstance(i, bool)))
    flags = [i for i in index if isinstance(i, bool)]
    check(len(flags) < 2, "GT304", f"{len(flags)} bools in an index", "expected at most one", kind=ArgumentError)
    check(
        given <= len(shape),
        "GT302",
        f"{given} indices for {len(shape)} dimensions",
        "expected at most one index a dimension",
        kind=ArgumentError,
    )
    if Ellipsis not in [i for i in index if i is None or i is Ellipsis]:
        index = (*index, Ellipsis)
    start: list[int] = []
    stop: list[int] = []
    step: list[int] = []
    out: list[int] = []
    d, new = 0, -1
    for i in index:
        if i is None or isinstance(i, bool):
            out.append(1)
            new = len(out) - 1 if i is False else new
            continue
        count = len(shape) - given if i is Ellipsis else 1
        for _ in range(count):
            a, b, s, keep = _one_index(slice(None) if i is Ellipsis else i, shape[d], d)
            start, stop, step = [*start, a], [*stop, b], [*step, s]
            out += [max(0, -(-(b - a) // s))] if keep else []
            d += 1
    part = bind.bind(slice_op, input, start=tuple(start), stop=tuple(stop), step=tuple(step)) if shape else input
    part = reshape(part, tuple(out)) if shape_of(part) != tuple(out) else part
    return part if new < 0 else narrow(part, new, 0, 0)


def _one_index(i: Any, n: int, d: int) -> tuple[int, int, int, bool]:
    """(start, stop, step, keep the dimension) of one index."""
    if isinstance(i, slice):
        check(
            i.step is None or i.step > 0,
            "GT304",
            f"the step of a slice must be positive, got {i.step}",
            kind=ArgumentError,
        )
        a, b, s = i.indices(n)
        return a, max(a, b), s, True
    try:
        at = as_int(i, "an index")
    except ArgumentTypeError:
        raise ArgumentTypeError(
            "GT301", f"an index of type {type(i).__name__} is not supported", ["expected int, slice, None or ..."]
        ) from None
    check(
        -n <= at < n,
        "GT302",
        f"index {at} is out of range for dimension {d} of size {n}",
        f"expected {-n} <= index <= {n - 1}",
        kind=IndexRangeError,
    )
    return at % n, at % n + 1, 1, False
