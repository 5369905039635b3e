"""Integrals of samples, by trapezoids between them."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import ArgumentTypeError, DTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import dtype_of, normalize_dim, shape_of
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.scans import cumsum
from graphtorch.ir.ops.shapes import narrow
from graphtorch.ir.types import bool_


@composite("gt")
def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integral of ``y`` along ``dim`` by the trapezoidal rule, of samples at ``x``, or ``dx`` (1) from each other.

    ``x`` is a vector of as many samples, or broadcasts to ``y``. DTypeError GT203 for bools.
    """
    areas = _areas(y, x, dx, dim)
    none = shape_of(y)[dim] == 0  # then torch keeps integers
    return sum_(y, dim, dtype=dtype_of(y)) if none else sum_(areas, dim) / 2.0


@composite("gt")
def trapz(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """torch's older name for `trapezoid`."""
    return trapezoid(y, x, dx=dx, dim=dim)


@composite("gt")
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integrals of ``y`` up to each sample but the first: see `trapezoid`."""
    return cumsum(_areas(y, x, dx, dim), dim) / 2.0


def _areas(y: Any, x: Any, dx: Any, dim: int) -> Any:
    """Twice the area of each trapezoid."""
    shape = shape_of(y)
    for name, t in (("y", y), ("x", x)):
        facts = "convert it first, e.g. with .to(graphtorch.int64)"
        check(t is None or dtype_of(t) != bool_, "GT203", f"{name} is bool", facts, kind=DTypeError)
    if x is not None and dx is not None:
        raise ArgumentTypeError("GT301", "x and dx are given, which both say where the samples are", ["give one"])
    check(len(shape) > 0, "GT107", "a 0-d tensor has no samples along a dimension", "expected at least 1 dimension")
    d = normalize_dim(dim, len(shape))
    sums = _pairs(y, d, lambda right, left: right + left)
    if x is None:
        return sums if dx is None else sums * dx
    return sums * _spaces(x, shape, d)


def _spaces(x: Any, shape: tuple[int, ...], d: int) -> Any:
    """The differences of ``x``, with as many dimensions as ``y`` or more."""
    own = shape_of(x)
    if len(own) == 1:
        check(
            own[0] == shape[d],
            "GT103",
            "x must have one number for each sample",
            f"expected {shape[d]}, got {own[0]}",
        )
        line = [1] * len(shape)
        line[d] = shape[d]
        return _pairs(reshape(x, tuple(line)), d, lambda right, left: right - left)
    wide = x if len(own) >= len(shape) else reshape(x, (*[1] * (len(shape) - len(own)), *own))
    return _pairs(wide, d - len(shape) + len(shape_of(wide)), lambda right, left: right - left)


def _pairs(t: Any, d: int, of: Any) -> Any:
    """``of`` neighbours along a dimension."""
    count = max(shape_of(t)[d] - 1, 0)
    start = min(1, shape_of(t)[d])
    return of(narrow(t, d, start, count), narrow(t, d, 0, count))
