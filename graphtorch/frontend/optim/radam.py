"""RAdam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphtorch.frontend.nn.arguments import flag
from graphtorch.frontend.optim.adam import check_betas
from graphtorch.frontend.optim.nadam import decayed
from graphtorch.frontend.optim.optimizer import (
    Group,
    Optimizer,
    at_least,
    choices,
    no_steps,
    numbers,
)
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import to_dtype
from graphtorch.ir.types import float64


class RAdam(Optimizer):
    """`Adam` whose first steps, where the mean of squares is of too few, are not scaled by it (L. Liu et al., ICLR
    2020).

    With r = 2 / (1 - b2) - 1 and r_t = r - 2 t b2^t / (1 - b2^t): where r_t > 5 step t is Adam's times sqrt((r_t - 4)
    (r_t - 2) r / ((r - 4) (r - 2) r_t)), elsewhere lr * m / (1 - b1^t). ``weight_decay`` adds its multiple of p to g,
    or (``decoupled_weight_decay``) shrinks p itself; ``maximize`` climbs. ArgumentError GT304 for options out of
    range. Of ``foreach`` and the like see `choices`.
    """

    _switches = ("weight_decay", "maximize", "decoupled_weight_decay")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
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
            "maximize": maximize,
            **choices(foreach=foreach, capturable=capturable, differentiable=differentiable),
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, options)

    def _check(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            at_least(group, name, 0)
        check_betas(group)
        for name in ("decoupled_weight_decay", "maximize"):
            flag(group[name], name)

    def _update(self, group: Group, params: list[tuple[Tensor, Tensor]]) -> None:
        lr, beta1, beta2, eps = numbers(group, "lr", ("betas", 0), ("betas", 1), "eps")
        where, root = PUBLIC["gt"]["where"], PUBLIC["gt"]["sqrt"]
        for p, g in params:
            g = decayed(group, p, g, lr)
            step = self._state_of(p, "step", no_steps).add_(1)
            mean = self._zeros(p, "exp_avg")
            mean.copy_(mean + (g - mean) * (1 - beta1))
            square = self._zeros(p, "exp_avg_sq")
            square.copy_(square * beta2 + g * g * (1 - beta2))
            t = to_dtype(step, float64)
            bias = 1 - beta2**t
            longest = 2 / (1 - beta2) - 1
            length = longest - 2 * t * beta2**t / bias
            enough = length > 5
            kept = where(enough, length, 6.0)  # no root of what is not used
            ratio = (kept - 4) * (kept - 2) * longest / ((longest - 4) * (longest - 2) * kept)
            scale = root(ratio) * root(bias)
            p.sub_(mean * (lr / (1 - beta1**t)) * where(enough, scale / (root(square) + eps), 1.0))
