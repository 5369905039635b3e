"""Losses of numbers: by a distance, and by the likelihood of a distribution."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import check
from graphtorch.ir.loc import warn_user
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arguments import above, flag, number
from graphtorch.ir.ops.arithmetic import abs_, maximum
from graphtorch.ir.ops.casts import detach, overwrite
from graphtorch.ir.ops.common import aval_of, broadcast_shapes, is_handle, require_float, shape_of
from graphtorch.ir.ops.functions import exp, log
from graphtorch.ir.ops.in_float32 import in_float32
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.loss_binary import in_range
from graphtorch.ir.ops.loss_common import difference, reduced, reduction_of, same_shape
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.rectifiers import limited
from graphtorch.ir.ops.reduce import sum as sum_


@composite("F", whole=True, noted=True)
@in_float32("input", "target", "weight")
def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """The squared difference of ``input`` and ``target``, times ``weight``, reduced by "mean", "sum" or "none".

    With a weight "mean" divides by its sum. Shapes that differ are broadcast, with a ContractWarning GT324;
    ``weight`` must have the shape of ``input``: ShapeError GT103. DTypeError GT202 for integers.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    apart = difference("mse_loss", input, target)
    return _weighted(apart * apart, input, weight, reduction)


@composite("F", noted=True)
@in_float32("input", "target", "weight")
def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """The absolute difference of ``input`` and ``target``; arguments and errors are those of `mse_loss`."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _weighted(abs_(difference("l1_loss", input, target)), input, weight, reduction)


def _weighted(errors: Any, input: Any, weight: Any, reduction: str) -> Any:
    if weight is None:
        return reduced(errors, reduction)
    same_shape("weight", weight, input)
    if reduction == "mean":
        return sum_(errors * weight) / sum_(weight)
    return reduced(errors * weight, reduction)


@composite("F", noted=True)
@in_float32("input", "target")
def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """d^2 / (2 beta) where the difference d is less than ``beta``, |d| - beta / 2 elsewhere.

    R. Girshick, "Fast R-CNN", ICCV 2015. ``beta=0`` is `l1_loss`; ArgumentError GT304 for beta < 0. Shapes that differ
    are broadcast, with a ContractWarning GT324.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    number(beta, "beta", 0)
    apart = difference("smooth_l1_loss", input, target)
    if beta == 0:
        return reduced(abs_(apart), reduction)
    return reduced(_huber(apart, beta) / beta, reduction)


@composite("F", noted=True)
@in_float32("input", "target", "weight")
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """d^2 / 2 where the difference d is less than ``delta``, delta * (|d| - delta / 2) elsewhere, times ``weight``.

    P. Huber, Annals of Statistics 53 (1964). ArgumentError GT304 for delta <= 0; the rest is as in `mse_loss`, but
    "mean" divides by the number of elements, with a weight or without.
    """
    reduction = reduction_of(None, None, reduction)
    above(delta, "delta", 0)
    errors = _huber(difference("huber_loss", input, target), delta)
    if weight is None:
        return reduced(errors, reduction)
    same_shape("weight", weight, input)
    return reduced(errors * weight, reduction)


def _huber(apart: Any, delta: float) -> Any:
    """c * (d - c / 2), with c the difference limited to [-delta, delta]: one formula, so no piece gives inf * 0."""
    near = limited(apart, -delta, delta)
    return near * (apart - near * 0.5)


@composite("F", noted=True)
@in_float32("input", "target")
def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """target * (log(target) - input) for log-probabilities ``input``; ``target`` is in logarithms with ``log_target``.

    S. Kullback, R. Leibler, Annals of Mathematical Statistics 22 (1951). "batchmean" divides the sum by the size of
    dimension 0, which is the divergence; "mean" divides by the number of elements, with a UserWarning.
    DTypeError GT202 for integers.
    """
    batchmean = reduction == "batchmean" and size_average is None and reduce is None
    reduction = reduction_of(size_average, reduce, reduction, "batchmean")
    if reduction == "mean" and size_average is None and reduce is None:
        warn_user(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. "
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition.",
        )
    for name, t in (("input", input), ("target", target)):
        require_float(aval_of(t), f"the {name} of kl_div")
    errors = exp(target) * (target - input) if flag(log_target, "log_target") else _entropy(target) - target * input
    if not batchmean:
        return reduced(errors, reduction)
    shape = shape_of(input)
    return sum_(errors) / shape[0] if shape else sum_(errors)


def _entropy(p: Any) -> Any:
    """p * log(p), 0 at 0."""
    nothing = eq(p, 0)
    return where(nothing, 0, p * log(where(nothing, 1, p)))


@composite("F")
@in_float32("input", "target")
def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """exp(input) - target * input, or input - target * log(input + eps) where ``input`` is not in logarithms.

    ``full`` adds Stirling's approximation of log(target!) where the target is greater than 1.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    number(eps, "eps")
    if flag(log_input, "log_input"):
        loss = exp(input) - target * input
    else:
        loss = input - target * log(input + eps)
    if flag(full, "full"):
        large = where(target > 1, target, 1.0)  # log(0) has no place in a gradient
        stirling = large * log(large) - large + log(large * (2 * math.pi)) * 0.5
        loss = loss + where(target > 1, stirling, 0)
    return reduced(loss, reduction)


@composite("F")
@in_float32("input", "target", "var")
def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """(log(var) + (input - target)^2 / var) / 2, with ``var`` at least ``eps``; ``full`` adds log(2 pi) / 2.

    D. Nix, A. Weigend, IEEE ICNN 1994. ``var`` is a number, a tensor of the shape of ``input``, or one that lacks the
    last dimension or has size 1 at one: ShapeError GT103 for another. A negative variance is an ArgumentError GT304 in
    eager mode, and nan in a compiled program. ``eps`` changes no gradient.
    """
    reduction = reduction_of(None, None, reduction)
    number(eps, "eps", 0)
    if is_handle(var):
        var = in_range(_variance(var, input), 0.0, math.inf, "var")
        var = bind.bind(overwrite, maximum(detach(var), eps), var)
    else:
        var = max(number(var, "var", 0), eps)
    apart = difference("gaussian_nll_loss", input, target)
    logarithm = log(var) if is_handle(var) else math.log(var) if var else -math.inf
    loss = (apart * apart / var + logarithm) * 0.5
    return reduced(loss + 0.5 * math.log(2 * math.pi) if flag(full, "full") else loss, reduction)


def _variance(var: Any, input: Any) -> Any:
    """``var`` in a shape that broadcasts to that of ``input``."""
    shape, given = shape_of(input), shape_of(var)
    if given == shape:
        return var
    if given == shape[:-1]:
        return reshape(var, (*given, 1))
    # torch looks at the sizes of ``input`` that differ: their sum is 1 where ``var`` has more, and it lets that pass
    ones = len(given) == len(shape) and sum(m == 1 != n for n, m in zip(shape, given, strict=True)) == 1
    check(
        ones and broadcast_shapes(shape, given) == shape,
        "GT103",
        "var does not match the input",
        f"expected {list(shape)}, {list(shape[:-1])}, or size 1 at one dimension, got {list(given)}",
    )
    return var
