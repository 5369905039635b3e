"""SWALR: from the learning rate that there is to another one, where it stays."""

from __future__ import annotations

import math

from graphtorch.frontend.nn.arguments import at_least, number, one_of
from graphtorch.frontend.optim.optimizer import Optimizer
from graphtorch.frontend.optim.schedules.base import LRScheduler, per_group


class SWALR(LRScheduler):
    """The learning rate goes to ``swa_lr`` in ``anneal_epochs`` epochs (P. Izmailov et al., UAI 2018), and stays.

    ``swa_lr`` is a number, or a list of one for each parameter group; ``anneal_strategy`` is "cos" or "linear".
    ArgumentError GT304 for options out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = per_group(swa_lr, "swa_lr", optimizer)
        for group, lr in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = number(lr, "swa_lr", 0)
        self._anneal_strategy = one_of(anneal_strategy, "anneal_strategy", "cos", "linear")
        self.anneal_epochs = at_least(anneal_epochs, "anneal_epochs", 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._way(step - 1), self._way(step)
        rates = []
        for group in self.optimizer.param_groups:
            end = group["swa_lr"]
            # where this would have begun: the rate may have been set by hand, or by another schedule, since
            start = end if before == 1 else (group["lr"] - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates

    def _way(self, step: int) -> float:
        """How much of the way from the old rate to the new one is done after a number of steps."""
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2
