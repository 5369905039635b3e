"""Variances, norms, counts, and sums of what is not nan."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int8, int32, int64, uint8
from tests.ops.public.reductions import MIXED, OUT_OF_RANGE, TWICE, as_sum, dims_of, over_dims, reducing, special
from tests.ops.public.table import Array, Call, call, refuse, row, smooth
from tests.ops.samples import array

NAN, INF = np.nan, np.inf

# ---- variances ------------------------------------------------------------------------------------


def variance(
    x: Array, dim: Any = None, unbiased: Any = None, keepdim: bool = False, correction: Any = None, **names: Any
) -> Array:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    axes = dims_of(x, names.get("axis", dim))
    keep = names.get("keepdims", keepdim)
    count = np.prod([x.shape[a] for a in axes])
    less = correction if correction is not None else 1 if unbiased is None else int(unbiased)
    centered = x - x.sum(axes, keepdims=True) / count
    return np.asarray((centered**2).sum(axes, keepdims=keep) / max(count - less, 0))


def average(x: Array, dim: Any = None, unbiased: Any = None, keepdim: bool = False, **names: Any) -> Array:
    axes = dims_of(x, None if isinstance(dim, bool) else names.get("axis", dim))
    total = x.sum(axes, keepdims=names.get("keepdims", keepdim))
    return np.asarray(total / np.prod([x.shape[a] for a in axes]))


def moments() -> list[Call]:
    """A number alone has no variance, and no derivative of one."""
    return [
        *(c for c in over_dims() if np.size(c.args[0]) > 1),
        call(array()),
        call(array(0, 3), 1),
        smooth(array(3, 5, 2), False),
        smooth(array(3, 5, 2), unbiased=False),
        smooth(array(3, 5, 2), 1, False),
        smooth(array(3, 5, 2), (0, 2), True, True),
        smooth(array(3, 5, 2), dim=-1, unbiased=False, keepdim=True),
        smooth(array(3, 5, 2), 1, correction=0.5),
        smooth(array(3, 5, 2), [1], correction=0, keepdim=True),
        smooth(array(3, 5, 2), keepdim=True),
        # torch's gradients are those of a division by the negative number of degrees of freedom
        Call((array(3, 2), 1), {"correction": 2}, torch=False),
        Call((array(3, 2), 1), {"correction": 5}, torch=False),
        call(array(3, 1), 1),
        call(np.ones((3, 5), np.float32), 1),
        call(special(3, 7), 1),
    ]


REFUSED = [
    *OUT_OF_RANGE,
    TWICE,
    refuse("must be floating point", array(3, dtype=int64)),
    refuse("exclude each other", array(3), 0, True, correction=1),
    refuse("unbiased is given twice", array(3), True, True),
]
row("gt.var", variance, *moments(), *REFUSED, atol=1e-5)
row("Tensor.std", lambda *a, **k: np.sqrt(variance(*a, **k)), *moments(), *REFUSED, atol=1e-5)
row("gt.var_mean", lambda *a, **k: (variance(*a, **k), average(*a, **k)), *moments(), *REFUSED, atol=1e-5)
row("gt.std_mean", lambda *a, **k: (np.sqrt(variance(*a, **k)), average(*a, **k)), *moments(), *REFUSED, atol=1e-5)

# ---- norms ----------------------------------------------------------------------------------------


def log_of_sum(x: Array, axis: Any, keepdims: bool) -> Array:
    top = np.max(x, axis=axis, keepdims=True, initial=-INF)
    top = np.where(np.isinf(top), 0, top)
    out = np.log(np.exp(x - top).sum(axis, keepdims=True)) + top
    return out if keepdims else out.reshape([n for d, n in enumerate(x.shape) if d not in {a % x.ndim for a in axis}])


row(
    "gt.logsumexp",
    reducing(log_of_sum, lambda x: x.astype(np.float32) if x.dtype.kind != "f" else x),
    *(c for c in over_dims() if len(c.args) > 1 or "dim" in c.kwargs if not (len(c.args) > 1 and c.args[1] is None)),
    call(special(3, 7), 1),
    call(np.array([[-INF, -INF], [INF, 1], [1000, 1001], [-1000, -1001], [INF, INF]], np.float32), 1),
    call(array(0, 3), 0),
    call(array(5, dtype=int64), 0),
    call(array(5, dtype=bool_), 0),
    *OUT_OF_RANGE,
    TWICE,
    refuse("dim must be an int or several", array(3), None),
    atol=1e-5,
)


def vector_norm(x: Array, ord: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Array:
    axes, size = dims_of(x, dim), np.abs(x)
    if ord == 0:
        return np.asarray((x != 0).sum(axes, keepdims=keepdim) * 1.0)
    if abs(ord) == INF:
        return np.asarray((np.max if ord > 0 else np.min)(size, axis=axes, keepdims=keepdim))
    return np.asarray((size**ord).sum(axes, keepdims=keepdim) ** (1 / ord))


def norm(x: Array, p: Any = "fro", dim: Any = None, keepdim: bool = False, **_: Any) -> Array:
    return vector_norm(x, 2 if p in ("fro", None) else p, dim, keepdim)


ORDERS = (2, 1, 0, INF, -INF, 3, 0.5, 1.5, -1, -2)
WITH_ZEROS = np.array([[0, 0, 0], [3, 0, -4], [1, -2, 2], [0, 1, 0]], np.float32)
NORMS = [
    smooth(array(3, 5, 2)),
    *(smooth(array(3, 5, 2, low=-1.9), p, 1) for p in ORDERS),
    *(smooth(array(3, 5, 2, low=-1.9), p, (0, 2), True) for p in (3, INF)),
    smooth(array(3, 5, 2), dim=-1, keepdim=True),
    smooth(array(3, 5, low=-1.9), 1, dim=[]),
    smooth(array(7, 33, dtype=float64), 3.0),
    *(call(WITH_ZEROS, p, 1) for p in ORDERS),
    *(call(special(3, 7), p, 1) for p in (1, 2, 0)),
    *(Call((special(3, 7), p, 1), torch=False) for p in (INF, -INF)),  # torch gives rows with nan no gradient
    smooth(array(low=-1.9)),
    smooth(array(low=-1.9), 3, 0),
    call(array(0, 3)),
    call(array(0, 3), 0.5, 0),
    smooth(array(0, 3), INF, 1),
]
NOT_A_NORM = [
    refuse("must be floating point", array(3, dtype=int64)),
    refuse("dim=2 is out of range", array(2, 3), 2, 2),
    refuse("no norm of order inf of no elements", array(0, 3), INF, 0),
    refuse("no norm of order -1 of no elements", array(0, 3), -1),
]
row(
    "linalg.vector_norm",
    vector_norm,
    *NORMS,
    *NOT_A_NORM,
    refuse("ord must be a number, got str", array(3), "fro"),
    rtol=1e-4,
)
row(
    "gt.norm",
    norm,
    *NORMS,
    smooth(array(3, 5), "fro", 1),
    smooth(array(3, 5), p="fro", dim=(0, 1), keepdim=True),
    smooth(array(3, 5), p=None),
    *NOT_A_NORM,
    refuse("p='nuc' is not supported", array(3), "nuc"),
    refuse("p='fro' is not supported over dim", array(2, 3, 5), "fro", (0, 1, 2)),
    rtol=1e-4,
)


def matrix_norm(x: Array, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Array:
    rows, columns = (d % x.ndim for d in dim)
    if ord == "fro":
        return np.sqrt((x**2).sum((rows, columns), keepdims=keepdim))
    summed = rows if abs(ord) == 1 else columns
    over = columns if abs(ord) == 1 else rows
    out = (np.max if ord > 0 else np.min)(np.abs(x).sum(summed, keepdims=True), axis=over, keepdims=True)
    return out if keepdim else out.squeeze((rows, columns))


MATRIX_NORMS = [smooth(array(3, 5, low=-1.9), ord) for ord in ("fro", 1, -1, INF, -INF)]
SINGULAR = refuse("is not a norm of matrices that is supported", array(3, 5), "nuc")
row(
    "linalg.matrix_norm",
    matrix_norm,
    *MATRIX_NORMS,
    smooth(array(2, 3, 5)),
    *(smooth(array(2, 3, 5, low=-1.9), ord, (0, -1), True) for ord in ("fro", 1, -INF)),
    smooth(array(2, 3, 5, low=-1.9), INF, dim=(1, 0)),
    refuse("does not name the rows and columns", array(3)),
    refuse("names a dimension twice", array(3, 5), "fro", (1, -1)),
    rtol=1e-4,
)


def linalg_norm(x: Array, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Array:
    if ord is None:
        return vector_norm(x, 2, dim, keepdim)
    dims = tuple(range(x.ndim)) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    return matrix_norm(x, ord, dims, keepdim) if len(dims) == 2 else vector_norm(x, ord, dims, keepdim)


row(
    "linalg.norm",
    linalg_norm,
    *MATRIX_NORMS,
    smooth(array(2, 3, 5)),
    smooth(array(2, 3, 5), None, (0, 2), True),
    smooth(array(2, 3, 5), None, None, True),
    smooth(array(2, 3, 5), 3, 1),
    smooth(array(2, 3, 5, low=-1.9), INF, (1,), True),
    smooth(array(2, 3, 5), 1, (0, 1), True),
    smooth(array(7, low=-1.9), 1.5),
    smooth(array(7)),
    call(WITH_ZEROS),
    refuse("needs dim here", array(2, 3, 5), 1),
    refuse("names 3 dimensions", array(2, 3, 5), None, (0, 1, 2)),
    refuse("must be floating point", array(3, dtype=int64)),
    refuse("is not a norm of matrices", array(3, 5), 3),
    refuse("does not name the rows and columns", array(3, 5), "fro", 0),
    rtol=1e-4,
)

# ---- counts, and sums of some ---------------------------------------------------------------------

row(
    "gt.count_nonzero",
    reducing(lambda x, axis, keepdims: np.asarray((x != 0).sum(axis), np.int64)),
    call(MIXED),
    call(MIXED, 1),
    call(MIXED, dim=(0, -1)),
    call(MIXED, ()),
    call(array()),
    call(array(0, 3)),
    *(call(array(3, 7, dtype=d), -1) for d in (int64, int8, uint8, bool_, float64)),
    *OUT_OF_RANGE,
    TWICE,
)
row(
    "gt.nansum",
    reducing(np.nansum, as_sum),
    *over_dims(),
    call(special(3, 7), 1),
    call(np.full((3, 2), NAN, np.float32), 0),
    *(call(array(3, 7, dtype=d), -1) for d in (int64, int32, uint8, bool_)),
    *OUT_OF_RANGE,
)
row(
    "Tensor.nanmean",
    reducing(
        lambda x, axis, keepdims: np.nansum(x, axis, keepdims=keepdims) / (~np.isnan(x)).sum(axis, keepdims=keepdims)
    ),
    *over_dims(),
    call(np.where(array(3, 7) > 0.5, NAN, array(3, 7)), 1),
    Call((np.full((3, 2), NAN, np.float32), 0), torch=False),  # its gradient is nan there
    *OUT_OF_RANGE,
    refuse("must be floating point", array(3, dtype=int64)),
)
row(
    "gt.trace",
    np.trace,
    smooth(array(3, 5)),
    smooth(array(7, 2)),
    smooth(array(1, 3)),
    smooth(array(0, 3)),
    smooth(array(3, 0)),
    *(call(array(3, 5, dtype=d)) for d in (int64, int32, uint8)),
    refuse("trace takes a matrix", array(2, 3, 5)),
    refuse("trace takes a matrix", array(3)),
    refuse("does not take graphtorch.bool", array(3, 5, dtype=bool_)),
)
