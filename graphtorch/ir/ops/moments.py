"""Variances and standard deviations."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir.errors import ArgumentTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.casts import detach
from graphtorch.ir.ops.common import aval_of, normalize_dims, require_float, shape_of
from graphtorch.ir.ops.functions import sqrt
from graphtorch.ir.ops.in_float32 import in_float32
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.reduce import mean
from graphtorch.ir.ops.reduction import averaged, kept, reduce_sum, reduced


def _moments(name: str, input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> tuple[Any, Any]:
    """(variance, mean) over ``dim``. A bool in its place is ``unbiased``."""
    if isinstance(dim, bool):
        check(unbiased is None, "GT301", f"unbiased is given twice: {dim}, {unbiased}", "expected (input, unbiased)",
              kind=ArgumentTypeError)  # fmt: skip
        dim, unbiased = None, dim
    check(
        unbiased is None or correction is None,
        "GT301",
        "unbiased and correction exclude each other",
        f"got unbiased={unbiased}, correction={correction}",
        kind=ArgumentTypeError,
    )
    require_float(aval_of(input), f"the operand of {name}")
    shape = shape_of(input)
    dims = normalize_dims(dim, len(shape))
    count = math.prod(shape[d] for d in dims)
    less = (1 if unbiased is None else int(unbiased)) if correction is None else correction
    freedom = count - less if count > less else 0
    average = mean(input, dims or None, keepdim=True)
    centered = input - average
    total = reduced(reduce_sum, centered * centered, dims, keepdim)
    left = kept(shape, dims) if keepdim else tuple(n for d, n in enumerate(shape) if d not in dims)
    return averaged(total, freedom, math.inf), reshape(average, left)


def _root(variance: Any) -> Any:
    """The square root; its gradient is 0 where that is 0."""
    constant = eq(variance, 0)
    return where(constant, detach(variance), sqrt(where(constant, 1, variance)))


@composite("gt", "Tensor")
@in_float32("input")
def var(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """The variance over ``dim`` (all when None), divided by the number of elements less ``correction``, which is 1;
    ``unbiased=False`` is a correction of 0."""
    return _moments("var", input, dim, unbiased, keepdim, correction)[0]


@composite("gt", "Tensor")
@in_float32("input")
def std(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """The square root of `var`; its gradient is 0 where that is 0."""
    return _root(_moments("std", input, dim, unbiased, keepdim, correction)[0])


@composite("gt")
@in_float32("input")
def var_mean(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """(`var`, `mean`) over ``dim``."""
    return _moments("var_mean", input, dim, unbiased, keepdim, correction)


@composite("gt")
@in_float32("input")
def std_mean(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """(`std`, `mean`) over ``dim``."""
    variance, average = _moments("std_mean", input, dim, unbiased, keepdim, correction)
    return _root(variance), average
