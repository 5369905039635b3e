"""Schedules by their formulas, resuming, and what they refuse."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, StateError
from graphtorch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from tests.errors import without_lines


def _sgd() -> optim.SGD:
    return optim.SGD([nn.Parameter(gt.ones(2))], lr=0.8)


def _rates(scheduler: LRScheduler, epochs: int) -> list[float]:
    rates = []
    for _ in range(epochs):
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.step()
    return rates


def test_formulas() -> None:
    assert _rates(StepLR(_sgd(), 2, gamma=0.5), 5) == [0.8, 0.8, 0.4, 0.4, 0.2]
    assert _rates(ExponentialLR(_sgd(), 0.5), 4) == [0.8, 0.4, 0.2, 0.1]
    assert _rates(LambdaLR(_sgd(), lambda e: e + 1), 3) == pytest.approx([0.8, 1.6, 2.4])
    expected = [0.1 + 0.7 * (1 + math.cos(math.pi * e / 4)) / 2 for e in range(9)]
    assert _rates(CosineAnnealingLR(_sgd(), 4, eta_min=0.1), 9) == pytest.approx(expected)


def test_resuming() -> None:
    optimizer = _sgd()
    first = CosineAnnealingLR(optimizer, 7)
    _rates(first, 3)
    kept = first.state_dict()
    rest = _rates(first, 4)
    other = _sgd()
    second = CosineAnnealingLR(other, 7)
    second.load_state_dict(kept)
    other.param_groups[0]["lr"] = rest[0]
    assert _rates(second, 4) == rest
    assert "optimizer" not in kept and second.optimizer is other
    third = _sgd()
    third.load_state_dict(optimizer.state_dict())  # where the rate is what the last step of the first set
    assert _rates(CosineAnnealingLR(third, 7, last_epoch=6), 4) == _rates(first, 4)


class _Halving(optim.lr_scheduler._LRScheduler):
    """A user's own schedule, written for torch."""

    def get_lr(self) -> list[float]:
        if not self._get_lr_called_within_step:
            warnings.warn("use get_last_lr()", stacklevel=2)
        return [base / 2**self.last_epoch for base in self.base_lrs]


def test_a_schedule_of_ones_own() -> None:
    schedule = _Halving(_sgd())
    assert _rates(schedule, 3) == [0.8, 0.4, 0.2]
    schedule.step(0)
    assert schedule.get_last_lr() == [0.8] and schedule.last_epoch == 0
    with pytest.raises(NotImplementedError, match="LRScheduler"):
        LRScheduler(_sgd())


def test_what_torch_divides_by_zero_in() -> None:
    assert _rates(ConstantLR(_sgd(), 0, 2), 4) == [0.0, 0.0, 0.8, 0.8]
    cycle = OneCycleLR(_sgd(), 1.0, total_steps=10, pct_start=0.1, cycle_momentum=False)  # a rise of no steps
    assert _rates(cycle, 3)[0] == 1.0
    line = LinearLR(_sgd(), 0.5, total_iters=0)
    line.step(3)
    assert line.get_last_lr() == [0.4]


def test_a_group_that_joins_a_plateau() -> None:
    optimizer = _sgd()
    common, listed = (ReduceLROnPlateau(optimizer, factor=0.5, patience=0, min_lr=lr) for lr in (0.1, [0.1]))
    optimizer.add_param_group({"params": [nn.Parameter(gt.ones(3))], "lr": 0.15})
    for _ in range(2):
        common.step(1.0)
    assert common.get_last_lr() == [0.4, 0.1] and common.min_lrs == [0.1, 0.1]
    listed.step(1.0)
    with pytest.raises(ArgumentError, match="min_lr holds 1 values"):
        listed.step(1.0)


def _cyclic(**options: Any) -> LRScheduler:
    return CyclicLR(_sgd(), 0.1, 0.2, **options)


def _sequential(*schedulers: Any, milestones: tuple[int, ...] = (), optimizer: Any = None) -> LRScheduler:
    return SequentialLR(optimizer or schedulers[0].optimizer, schedulers, milestones)


def _two(make: Callable[[Any, Any], Any]) -> Any:
    """What ``make`` joins: two schedules of an optimizer."""
    optimizer = _sgd()
    return make(StepLR(optimizer, 2), StepLR(optimizer, 3))


ONE = "expected one, or one for each of 1 parameter groups"
REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: LambdaLR(_sgd(), [abs, abs]), f"lr_lambda holds 2 values\n  {ONE}"),
    (lambda: StepLR(_sgd(), 0), "step_size=0 is not allowed\n  expected step_size > 0"),
    (lambda: StepLR(_sgd(), 1, -0.1), "gamma=-0.1 is not allowed\n  expected gamma >= 0"),
    (lambda: ConstantLR(_sgd(), 1.5), "factor=1.5 is not allowed\n  expected a number in [0, 1]"),
    (lambda: ConstantLR(_sgd(), total_iters=-1), "total_iters=-1 is not allowed\n  expected total_iters >= 0"),
    (lambda: LinearLR(_sgd(), 0), "start_factor=0 is not allowed\n  expected start_factor > 0"),
    (lambda: LinearLR(_sgd(), end_factor=2), "end_factor=2 is not allowed\n  expected a number in [0, 1]"),
    (lambda: PolynomialLR(_sgd(), 0), "total_iters=0 is not allowed\n  expected total_iters > 0"),
    (lambda: CosineAnnealingWarmRestarts(_sgd(), 0), "T_0=0 is not allowed\n  expected T_0 > 0"),
    (lambda: CosineAnnealingWarmRestarts(_sgd(), 5).step(-1), "epoch=-1 is not allowed\n  expected epoch >= 0"),
    (lambda: ReduceLROnPlateau(_sgd(), "least"), "mode='least' is not allowed\n  expected \"min\" or \"max\""),
    (lambda: ReduceLROnPlateau(_sgd(), factor=1.0), "factor=1.0 is not allowed\n  expected factor < 1"),
    (lambda: ReduceLROnPlateau(_sgd(), min_lr=[0, 1]), f"min_lr holds 2 values\n  {ONE}"),
    (
        lambda: _cyclic(mode="square"),
        "mode='square' is not allowed\n  expected \"triangular\" or \"triangular2\" or \"exp_range\"",
    ),
    (lambda: CyclicLR(_sgd(), [0.1, 0.1], 0.2), f"base_lr holds 2 values\n  {ONE}"),
    (lambda: _cyclic(step_size_up=0), "step_size_up=0 is not allowed\n  expected step_size_up > 0"),
    (
        lambda: CyclicLR(optim.Adadelta([nn.Parameter(gt.ones(2))]), 0.1, 0.2),
        "cycle_momentum=True is not allowed with Adadelta\n"
        '  expected an optimizer with "momentum" or "betas", or cycle_momentum=False',
    ),
    (
        lambda: OneCycleLR(_sgd(), 0.1, epochs=3),
        "total_steps=None is not allowed without epochs and steps_per_epoch\n  expected total_steps, or both of these",
    ),
    (
        lambda: OneCycleLR(_sgd(), 0.1, 7, anneal_strategy="exp"),
        "anneal_strategy='exp' is not allowed\n  expected \"cos\" or \"linear\"",
    ),
    (lambda: OneCycleLR(_sgd(), 0.1, 7, pct_start=1.5), "pct_start=1.5 is not allowed\n  expected a number in [0, 1]"),
    (lambda: _rates(OneCycleLR(_sgd(), 0.1, 7), 9), "step number 8 is one too many\n  expected total_steps=7 at most"),
    (lambda: ChainedScheduler([]), "schedulers=[] is not allowed\n  expected at least one"),
    (
        lambda: ChainedScheduler([StepLR(_sgd(), 2), StepLR(_sgd(), 2)]),
        "schedulers[1] is of another optimizer\n  expected all to be of the same",
    ),
    (
        lambda: ChainedScheduler([ReduceLROnPlateau(_sgd())]),
        "schedulers[0] is a ReduceLROnPlateau, whose step takes a metric\n  expected schedulers whose step takes nothing",
    ),
    (
        lambda: _two(lambda a, b: _sequential(a, b, milestones=(1, 2))),
        "milestones holds 2 epochs for 2 schedulers\n  expected 1: one for each scheduler after the first",
    ),
    (
        lambda: _two(lambda a, b: _sequential(a, ChainedScheduler([b]), milestones=(3,))),
        "schedulers[1] is a ChainedScheduler, which cannot begin at a milestone\n"
        "  expected schedulers that are made of others to be first",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "text"), REFUSED)
def test_values_that_are_refused(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as wrong:
        make()
    assert without_lines(wrong.value) == f"ArgumentError GT304: {text}"


TYPES: list[tuple[Callable[[], Any], str]] = [
    (lambda: StepLR(0.1, 2), "optimizer must be an Optimizer, got float"),  # type: ignore[arg-type]
    (lambda: LambdaLR(0.1, abs), "optimizer must be an Optimizer, got float"),  # type: ignore[arg-type]
    (lambda: ReduceLROnPlateau(None), "optimizer must be an Optimizer, got NoneType"),  # type: ignore[arg-type]
    (lambda: MultiStepLR(_sgd(), 3), "milestones must be epochs, got int"),  # type: ignore[arg-type]
    (lambda: MultiplicativeLR(_sgd(), 0.9), "lr_lambda must be a function, got float"),  # type: ignore[arg-type]
    (lambda: ExponentialLR(_sgd(), "0.9"), "gamma must be a number, got str '0.9'"),  # type: ignore[arg-type]
    (lambda: _cyclic(scale_fn=0.5), "scale_fn must be a function, got float"),
    (lambda: _cyclic(cycle_momentum=1), "cycle_momentum must be a bool, got int 1"),
    (lambda: ChainedScheduler([0.5]), "schedulers[0] must be an LRScheduler, got float"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("make", "text"), TYPES)
def test_types_that_are_refused(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentTypeError) as wrong:
        make()
    assert without_lines(wrong.value) == f"ArgumentTypeError GT301: {text}"


def test_resuming_without_what_a_run_left() -> None:
    with pytest.raises(StateError) as missing:
        StepLR(_sgd(), 2, last_epoch=3)
    assert without_lines(missing.value) == (
        "StateError GT706: param_groups[0] has no initial_lr to resume from\n"
        "  expected one for last_epoch=3; load the optimizer's state_dict first"
    )
