"""Learning rates and momenta beside torch's, over 50 steps: new runs, resumed ones, loaded ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step"),
    pytest.mark.filterwarnings("ignore:The epoch parameter in"),
]

#: what torch keeps beside, to warn of calls of get_lr
_ONLY_TORCH = {"_get_lr_called_within_step"}


def _id(given: Any) -> str:
    """``given`` less addresses, which differ from process to process."""
    return re.sub(r" at 0x\w+", "", str(given))


class _Power:
    """A function with state."""

    def __init__(self, base: float) -> None:
        self.base = base

    def __call__(self, epoch: int) -> float:
        return float(self.base**epoch)


SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [4, 4, 9, 31], "gamma": 0.3}),
    ("MultiStepLR", {"milestones": (0, 7)}),
    ("ExponentialLR", {"gamma": 0.8}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 11}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 0}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.9, "end_factor": 0.1, "total_iters": 17}),
    ("LinearLR", {"start_factor": 0.5, "end_factor": 0, "total_iters": 1}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 23, "power": 2.5}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.9**epoch}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 1 / (epoch + 1), lambda epoch: epoch * 0.5]}),
    ("LambdaLR", {"lr_lambda": _Power(0.7)}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.95}),
    ("MultiplicativeLR", {"lr_lambda": (lambda epoch: 1 / (epoch + 1), _Power(0.99))}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 60}),
    ("CosineAnnealingLR", {"T_max": 1}),
    ("CosineAnnealingWarmRestarts", {"T_0": 7}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.02}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 5}),
    ("CyclicLR", {"base_lr": [0.01, 0.02], "max_lr": [0.2, 0.1], "step_size_up": 4, "step_size_down": 7}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 5, "mode": "triangular2", "base_momentum": 0.3}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 5, "mode": "exp_range", "gamma": 0.97}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 5, "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "step_size_up": 3, "scale_fn": _Power(0.9), "mode": "?"}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "step_size_up": 3, "scale_fn": _Power(0.9), "scale_mode": "iterations"}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 53}),
    ("OneCycleLR", {"max_lr": [0.5, 0.2], "epochs": 11, "steps_per_epoch": 5, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 53, "three_phase": True, "pct_start": 0.4, "base_momentum": [0.2, 0.3]}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 53, "div_factor": 3.0, "final_div_factor": 7.0, "pct_start": 0.0}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 53, "cycle_momentum": False}),
    ("SWALR", {"swa_lr": 0.02}),
    ("SWALR", {"swa_lr": [0.02, 0.5], "anneal_epochs": 4, "anneal_strategy": "linear"}),
    ("SWALR", {"swa_lr": 0.02, "anneal_epochs": 0}),
]  # fmt: skip

MAKERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "adam": ("Adam", {"lr": 0.1, "betas": (0.8, 0.95)}),
}


def _pair(maker: str = "sgd") -> tuple[Any, Any]:
    name, options = MAKERS[maker]
    ours = [{"params": [nn.Parameter(gt.ones(1))], "lr": 0.3}, {"params": [nn.Parameter(gt.ones(2))]}]
    theirs = [{"params": [torch.nn.Parameter(torch.ones(n))]} for n in (1, 2)]
    theirs[0]["lr"] = 0.3
    return getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)


def _both(pair: tuple[Any, Any], name: str, options: dict[str, Any], **more: Any) -> tuple[Any, Any]:
    (a, b), where = pair, "swa_utils" if name == "SWALR" else "lr_scheduler"
    ours, theirs = (getattr(getattr(package, where), name) for package in (optim, torch.optim))
    return ours(a, **options, **more), theirs(b, **options, **more)


def _groups(optimizer: Any) -> list[dict[str, Any]]:
    return [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]


def _assert_same(x: Any, y: Any, at: object = "") -> None:
    """The same numbers to the last bit, in the schedules as in the options of the groups."""
    assert x.get_last_lr() == y.get_last_lr(), at
    assert _groups(x.optimizer) == _groups(y.optimizer), at


def _steps(x: Any, y: Any, count: int, *args: Any) -> None:
    for at in range(count):
        x.step(*args)
        y.step(*args)
        _assert_same(x, y, at)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=_id)
def test_50_steps(name: str, options: dict[str, Any], maker: str) -> None:
    x, y = _both(_pair(maker), name, options)
    _assert_same(x, y)
    _steps(x, y, 13)
    for s in (x, y):  # a learning rate that the user sets counts for chained schedules
        s.optimizer.param_groups[0]["lr"] = 0.5
    _steps(x, y, 37)


@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=_id)
def test_resumed_runs(name: str, options: dict[str, Any]) -> None:
    x, y = _both(_pair(), name, options)
    _steps(x, y, 6)
    kept, theirs = x.optimizer.state_dict(), y.optimizer.state_dict()
    a, b = _pair()
    a.load_state_dict(kept)
    b.load_state_dict(theirs)
    resumed = _both((a, b), name, options, last_epoch=6)
    _assert_same(*resumed)
    _steps(*resumed, 20)


@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=_id)
def test_states_are_torchs(name: str, options: dict[str, Any]) -> None:
    x, y = _both(_pair(), name, options)
    _steps(x, y, 8)
    saved, theirs = x.state_dict(), y.state_dict()
    assert saved == {k: v for k, v in theirs.items() if k not in _ONLY_TORCH}
    a, b = _pair()
    other = _both((a, b), name, options)
    other[0].load_state_dict(theirs)  # ours from torch's
    other[1].load_state_dict(saved)  # and torch's from ours
    for optimizer, of in ((a, x.optimizer), (b, y.optimizer)):
        for group, had in zip(optimizer.param_groups, _groups(of), strict=True):
            group.update(had)
    _steps(*other, 9)


@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=_id)
def test_going_to_an_epoch(name: str, options: dict[str, Any]) -> None:
    x, y = _both(_pair(), name, options)
    for epoch in (3, 1, 8, 0, 12):
        _steps(x, y, 1, epoch)
    _steps(x, y, 3)


@pytest.mark.parametrize("options", [{"T_0": 5}, {"T_0": 2, "T_mult": 3, "eta_min": 0.01}], ids=_id)
def test_warm_restarts_by_fractions_of_epochs(options: dict[str, Any]) -> None:
    x, y = _both(_pair(), "CosineAnnealingWarmRestarts", options)
    for at in range(50):
        _steps(x, y, 1, at // 3 + at % 3 / 3)
    _steps(x, y, 4)
    _steps(x, y, 1, 0)  # back to the start
    _steps(x, y, 11)


def _metrics(seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    values = np.exp(-np.arange(50) / 9) + rng.standard_normal(50) * 0.05
    values[20] = np.nan
    return [float(v) for v in values]


PLATEAUS: list[dict[str, Any]] = [
    {},
    {"patience": 2, "factor": 0.3},
    {"patience": 1, "factor": 0.5, "mode": "max", "threshold": 0.1},
    {"patience": 1, "factor": 0.5, "mode": "max", "threshold": 0.02, "threshold_mode": "abs"},
    {"patience": 0, "factor": 0.7, "threshold": 0.03, "threshold_mode": "abs", "cooldown": 3},
    {"patience": 0, "factor": 0.1, "min_lr": [0.02, 0.003]},
    {"patience": 0, "factor": 0.5, "min_lr": 0.04, "cooldown": 1, "eps": 0.01},
]


@pytest.mark.parametrize("options", PLATEAUS, ids=_id)
def test_plateaus(options: dict[str, Any]) -> None:
    x, y = _both(_pair(), "ReduceLROnPlateau", options)
    _assert_same(x, y)
    for at, metric in enumerate(_metrics(3)):
        x.step(gt.tensor(metric, dtype=gt.float64) if at % 2 else metric)
        y.step(metric)
        _assert_same(x, y, at)
        assert (x.best, x.num_bad_epochs, x.in_cooldown) == (y.best, y.num_bad_epochs, y.in_cooldown), at
    assert x.state_dict() == y.state_dict()
    other = _both((x.optimizer, y.optimizer), "ReduceLROnPlateau", options)
    other[0].load_state_dict(y.state_dict())
    other[1].load_state_dict(x.state_dict())
    for metric in _metrics(5):
        _steps(*other, 1, metric)


Make = Callable[[Any, Any], Any]

JOINED: dict[str, Make] = {
    "warm-up": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=4), m.CosineAnnealingLR(o, 20), m.ExponentialLR(o, 0.9)], [4, 25]
    ),
    "restarts": lambda m, o: m.SequentialLR(
        o, [m.ConstantLR(o, 0.5, 3), m.CosineAnnealingWarmRestarts(o, 3, 2), m.StepLR(o, 2, 0.7)], [5, 30]
    ),
    "all scale": lambda m, o: m.SequentialLR(
        o,
        [m.PolynomialLR(o, 6), m.MultiStepLR(o, [2, 3]), m.LambdaLR(o, lambda e: 0.9**e), m.LinearLR(o)],
        milestones=[6, 11, 20],
    ),
    "the second at once": lambda m, o: m.SequentialLR(o, [m.StepLR(o, 2), m.ExponentialLR(o, 0.9)], [0]),
    "chained": lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.1, 5), m.ExponentialLR(o, 0.9)]),
    "chained, of an optimizer": lambda m, o: m.ChainedScheduler([m.StepLR(o, 4, 0.5), m.LinearLR(o)], o),
    "chained, then one": lambda m, o: m.SequentialLR(
        o, [m.ChainedScheduler([m.LinearLR(o, 0.3), m.ExponentialLR(o, 0.9)]), m.StepLR(o, 3)], [9]
    ),
    "sequences of sequences": lambda m, o: m.SequentialLR(
        o, [m.SequentialLR(o, [m.LinearLR(o, 0.2), m.ExponentialLR(o, 0.8)], [5]), m.StepLR(o, 3)], [12]
    ),
    "one cycle later": lambda m, o: m.SequentialLR(o, [m.ConstantLR(o), m.OneCycleLR(o, 0.4, 60)], [7]),
}


@pytest.mark.parametrize("name", JOINED)
def test_joined(name: str) -> None:
    a, b = _pair()
    x, y = JOINED[name](optim.lr_scheduler, a), JOINED[name](torch.optim.lr_scheduler, b)
    _assert_same(x, y)
    _steps(x, y, 50)


@pytest.mark.parametrize("name", JOINED)
def test_joined_states(name: str) -> None:
    a, b = _pair()
    x, y = JOINED[name](optim.lr_scheduler, a), JOINED[name](torch.optim.lr_scheduler, b)
    _steps(x, y, 6)
    assert _without_warnings(y.state_dict()) == x.state_dict()
    c, d = _pair()
    other = JOINED[name](optim.lr_scheduler, c), JOINED[name](torch.optim.lr_scheduler, d)
    other[0].load_state_dict(y.state_dict())
    other[1].load_state_dict(x.state_dict())
    for optimizer, of in ((c, a), (d, b)):
        for group, had in zip(optimizer.param_groups, _groups(of), strict=True):
            group.update(had)
    _steps(*other, 12)


def _without_warnings(state: Any) -> Any:
    if isinstance(state, list):
        return [_without_warnings(s) for s in state]
    if type(state) is not dict:
        return state
    return {k: _without_warnings(v) for k, v in state.items() if k not in _ONLY_TORCH}
