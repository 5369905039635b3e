"""What a call costs beside computing, in microseconds: the smallest programs, and a training step without its kernels.

    python -m benchmarks.overhead [--rounds N] [--calls N] [--torch-compile]

Adding two 2x2 tensors is all overhead: graphtorch compiled (and what is in it) and eager, jax (jit) and torch (eager;
compiled on demand, which takes a while) where they are installed. "step" is seed-train-1 with the one call into native
code left out: what Python does for a compiled training step, with fetching its loss as an array. Every round times a
burst of each; minima.
"""

from __future__ import annotations

import argparse
import importlib.util
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

A = np.arange(4, dtype=np.float32).reshape(2, 2)
Call = Callable[[], Any]


def graphtorch_calls() -> dict[str, Call]:
    import graphtorch as gt

    a, b = gt.from_numpy(A), gt.from_numpy(A + 1)
    compiled = gt.compile(lambda a, b: a + b)
    calls: dict[str, Call] = {"add, graphtorch": lambda: compiled(a, b), "add, graphtorch eager": lambda: a + b}
    for call in (*calls.values(), *calls.values()):
        call()
    return {**calls, **parts_of(compiled, a, b)}


def parts_of(compiled: Any, a: Any, b: Any) -> dict[str, Call]:
    """What the compiled call cannot do without: its function, the native call in it, and memory for the output."""
    ((program, quick),) = compiled._recent
    entry, arrays, args = program.forward.entry, (a.numpy(), b.numpy(), np.empty_like(A)), (a, b)
    return {
        "  its generated function": lambda: quick(args, {}),
        "  its native call": lambda: entry.pool.launch(id(arrays), entry.call_address),
        "  memory for its output": lambda: np.empty((2, 2), np.float32),
    }


def graphtorch_step() -> dict[str, Call]:
    from benchmarks.peers import graphtorch as peer
    from benchmarks.workloads import BY_NAME
    from graphtorch.runtime import threads

    step = peer.build(BY_NAME["seed-train-1"], "graphtorch", 2, "")
    step()
    pool, launch = threads.pool(), threads.pool().launch

    def without_kernels() -> None:
        pool.launch = lambda *_: None
        try:
            for _ in range(10):
                step()
        finally:
            pool.launch = launch

    return {"step, graphtorch (10)": without_kernels}


def jax_calls() -> dict[str, Call]:
    import jax

    a, b = jax.numpy.asarray(A), jax.numpy.asarray(A + 1)
    compiled = jax.jit(lambda a, b: a + b)
    return {"add, jax": lambda: compiled(a, b)}


def torch_calls(compile: bool) -> dict[str, Call]:
    import torch

    torch.set_num_threads(2)
    a, b = torch.from_numpy(A), torch.from_numpy(A + 1)
    calls: dict[str, Call] = {"add, torch eager": lambda: a + b}
    if compile:
        compiled = torch.compile(lambda a, b: a + b)
        calls["add, torch.compile"] = lambda: compiled(a, b)
    return calls


def fewest(calls: dict[str, Call], rounds: int, number: int) -> dict[str, float]:
    """Microseconds of one call, the least of the rounds."""
    best = dict.fromkeys(calls, float("inf"))
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            many = number // 10 if name.endswith("(10)") else number
            best[name] = min(best[name], timeit.timeit(call, number=many) / number * 1e6)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--torch-compile", action="store_true")
    options = parser.parse_args()
    calls = {**graphtorch_calls(), **graphtorch_step()}
    if importlib.util.find_spec("jax"):
        calls |= jax_calls()
    if importlib.util.find_spec("torch"):
        calls |= torch_calls(options.torch_compile)
    for name, us in fewest(calls, options.rounds, options.calls).items():
        print(f"{name.removesuffix(' (10)'):<26}{us:>8.2f} us")


if __name__ == "__main__":
    main()
