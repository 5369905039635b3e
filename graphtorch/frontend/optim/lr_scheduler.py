"""Learning-rate schedules: `step` once an epoch sets the "lr" of every parameter group."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphtorch.frontend.nn.arguments import number, positive
from graphtorch.frontend.optim.optimizer import Group, Optimizer
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, StateError, check
from graphtorch.ir.ops.common import as_int


class LRScheduler:
    """The base of schedules. ``last_epoch`` is -1 for a new run, else the epoch to go on after.

    A subclass defines `_next`. StateError GT706 when a run is resumed with groups that have no
    "initial_lr" (which a new schedule, or a loaded state_dict, gives them).
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ArgumentTypeError("GT301", f"optimizer must be an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = as_int(last_epoch, "last_epoch")
        for index, group in enumerate(optimizer.param_groups):
            if self.last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            check(
                "initial_lr" in group,
                "GT706",
                f"param_groups[{index}] has no initial_lr to resume from",
                f"expected one for last_epoch={last_epoch}; load the optimizer's state_dict first",
                kind=StateError,
            )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self._resumed = self.last_epoch >= 0
        self._last_lr: list[float] = []
        self.step()
        self._resumed = False

    def _next(self, group: Group, index: int) -> float:
        """The learning rate of group number ``index`` in epoch ``self.last_epoch``; "lr" is the one before."""
        raise NotImplementedError(type(self).__name__)

    def step(self) -> None:
        """Go on to the next epoch."""
        self.last_epoch += 1
        for index, group in enumerate(self.optimizer.param_groups):
            group["lr"] = self._next(group, index)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """The learning rates that the last `step` set."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Every setting and count, but not the optimizer nor functions."""
        return {k: v for k, v in self.__dict__.items() if k not in ("optimizer", "lr_lambdas")}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self.__dict__.update(state_dict)


class StepLR(LRScheduler):
    """lr * gamma, every ``step_size`` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = positive(step_size, "step_size")
        self.gamma = number(gamma, "gamma", 0)
        super().__init__(optimizer, last_epoch)

    def _next(self, group: Group, index: int) -> float:
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return float(group["lr"] * self.gamma) if due else float(group["lr"])


class ExponentialLR(LRScheduler):
    """lr * gamma, every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = number(gamma, "gamma", 0)
        super().__init__(optimizer, last_epoch)

    def _next(self, group: Group, index: int) -> float:
        return float(group["lr"] * self.gamma) if self.last_epoch > 0 else float(group["lr"])


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial lr down to ``eta_min`` in ``T_max`` epochs (I. Loshchilov, F. Hutter, 2017).

    Each epoch scales the one before, as in torch, so that a learning rate set by hand in between counts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = positive(T_max, "T_max")
        self.eta_min = number(eta_min, "eta_min", 0)
        super().__init__(optimizer, last_epoch)

    def _next(self, group: Group, index: int) -> float:
        lr, span, at = float(group["lr"]), self.base_lrs[index] - self.eta_min, self.last_epoch
        if at == 0:
            return lr
        if self._resumed:
            return self.eta_min + span * self._height(at) / 2
        if (at - 1 - self.T_max) % (2 * self.T_max) == 0:  # the epoch before was at the bottom
            return lr + span * (1 - math.cos(math.pi / self.T_max)) / 2
        return self._height(at) / self._height(at - 1) * (lr - self.eta_min) + self.eta_min

    def _height(self, at: int) -> float:
        return 1 + math.cos(math.pi * at / self.T_max)


class LambdaLR(LRScheduler):
    """The initial lr times ``lr_lambda(epoch)``: one function, or one for each parameter group.

    ArgumentError GT304 when the number of functions is not that of the groups.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        check(
            len(self.lr_lambdas) == groups,
            "GT304",
            f"lr_lambda holds {len(self.lr_lambdas)} functions",
            f"expected one function, or one for each of {groups} parameter groups",
            kind=ArgumentError,
        )
        super().__init__(optimizer, last_epoch)

    def _next(self, group: Group, index: int) -> float:
        return self.base_lrs[index] * self.lr_lambdas[index](self.last_epoch)
