"""A program that the cache knows by its traced graph: the same bits, no pass, and all reports as of a cold one."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import CacheWarning
from graphtorch.frontend import build
from graphtorch.ir.passes.cse import Cse
from graphtorch.runtime import cache, executable, threads

TRAIN = """
import hashlib, json, sys
import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.frontend import build

ran = []
run_passes = build.run_passes
build.run_passes = lambda *a, **k: ran.append(1) or run_passes(*a, **k)
gt.manual_seed(3)
model = nn.Sequential(
    nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(), nn.Linear(45, 3)
)
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
x, y = gt.randn(7, 2, 9, 8), gt.randint(0, 3, (7,))

@gt.compile
def step(x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss

losses = [step(x, y).item().hex() for _ in range(3)]
state = b"".join(t.detach().numpy().tobytes() for t in model.state_dict().values())
told = {"ran": len(ran), "from_cache": step.stats[0].from_cache, "losses": losses}
told |= {"state": hashlib.sha256(state).hexdigest(), "kernels": step.stats[0].kernels}
told |= {"memory": str(step.memory()), "stages": step.stages[0], "ran later": len(ran)}
print(json.dumps(told))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    threads.pool()  # its code is cached as well: have it before
    monkeypatch.setenv("GRAPHTORCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("GRAPHTORCH_CACHE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each time that passes ran."""
    times: list[int] = []
    run_passes = build.run_passes
    monkeypatch.setattr(build, "run_passes", lambda *a, **k: times.append(1) or run_passes(*a, **k))
    return times


def in_a_process(folder: Path) -> dict[str, Any]:
    environment = {**os.environ, "GRAPHTORCH_CACHE_DIR": str(folder)}
    command = [sys.executable, "-c", TRAIN]
    done = subprocess.run(command, env=environment, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_a_second_process_runs_no_pass_and_has_the_same_bits_and_reports(folder: Path) -> None:
    cold, warm = in_a_process(folder), in_a_process(folder)
    assert (cold["from_cache"], warm["from_cache"]) == (False, True)
    assert cold["ran"] > 0 and warm["ran"] == 0 and warm["ran later"] > 0
    for what in ("losses", "state", "kernels", "memory"):
        assert warm[what] == cold[what], what
    assert list(warm["stages"]) == list(cold["stages"])
    for name, text in cold["stages"].items():
        assert warm["stages"][name] == text, name


def scaled(factor: float) -> Callable[[Any], Any]:
    return lambda x: (x * factor).tanh() - x


def test_what_is_another_program_is_not_taken(folder: Path, ran: list[int]) -> None:
    x = gt.arange(5, dtype=gt.float32)

    def passes(function: Callable[[Any], Any], argument: Any) -> int:
        before = len(ran)
        got, expected = (f(argument).detach().numpy() for f in (gt.compile(function), function))
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
        return len(ran) - before

    assert passes(scaled(3.0), x) > 0
    assert passes(scaled(3.0), x) == 0
    assert passes(scaled(3.0000002), x) > 0
    assert passes(scaled(3.0), gt.arange(6, dtype=gt.float32)) > 0
    assert passes(scaled(3.0), gt.arange(5, dtype=gt.float64)) > 0
    assert passes(scaled(3.0), gt.ones(5, requires_grad=True)) > 0
    assert passes(lambda x: (x * 3.0).tanh() + x, x) > 0


def test_which_outputs_and_leaves_have_gradients_is_part_of_the_key(folder: Path, ran: list[int]) -> None:
    """The graph as it was traced is the same: what is asked of it is not."""
    a, b = gt.ones(5), gt.ones(5)

    def product(x: Any) -> Any:
        return x * a * b

    grads = []
    for who in (a, b):
        who.requires_grad_(True)
        x, before = gt.arange(5, dtype=gt.float32), len(ran)
        gt.compile(product)(x).sum().backward()
        assert len(ran) > before
        assert (a.grad is None, b.grad is None) == (who is b, who is a)
        grads.append(who.grad.tolist())
        who.grad = None
        who.requires_grad_(False)
    assert grads == [[0.0, 1.0, 2.0, 3.0, 4.0]] * 2


@pytest.mark.parametrize("change", ["source", "version", "llvmlite", "target", "passes"])
def test_a_change_of_the_tools_is_another_key(
    change: str, folder: Path, ran: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import llvmlite

    x = gt.arange(5, dtype=gt.float32)
    for _ in range(2):
        gt.compile(scaled(3.0))(x)
    before = len(ran)
    narrow = dataclasses.replace(executable.host_target(), vector_bytes=16)
    changes: dict[str, tuple[Any, str, Any]] = {
        "source": (cache, "generator", lambda: "other"),
        "version": (gt, "__version__", "0.0"),
        "llvmlite": (llvmlite, "__version__", "0.0"),
        "target": (executable, "host_target", lambda: narrow),
        "passes": (build, "OPTIMIZE", tuple(p for p in build.OPTIMIZE if not isinstance(p, Cse))),
    }
    monkeypatch.setattr(*changes[change])
    gt.compile(scaled(3.0))(x)
    assert len(ran) > before


def test_a_damaged_file_is_a_miss(folder: Path, ran: list[int]) -> None:
    x = gt.arange(5, dtype=gt.float32)
    expected = scaled(3.0)(x).tolist()
    gt.compile(scaled(3.0))(x)
    (path,) = folder.glob("*.known")
    gt.compile(scaled(5.0))(x)
    (other,) = set(folder.glob("*.known")) - {path}
    good = path.read_bytes()
    for bad in (good[:-1], b"", good[:70] + bytes([good[70] ^ 1]) + good[71:], other.read_bytes(), b"{}" * 999):
        path.write_bytes(bad)
        before = len(ran)
        with pytest.warns(CacheWarning, match="is damaged"):
            assert gt.compile(scaled(3.0))(x).tolist() == pytest.approx(expected, rel=1e-6)
        assert len(ran) > before and path.read_bytes() == good
    before = len(ran)
    gt.compile(scaled(3.0))(x)
    assert len(ran) == before


def test_without_its_object_code_a_program_is_compiled(folder: Path, ran: list[int]) -> None:
    x = gt.arange(5, dtype=gt.float32)
    for _ in range(2):
        before = len(ran)
        f = gt.compile(scaled(3.0))
        f(x)
        assert len(ran) > before and not f.stats[0].from_cache
        for path in folder.glob("*.o"):
            path.unlink()


def test_an_eager_loop_has_the_same_gradients_from_the_cache(folder: Path, ran: list[int]) -> None:
    found = []
    for _ in range(2):
        before = len(ran)
        gt.manual_seed(5)
        layer = nn.Linear(7, 3)
        x = gt.randn(4, 7, requires_grad=True)
        compiled = gt.compile(lambda x, layer=layer: gt.tanh(layer(x)) * x.sum())
        compiled(x).sum().backward()
        found.append([t.grad.numpy().tobytes() for t in (x, layer.weight, layer.bias)])
    assert found[0] == found[1] and len(ran) == before
    assert "backward kernels" in compiled.stages[0] and len(ran) > before


def test_what_is_not_in_the_graph_is_not_asked_for(folder: Path) -> None:
    """What is measured, and what is computed of weights once, depends on more than the graph."""
    x, layer = gt.ones(5, 7), nn.Linear(7, 3)
    with gt.no_grad():
        gt.compile(layer, freeze=True)(x)
        gt.compile(layer, tune=True)(x)
    assert not list(folder.glob("*.known")) and list(folder.glob("*.o"))


def test_it_can_be_turned_off(folder: Path, ran: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    x = gt.arange(5, dtype=gt.float32)
    gt.compile(scaled(3.0))(x)
    before, there = len(ran), sorted(folder.iterdir())
    monkeypatch.setenv("GRAPHTORCH_CACHE", "0")
    gt.compile(scaled(3.0))(x)
    assert len(ran) > before and sorted(folder.iterdir()) == there
