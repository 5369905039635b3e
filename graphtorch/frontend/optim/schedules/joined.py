"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from graphtorch.frontend.optim.optimizer import Optimizer
from graphtorch.frontend.optim.schedules.base import LRScheduler, checked
from graphtorch.frontend.optim.schedules.plateau import ReduceLROnPlateau
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.ops.common import as_int


class _Joined(LRScheduler):
    _schedulers: list[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for scheduler, saved in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(saved)


class SequentialLR(_Joined):
    """``schedulers``, one after the other: number i + 1 begins in epoch ``milestones[i]``, from its own start.

    ArgumentError GT304 unless all are of ``optimizer`` and there is one milestone fewer. Those after the first must be
    able to begin anew, which made of others they are not.
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        self.optimizer = checked(optimizer)
        self._schedulers = _checked(schedulers, optimizer)
        self._milestones = [as_int(m, "milestones") for m in milestones]
        check(
            len(self._milestones) == len(self._schedulers) - 1,
            "GT304",
            f"milestones holds {len(self._milestones)} epochs for {len(self._schedulers)} schedulers",
            f"expected {len(self._schedulers) - 1}: one for each scheduler after the first",
            kind=ArgumentError,
        )
        for index, scheduler in enumerate(self._schedulers[1:], 1):
            check(
                not isinstance(scheduler, _Joined),
                "GT304",
                f"schedulers[{index}] is a {type(scheduler).__name__}, which cannot begin at a milestone",
                "expected schedulers that are made of others to be first",
                kind=ArgumentError,
            )
        self.last_epoch = as_int(last_epoch, "last_epoch") + 1
        # each constructor has stepped: take that back, and begin the first again
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        _step_back(self._schedulers)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Go on to the next epoch."""
        self._check_outside()
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[index]
        if index and self._milestones[index - 1] == self.last_epoch:
            scheduler._go_to(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Joined):
    """``schedulers``, each of which steps at every step: those that multiply multiply all together.

    ``optimizer`` is theirs (None: the first one's). ArgumentError GT304 when one is of another.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._schedulers = _checked(schedulers, optimizer)
        self.optimizer = self._schedulers[0].optimizer
        self._last_lr = self._now()

    def step(self) -> None:  # type: ignore[override]
        """Go on to the next epoch."""
        self._check_outside()
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._now()


def _checked(schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> list[LRScheduler]:
    """A list of them; ArgumentTypeError GT301 or ArgumentError GT304 for one that cannot be joined to others."""
    found = list(schedulers)
    check(bool(found), "GT304", "schedulers=[] is not allowed", "expected at least one", kind=ArgumentError)
    for index, scheduler in enumerate(found):
        if not isinstance(scheduler, LRScheduler):
            kind = type(scheduler).__name__
            raise ArgumentTypeError("GT301", f"schedulers[{index}] must be an LRScheduler, got {kind}")
        check(
            not isinstance(scheduler, ReduceLROnPlateau),
            "GT304",
            f"schedulers[{index}] is a ReduceLROnPlateau, whose step takes a metric",
            "expected schedulers whose step takes nothing",
            kind=ArgumentError,
        )
        check(
            scheduler.optimizer is (found[0].optimizer if optimizer is None else optimizer),
            "GT304",
            f"schedulers[{index}] is of another optimizer",
            "expected all to be of the same",
            kind=ArgumentError,
        )
    return found


def _step_back(schedulers: Sequence[LRScheduler]) -> None:
    for scheduler in schedulers:
        if isinstance(scheduler, _Joined):
            _step_back(scheduler._schedulers)
        else:
            scheduler.last_epoch -= 1
