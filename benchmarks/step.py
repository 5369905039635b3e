"""Training-step times, compiled against eager against torch (where it is installed), in turn.

    python benchmarks/step.py [--rounds N] [--batch N] [--threads N]

The net is the CIFAR-10 net of the tests: three 5x5 convolutions with max pooling and two linear
layers, cross entropy, SGD with momentum, float32 images [batch, 3, 32, 32]. Every round times one step of
each, so that a drift of the machine meets all of them alike; medians and minima are printed, in ms.
Also: import time over numpy's, and the time to the first compiled step, cold and from the cache.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def build(lib: Any, nn: Any, optim: Any, batch: int) -> Callable[[], Any]:
    """A training step of the net; ``lib`` is graphtorch or torch."""
    lib.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(2), nn.Conv2d(32, 32, 5, padding=2), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10),
    )  # fmt: skip
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss_fn = nn.CrossEntropyLoss()
    rng = np.random.default_rng(0)
    x = lib.from_numpy(rng.standard_normal((batch, 3, 32, 32)).astype(np.float32))
    y = lib.from_numpy(rng.integers(0, 10, batch))

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    compiled = lib.compile(step) if lib.__name__ == "graphtorch" else step
    return lambda f=None: (f or compiled)(x, y)


def peers(batch: int, threads: int) -> dict[str, Callable[[], Any]]:
    import graphtorch as gt
    from graphtorch import nn, optim

    gt.set_num_threads(threads)
    found: dict[str, Callable[[], Any]] = {"compiled": build(gt, nn, optim, batch)}
    real, gt.compile = gt.compile, lambda f: f
    found["eager"] = build(gt, nn, optim, batch)
    gt.compile = real
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(threads)
        found["torch"] = build(torch, torch.nn, torch.optim, batch)
    return found


def seconds(command: str, **env: str) -> float:
    """The number that a fresh Python prints; with bytecode on disk, as after an installation."""
    env = {**os.environ, **env}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    out = subprocess.run([sys.executable, "-c", command], env=env, capture_output=True, text=True)
    if out.returncode:
        raise RuntimeError(out.stderr)
    return float(out.stdout.split()[-1])


IMPORT = "import time; t = time.perf_counter(); import {0}; print(time.perf_counter() - t)"
IMPORT_OVER = "import numpy, time; t = time.perf_counter(); import graphtorch; print(time.perf_counter() - t)"
FIRST = """
import sys, time; sys.path.insert(0, {0!r}); import step
import graphtorch as gt
from graphtorch import nn, optim
run = step.build(gt, nn, optim, 64)
t = time.perf_counter(); run(); print(time.perf_counter() - t)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    runs = peers(args.batch, args.threads)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
        run()
    for _ in range(args.rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - start))
    ours = times["compiled"]
    print(f"training step, batch {args.batch}, {args.threads} threads, {args.rounds} rounds in turn")
    print(f"{'':<10}{'median ms':>10}{'min ms':>10}{'times compiled':>16}")
    for name, ms in times.items():
        ratio = statistics.median(a / b for a, b in zip(ms, ours, strict=True))
        print(f"{name:<10}{statistics.median(ms):>10.2f}{min(ms):>10.2f}{ratio:>16.2f}")
    over = min(seconds(IMPORT_OVER) for _ in range(5))
    print(
        f"import graphtorch: {over:.3f} s over numpy's {min(seconds(IMPORT.format('numpy')) for _ in range(3)):.3f} s"
    )
    with tempfile.TemporaryDirectory() as cache:
        seconds("import graphtorch.frontend.compile, llvmlite.binding; print(0)")
        first = FIRST.format(os.path.dirname(os.path.abspath(__file__)))
        cold = seconds(first, GRAPHTORCH_CACHE_DIR=cache)
        warm = min(seconds(first, GRAPHTORCH_CACHE_DIR=cache) for _ in range(3))
    print(f"first compiled step: {cold:.2f} s cold, {warm:.2f} s from the cache")


if __name__ == "__main__":
    main()
