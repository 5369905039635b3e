"""LRScheduler: `step` once an epoch (or once a batch) sets the "lr" of every parameter group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

from graphtorch.frontend.optim.optimizer import Optimizer
from graphtorch.frontend.outside import only_outside
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, StateError, check
from graphtorch.ir.ops.common import as_int


class LRScheduler:
    """The base of schedules. ``last_epoch`` is -1 for a new run, else the epoch to go on after.

    The constructor steps once, to the rates of epoch ``last_epoch + 1``. A subclass defines `get_lr`, and
    `_get_closed_form_lr` where the rates follow from ``base_lrs`` alone. ArgumentTypeError GT301 for what is no
    optimizer. StateError GT706 when a run is resumed with groups that have no "initial_lr" (which a new schedule, or a
    loaded state_dict, gives them).
    """

    #: whether the step that runs is the constructor's
    _is_initial = False
    #: schedules that were written for torch ask for this in `get_lr`, to warn of calls from elsewhere
    _get_lr_called_within_step = True

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked(optimizer)
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
        self._last_lr: list[float] = []
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """The learning rate of every group in epoch ``last_epoch``; the groups' own are of the epoch before."""
        raise NotImplementedError(type(self).__name__)

    def _get_closed_form_lr(self) -> list[float]:
        """`get_lr` that looks at no rate before: what going to an epoch, and not on to it, needs."""
        return self.get_lr()

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch, or to the given one: then rates that were set by hand do not count.

        TraceError GT605 in a compiled function: epochs are counted in Python.
        """
        self._check_outside()
        self._step_count += 1
        self._go_to(epoch)

    def _check_outside(self) -> None:
        what = f"step() of {type(self).__name__}"
        only_outside(what, "call it after the compiled function: a program takes learning rates as they are then")

    def _go_to(self, epoch: int | None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._set(self.get_lr() if epoch is None else self._get_closed_form_lr())

    def _set(self, rates: Sequence[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = self._now()

    def _now(self) -> list[float]:
        """The learning rates that the groups have."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """The learning rates that the last `step` set."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Every setting and count, but not the optimizer, and of functions no more than the attributes of objects."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`. The optimizer's own holds the learning rates."""
        self.__dict__.update(state_dict)


def checked(optimizer: Any) -> Optimizer:
    """``optimizer`` as it is; ArgumentTypeError GT301."""
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError("GT301", f"optimizer must be an Optimizer, got {type(optimizer).__name__}")
    return optimizer


def per_group(value: Any, name: str, optimizer: Optimizer) -> list[Any]:
    """One value for each parameter group, of one or as many; ArgumentError GT304 names the parameter."""
    count = len(checked(optimizer).param_groups)
    found = list(value) if isinstance(value, list | tuple) else [value] * count
    check(
        len(found) == count,
        "GT304",
        f"{name} holds {len(found)} values",
        f"expected one, or one for each of {count} parameter groups",
        kind=ArgumentError,
    )
    return found


def attributes_of(function: Callable[..., Any] | None) -> dict[str, Any] | None:
    """What a state_dict keeps of a function: nothing, but the attributes of an object that can be called."""
    return None if function is None or isinstance(function, FunctionType) else dict(function.__dict__)
