"""Half a cosine, once or again and again."""

from __future__ import annotations

import math

from graphtorch.frontend.nn.arguments import number, positive
from graphtorch.frontend.optim.optimizer import Optimizer
from graphtorch.frontend.optim.schedules.base import LRScheduler


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial lr down to ``eta_min`` in ``T_max`` epochs (I. Loshchilov, F. Hutter, 2017).

    Each epoch scales the one before, as in torch, so that a learning rate set by hand in between counts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = positive(T_max, "T_max")
        self.eta_min = number(eta_min, "eta_min")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._now()
        at, low = self.last_epoch, self.eta_min
        if (at - 1 - self.T_max) % (2 * self.T_max) == 0:  # the epoch before was at the bottom
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - low) * rise for lr, base in zip(self._now(), self.base_lrs, strict=True)]
        factor = self._height(at) / self._height(at - 1)
        return [factor * (lr - low) + low for lr in self._now()]

    def _get_closed_form_lr(self) -> list[float]:
        height = self._height(self.last_epoch)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]

    def _height(self, at: int) -> float:
        return 1 + math.cos(math.pi * at / self.T_max)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the initial lr down to ``eta_min``, then again from the top (I. Loshchilov, F. Hutter, 2017).

    The first takes ``T_0`` epochs, each later one ``T_mult`` times as many as the one before it. `step` takes a
    fraction of an epoch, too: ``step(epoch + batch / batches)``. ArgumentError GT304 for options out of range.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_0 = positive(T_0, "T_0")
        self.T_mult = positive(T_mult, "T_mult")
        self.eta_min = number(eta_min, "eta_min")
        #: the length of this cosine, and how much of it is over
        self.T_i = self.T_0
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        height = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch, or to ``epoch``, which may be a fraction."""
        self._check_outside()
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self._advance()
        else:
            self._restart_before(number(epoch, "epoch", 0))
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())

    def _advance(self) -> None:
        self.T_cur += 1
        if self.T_cur >= self.T_i:
            self.T_cur %= self.T_i
            self.T_i *= self.T_mult

    def _restart_before(self, epoch: float) -> None:
        """``T_i`` and ``T_cur`` of an epoch: the lengths are a geometric series."""
        grow = self.T_mult - 1
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif grow == 0:
            self.T_cur = epoch % self.T_0
        else:
            over = int(math.log(epoch / self.T_0 * grow + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**over - 1) / grow
            self.T_i = self.T_0 * self.T_mult**over
