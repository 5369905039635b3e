"""Gradients within bounds, before an optimizer takes its step.

They are changed in place. A compiled step that has no other use for them does not write them: the coefficient
is a factor in the kernel of the update.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.nn.arguments import flag, number
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentTypeError, AutogradError, check
from graphtorch.ir.low_precision import is_low
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import to_dtype
from graphtorch.ir.ops.in_float32 import widened
from graphtorch.ir.types import float32


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients of ``parameters`` so that their norm, as of one vector, is ``max_norm`` at most.

    Returns the norm that they had: see `get_total_norm` for its arguments. ArgumentError GT304 for max_norm < 0.
    """
    given = _tensors(parameters, "parameters")
    number(max_norm, "max_norm", 0)
    total = get_total_norm([p.grad for p in given if p.grad is not None], norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(given, max_norm, total, foreach)
    return total


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """(sum |x|^norm_type)^(1 / norm_type) over all elements of all tensors; their maximum for inf, their minimum for
    -inf, and for 0 the number of tensors that are not 0 everywhere. Of no elements it is 0.

    With ``error_if_nonfinite`` it is an AutogradError GT511 if that is nan or infinite; a compiled program cannot
    raise, so there it is a TraceError GT601. ``foreach`` changes nothing. ArgumentTypeError GT301 for a norm_type
    that is neither a number nor the text of one, such as "inf".
    """
    given = [t for t in _tensors(tensors, "tensors") if t.aval.numel]
    order = _order(norm_type)
    flag(error_if_nonfinite, "error_if_nonfinite")
    if not given:
        return PUBLIC["gt"]["zeros"](())  # type: ignore[no-any-return]
    dtype = given[0].dtype
    parts = [to_dtype(_power(widened(t), order), float32 if is_low(dtype) else dtype) for t in given]
    stacked = PUBLIC["gt"]["stack"](parts)
    total: Tensor = to_dtype(_EXTREMES[order](stacked) if order in _EXTREMES else _root(stacked.sum(), order), dtype)
    if error_if_nonfinite:
        check(
            bool(total - total == 0),
            "GT511",
            f"the norm of order {norm_type} of the gradients is not finite",
            f"got {total.item()}; error_if_nonfinite=False scales by it nevertheless",
            kind=AutogradError,
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients of ``parameters`` by max_norm / (total_norm + 1e-6), if that is less than 1."""
    scale = (max_norm / (total_norm + 1e-6)).clamp(max=1.0)
    for p in _tensors(parameters, "parameters"):
        if p.grad is not None:
            p.grad.mul_(to_dtype(scale, p.grad.dtype))


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Limit each element of the gradients of ``parameters`` to [-clip_value, clip_value]."""
    bound = float(clip_value)
    for p in _tensors(parameters, "parameters"):
        if p.grad is not None:
            p.grad.copy_(p.grad.clamp(-bound, bound))


#: orders that are no sum of powers
_EXTREMES: dict[float, Callable[[Any], Any]] = {math.inf: lambda x: x.amax(), -math.inf: lambda x: x.amin()}


def _order(given: Any) -> float:
    if not isinstance(given, str):
        return number(given, "norm_type")
    try:
        return float(given)
    except ValueError:
        raise ArgumentTypeError("GT301", f"norm_type must be a number, got str {given!r}") from None


def _power(x: Tensor, order: float) -> Any:
    """What one tensor adds to the sum, or compares with others."""
    if order == 2:
        return (x * x).sum()
    size = x.abs()
    if order in _EXTREMES:
        return _EXTREMES[order](size)
    if order == 0:
        return (size != 0).any()
    return size.sum() if order == 1 else (size**order).sum()


def _root(total: Tensor, order: float) -> Any:
    return total if order in (0, 1) else total.sqrt() if order == 2 else total ** (1 / order)


def _tensors(given: Any, name: str) -> list[Tensor]:
    """One tensor, or any iterable of them, as a list; ArgumentTypeError GT301 for anything else."""
    found = [given] if isinstance(given, Tensor) else list(given) if isinstance(given, Iterable) else [given]
    for position, t in enumerate(found):
        if not isinstance(t, Tensor):
            raise ArgumentTypeError("GT301", f"{name}[{position}] must be a tensor, got {type(t).__name__}")
    return found
