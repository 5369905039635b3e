"""NAdam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphtorch.frontend.nn.arguments import flag
from graphtorch.frontend.optim.adam import check_betas
from graphtorch.frontend.optim.optimizer import (
    Group,
    Optimizer,
    at_least,
    choices,
    downhill,
    no_steps,
    number_unless_zero,
    numbers,
)
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import to_dtype
from graphtorch.ir.types import float64


class NAdam(Optimizer):
    """`Adam` with Nesterov's momentum (T. Dozat, ICLR 2016 workshop).

    With mu_t = b1 (1 - 0.96^(t momentum_decay) / 2) and M_t the product of all so far, step t takes lr * ((1 - mu_t)
    / (1 - M_t) * g + mu_(t+1) / (1 - M_(t+1)) * m) / (sqrt(v / (1 - b2^t)) + eps) off p. ``weight_decay`` adds its
    multiple of p to g, or (``decoupled_weight_decay``) shrinks p itself; ``maximize`` climbs. ArgumentError GT304 for
    options out of range. Of ``foreach`` and the like see `choices`.
    """

    _switches = ("weight_decay", "maximize", "decoupled_weight_decay")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            **choices(foreach=foreach, differentiable=differentiable, capturable=capturable),
        }
        super().__init__(params, options)

    def _check(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay", "momentum_decay"):
            at_least(group, name, 0)
        check_betas(group)
        for name in ("decoupled_weight_decay", "maximize"):
            flag(group[name], name)

    def _update(self, group: Group, params: list[tuple[Tensor, Tensor]]) -> None:
        lr, beta1, beta2, eps, slowing = numbers(group, "lr", ("betas", 0), ("betas", 1), "eps", "momentum_decay")
        for p, g in params:
            g = decayed(group, p, g, lr)
            step = self._state_of(p, "step", no_steps).add_(1)
            product = self._state_of(p, "mu_product", lambda: no_steps() + 1)
            t = to_dtype(step, float64)
            now, after = (beta1 * (1 - 0.5 * 0.96 ** (n * slowing)) for n in (t, t + 1))
            product.copy_(product * to_dtype(now, product.dtype))
            mean = self._zeros(p, "exp_avg")
            mean.copy_(mean + (g - mean) * (1 - beta1))
            square = self._zeros(p, "exp_avg_sq")
            square.copy_(square * beta2 + g * g * (1 - beta2))
            size = PUBLIC["gt"]["sqrt"](square / (1 - beta2**t)) + eps
            so_far = to_dtype(product, float64)
            of_g, of_mean = lr * (1 - now) / (1 - so_far), lr * after / (1 - so_far * after)
            p.sub_((g * of_g + mean * of_mean) / size)


def decayed(group: Group, p: Tensor, g: Tensor, lr: Any) -> Tensor:
    """`downhill`, but that ``decoupled_weight_decay`` shrinks ``p`` in the place of adding to the gradient."""
    if not group["decoupled_weight_decay"]:
        return downhill(group, p, g)
    decay = number_unless_zero(group, "weight_decay")
    if decay is not None:
        p.mul_(1 - lr * decay)
    return -g if group["maximize"] else g
