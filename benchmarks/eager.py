"""Training steps in eager mode: graphtorch, torch where it is installed, and what numpy's calls alone take.

    python -m benchmarks.eager [--rounds N] [--threads N]

Every round runs some steps of each in turn, so that a drift of the machine meets all alike. CPU time of all threads of
the process, and wall time, in ms: the least of all steps. "numpy" is the same step of an MLP written by hand, in place
where it can be, with nothing for autograd: the limit for a library that computes with numpy.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import time
from collections.abc import Callable
from typing import Any

Step = Callable[[], Any]
#: steps of each in a round
BURST = 10


def training(lib: Any, nn: Any, optim: Any, net: Any, loss: Any, x: Any, y: Any, optimizer: str) -> Step:
    opt = getattr(optim, optimizer)(net.parameters(), lr=0.01)

    def step() -> None:
        opt.zero_grad()
        loss(net(x), y).backward()
        opt.step()

    return step


def mlp(lib: Any, nn: Any, sizes: tuple[int, ...]) -> Any:
    layers: list[Any] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def steps(lib: Any, nn: Any, optim: Any) -> dict[str, Step]:
    """A step of each workload; ``lib`` is graphtorch or torch."""
    lib.manual_seed(0)
    functions = nn.functional
    found: dict[str, Step] = {}
    for optimizer in ("SGD", "Adam"):
        x, y = lib.randn(64, 784), lib.randint(0, 10, (64,))
        net = mlp(lib, nn, (784, 512, 512, 10))
        found[f"MLP 784-512-512-10, batch 64, {optimizer}"] = training(
            lib, nn, optim, net, functions.cross_entropy, x, y, optimizer
        )
        x, y = lib.randn(16, 10), lib.randn(16, 1)
        net = mlp(lib, nn, (10, 32, 1))
        found[f"MLP 10-32-1, batch 16, {optimizer}"] = training(
            lib, nn, optim, net, functions.mse_loss, x, y, optimizer
        )
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(784, 10),
    )  # fmt: skip
    x, y = lib.randn(32, 1, 28, 28), lib.randint(0, 10, (32,))
    found["two convolutions, 28x28, batch 32, SGD"] = training(
        lib, nn, optim, net, functions.cross_entropy, x, y, "SGD"
    )
    return found


def by_hand() -> dict[str, Step]:
    """The step of the large MLP, in numpy."""
    import numpy as np

    rng = np.random.default_rng(0)
    sizes = (784, 512, 512, 10)
    shapes = list(zip(sizes[1:], sizes, strict=False))
    weights = [(rng.standard_normal(s) / s[1] ** 0.5).astype(np.float32) for s in shapes]
    biases = [np.zeros(n, np.float32) for n, _ in shapes]
    x, y = rng.standard_normal((64, 784)).astype(np.float32), rng.integers(0, 10, 64)
    lr, rows = np.float32(0.01), np.arange(64)

    def step() -> None:
        taken = [x]
        for w, b in zip(weights, biases, strict=True):
            z = taken[-1] @ w.T
            z += b
            taken.append(np.maximum(z, 0, out=z) if w is not weights[-1] else z)
        z = taken.pop()
        z -= z.max(1, keepdims=True)
        g = np.exp(z, out=z)
        g /= g.sum(1, keepdims=True)
        g[rows, y] -= 1
        g /= 64
        for i in reversed(range(len(weights))):
            dw, db = g.T @ taken[i], g.sum(0)
            if i:
                g = g @ weights[i]
                g *= taken[i] > 0
            dw *= lr
            db *= lr
            weights[i] -= dw
            biases[i] -= db

    return {"MLP 784-512-512-10, batch 64, SGD": step}


def fewest(libraries: dict[str, dict[str, Step]], rounds: int) -> dict[tuple[str, str], tuple[float, float]]:
    """(CPU, wall) of one step in ms, by workload and library."""
    best: dict[tuple[str, str], tuple[float, float]] = {}
    for _ in range(rounds + 1):  # the first warms up
        for library, found in libraries.items():
            for name, step in found.items():
                for _ in range(BURST):
                    cpu, wall = time.process_time(), time.perf_counter()
                    step()
                    took = 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)
                    before = best.get((name, library), took)
                    best[name, library] = min(before[0], took[0]), min(before[1], took[1])
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)  # before numpy is imported
    import graphtorch as gt
    from graphtorch import nn, optim

    libraries = {"graphtorch": steps(gt, nn, optim)}
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(options.threads)
        libraries["torch"] = steps(torch, torch.nn, torch.optim)
    libraries["numpy"] = by_hand()
    best = fewest(libraries, options.rounds)
    print(f"eager training steps, {options.threads} threads, the least of {options.rounds * BURST}")
    print(f"{'':<42}{'':<12}{'CPU ms':>9}{'wall ms':>9}{'of torch':>10}")
    for (name, library), (cpu, wall) in sorted(best.items(), key=lambda item: item[0][0]):
        peer = best.get((name, "torch"))
        ratio = f"{wall / peer[1]:.2f}" if peer else ""
        print(f"{name:<42}{library:<12}{cpu:>9.3f}{wall:>9.3f}{ratio:>10}")


if __name__ == "__main__":
    main()
