"""Schedules that raise the learning rate and lower it again, and the momentum the other way (L. N. Smith)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from graphtorch.frontend.nn.arguments import above, flag, number, one_of, positive
from graphtorch.frontend.optim.optimizer import Group, Optimizer
from graphtorch.frontend.optim.schedules.base import LRScheduler, attributes_of, per_group
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check


class _Cycling(LRScheduler):
    """What moves the momentum, too: SGD's "momentum", or the first of Adam's "betas"."""

    cycle_momentum: bool
    use_beta1: bool

    def _cycle_momentum(self, optimizer: Optimizer, base: list[float], top: list[float], new: bool) -> None:
        """Check that there is a momentum, and start a new run at its greatest."""
        check(
            "momentum" in optimizer.defaults or "betas" in optimizer.defaults,
            "GT304",
            f"cycle_momentum=True is not allowed with {type(optimizer).__name__}",
            'expected an optimizer with "momentum" or "betas", or cycle_momentum=False',
            kind=ArgumentError,
        )
        self.use_beta1 = "betas" in optimizer.defaults
        for group, low, high in zip(optimizer.param_groups, base, top, strict=True):
            if new:
                self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low

    def _set_momentum(self, group: Group, momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(_Cycling):
    """A line up from ``base_lr`` to ``max_lr``, then down, again and again (L. N. Smith, WACV 2017).

    Up takes ``step_size_up`` steps, down ``step_size_down`` (None: as many). ``mode`` says how the height shrinks:
    "triangular" not at all, "triangular2" by half each cycle, "exp_range" by ``gamma`` each step. ``scale_fn`` is used
    in its place: a function of the cycle (from 1) or, with ``scale_mode="iterations"``, of the step. ``cycle_momentum``
    moves SGD's momentum (or Adam's first beta) from ``max_momentum`` down to ``base_momentum`` meanwhile. Rates and
    momenta are numbers, or lists of one for each parameter group. ArgumentError GT304 for options out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        base_lrs = _numbers(base_lr, "base_lr", optimizer)
        self.max_lrs = _numbers(max_lr, "max_lr", optimizer)
        up = above(step_size_up, "step_size_up", 0)
        down = up if step_size_down is None else above(step_size_down, "step_size_down", 0)
        self.total_size = float(up + down)
        self.step_ratio = up / self.total_size
        if scale_fn is None:
            one_of(mode, "mode", "triangular", "triangular2", "exp_range")
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        elif not callable(scale_fn):
            raise ArgumentTypeError("GT301", f"scale_fn must be a function, got {type(scale_fn).__name__}")
        self.mode = mode
        self.gamma = number(gamma, "gamma", 0)
        self._scale_fn_custom = scale_fn
        self.scale_mode = one_of(scale_mode, "scale_mode", "cycle", "iterations")
        self.cycle_momentum = flag(cycle_momentum, "cycle_momentum")
        if cycle_momentum:
            self.base_momentums = _numbers(base_momentum, "base_momentum", optimizer)
            self.max_momentums = _numbers(max_momentum, "max_momentum", optimizer)
            self._cycle_momentum(optimizer, self.base_momentums, self.max_momentums, last_epoch == -1)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups, strict=True):
                group["lr"] = lr
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """What the height of a cycle is multiplied by: ``x`` is the number of the cycle, or of the step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "exp_range":
            return float(self.gamma**x)
        return 1.0 if self.mode == "triangular" else 1 / 2.0 ** (x - 1)

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        at = 1.0 + self.last_epoch / self.total_size - cycle
        height = at / self.step_ratio if at <= self.step_ratio else (at - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            ends = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, low, high in ends:
                self._set_momentum(group, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_scale_fn_custom": attributes_of(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_scale_fn_custom"})
        if state_dict["_scale_fn_custom"] is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(state_dict["_scale_fn_custom"])


class OneCycleLR(_Cycling):
    """One rise to ``max_lr`` and a fall to far below where it began (L. N. Smith, N. Topin, 2018). Step once a batch.

    There are ``total_steps`` steps, or ``epochs`` times ``steps_per_epoch``; a part ``pct_start`` of them rises from
    max_lr / ``div_factor``, and the end is that over ``final_div_factor``. ``anneal_strategy`` is "cos" or "linear".
    ``three_phase``: falls to the first rate as it rose, and to the last one in what remains. ``cycle_momentum`` moves
    SGD's momentum (or Adam's first beta) from ``max_momentum`` to ``base_momentum`` and back meanwhile. Rates and
    momenta are numbers, or lists of one for each parameter group. ArgumentError GT304 for options out of range, and for
    a step beyond the last.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 10000.0,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        tops = _numbers(max_lr, "max_lr", optimizer)
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        rise = number(pct_start, "pct_start", 0, 1) * self.total_steps
        self._schedule_phases = _phases(float(rise), self.total_steps, flag(three_phase, "three_phase"))
        self._anneal_func_type = one_of(anneal_strategy, "anneal_strategy", "cos", "linear")
        above(div_factor, "div_factor", 0)
        above(final_div_factor, "final_div_factor", 0)
        self.cycle_momentum = flag(cycle_momentum, "cycle_momentum")
        if cycle_momentum:
            base = _numbers(base_momentum, "base_momentum", optimizer)
            self._cycle_momentum(optimizer, base, _numbers(max_momentum, "max_momentum", optimizer), last_epoch == -1)
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, tops, strict=True):
                first = top / div_factor
                group.update(initial_lr=first, max_lr=top, min_lr=first / final_div_factor)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        check(
            self.last_epoch <= self.total_steps,
            "GT304",
            f"step number {self.last_epoch} is one too many",
            f"expected total_steps={self.total_steps} at most",
            kind=ArgumentError,
        )
        phase, part = self._phase()
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
            self._set_momentum(group, self._between(*ends, part))
        return [
            self._between(group[phase["start_lr"]], group[phase["end_lr"]], part)
            for group in self.optimizer.param_groups
        ]

    def _phase(self) -> tuple[dict[str, Any], float]:
        """The phase that step ``last_epoch`` is in, and the part of it that is over."""
        start, last = 0.0, self._schedule_phases[-1]
        for phase in self._schedule_phases:
            if phase is last or self.last_epoch <= phase["end_step"]:
                break
            start = phase["end_step"]
        length = phase["end_step"] - start
        return phase, (self.last_epoch - start) / length if length else 1.0

    def _between(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


def _numbers(value: Any, name: str, optimizer: Optimizer) -> list[float]:
    """`per_group` of numbers >= 0."""
    return [number(found, name, 0) for found in per_group(value, name, optimizer)]


def _total(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        return positive(total_steps, "total_steps")
    check(
        epochs is not None and steps_per_epoch is not None,
        "GT304",
        "total_steps=None is not allowed without epochs and steps_per_epoch",
        "expected total_steps, or both of these",
        kind=ArgumentError,
    )
    return positive(epochs, "epochs") * positive(steps_per_epoch, "steps_per_epoch")


def _phases(rise: float, total: int, three: bool) -> list[dict[str, Any]]:
    """In each, which options of a group the rate and the momentum go from and to, and its last step."""
    low, high, least = "initial_lr", "max_lr", "min_lr"
    base, top = "base_momentum", "max_momentum"
    if not three:
        return [_phase(rise - 1, low, high, top, base), _phase(total - 1, high, least, base, top)]
    return [
        _phase(rise - 1, low, high, top, base),
        _phase(2 * rise - 2, high, low, base, top),
        _phase(total - 1, low, least, top, top),
    ]


def _phase(end: float, *options: str) -> dict[str, Any]:
    names = ("start_lr", "end_lr", "start_momentum", "end_momentum")
    return {"end_step": end, **dict(zip(names, options, strict=True))}
