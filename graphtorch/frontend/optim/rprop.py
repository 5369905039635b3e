"""Rprop."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from graphtorch.frontend.nn.arguments import flag
from graphtorch.frontend.optim.optimizer import Group, Optimizer, at_least, choices, in_range, no_steps, numbers
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.op import PUBLIC


class Rprop(Optimizer):
    """Each element's own step, by the sign of its gradient alone (M. Riedmiller, H. Braun, ICNN 1993).

    An element's step is ``lr`` at first. It is multiplied by ``etas[1]`` where the gradient has the sign of the one
    before, and by ``etas[0]`` where it has the other (then the element stays, and its gradient counts as 0 in the next
    comparison), and kept within ``step_sizes``. ``maximize`` climbs. ArgumentError GT304 for options out of range. Of
    ``foreach`` and the like see `choices`.
    """

    _switches = ("maximize",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        how = choices(foreach=foreach, differentiable=differentiable, capturable=capturable)
        options = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": how["foreach"],
            "maximize": maximize,
            "differentiable": how["differentiable"],
            "capturable": how["capturable"],
        }
        super().__init__(params, options)

    def _check(self, group: Group) -> None:
        at_least(group, "lr", 0)
        for name in ("etas", "step_sizes"):
            _check_pair(group[name], name)
        down, up = group["etas"]
        check(
            0 < down < 1 < up,
            "GT304",
            f"etas={group['etas']} is not allowed",
            "expected 0 < etas[0] < 1 < etas[1]",
            kind=ArgumentError,
        )
        flag(group["maximize"], "maximize")

    def _update(self, group: Group, params: list[tuple[Tensor, Tensor]]) -> None:
        down, up = numbers(group, ("etas", 0), ("etas", 1))
        least, most = numbers(group, ("step_sizes", 0), ("step_sizes", 1))
        where = PUBLIC["gt"]["where"]
        for p, g in params:
            g = -g if group["maximize"] else g
            self._state_of(p, "step", no_steps).add_(1)
            before = self._zeros(p, "prev")
            size = self._state_of(p, "step_size", partial(_first_sizes, p, group))
            agree = g * before
            moved = where(agree > 0, size * up, where(agree < 0, size * down, size))
            size.copy_(PUBLIC["gt"]["clamp"](moved, least, most))
            g = where(agree < 0, 0, g)
            p.sub_(PUBLIC["gt"]["sign"](g) * size)
            before.copy_(g)


def _first_sizes(p: Tensor, group: Group) -> Tensor:
    return PUBLIC["gt"]["full_like"](p.detach(), group["lr"])  # type: ignore[no-any-return]


def _check_pair(value: Any, name: str) -> None:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ArgumentTypeError("GT301", f"{name} must be a pair of numbers, got {value!r}")
    for index, number in enumerate(value):
        in_range(number, f"{name}[{index}]", 0, float("inf"), f"{name}[{index}] >= 0")
