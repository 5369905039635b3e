"""Schedules by their formulas, resuming, and what they refuse."""

from __future__ import annotations

import math

import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, StateError
from graphtorch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LambdaLR, LRScheduler, StepLR
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
    third.param_groups[0]["initial_lr"] = 0.8
    assert CosineAnnealingLR(third, 7, last_epoch=2).get_last_lr() == pytest.approx(rest[:1])


def test_refusals() -> None:
    with pytest.raises(ArgumentError) as wrong:
        LambdaLR(_sgd(), [lambda e: 1.0, lambda e: 2.0])
    assert without_lines(wrong.value) == (
        "ArgumentError GT304: lr_lambda holds 2 functions\n"
        "  expected one function, or one for each of 1 parameter groups"
    )
    with pytest.raises(ArgumentTypeError, match="GT301: optimizer must be an Optimizer, got float"):
        StepLR(0.1, 2)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="GT304: step_size=0 is not allowed"):
        StepLR(_sgd(), 0)
    with pytest.raises(StateError) as missing:
        StepLR(_sgd(), 2, last_epoch=3)
    assert without_lines(missing.value) == (
        "StateError GT706: param_groups[0] has no initial_lr to resume from\n"
        "  expected one for last_epoch=3; load the optimizer's state_dict first"
    )
