"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphtorch.frontend.nn.arguments import flag
from graphtorch.frontend.optim.optimizer import Group, Optimizer, at_least, choices, downhill, no_steps, numbers
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import to_dtype
from graphtorch.ir.types import float64


class Adagrad(Optimizer):
    """The gradient over the root of the sum of its squares (J. Duchi, E. Hazan, Y. Singer, JMLR 2011).

    s = s + g^2, from ``initial_accumulator_value``, and p - lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps) in step
    t. ``weight_decay`` adds its multiple of p to g, ``maximize`` climbs. The state is there from the start, as in
    torch. ArgumentError GT304 for options out of range. Of ``foreach`` and the like see `choices`.
    """

    _switches = ("weight_decay", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        options = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
            **choices(foreach=foreach, fused=fused, differentiable=differentiable),
        }
        super().__init__(params, options)

    def add_param_group(self, param_group: Group) -> None:
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for p in group["params"]:
            self._count_and_sum(group, p)

    def _check(self, group: Group) -> None:
        for name in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
            at_least(group, name, 0)
        flag(group["maximize"], "maximize")

    def _update(self, group: Group, params: list[tuple[Tensor, Tensor]]) -> None:
        lr, lr_decay, eps = numbers(group, "lr", "lr_decay", "eps")
        for p, g in params:
            g = downhill(group, p, g)
            step, total = self._count_and_sum(group, p)
            step.add_(1)
            total.copy_(total + g * g)
            now = lr / (1 + (to_dtype(step, float64) - 1) * lr_decay)
            p.sub_(g / (PUBLIC["gt"]["sqrt"](total) + eps) * now)

    def _count_and_sum(self, group: Group, p: Tensor) -> tuple[Tensor, Tensor]:
        start = group["initial_accumulator_value"]
        step = self._state_of(p, "step", no_steps)
        return step, self._state_of(p, "sum", lambda: PUBLIC["gt"]["full_like"](p.detach(), start))
