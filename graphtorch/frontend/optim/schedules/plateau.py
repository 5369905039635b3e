"""ReduceLROnPlateau: the learning rate falls when a metric does not get better."""

from __future__ import annotations

from typing import Any, SupportsFloat

from graphtorch.frontend.nn.arguments import at_least, number, one_of
from graphtorch.frontend.optim.optimizer import Optimizer
from graphtorch.frontend.optim.schedules.base import LRScheduler, checked, per_group
from graphtorch.ir.errors import ArgumentError, check

_INFINITE = float("inf")


class ReduceLROnPlateau(LRScheduler):
    """lr * ``factor`` (below 1) after more than ``patience`` epochs in which the metric was no better than the best.

    ``mode`` is "min" or "max". Better is by more than ``threshold``: of the best ("rel") or as it is ("abs"), which
    ``threshold_mode`` says. ``cooldown`` epochs after a fall do not count. No group's rate falls below its ``min_lr``
    (a number, or one for each group), nor when that is by less than ``eps``. ArgumentError GT304 for options out of
    range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self.optimizer = checked(optimizer)
        self.factor = number(factor, "factor", 0)
        expected = "expected factor < 1"
        check(factor < 1, "GT304", f"factor={factor} is not allowed", expected, kind=ArgumentError)
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else min_lr
        self.min_lrs = [number(lr, "min_lr") for lr in per_group(min_lr, "min_lr", optimizer)]
        self.patience = at_least(patience, "patience", 0)
        self.cooldown = at_least(cooldown, "cooldown", 0)
        self.eps = number(eps, "eps", 0)
        self.mode = one_of(mode, "mode", "min", "max")
        self.threshold = number(threshold, "threshold")
        self.threshold_mode = one_of(threshold_mode, "threshold_mode", "rel", "abs")
        self.mode_worse = _INFINITE if mode == "min" else -_INFINITE
        self.last_epoch = 0
        self._last_lr = self._now()
        self._reset()

    def _reset(self) -> None:
        """Forget the metrics so far."""
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether the epochs after a fall are not over."""
        return self.cooldown_counter > 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Go on to the next epoch (or to ``epoch``), in which the metric was ``metrics``."""
        self._check_outside()
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._now()

    def _is_better(self, current: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "abs":
            return sign * current < sign * self.best - self.threshold
        return sign * current < sign * (self.best * (1.0 - sign * self.threshold))

    def _reduce(self) -> None:
        least_of = self.min_lrs if self.default_min_lr is None else self.default_min_lr  # groups may have been added
        self.min_lrs = per_group(least_of, "min_lr", self.optimizer)
        for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            new = max(group["lr"] * self.factor, least)
            if group["lr"] - new > self.eps:
                group["lr"] = new

    def get_lr(self) -> Any:
        """There is none: it depends on a metric. Use `get_last_lr`."""
        raise NotImplementedError("ReduceLROnPlateau has no get_lr(); use get_last_lr()")
