"""A compiled step and its optimizer: numbers may change, switches recompile, loading reaches the program."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.ir.errors import TraceError
from graphtorch.nn import functional as F

Make = Callable[[Any], optim.Optimizer]


class Run:
    """A small net with every kind of state, trained by a step that may be compiled."""

    def __init__(self, make: Make, compiled: bool, ignore: Collection[str] = ()) -> None:
        gt.manual_seed(2)
        self.net = nn.Sequential(nn.Linear(3, 7), nn.BatchNorm1d(7, momentum=None), nn.Dropout(0.2), nn.Linear(7, 2))
        self.optimizer = make(self.net.parameters())
        self.step = gt.compile(self._step, ignore=ignore) if compiled else self._step
        self.batches = np.random.default_rng(6).standard_normal((40, 5, 3)).astype(np.float32)
        self.at = 0

    def _step(self, x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        self.optimizer.zero_grad()
        loss: gt.Tensor = F.mse_loss(self.net(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def steps(self, count: int) -> None:
        gt.manual_seed(self.at)  # the next dropout masks, the same in both runs
        for x in self.batches[self.at : self.at + count]:
            self.step(gt.tensor(x), gt.tensor(x[:, :2] * 2))
        self.at += count

    def state(self) -> dict[str, Any]:
        return {k: v.numpy().copy() for k, v in self.net.state_dict().items()}


def _assert_same(a: Run, b: Run) -> None:
    for (name, x), y in zip(a.state().items(), b.state().values(), strict=True):
        # the bias before batch norm has no gradient but rounding, which Adam makes steps of
        if name not in ("0.bias", "1.running_mean"):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5, err_msg=name)


MAKERS: dict[str, Make] = {
    "sgd": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "damped": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.4),
    "adam": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, maximize=True),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True, weight_decay=0.01),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.05, lr_decay=0.1),
    "adadelta": lambda p: optim.Adadelta(p, lr=0.9, weight_decay=0.01),
    "adamax": lambda p: optim.Adamax(p, lr=0.01),
    "nadam": lambda p: optim.NAdam(p, lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
    "radam": lambda p: optim.RAdam(p, lr=0.01, betas=(0.9, 0.95)),
    "asgd": lambda p: optim.ASGD(p, lr=0.05, lambd=0.1, t0=2),
    "rprop": lambda p: optim.Rprop(p, lr=0.01),
}


@pytest.mark.parametrize("name", MAKERS)
def test_compiled_equals_eager_while_numbers_change(name: str) -> None:
    eager, compiled = (Run(MAKERS[name], c) for c in (False, True))
    for run in (eager, compiled):
        schedule = optim.lr_scheduler.CosineAnnealingLR(run.optimizer, 3)
        for _ in range(4):
            run.steps(2)
            schedule.step()  # down to 0 and up again
        group = run.optimizer.param_groups[0]
        group.update({"etas": (0.4, 1.3)} if name == "rprop" else {"weight_decay": group["weight_decay"] * 0.5})
        run.steps(2)
    _assert_same(eager, compiled)
    assert len(compiled.step.stats) == 1
    assert compiled.net[1].num_batches_tracked.item() == 10


S = optim.lr_scheduler
SCHEDULES: dict[str, Callable[[optim.Optimizer], S.LRScheduler]] = {
    "one cycle": lambda o: S.OneCycleLR(o, 0.1, 12, three_phase=True),
    "cyclic": lambda o: S.CyclicLR(o, 0.01, 0.1, 3, base_momentum=0.5),
    "sequence": lambda o: S.SequentialLR(o, [S.LinearLR(o), S.CosineAnnealingWarmRestarts(o, 2)], [3]),
    "swa": lambda o: optim.swa_utils.SWALR(o, 0.001, 3),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_schedules_compile_nothing(name: str, schedule: str) -> None:
    eager, compiled = (Run(MAKERS[name], c) for c in (False, True))
    for run in (eager, compiled):
        scheduler = SCHEDULES[schedule](run.optimizer)
        for _ in range(8):
            run.steps(1)
            scheduler.step()
    _assert_same(eager, compiled)
    assert len(compiled.step.stats) == 1


@pytest.mark.parametrize("schedule", [*SCHEDULES, "plateau", "restarts", "sequence", "chain"])
def test_schedules_do_not_step_in_programs(schedule: str) -> None:
    made = optim.SGD([gt.ones(3, requires_grad=True)], lr=0.1)
    step = optim.lr_scheduler.StepLR
    further: dict[str, Callable[[], Any]] = {
        "plateau": lambda: optim.lr_scheduler.ReduceLROnPlateau(made),
        "restarts": lambda: optim.lr_scheduler.CosineAnnealingWarmRestarts(made, 3),
        "sequence": lambda: optim.lr_scheduler.SequentialLR(made, [step(made, 2), step(made, 3)], [2]),
        "chain": lambda: optim.lr_scheduler.ChainedScheduler([step(made, 2), step(made, 3)]),
    }
    scheduler = further[schedule]() if schedule in further else SCHEDULES[schedule](made)
    before = scheduler.state_dict(), made.param_groups[0]["lr"]

    def training_step() -> gt.Tensor:
        loss: gt.Tensor = made.param_groups[0]["params"][0].sum()
        loss.backward()
        made.step()
        scheduler.step(*[1.0] * (schedule == "plateau"))
        return loss

    # it would be at one epoch for good: the first whose rate is that of the one before is not noticed otherwise
    with pytest.raises(TraceError, match=rf"GT605: step\(\) of {type(scheduler).__name__} in a compiled function"):
        gt.compile(training_step)()
    assert (scheduler.state_dict(), made.param_groups[0]["lr"]) == before


def test_switches_are_never_stale() -> None:
    eager, compiled = (Run(lambda p: optim.SGD(p, lr=0.05), c) for c in (False, True))
    for run in (eager, compiled):
        group = run.optimizer.param_groups[0]
        for change in ({"momentum": 0.9}, {"nesterov": True}, {"nesterov": False, "weight_decay": 0.1}):
            run.steps(2)
            group.update(change)
        run.steps(2)
    _assert_same(eager, compiled)
    assert len(compiled.step.stats) == 4
    assert compiled.step.stats[1].reason == "changed Python state: the options or the state of SGD"


@pytest.mark.parametrize("name", ["damped", "adam"])
def test_loading_between_compiled_steps(name: str) -> None:
    runs = [Run(MAKERS[name], c) for c in (False, True)]
    for run in runs:
        empty = run.optimizer.state_dict()
        run.steps(2)
        kept = run.optimizer.state_dict()["state"]
        saved = {
            "state": {i: {k: t.clone() for k, t in s.items()} for i, s in kept.items()},
            "param_groups": run.optimizer.state_dict()["param_groups"],
        }
        run.steps(2)
        run.optimizer.load_state_dict(saved)
        run.steps(2)
        run.optimizer.load_state_dict(empty)
        run.steps(2)
    _assert_same(*runs)


def test_a_new_group_joins_the_program() -> None:
    runs = [Run(lambda p: optim.SGD(list(p)[:4], lr=0.05), c, {"GT331"}) for c in (False, True)]
    for run in runs:
        before = run.state()["3.weight"]
        run.steps(2)
        np.testing.assert_array_equal(run.state()["3.weight"], before)
        run.optimizer.add_param_group({"params": run.net[3].parameters(), "lr": 0.2})
        run.steps(2)
        assert not np.array_equal(run.state()["3.weight"], before)
    _assert_same(*runs)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_accumulated_and_clipped_gradients_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    x = np.random.default_rng(9).standard_normal((6, 4, 5, 3)).astype(np.float32)

    def train(lib: Any, opt: Any, make: Any, mse: Any, wrap: Any) -> tuple[list[float], list[Any], Any]:
        net = lib.Sequential(lib.Linear(3, 7), lib.Tanh(), lib.Linear(7, 2))
        rng = np.random.default_rng(7)
        for p in net.parameters():
            p.data.copy_(make(rng.standard_normal(tuple(p.shape)).astype(np.float32)))
        optimizer = getattr(opt, name)(net.parameters(), lr=0.05)

        def step(parts: Any) -> Any:
            optimizer.zero_grad()
            for part in parts:
                (mse(net(part), part[:, :2] * 4) / len(parts)).backward()
            norm = lib.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
            return norm

        step = wrap(step)
        norms = [step([make(part) for part in parts]).item() for parts in x]
        return norms, [p.tolist() for p in net.parameters()], step

    theirs = train(torch.nn, torch.optim, torch.tensor, torch.nn.functional.mse_loss, lambda f: f)
    eager = train(nn, optim, gt.tensor, F.mse_loss, lambda f: f)
    compiled = train(nn, optim, gt.tensor, F.mse_loss, gt.compile)
    assert min(theirs[0]) > 0.5  # so that clipping does something
    for norms, params, _ in (eager, compiled):
        np.testing.assert_allclose(norms, theirs[0], rtol=1e-5)
        for p, q in zip(params, theirs[1], strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-5)
    assert len(compiled[2].stats) == 1
