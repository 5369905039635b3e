"""Schedules that multiply: each epoch scales the learning rate before, so that one set by hand in between counts."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphtorch.frontend.nn.arguments import above, at_least, number, positive
from graphtorch.frontend.optim.optimizer import Optimizer
from graphtorch.frontend.optim.schedules.base import LRScheduler, attributes_of, per_group
from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.ir.ops.common import as_int

Function = Callable[[int], float]


class _Scaled(LRScheduler):
    """One factor for all groups."""

    def _factor(self) -> float:
        """The rate of epoch ``last_epoch`` over that of the epoch before."""
        raise NotImplementedError(type(self).__name__)

    def _share(self) -> float:
        """The rate of epoch ``last_epoch`` over the initial one."""
        raise NotImplementedError(type(self).__name__)

    def get_lr(self) -> list[float]:
        factor = self._factor()
        return [lr * factor for lr in self._now()]

    def _get_closed_form_lr(self) -> list[float]:
        share = self._share()
        return [base * share for base in self.base_lrs]


class StepLR(_Scaled):
    """lr * gamma, every ``step_size`` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = positive(step_size, "step_size")
        self.gamma = number(gamma, "gamma", 0)
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return self.gamma if self.last_epoch > 0 and self.last_epoch % self.step_size == 0 else 1.0

    def _share(self) -> float:
        return float(self.gamma ** (self.last_epoch // self.step_size))


class MultiStepLR(_Scaled):
    """lr * gamma in every epoch of ``milestones``, once for each time that it is in there."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise ArgumentTypeError("GT301", f"milestones must be epochs, got {type(milestones).__name__}")
        self.milestones = Counter(as_int(m, "milestones") for m in milestones)
        self.gamma = number(gamma, "gamma", 0)
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return float(self.gamma ** self.milestones[self.last_epoch])

    def _share(self) -> float:
        return float(self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch))


class ExponentialLR(_Scaled):
    """lr * gamma, every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = number(gamma, "gamma", 0)
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return 1.0 if self._is_initial else self.gamma

    def _share(self) -> float:
        return float(self.gamma**self.last_epoch)


class ConstantLR(_Scaled):
    """lr * factor, with 0 <= ``factor`` <= 1, and lr from epoch ``total_iters`` on."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        self.factor = number(factor, "factor", 0, 1)
        self.total_iters = at_least(total_iters, "total_iters", 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.factor == 0 and self.last_epoch == self.total_iters > 0:
            return list(self.base_lrs)  # nothing is left that could be scaled
        return super().get_lr()

    def _factor(self) -> float:
        if self.last_epoch == 0:
            return self.factor
        return 1.0 / self.factor if self.last_epoch == self.total_iters else 1.0

    def _share(self) -> float:
        return self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)


class LinearLR(_Scaled):
    """A line from lr * ``start_factor`` (in (0, 1]) to lr * ``end_factor`` (in [0, 1]) in ``total_iters`` epochs."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = number(above(start_factor, "start_factor", 0), "start_factor", 0, 1)
        self.end_factor = number(end_factor, "end_factor", 0, 1)
        self.total_iters = at_least(total_iters, "total_iters", 0)
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1.0
        rise = self.end_factor - self.start_factor
        return 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)

    def _share(self) -> float:
        done = min(self.total_iters, self.last_epoch)
        return self.start_factor + (self.end_factor - self.start_factor) * done / max(self.total_iters, 1)


class PolynomialLR(_Scaled):
    """lr * (1 - epoch / ``total_iters``)^``power``, and 0 from epoch ``total_iters`` on."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = positive(total_iters, "total_iters")
        self.power = number(power, "power")
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1.0
        left, before = (1.0 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return float((left / before) ** self.power)

    def _share(self) -> float:
        return float((1.0 - min(self.total_iters, self.last_epoch) / self.total_iters) ** self.power)


class _OfFunctions(LRScheduler):
    """``lr_lambda``: a function of the epoch, or one for each parameter group (else ArgumentError GT304)."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Function | Sequence[Function], last_epoch: int = -1) -> None:
        self.lr_lambdas: list[Function] = per_group(lr_lambda, "lr_lambda", optimizer)
        for function in self.lr_lambdas:
            if not callable(function):
                raise ArgumentTypeError("GT301", f"lr_lambda must be a function, got {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "lr_lambdas": [attributes_of(f) for f in self.lr_lambdas]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            function.__dict__.update(attributes or {})


class LambdaLR(_OfFunctions):
    """The initial lr times ``lr_lambda(epoch)``: one function, or one for each parameter group.

    ArgumentError GT304 when the number of functions is not that of the groups.
    """

    def get_lr(self) -> list[float]:
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs, strict=True)]


class MultiplicativeLR(_OfFunctions):
    """The lr before times ``lr_lambda(epoch)``: one function, or one for each parameter group.

    ArgumentError GT304 when the number of functions is not that of the groups.
    """

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._now()
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, self._now(), strict=True)]
