"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphtorch.frontend.nn.arguments import flag
from graphtorch.frontend.optim.optimizer import Group, Optimizer, at_least, choices, number_unless_zero, numbers
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import float64


class SGD(Optimizer):
    """p - lr * g, with momentum: b = momentum * b + (1 - dampening) * g takes the place of g.

    ``nesterov`` uses g + momentum * b (I. Sutskever et al., ICML 2013); ``weight_decay`` adds its multiple of
    p to g; ``maximize`` climbs. The first step's b is g, undamped. Of ``foreach`` and the like see `choices`.
    ArgumentError GT304 for options out of range.
    """

    _switches = ("momentum", "dampening", "weight_decay", "nesterov", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        self._first: dict[Tensor, Tensor] = {}
        options = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            **choices(foreach=foreach, fused=fused, differentiable=differentiable),
        }
        super().__init__(params, options)

    def _check(self, group: Group) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            at_least(group, name, 0)
        at_least(group, "dampening", float("-inf"))
        flag(group["maximize"], "maximize")
        check(
            not flag(group["nesterov"], "nesterov") or (group["momentum"] > 0 and group["dampening"] == 0),
            "GT304",
            "nesterov=True is not allowed here",
            f"expected momentum > 0 and dampening=0, got {group['momentum']} and {group['dampening']}",
            kind=ArgumentError,
        )

    def _update(self, group: Group, params: list[tuple[Tensor, Tensor]]) -> None:
        (lr,) = numbers(group, "lr")
        decay = number_unless_zero(group, "weight_decay")
        momentum = number_unless_zero(group, "momentum")
        for p, g in params:
            g = -g if group["maximize"] else g
            g = g if decay is None else g + p * decay
            g = g if momentum is None else self._with_momentum(group, p, g, momentum)
            p.sub_(g * lr)

    def _with_momentum(self, group: Group, p: Tensor, g: Tensor, momentum: Any) -> Tensor:
        dampening = number_unless_zero(group, "dampening")
        new = "momentum_buffer" not in self.state.get(p, {})
        buffer = self._state_of(p, "momentum_buffer", lambda: PUBLIC["gt"]["zeros_like"](p))
        share: Any = 1 if dampening is None else 1 - dampening * (1 - self._first_step(p, new))
        moved = buffer * momentum + (g if dampening is None else g * share)
        buffer.copy_(moved)
        out: Tensor = g + moved * momentum if group["nesterov"] else moved
        return out

    def _first_step(self, p: Tensor, new: bool) -> Tensor:
        """1 in a parameter's first step and 0 after it: a tensor, since a program runs every step."""
        if p not in self._first:
            bind.current().made(self._first, p)
            with bind.suspended():
                self._first[p] = PUBLIC["gt"]["full"]((), float(new), dtype=float64)
        now = self._first[p].clone()
        self._first[p].zero_()
        return now  # type: ignore[no-any-return]

    def _beside(self) -> dict[Tensor, Tensor]:
        return self._first

    def _loaded(self) -> None:
        for p, first in self._first.items():
            first.fill_(0.0 if "momentum_buffer" in self.state.get(p, {}) else 1.0)
