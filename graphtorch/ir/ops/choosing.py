"""Elements of vectors put together in every way, and powers of one side by side."""

from __future__ import annotations

import itertools
from typing import Any

from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC, composite
from graphtorch.ir.ops.arithmetic import mul
from graphtorch.ir.ops.common import as_int, aval_of, broadcast, dtype_of, lift, shape_of, to_dtype
from graphtorch.ir.ops.joining import meshgrid, stack
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.shapes import flatten
from graphtorch.ir.types import bool_, int64


def _vector(x: Any, name: str) -> int:
    """The number of its elements; ShapeError GT107 unless it has one dimension."""
    shape = shape_of(x)
    check(len(shape) == 1, "GT107", f"{name} must be a vector", f"expected 1 dimension, got {list(shape)}")
    return shape[0]


@composite("gt")
def cartesian_prod(*tensors: Any) -> Any:
    """[number of them, number of tensors]: every choice of an element from each vector, the last one changing first; of
    one tensor the tensor itself."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    for i, t in enumerate(given):
        _vector(t, f"tensors[{i}]")
    return given[0] if len(given) == 1 else stack([flatten(t) for t in meshgrid(*given, indexing="ij")], 1)


@composite("gt", "Tensor")
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """[number of them, r]: every choice of ``r`` elements of a vector in their order, as `itertools.combinations`, or
    `combinations_with_replacement`. ``r`` = 0 gives a tensor of no element. ArgumentError GT304 for r < 0."""
    count, size = _vector(input, "input"), as_int(r, "r")
    check(size >= 0, "GT304", f"r={r} is not allowed", "expected r >= 0", kind=ArgumentError)
    if size == 0:
        return PUBLIC["gt"]["narrow"](input, 0, 0, 0)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(count), size))
    places = PUBLIC["gt"]["as_tensor"]([i for row in rows for i in row], dtype=int64)
    return reshape(PUBLIC["gt"]["index_select"](input, 0, places), (len(rows), size))


@composite("gt")
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """[elements, N]: the powers N - 1 to 0 of each element of a vector, from 0 on with ``increasing``; as many as there
    are elements unless ``N`` says otherwise. Of bools in int64. ArgumentError GT304 for N < 0."""
    size = _vector(x, "x")
    count = size if N is None else as_int(N, "N")
    check(count >= 0, "GT304", f"N={N} is not allowed", "expected N >= 0", kind=ArgumentError)
    base = to_dtype(x, int64) if dtype_of(x) == bool_ else x
    powers = [broadcast(lift(1, dtype_of(base)), (size,))]
    while len(powers) < count:
        powers.append(mul(powers[-1], base))
    if not count:
        return PUBLIC["gt"]["zeros"]((size, 0), dtype=aval_of(base).dtype)
    return stack(powers if increasing else powers[::-1], 1)
