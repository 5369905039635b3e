"""Training steps on a GPU, ours beside torch's: `python -m tools.gpu_steps [NET ...]`.

Each net and way to run it is a process of its own. All of them compile side by side; then they are measured one after
the other, so that nothing else runs on the device: 75 seconds at most. Losses of the first steps have to be those of
torch, from the same weights. A step is measured twice: between two CUDA events, waited for each time, and as a share of
many steps in a row.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import nets

#: ways to run a step
WAYS = ("graphtorch", "graphtorch tf32", "torch eager", "torch.compile", "torch.compile tf32")
#: seconds until all have to be ready, and until all is done; and what each has to be measured
READY, DONE, MEASURED = 50.0, 72.0, 10.0
STEPS, WARM_UP = 20, 12
#: steps in a row take about so many microseconds
IN_A_ROW = 150_000
#: relative distance of losses: TF32 has 10 bits
CLOSE, CLOSE_TF32 = 2e-3, 1e-2


@dataclass(frozen=True)
class Work:
    net: Callable[[Any], Any]
    shape: tuple[int, ...]
    tokens: int = 0
    adam: bool = False


WORKS = {
    "mlp": Work(nets.mlp, (64, 784)),
    "lenet": Work(nets.lenet5, (64, 1, 28, 28)),
    "cifar": Work(nets.seed, (64, 3, 32, 32)),
    "gpt": Work(nets.gpt, (16, 128), tokens=256, adam=True),
    "resnet18": Work(nets.resnet18, (64, 3, 224, 224)),
}


def batch(work: Work) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    if work.tokens:
        return rng.integers(0, work.tokens, work.shape), rng.integers(0, work.tokens, int(np.prod(work.shape)))
    return rng.standard_normal(work.shape, np.float32), rng.integers(0, 10, work.shape[0])


def weights(model: Any) -> None:
    """The same for all, also where there is one number for each channel: small enough that no net diverges."""
    for name, t in model.state_dict().items():
        shape, rng = tuple(t.shape), np.random.default_rng(len(name) * 7919 + sum(map(ord, name)))
        if "running" in name or "num_batches" in name:  # they begin as 0 and 1
            continue
        spread = np.prod(shape[1:]) ** -0.5 if len(shape) > 1 else 0.1
        array = rng.standard_normal(shape) * spread + (len(shape) == 1 and name.endswith("weight"))
        t.detach().copy_(type_of(model).from_numpy(array.astype(np.float32)))


def type_of(model: Any) -> Any:
    """graphtorch, or torch."""
    return sys.modules[type(model).__mro__[-2].__module__.split(".")[0]]


def prepared(way: str, work: Work, device: str = "cuda") -> tuple[Any, Callable[[], Any]]:
    """The library, and a step that gives its loss on the device."""
    if way.startswith("graphtorch"):
        import graphtorch as lib
    else:
        import torch as lib
    lib.backends.cuda.matmul.allow_tf32 = lib.backends.cudnn.allow_tf32 = way.endswith("tf32")
    model = work.net(lib.nn)
    weights(model)
    model.to(device)
    parameters = model.parameters()
    optimizer = lib.optim.AdamW(parameters, lr=1e-4) if work.adam else lib.optim.SGD(parameters, lr=1e-3, momentum=0.9)
    step = nets.train_step(model, lib.nn.CrossEntropyLoss(), optimizer)
    if way.startswith("graphtorch"):
        step = lib.compile(step)
    elif way.startswith("torch.compile"):
        forward, loss_fn = lib.compile(model), lib.nn.CrossEntropyLoss()
        step = nets.train_step(forward, loss_fn, optimizer)
    x, y = (lib.from_numpy(a).to(device) for a in batch(work))
    return lib, lambda: step(x, y)


def child(way: str, name: str) -> None:
    """Get ready, say so, wait for a line, measure, and print a line of JSON."""
    started = time.perf_counter()
    lib, step = prepared(way, WORKS[name])
    losses = [step().item() for _ in range(3)]
    ready = time.perf_counter() - started
    for _ in range(WARM_UP):
        step()
    lib.cuda.synchronize()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps({"losses": losses, "ready": ready, **measured(lib, step)}), flush=True)


def measured(lib: Any, step: Callable[[], Any]) -> dict[str, float]:
    """Microseconds of a step: median and least between events, and on average in a row; MiB that it takes at most."""
    for _ in range(WARM_UP):
        step()
    lib.cuda.synchronize()
    lib.cuda.reset_peak_memory_stats()
    between = []
    for _ in range(STEPS):
        start, end = (lib.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        step()
        end.record()
        end.synchronize()
        between.append(start.elapsed_time(end) * 1000)
    rounds, count = [], max(5, min(100, int(IN_A_ROW / statistics.median(between))))
    for _ in range(3):
        lib.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(count):
            step()
        lib.cuda.synchronize()
        rounds.append((time.perf_counter() - started) / count * 1e6)
    peak = lib.cuda.max_memory_allocated() / 2**20
    return {"median": statistics.median(between), "least": min(between), "row": min(rounds), "peak": peak}


# ---- all of them -----------------------------------------------------------------------------------


@dataclass
class Running:
    way: str
    name: str
    process: subprocess.Popen[str]
    errors: Path
    lines: queue.Queue[str]
    ready: bool = False


def start(folder: Path, names: list[str], ways: tuple[str, ...] = WAYS) -> list[Running]:
    """A process for each net and way, which gets ready by itself."""
    found = []
    for name in names:
        for way in ways:
            errors = folder / f"{name}-{way.replace(' ', '-')}.txt"
            command = [sys.executable, "-m", "tools.gpu_steps", "--child", way, name]
            compiling = "4" if name == "resnet18" else "2"
            env = {**os.environ, "TORCHINDUCTOR_COMPILE_THREADS": compiling, "OMP_NUM_THREADS": "2"}
            with open(errors, "w", encoding="utf-8") as file:
                pipe = subprocess.PIPE
                process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=file, text=True, env=env)
            lines: queue.Queue[str] = queue.Queue()
            threading.Thread(target=_read, args=(process, lines), daemon=True).start()
            found.append(Running(way, name, process, errors, lines))
    return found


def _read(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    for line in process.stdout or ():
        lines.put(line)
    lines.put("")


def _line(running: Running, deadline: float) -> str:
    """The next line that it prints; "" where none comes in time."""
    try:
        return running.lines.get(timeout=max(deadline - time.perf_counter(), 0.01))
    except queue.Empty:
        return ""


def measure(every: list[Running], ready_by: float, done_by: float) -> dict[str, dict[str, Any]]:
    """For each net what each way took, or why there is no figure; times are those of `time.perf_counter`."""
    for running in every:
        running.ready = _line(running, ready_by).strip() == "ready"
    found: dict[str, dict[str, Any]] = {}
    for running in every:
        if not running.ready:
            running.process.kill()
            tail = running.errors.read_text(encoding="utf-8").strip().splitlines()[-1:]
            found.setdefault(running.name, {})[running.way] = {"failed": tail[0] if tail else "not ready in time"}
    for running in every:
        if not running.ready:
            continue
        if time.perf_counter() > done_by:
            running.process.kill()
            found.setdefault(running.name, {})[running.way] = {"failed": "no time left"}
            continue
        running.process.stdin.write("go\n")  # type: ignore[union-attr]
        running.process.stdin.flush()  # type: ignore[union-attr]
        line = _line(running, time.perf_counter() + MEASURED)
        running.process.kill()
        found.setdefault(running.name, {})[running.way] = (
            json.loads(line) if line else {"failed": "not measured in time"}
        )
        print(running.name, running.way, found[running.name][running.way], flush=True)
    return found


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """Lines of Markdown."""
    head = (
        "| step | way | ready, s | between events, us: median (least) | in a row, us | peak, MiB | losses as torch's |"
    )
    lines = ["## Training steps, compiled whole", "", head, "|---|---|---:|---:|---:|---:|---|"]
    for name, ways in found.items():
        want = ways.get("torch eager", {}).get("losses")
        for way in WAYS:
            got = ways.get(way)
            if got is None:
                continue
            if "failed" in got:
                lines.append(f"| {name} | {way} | | {got['failed'][:90]} | | | |")
                continue
            close = "?" if want is None else alike(got["losses"], want, CLOSE_TF32 if way.endswith("tf32") else CLOSE)
            figures = f"{got['median']:.0f} ({got['least']:.0f}) | {got['row']:.0f} | {got['peak']:.0f}"
            lines.append(f"| {name} | {way} | {got['ready']:.1f} | {figures} | {close} |")
    return [*lines, ""]


def alike(got: list[float], want: list[float], relative: float) -> str:
    """ "yes", or the losses that are not as they should be."""
    return "yes" if np.allclose(got, want, rtol=relative, atol=0) else f"NO {got}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nets", nargs="*", help=f"of {', '.join(WORKS)} (default: all)")
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.nets[0])
        return
    import tempfile

    now = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        every = start(Path(folder), options.nets or list(WORKS))
        print("\n".join(table(measure(every, now + READY, now + DONE))))


if __name__ == "__main__":
    main()
