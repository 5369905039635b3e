"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphtorch.frontend.nn.arguments import flag
from graphtorch.frontend.optim.optimizer import (
    Group,
    Optimizer,
    at_least,
    choices,
    downhill,
    in_range,
    no_steps,
    numbers,
)
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.op import PUBLIC


class Adadelta(Optimizer):
    """Steps of the size of earlier steps, relative to gradients (M. D. Zeiler, arXiv:1212.5701, 2012).

    v = rho v + (1 - rho) g^2; d = g * sqrt(u + eps) / sqrt(v + eps); u = rho u + (1 - rho) d^2; p - lr * d.
    ``weight_decay`` adds its multiple of p to g, ``maximize`` climbs. ArgumentError GT304 for options out of range.
    Of ``foreach`` and the like see `choices`.
    """

    _switches = ("weight_decay", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            **choices(foreach=foreach, differentiable=differentiable, capturable=capturable),
        }
        super().__init__(params, options)

    def _check(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            at_least(group, name, 0)
        in_range(group["rho"], "rho", 0, 1, "0 <= rho <= 1")
        flag(group["maximize"], "maximize")

    def _update(self, group: Group, params: list[tuple[Tensor, Tensor]]) -> None:
        lr, rho, eps = numbers(group, "lr", "rho", "eps")
        root = PUBLIC["gt"]["sqrt"]
        for p, g in params:
            g = downhill(group, p, g)
            self._state_of(p, "step", no_steps).add_(1)
            square = self._zeros(p, "square_avg")
            square.copy_(square * rho + g * g * (1 - rho))
            before = self._zeros(p, "acc_delta")
            delta = root(before + eps) / root(square + eps) * g
            before.copy_(before * rho + delta * delta * (1 - rho))
            p.sub_(delta * lr)
