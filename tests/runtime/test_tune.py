"""tune=True: every way that is offered gives the same numbers; one is chosen by its time, once, and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.contract import count_ways
from graphtorch.codegen.target import host_target
from graphtorch.errors import CacheWarning
from graphtorch.nn import functional as F
from graphtorch.runtime import threads, tune
from tests.codegen.nests import f32, nest_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    threads.pool()
    monkeypatch.setenv("GRAPHTORCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(tune, "ROUNDS", 2)
    return tmp_path / "cache"


X, W = gt.randn(2, 17, 19, 13), gt.randn(33, 17, 3, 3)
CONV = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}


def nest() -> ReduceNest:
    found = nest_of("conv", f32(2, 17, 19, 13), f32(33, 17, 3, 3), **CONV)
    assert isinstance(found, ReduceNest)
    return found


def convolve(x: gt.Tensor, w: gt.Tensor) -> gt.Tensor:
    return F.relu(F.conv2d(x, w, padding=1))


def test_every_way_gives_the_same_numbers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    want = convolve(X, W).numpy()
    count = count_ways(nest(), host_target())
    assert count >= 4
    kernels = set()
    for way in range(count):
        monkeypatch.setattr(tune, "_measure", lambda *_, way=way: way)
        monkeypatch.setenv("GRAPHTORCH_CACHE_DIR", str(folder / str(way)))
        compiled = gt.compile(lambda x, w: convolve(x, w), tune=True)
        np.testing.assert_allclose(compiled(X, W).numpy(), want, rtol=1e-4, atol=1e-4)
        kernels.add(compiled.stages[0]["kernels"])
    assert len(kernels) == count


def test_the_fastest_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are made up: way 2 takes least in every round but the first, which does not count."""
    clock = [0.0]
    monkeypatch.setattr(tune.time, "perf_counter", lambda: clock[0])

    class Timed:
        def __init__(self, way: int) -> None:
            self.way, self.runs = way, 0

        def run(self, arrays: Any) -> None:
            self.runs += 1
            clock[0] += 0.0 if self.runs == 1 and self.way == 1 else [0.03, 0.02, 0.01, 0.04][self.way]

    monkeypatch.setattr(tune, "_entry", lambda _, way: Timed(way))
    assert tune._measure(nest(), 4) == 2


def test_the_choice_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    monkeypatch.setattr(tune, "_measure", lambda *_: measured.append(1) or 1)
    for _ in range(3):
        gt.compile(lambda x, w: convolve(x, w), tune=True)(X, W)
    assert len(measured) == 1


def test_measuring_runs_every_way() -> None:
    assert tune._measure(nest(), count_ways(nest(), host_target())) in range(8)


def test_without_a_cache_nothing_is_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHTORCH_CACHE", "0")
    with pytest.warns(CacheWarning, match="nothing is tuned"):
        assert tune.fastest(nest()) == 0


def test_a_training_step() -> None:
    model = gt.nn.Sequential(gt.nn.Conv2d(17, 9, 3), gt.nn.ReLU(), gt.nn.Flatten(), gt.nn.Linear(9 * 17 * 11, 5))
    optimizer = gt.optim.SGD(model.parameters(), lr=0.01)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    losses = [gt.compile(step, tune=True)(X).item() for _ in range(2)]
    assert losses[1] < losses[0]
