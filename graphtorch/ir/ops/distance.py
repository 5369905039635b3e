"""Distances between vectors, and the losses that compare them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arguments import above, flag, number
from graphtorch.ir.ops.arithmetic import abs_, clamp, maximum, minimum, sign
from graphtorch.ir.ops.casts import detach, overwrite
from graphtorch.ir.ops.common import aval_of, normalize_dim, require_float, shape_of, unify
from graphtorch.ir.ops.functions import sqrt
from graphtorch.ir.ops.in_float32 import in_float32
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.loss_common import reduced, reduction_of
from graphtorch.ir.ops.power import pow_
from graphtorch.ir.ops.reduce import amax, amin
from graphtorch.ir.ops.reduce import sum as sum_


def norm(x: Any, p: float, dim: int, keepdim: bool) -> Any:
    """(sum of |x|^p)^(1/p) along ``dim``: the number of what is not 0 for p = 0, the greatest for infinity.

    Where x or the norm is 0 the gradient is torch's choice: 0.
    """
    if p == 0:
        return sum_(abs_(sign(x)), dim, keepdim)
    if p == 1:
        return sum_(abs_(x), dim, keepdim)
    if math.isinf(p):
        return (amax if p > 0 else amin)(abs_(x), dim, keepdim)
    if p == 2:
        return _root(sum_(x * x, dim, keepdim), sqrt)
    nothing = eq(x, 0)
    powers = where(nothing, 0.0 if p > 0 else math.inf, pow_(where(nothing, 1, abs_(x)), p))
    return _root(sum_(powers, dim, keepdim), lambda total: pow_(total, 1 / p))


def _root(total: Any, root: Callable[[Any], Any]) -> Any:
    """A root that has the gradient 0 at 0, where its slope has no bound."""
    nothing = eq(total, 0)
    return where(nothing, detach(total), root(where(nothing, 1, total)))


@composite("gt", "F")
@in_float32("x1", "x2")
def pairwise_distance(x1: Any, x2: Any, p: float = 2, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """The p-norm of x1 - x2 + eps along the last dimension; shapes broadcast."""
    apart = x1 - x2 + number(eps, "eps")
    require_float(aval_of(apart), "x1 - x2 + eps")
    dim = normalize_dim(-1, aval_of(apart).ndim)
    return norm(apart, number(p, "p"), dim, flag(keepdim, "keepdim"))


@composite("gt", "F")
@in_float32("x1", "x2")
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The product of x1 and x2 along ``dim``, over the product of their norms, each at least ``eps``.

    Shapes broadcast, dtypes promote. DTypeError GT202 for integers, IndexRangeError GT302 for ``dim``.
    """
    x1, x2 = unify(x1, x2)
    require_float(aval_of(x1), "x1 or x2")
    dim = normalize_dim(dim, aval_of(x1).ndim)
    number(eps, "eps")
    return sum_(x1 * x2, dim) / _length(x1, dim, eps) / _length(x2, dim, eps)


def _length(x: Any, dim: int, eps: float) -> Any:
    """The norm, at least ``eps``, with the gradient of the norm: torch limits it outside of the gradient."""
    length = norm(x, 2, dim, False)
    return bind.bind(overwrite, maximum(detach(length), eps), length)


@composite("F")
@in_float32("input1", "input2", "target")
def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """1 - cos(input1, input2) for a target of 1, max(0, cos - margin) for -1, 0 for any other.

    Inputs are [n, d] with a target [n], or [d] with []: ShapeError GT107 for others. DTypeError GT202 for integers.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    ndim = aval_of(target).ndim
    check(ndim <= 1, "GT107", "target must be [n] or []", f"expected at most 1 dimension, got {ndim}")
    for name, x in (("input1", input1), ("input2", input2)):
        got = aval_of(x).ndim
        check(
            got == ndim + 1, "GT107", f"{name} does not match the target", f"expected {ndim + 1} dimensions, got {got}"
        )
    require_float(aval_of(input1 * input2), "input1 or input2")
    product = sum_(input1 * input2, ndim)
    squares = [sum_(x * x, ndim) + 1e-12 for x in (input1, input2)]
    cosine = product / sqrt(squares[0] * squares[1])
    unlike = where(eq(target, -1), clamp(cosine - number(margin, "margin"), min=0), 0)
    return reduced(where(eq(target, 1), 1 - cosine, 0) + unlike, reduction)


@composite("F")
@in_float32("anchor", "positive", "negative")
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, margin + distance(anchor, positive) - distance(anchor, negative)), of `pairwise_distance`.

    With ``swap`` the distance of positive and negative counts where it is smaller (V. Balntas et al., BMVC 2016).
    ShapeError GT107 where the numbers of dimensions differ, ArgumentError GT304 for margin <= 0.
    """
    reduction = reduction_of(size_average, reduce, reduction)

    def distance(a: Any, b: Any) -> Any:
        return pairwise_distance(a, b, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


@composite("F")
@in_float32("anchor", "positive", "negative")
def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """`triplet_margin_loss` with any function of two tensors, which is `pairwise_distance` unless given."""
    reduction = reduction_of(None, None, reduction)
    return _triplet(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction)


def _triplet(
    anchor: Any,
    positive: Any,
    negative: Any,
    distance: Callable[[Any, Any], Any],
    margin: float,
    swap: bool,
    reduction: str,
) -> Any:
    above(margin, "margin", 0)
    wanted = len(shape_of(anchor))
    for name, x in (("positive", positive), ("negative", negative)):
        got = len(shape_of(x))
        check(got == wanted, "GT107", f"{name} does not match the anchor", f"expected {wanted} dimensions, got {got}")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if flag(swap, "swap"):
        far = minimum(far, distance(positive, negative))
    return reduced(clamp(near - far + margin, min=0), reduction)
