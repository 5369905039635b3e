"""Adamax."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphtorch.frontend.nn.arguments import flag
from graphtorch.frontend.optim.adam import check_betas
from graphtorch.frontend.optim.optimizer import Group, Optimizer, at_least, choices, downhill, no_steps, numbers
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import to_dtype
from graphtorch.ir.types import float64


class Adamax(Optimizer):
    """`Adam` with the greatest gradient so far, which decays, for the mean of squares (D. P. Kingma, J. Ba, ICLR
    2015).

    m = b1 m + (1 - b1) g, u = max(b2 u, |g| + eps), and p - lr / (1 - b1^t) * m / u in step t. ``weight_decay`` adds
    its multiple of p to g, ``maximize`` climbs. ArgumentError GT304 for options out of range. Of ``foreach`` and the
    like see `choices`.
    """

    _switches = ("weight_decay", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            **choices(foreach=foreach, differentiable=differentiable, capturable=capturable),
        }
        super().__init__(params, options)

    def _check(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            at_least(group, name, 0)
        check_betas(group)
        flag(group["maximize"], "maximize")

    def _update(self, group: Group, params: list[tuple[Tensor, Tensor]]) -> None:
        lr, beta1, beta2, eps = numbers(group, "lr", ("betas", 0), ("betas", 1), "eps")
        greater = PUBLIC["gt"]["maximum"]
        for p, g in params:
            g = downhill(group, p, g)
            step = self._state_of(p, "step", no_steps).add_(1)
            mean = self._zeros(p, "exp_avg")
            mean.copy_(mean + (g - mean) * (1 - beta1))
            top = self._zeros(p, "exp_inf")
            top.copy_(greater(top * beta2, g.abs() + eps))
            p.sub_(mean / top * (lr / (1 - beta1 ** to_dtype(step, float64))))
