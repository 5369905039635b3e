"""Whether long runs take more and more memory: a small net trained for many steps, compiled and eagerly.

    python -m benchmarks.leak [--steps 100000] [--eager-steps 10000]

Every run is a process of its own. Resident memory is read ten times, after a tenth of the steps each; growth is the
last over the first. Beside it the Python objects that the garbage collector tracks, and what tracemalloc counts in a
second, shorter run.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

from benchmarks.memory import resident

READINGS = 10


def step_of(compiled: bool) -> Callable[[], Any]:
    """A training step with momentum, as a loop calls it."""
    import numpy as np

    import graphtorch as gt
    from benchmarks.nets import tiny, train_step
    from graphtorch import nn, optim

    gt.manual_seed(0)
    model = tiny(nn)
    optimizer = optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    step = train_step(model, nn.CrossEntropyLoss(), optimizer)
    call = gt.compile(step) if compiled else step
    rng = np.random.default_rng(0)

    def run() -> float:
        x = gt.from_numpy(rng.standard_normal((4, 8), np.float32))
        y = gt.from_numpy(rng.integers(0, 3, 4))
        return float(call(x, y).item())

    return run


def measure(compiled: bool, steps: int) -> dict[str, Any]:
    step = step_of(compiled)
    for _ in range(100):
        step()
    rss, objects = [], []
    for _ in range(READINGS):
        for _ in range(steps // READINGS):
            step()
        gc.collect()
        rss.append(resident()["now"])
        objects.append(len(gc.get_objects()))
    tracemalloc.start()
    traced = []
    for _ in range(2):
        for _ in range(max(steps // 50, 100)):
            step()
        gc.collect()
        traced.append(tracemalloc.get_traced_memory()[0])
    return {"rss": rss, "objects": objects, "traced": traced}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--eager-steps", type=int, default=10_000)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*json.loads(args.measure))))
        return
    print("| loop | steps | RSS MB, a tenth | all | growth | objects | all | traced bytes | all |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, compiled, steps in (("compiled", True, args.steps), ("eager", False, args.eager_steps)):
        command = [sys.executable, "-m", "benchmarks.leak", "--measure", json.dumps([compiled, steps])]
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
        rss, objects, traced = found["rss"], found["objects"], found["traced"]
        print(
            f"| {name} | {steps:,} | {rss[0] / 1e6:.2f} | {rss[-1] / 1e6:.2f} | {100 * (rss[-1] / rss[0] - 1):+.2f} % "
            f"| {objects[0]:,} | {objects[-1]:,} | {traced[0]:,} | {traced[-1]:,} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
