"""RMSprop."""

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
    no_steps,
    number_unless_zero,
    numbers,
)
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.op import PUBLIC, composite


class RMSprop(Optimizer):
    """The gradient over the root of a running mean of its square (T. Tieleman, G. Hinton, Coursera lecture 6e, 2012).

    v = alpha v + (1 - alpha) g^2, and p - lr * g / (sqrt(v) + eps); ``centered`` takes the square of the mean
    gradient off v (A. Graves, 2013), ``momentum`` sums the steps: b = momentum b + g / (...), and p - lr * b.
    ``weight_decay`` adds its multiple of p to g, ``maximize`` climbs. ArgumentError GT304 for options out of range.
    Of ``foreach`` and the like see `choices`.
    """

    _switches = ("momentum", "weight_decay", "centered", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "maximize": maximize,
            **choices(foreach=foreach, differentiable=differentiable, capturable=capturable),
        }
        super().__init__(params, options)

    def _check(self, group: Group) -> None:
        for name in ("lr", "eps", "momentum", "weight_decay", "alpha"):
            at_least(group, name, 0)
        for name in ("centered", "maximize"):
            flag(group[name], name)

    def _update(self, group: Group, params: list[tuple[Tensor, Tensor]]) -> None:
        lr, alpha, eps = numbers(group, "lr", "alpha", "eps")
        momentum = number_unless_zero(group, "momentum")
        for p, g in params:
            g = downhill(group, p, g)
            self._state_of(p, "step", no_steps).add_(1)
            g = g / (self._size(group, p, g, alpha) + eps)
            if momentum is not None:
                g = self._gathered(p, g, momentum)
            p.sub_(g * lr)

    def _gathered(self, p: Tensor, g: Tensor, momentum: Any) -> Tensor:
        """The sum of steps, with this one."""
        buffer = self._zeros(p, "momentum_buffer")
        return buffer.copy_(buffer * momentum + g)

    def _size(self, group: Group, p: Tensor, g: Tensor, alpha: Any) -> Tensor:
        """The root of the mean square of gradients, after it has moved on."""
        square = self._zeros(p, "square_avg")
        square.copy_(_mean_square(square, g, alpha))
        if group["centered"]:
            mean = self._zeros(p, "grad_avg")
            mean.copy_(mean + (g - mean) * (1 - alpha))
            square = square - mean * mean
        return PUBLIC["gt"]["sqrt"](square)  # type: ignore[no-any-return]


@composite(whole=True)
def _mean_square(v: Tensor, g: Tensor, alpha: Any) -> Tensor:
    return v * alpha + g * g * (1 - alpha)  # type: ignore[no-any-return]
