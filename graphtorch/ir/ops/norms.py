"""Norms of vectors and matrices, and the logarithm of a sum of exponentials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, DTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arithmetic import abs_, sign
from graphtorch.ir.ops.casts import detach
from graphtorch.ir.ops.common import aval_of, dtype_of, normalize_dims, require_float, shape_of, to_dtype
from graphtorch.ir.ops.functions import exp, log, sqrt
from graphtorch.ir.ops.in_float32 import in_float32
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.power import pow_
from graphtorch.ir.ops.reduce import amax, amin
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.types import DType, defaults


@composite("gt", "Tensor")
@in_float32("input")
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """log(sum(exp(input))) over ``dim``, an int or several, without overflow; -inf of nothing.

    Integers are computed in the default dtype.
    """
    x = input if dtype_of(input).is_floating_point else to_dtype(input, defaults.dtype)
    check(dim is not None, "GT301", "dim must be an int or several", "got None", kind=ArgumentTypeError)
    shape = shape_of(x)
    dims = normalize_dims(dim, len(shape))
    if 0 in [shape[d] for d in dims]:
        return log(sum_(exp(x), dims, keepdim))
    top = detach(amax(x, dims, keepdim=True))
    top = where(eq(abs_(top), math.inf), 0, top)
    out = log(sum_(exp(x - top), dims, keepdim=True))
    # all -inf: the sum is 0, and no element gets a gradient
    out = where(eq(out, -math.inf), detach(out), out) + top
    return out if keepdim else reshape(out, tuple(n for d, n in enumerate(shape) if d not in dims))


def _operand(input: Any, dtype: DType | None, what: str) -> Any:
    """``input`` in ``dtype``, which may not be narrower."""
    require_float(aval_of(input), what)
    if dtype is None:
        return input
    check(
        dtype.is_floating_point and dtype.itemsize >= dtype_of(input).itemsize,
        "GT203",
        f"dtype={dtype!r} is narrower than the operand",
        f"expected a floating-point dtype that holds every {dtype_of(input)!r}",
        kind=DTypeError,
    )
    return to_dtype(input, dtype)


def _of_squares(x: Any, dims: Any, keepdim: bool) -> Any:
    """The square root of the sum of squares; the gradient is 0 where that is 0."""
    total = sum_(x * x, dims, keepdim)
    zero = eq(total, 0)
    return where(zero, detach(total), sqrt(where(zero, 1, total)))


def _of_powers(x: Any, ord: float, dims: Any, keepdim: bool) -> Any:
    """(sum of |x|**ord)**(1/ord). Zeros get no gradient, nor does a norm of 0 or of infinity give one."""
    size, zero = abs_(x), eq(x, 0)
    powers = where(zero, 0.0 if ord > 0 else math.inf, pow_(where(zero, 1, size), ord))
    total = sum_(powers, dims, keepdim)
    end = eq(total, 0 if ord > 0 else math.inf)
    return where(end, 0, pow_(where(end, 1, total), 1.0 / ord))


def vector_norm_of(x: Any, ord: float, dim: Any, keepdim: bool) -> Any:
    """The norm of order ``ord`` over ``dim``; torch's gradients."""
    shape = shape_of(x)
    dims = normalize_dims(dim, len(shape))
    empty = 0 in [shape[d] for d in dims]
    check(
        not empty or (ord >= 0 and ord != math.inf),
        "GT108",
        f"there is no norm of order {ord:g} of no elements",
        f"expected sizes > 0 at dims {list(dims)} of {list(shape)}",
    )
    if ord == 2:
        return _of_squares(x, dims, keepdim)
    if ord == 1:
        return sum_(abs_(x), dims, keepdim)
    if ord == 0:
        return sum_(where(eq(x, 0), sign(x), 1), dims, keepdim)  # sign has a gradient, of zeros
    if abs(ord) == math.inf:
        return (amax if ord > 0 else amin)(abs_(x), dims, keepdim)
    return _of_powers(x, ord, dims, keepdim)


def number(ord: Any, name: str) -> float:
    check(
        isinstance(ord, int | float) and not isinstance(ord, bool),
        "GT301",
        f"{name} must be a number, got {type(ord).__name__} {ord!r}",
        "expected inf, -inf, 0 or any other number",
        kind=ArgumentTypeError,
    )
    return float(ord)


@composite("linalg")
@in_float32("x")
def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """The norm of order ``ord`` (inf, -inf, 0 or any number) over ``dim`` (all when None), as of one vector."""
    value = _operand(x, dtype, "the operand of vector_norm")
    return vector_norm_of(value, number(ord, "ord"), dim, keepdim)


@composite("gt", "Tensor")
@in_float32("input")
def norm(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: None = None, dtype: DType | None = None
) -> Any:
    """`vector_norm` of order ``p`` over ``dim`` (all when None); "fro" and None are 2.

    "nuc", which needs singular values, is refused: ArgumentError GT304. So is ``out``.
    """
    check(out is None, "GT304", "out is not supported", "assign the result instead", kind=ArgumentError)
    x = _operand(input, dtype, "the operand of norm")
    few = not isinstance(dim, Sequence) or len(dim) <= 2
    check(
        not isinstance(p, str) or (p == "fro" and few),
        "GT304",
        f"p={p!r} is not supported over dim={dim}",
        "expected 'fro' over at most 2 dimensions, or a number",
        kind=ArgumentError,
    )
    return vector_norm_of(x, 2.0 if p is None or p == "fro" else number(p, "p"), dim, keepdim)


# ---- matrices -------------------------------------------------------------------------------------


def _matrix_norm(x: Any, ord: Any, dim: Sequence[int], keepdim: bool) -> Any:
    """ "fro"; 1 and inf, the greatest sum of a column or of a row, and -1 and -inf, the smallest."""
    check(
        ord == "fro" or (not isinstance(ord, str) and abs(ord) in (1, math.inf)),
        "GT304",
        f"ord={ord!r} is not a norm of matrices that is supported",
        "expected 'fro', 1, -1, inf or -inf; those of singular values are not there",
        kind=ArgumentError,
    )
    if ord == "fro":
        return vector_norm_of(x, 2.0, dim, keepdim)
    shape = shape_of(x)
    rows, columns = (normalize_dims(d, len(shape))[0] for d in dim)
    summed, over = (rows, columns) if abs(ord) == 1 else (columns, rows)
    found = (amax if ord > 0 else amin)(sum_(abs_(x), summed, keepdim=True), over, keepdim=True)
    left = tuple(n for d, n in enumerate(shape) if d not in (rows, columns))
    return found if keepdim else reshape(found, left)


def _pair(dim: Any, ndim: int) -> tuple[int, int]:
    """Two distinct dimensions."""
    given = tuple(dim) if isinstance(dim, Sequence) else (dim,)
    check(
        len(given) == 2 and ndim >= 2,
        "GT304",
        f"dim={dim} does not name the rows and columns of matrices",
        f"expected two dimensions; the operand has {ndim}",
        kind=ArgumentError,
    )
    normalize_dims(given, ndim)  # distinct ones
    return given


@composite("linalg")
def matrix_norm(
    input: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: DType | None = None
) -> Any:
    """The norm of the matrices along the two dimensions ``dim``: "fro", 1, -1, inf or -inf.

    ArgumentError GT304 for 2, -2 and "nuc", which need singular values.
    """
    x = _operand(input, dtype, "the operand of matrix_norm")
    return _matrix_norm(x, ord, _pair(dim, len(shape_of(x))), keepdim)


@composite("linalg", name="norm")
@in_float32("A")
def linalg_norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """A norm of vectors or matrices: `vector_norm` for one ``dim``, `matrix_norm` for two.

    Without ``ord`` it is the 2-norm of all elements over ``dim``; without ``dim`` the operand must have one or two
    dimensions if ``ord`` is given.
    """
    x = _operand(A, dtype, "the operand of norm")
    ndim = len(shape_of(x))
    count = len(dim) if isinstance(dim, Sequence) else 1
    check(
        dim is None or 1 <= count <= 2,
        "GT304",
        f"dim={dim} names {count} dimensions",
        "expected one or two",
        kind=ArgumentError,
    )
    if ord is None:
        return vector_norm_of(x, 2.0, dim, keepdim)
    check(
        dim is not None or 1 <= ndim <= 2,
        "GT107",
        f"the norm of order {ord!r} needs dim here",
        f"expected an operand of 1 or 2 dimensions, or dim; got {ndim} dimensions",
    )
    if isinstance(ord, str) or (count == 2 if dim is not None else ndim == 2):
        return _matrix_norm(x, ord, _pair(tuple(range(ndim)) if dim is None else dim, ndim), keepdim)
    return vector_norm_of(x, number(ord, "ord"), dim, keepdim)
