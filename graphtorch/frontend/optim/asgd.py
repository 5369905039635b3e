"""ASGD."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphtorch.frontend.nn.arguments import flag
from graphtorch.frontend.optim.optimizer import Group, Optimizer, at_least, choices, downhill, no_steps, numbers
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import to_dtype
from graphtorch.ir.types import float64


class ASGD(Optimizer):
    """SGD whose iterates are averaged (B. T. Polyak, A. B. Juditsky, 1992), with L. Bottou's decreasing steps.

    In step t: p (1 - lambd eta) - eta g, where eta is ``lr`` in the first and then lr / (1 + lambd lr t)^alpha of the
    step before. The average, state "ax", is p itself until step ``t0``, and then the mean since. ``weight_decay`` adds
    its multiple of p to g, ``maximize`` climbs. ArgumentError GT304 for options out of range. Of ``foreach`` and the
    like see `choices`.
    """

    _switches = ("weight_decay", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        how = choices(foreach=foreach, differentiable=differentiable, capturable=capturable)
        options = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": how["foreach"],
            "maximize": maximize,
            "differentiable": how["differentiable"],
            "capturable": how["capturable"],
        }
        super().__init__(params, options)

    def _check(self, group: Group) -> None:
        for name in ("lr", "lambd", "t0", "weight_decay"):
            at_least(group, name, 0)
        at_least(group, "alpha", float("-inf"))
        flag(group["maximize"], "maximize")

    def _update(self, group: Group, params: list[tuple[Tensor, Tensor]]) -> None:
        lr, lambd, alpha, t0 = numbers(group, "lr", "lambd", "alpha", "t0")
        for p, g in params:
            g = downhill(group, p, g)
            step = self._state_of(p, "step", no_steps)
            eta = self._state_of(p, "eta", lambda: no_steps() + group["lr"])
            mu = self._state_of(p, "mu", lambda: no_steps() + 1)
            average = self._zeros(p, "ax")
            step.add_(1)
            size = to_dtype(eta, float64)
            p.mul_(1 - size * lambd)
            p.sub_(g * size)
            average.copy_(PUBLIC["gt"]["where"](mu == 1, p.detach(), average + (p.detach() - average) * mu))
            t = to_dtype(step, float64)
            eta.copy_(lr / (1 + t * lambd * lr) ** alpha)
            mu.copy_(1 / PUBLIC["gt"]["clamp"](t - t0, min=1))
