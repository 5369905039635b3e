"""Distinct elements, and where they were. How many there are depends on numbers, so eager mode alone has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir.errors import check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import normalize_dim
from graphtorch.ir.ops.data import made, numbers
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array

INSTEAD = (
    "call it outside of gt.compile, and pass its result",
    "or mark the first of equals: sort, and compare neighbours",
)


@composite(*EVERYWHERE)
def unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The distinct elements in ascending order (also where ``sorted`` is False), or the distinct slices along ``dim``.

    With ``return_inverse`` also which of them each element is, and with ``return_counts`` how many are each: a tuple
    then, of int64. No two nan are equal. Without a gradient.
    """
    x = numbers(input, "what unique gives", *INSTEAD)
    axis = None if dim is None else _axis(x, dim)
    kept, inverse, counts = np.unique(x, False, True, True, axis=axis, equal_nan=False)
    inverse = inverse.reshape(x.shape if axis is None else (x.shape[axis],))
    return _results(kept, inverse, counts, return_inverse, return_counts)


@composite(*EVERYWHERE)
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """`unique` where equals are neighbours: the first element (or slice along ``dim``) of each run of equal ones."""
    x = numbers(input, "what unique_consecutive gives", *INSTEAD)
    axis = 0 if dim is None else _axis(x, dim)
    line = x.reshape(-1) if dim is None else np.moveaxis(x, axis, 0)
    changes = (line[1:] != line[:-1]).any(axis=tuple(range(1, line.ndim)))
    first = np.concatenate([np.ones(min(len(line), 1), bool), changes])
    inverse = np.cumsum(first) - 1
    counts = np.bincount(inverse, minlength=int(first.sum()))
    kept = line[first] if dim is None else np.moveaxis(line[first], 0, axis)
    return _results(kept, inverse.reshape(x.shape) if dim is None else inverse, counts, return_inverse, return_counts)


def _axis(x: Array, dim: int) -> int:
    axis = normalize_dim(dim, x.ndim)
    check(
        x.ndim > 0 and all(n for d, n in enumerate(x.shape) if d != axis),
        "GT108",
        "slices without elements cannot be told apart",
        f"expected sizes > 0 but at dim {axis}, got {list(x.shape)}",
    )
    return axis


def _results(kept: Array, inverse: Array, counts: Array, return_inverse: bool, return_counts: bool) -> Any:
    found = [kept, *([inverse] if return_inverse else []), *([counts] if return_counts else [])]
    out = tuple(made(np.array(a, a.dtype if a is kept else np.int64, order="C")) for a in found)
    return out if len(out) > 1 else out[0]
