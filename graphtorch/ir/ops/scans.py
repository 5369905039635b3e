"""Scans and differences along a dimension, as torch names them. The primitives stand in scan.py."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import Op, composite
from graphtorch.ir.ops.casts import row_major
from graphtorch.ir.ops.common import as_int, aval_of, dtype_of, normalize_dim, require_float, shape_of, to_dtype
from graphtorch.ir.ops.cumulative import cummax_op, cummin_op, cumprod_op, cumsum_op, logcumsumexp_op
from graphtorch.ir.ops.joining import cat
from graphtorch.ir.ops.logic import ne
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.reduce import accumulated
from graphtorch.ir.ops.return_types import cummax_type, cummin_type
from graphtorch.ir.ops.shapes import narrow
from graphtorch.ir.types import DType, bool_, int64, uint8


def _along(op: Op, input: Any, dim: Any, **attrs: Any) -> Any:
    """``op`` along ``dim``; of a number, as of one element."""
    shape = shape_of(input)
    d = normalize_dim(dim, len(shape))
    if shape:
        return bind.bind(op, input, dim=d, **attrs)
    found = bind.bind(op, reshape(input, (1,)), dim=0, **attrs)
    return tuple(reshape(x, ()) for x in found) if isinstance(found, tuple) else reshape(found, ())


def _summed(input: Any, dtype: DType | None) -> Any:
    return to_dtype(to_dtype(input, bool_), int64) if dtype == bool_ else accumulated(input, dtype)


@composite("gt", "Tensor")
def cumsum(input: Any, dim: int, *, dtype: DType | None = None) -> Any:
    """The sum of all elements up to each one along ``dim``. Integers and bools add up in int64."""
    out = _along(cumsum_op, _summed(input, dtype), dim, reverse=False)
    return to_dtype(out, dtype) if dtype else out


@composite("gt", "Tensor")
def cumprod(input: Any, dim: int, *, dtype: DType | None = None) -> Any:
    """The product of all elements up to each one along ``dim``. Integers and bools multiply in int64."""
    out = _along(cumprod_op, _summed(input, dtype), dim, reverse=False)
    return to_dtype(out, dtype) if dtype else out


@composite("gt", "Tensor")
def logcumsumexp(input: Any, dim: int) -> Any:
    """log(cumsum(exp(input))) along ``dim``, without overflow."""
    require_float(aval_of(input), "the operand of logcumsumexp")
    return _along(logcumsumexp_op, input, dim, reverse=False)


def _extremum(op: Op, kind: Any, input: Any, dim: int) -> Any:
    truth = dtype_of(input) == bool_
    values, indices = _along(op, to_dtype(input, uint8) if truth else input, dim)
    return kind(to_dtype(values, bool_) if truth else values, indices)


@composite("gt", "Tensor")
def cummax(input: Any, dim: int) -> Any:
    """(values, indices): the greatest element up to each one along ``dim``, and where it stands last."""
    return _extremum(cummax_op, cummax_type, input, dim)


@composite("gt", "Tensor")
def cummin(input: Any, dim: int) -> Any:
    """(values, indices): the smallest element up to each one along ``dim``, and where it stands last."""
    return _extremum(cummin_op, cummin_type, input, dim)


@composite("gt", "Tensor")
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """``n`` times the differences of neighbours along ``dim``; of bools, whether they differ.

    ``prepend`` and ``append``, of the same number of dimensions, are joined to the ends before.
    """
    ndim = len(shape_of(input))
    check(ndim > 0, "GT107", "a 0-d tensor has no differences", "expected at least 1 dimension")
    for name, end in (("prepend", prepend), ("append", append)):
        check(
            end is None or len(shape_of(end)) == ndim,
            "GT107",
            f"{name} must have as many dimensions as input",
            f"expected {ndim}, got {end is not None and len(shape_of(end))}",
        )
    check(as_int(n, "n") >= 0, "GT304", f"n={n} is not allowed", "expected n >= 0", kind=ArgumentError)
    d = normalize_dim(dim, ndim)
    parts = [x for x in (prepend, input, append) if x is not None]
    out = input if len(parts) == 1 else cat(parts, d)
    for _ in range(min(n, shape_of(out)[d])):
        size = shape_of(out)[d] - 1
        after, before = narrow(out, d, 1, size), narrow(out, d, 0, size)
        out = ne(after, before) if dtype_of(out) == bool_ else after - before
    return row_major(input) if out is input else out
