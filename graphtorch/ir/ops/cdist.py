"""Distances between all pairs of vectors."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.casts import detach
from graphtorch.ir.ops.common import aval_of, broadcast, broadcast_shapes, lift, require_float, same_dtype, shape_of
from graphtorch.ir.ops.contract import matmul
from graphtorch.ir.ops.functions import sqrt
from graphtorch.ir.ops.logic import gt, where
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.norms import number, vector_norm_of
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.shapes import transpose

#: vectors on a side above which the default mode takes a product of matrices
MANY = 25
_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)


def _by_product(x1: Any, x2: Any) -> Any:
    """sqrt(|a|**2 + |b|**2 - 2 a.b), and 0 with no gradient where that is not positive."""
    squares = sum_(x1 * x1, -1, True) + transpose(sum_(x2 * x2, -1, True), -1, -2)
    found = squares - 2 * matmul(x1, transpose(x2, -1, -2))
    apart = gt(found, 0)
    nothing = where(found <= 0, 0, detach(found))  # nan stays nan
    return where(apart, sqrt(where(apart, found, 1)), nothing)


@composite("gt")
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = _MODES[0]) -> Any:
    """The ``p``-norm of the difference of every row of ``x1`` [..., n, k] and every row of ``x2`` [..., m, k]:
    [..., n, m].

    Leading dimensions broadcast. For p=2 and more than 25 rows on a side distances come out of a product of matrices,
    which is quick and less exact for rows close to each other; ``compute_mode`` "use_mm_for_euclid_dist" asks for it,
    "donot_use_mm_for_euclid_dist" for differences. Gradients are 0 where a distance is.
    """
    same_dtype(aval_of(x1), aval_of(x2))
    require_float(aval_of(x1), "the operands of cdist")
    a, b = shape_of(x1), shape_of(x2)
    for name, shape in (("x1", a), ("x2", b)):
        check(len(shape) >= 2, "GT107", f"{name} must be [..., rows, columns]", f"got {len(shape)} dimensions")
    check(
        a[-1] == b[-1],
        "GT109",
        "x1 and x2 have rows of different sizes",
        f"expected equal last sizes, got {a[-1]} and {b[-1]}",
    )
    order = number(p, "p")
    check(order >= 0, "GT304", f"p={p} is not allowed", "expected p >= 0", kind=ArgumentError)
    mode = _MODES[0] if compute_mode is None else compute_mode
    check(
        mode in _MODES,
        "GT304",
        f"compute_mode={compute_mode!r} is not known",
        f"expected one of {', '.join(_MODES)}",
        kind=ArgumentError,
    )
    lead = broadcast_shapes(a[:-2], b[:-2])
    if not a[-1]:
        return broadcast(lift(0.0, aval_of(x1).dtype), (*lead, a[-2], b[-2]))
    necessary = mode == _MODES[0] and (a[-2] > MANY or b[-2] > MANY)
    if order == 2 and (necessary or mode == _MODES[1]):
        return _by_product(x1, x2)
    difference = reshape(x1, (*a[:-1], 1, a[-1])) - reshape(x2, (*b[:-2], 1, *b[-2:]))
    return vector_norm_of(difference, order, -1, False)
