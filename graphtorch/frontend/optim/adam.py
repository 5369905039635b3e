"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphtorch.frontend.nn.arguments import flag
from graphtorch.frontend.optim.optimizer import (
    Group,
    Optimizer,
    at_least,
    choices,
    in_range,
    no_steps,
    number_unless_zero,
    numbers,
)
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.ir.op import PUBLIC, composite
from graphtorch.ir.ops.common import to_dtype
from graphtorch.ir.types import float64


class Adam(Optimizer):
    """Steps by running means of the gradient and of its square (D. P. Kingma, J. Ba, ICLR 2015).

    With t steps taken: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, and
    p - lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps). ``amsgrad`` takes the greatest v so far;
    ``weight_decay`` adds its multiple of p to g, or (``decoupled_weight_decay``) shrinks p itself;
    ``maximize`` climbs. ArgumentError GT304 for options out of range. Of ``foreach`` and the like see `choices`.
    """

    _switches = ("weight_decay", "amsgrad", "maximize", "decoupled_weight_decay")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            **choices(foreach=foreach, fused=fused, differentiable=differentiable, capturable=capturable),
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, options)

    def _check(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            at_least(group, name, 0)
        check_betas(group)
        for name in ("amsgrad", "maximize", "decoupled_weight_decay"):
            flag(group[name], name)

    def _update(self, group: Group, params: list[tuple[Tensor, Tensor]]) -> None:
        lr, *rest = numbers(group, "lr", ("betas", 0), ("betas", 1), "eps")
        decay = number_unless_zero(group, "weight_decay")
        for p, g in params:
            g = -g if group["maximize"] else g
            if decay is not None and group["decoupled_weight_decay"]:
                p.mul_(1 - lr * decay)
            elif decay is not None:
                g = g + p * decay
            p.sub_(self._direction(group, p, g, lr, *rest))

    def _direction(self, group: Group, p: Tensor, g: Tensor, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Tensor:
        """What to subtract from ``p``, after its state has moved on."""
        step = self._state_of(p, "step", no_steps)
        mean = self._state_of(p, "exp_avg", lambda: PUBLIC["gt"]["zeros_like"](p))
        square = self._state_of(p, "exp_avg_sq", lambda: PUBLIC["gt"]["zeros_like"](p))
        step.add_(1)
        new_mean, new_square = _means(g, mean, square, beta1, beta2)
        mean.copy_(new_mean)
        square.copy_(new_square)
        if group["amsgrad"]:
            top = self._state_of(p, "max_exp_avg_sq", lambda: PUBLIC["gt"]["zeros_like"](p))
            square = top.copy_(PUBLIC["gt"]["maximum"](top, square))
        return _direction(mean, square, step, lr, beta1, beta2, eps)


@composite(whole=True)
def _means(g: Tensor, mean: Tensor, square: Tensor, beta1: Any, beta2: Any) -> tuple[Tensor, Tensor]:
    """The running means of the gradient and of its square, one step on."""
    return mean + (g - mean) * (1 - beta1), square * beta2 + g * g * (1 - beta2)


@composite(whole=True)
def _direction(mean: Tensor, square: Tensor, step: Tensor, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Tensor:
    """The step that the means give, each scaled for having begun at 0."""
    t = to_dtype(step, float64)  # 1 - beta^t loses half of float32's digits
    scale = PUBLIC["gt"]["sqrt"](1 - beta2**t)
    return mean / (PUBLIC["gt"]["sqrt"](square) / scale + eps) * (lr / (1 - beta1**t))  # type: ignore[no-any-return]


class AdamW(Adam):
    """`Adam` with decoupled weight decay (I. Loshchilov, F. Hutter, ICLR 2019), 0.01 by default."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        how = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused}
        options: Any = {"maximize": maximize, **how, "decoupled_weight_decay": True}
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **options)


#: the greatest float below 1
_BELOW_ONE = 1 - 2**-53


def check_betas(group: Group) -> None:
    """ArgumentTypeError GT301 or ArgumentError GT304 unless "betas" are two numbers in [0, 1)."""
    betas = group["betas"]
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise ArgumentTypeError("GT301", f"betas must be a pair of numbers, got {betas!r}")
    for index, beta in enumerate(betas):
        in_range(beta, f"betas[{index}]", 0, _BELOW_ONE, f"0 <= betas[{index}] < 1")
