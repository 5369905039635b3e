"""What `compiled.memory()` predicts, what a step really takes at its peak, and what torch takes for the same step.

    python -m benchmarks.memory [--workloads A,B] [--threads N] [--markdown FILE]

Each measurement is a process of its own. It takes a step of a tiny net, so that libraries are loaded and threads
run, and builds the net, its inputs and the state of its optimizer; graphtorch then gets its program out of the cache
on disk, which another process has filled. What is resident now is the base: inputs and state, and all that is not a
step's. The most that three steps have resident more (VmHWM, set back at the base), pages of files left out, is the
measured peak.

malloc takes every block above 64 kB from the system and gives it back (MALLOC_MMAP_THRESHOLD_), and numpy asks for no
huge pages, so that what is resident is what is in use; both for torch as well.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine import environment, forget_peak_memory

STEPS = 3
NETS = ("seed-train-64", "seed-train-1", "lenet-train", "resnet18-train", "seed-infer", "vgg16-infer", "resnet18-infer")
EXACT = {"MALLOC_MMAP_THRESHOLD_": "65536", "NUMPY_MADVISE_HUGEPAGE": "0"}


def resident() -> dict[str, int]:
    """Bytes: the most so far, now, and of these the pages of files."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    keys = {"most": "VmHWM", "now": "VmRSS", "files": "RssFile"}
    return {k: 1024 * int(re.search(rf"{name}:\s+(\d+)", text)[1]) for k, name in keys.items()}  # type: ignore[index]


def measure(name: str, peer: str, threads: int) -> dict[str, Any]:
    """In a process of its own: bytes that steps take at most, and what was predicted.

    ``peer`` is "graphtorch", "graphtorch, frozen" or "torch".
    """
    from benchmarks import peers, workloads

    work = workloads.BY_NAME[name]
    tiny = workloads.BY_NAME["tiny-train" if work.kind == "train" else "tiny-infer"]
    library, _, frozen = peer.partition(", ")
    peers.BY_NAME[library].build(tiny, threads, "")()
    found: dict[str, Any] = {}
    if library == "graphtorch":
        step, found = _predicted(work, frozen == "frozen")
    else:
        step = peers.BY_NAME[peer].build(work, threads, "")
    _write_state()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    forget_peak_memory()
    before = resident()
    for _ in range(STEPS):
        step()
    after = resident()
    return {**found, "bytes": after["most"] - before["now"] - (after["files"] - before["files"])}


def _write_state() -> None:
    """State of optimizers belongs to the base: torch's is made in the first step, and zeros of either are no memory
    before they are written."""
    from graphtorch.optim import Optimizer

    kinds: list[Any] = [Optimizer]
    if "torch" in sys.modules:
        kinds.append(sys.modules["torch"].optim.Optimizer)
    for optimizer in [o for o in gc.get_objects() if isinstance(o, tuple(kinds))]:
        if not optimizer.state:
            _step_of_zeros(optimizer)
        for state in optimizer.state.values():
            for value in state.values():
                if getattr(value, "ndim", 0):
                    value.zero_()


def _step_of_zeros(optimizer: Any) -> None:
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = p.detach() * 0
    optimizer.step()
    optimizer.zero_grad()


def _predicted(work: Any, frozen: bool) -> tuple[Any, dict[str, Any]]:
    """A step whose program is made and has not run, and what it is to take."""
    import contextlib

    import graphtorch as gt
    from benchmarks.peers.graphtorch import parts

    mode: Any = contextlib.nullcontext if work.kind == "train" else gt.no_grad
    call, inputs = parts(work, freeze=frozen)
    with mode():
        report = call.memory(*inputs)

    def step() -> None:
        with mode():
            call(*inputs)

    there = report.inputs + report.state + report.constants
    return step, {"predicted": report.added, "there": there, "text": str(report)}


def child(name: str, peer: str, threads: int, cache: str) -> dict[str, Any]:
    """The answer of `measure`, from another process."""
    command = [sys.executable, "-m", "benchmarks.memory", "--measure", json.dumps([name, peer, threads])]
    env = environment(threads, cache) | EXACT
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def rows(name: str, threads: int, cache: str) -> Iterator[str]:
    torch = child(name, "torch", threads, cache)
    yield row(name, "graphtorch", threads, cache, torch["bytes"])
    if name.endswith("-infer"):
        yield row(name, "graphtorch, frozen", threads, cache, torch["bytes"])


def row(name: str, peer: str, threads: int, cache: str, torch: int) -> str:
    child(name, peer, threads, cache)  # it fills the cache
    ours = child(name, peer, threads, cache)
    print(ours["text"], flush=True)
    off = 100 * (ours["predicted"] / ours["bytes"] - 1)
    sizes = [f"{n / 1e6:.2f}" for n in (ours["there"], ours["predicted"], ours["bytes"])]
    ratio = (ours["there"] + ours["bytes"]) / (ours["there"] + torch)
    label = name + peer.removeprefix("graphtorch")
    return f"| {label} | {' | '.join(sizes)} | {off:+.1f} % | {torch / 1e6:.2f} | {ratio:.2f} |"


HEAD = """\
| step | inputs and state MB | predicted beside them | measured | off | torch | whole peak, of torch's |
|---|---|---|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--workloads", default=",".join(NETS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--markdown")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*json.loads(args.measure))))
        return
    lines = [HEAD]
    with tempfile.TemporaryDirectory() as cache:
        for name in args.workloads.split(","):
            for line in rows(name, args.threads, cache):
                lines.append(line)
                print(f"{HEAD}\n{line}\n", flush=True)
    print("\n".join(lines))
    if args.markdown:
        Path(args.markdown).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
