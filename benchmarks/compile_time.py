"""Where the time of a first call goes, phase by phase: CPU and wall, cold and from the cache on disk, in ms.

    python -m benchmarks.compile_time [WORKLOAD ...] [--rounds N]

Every round is a new process for each of: nothing in the cache, and all of it there. Phases are timed where they are
called; the time of a phase within another one (a schedule that lowers) counts for the inner one. CPU is that of the
phase's own thread, so it is comparable on a busy machine; "all threads" is the process's. LLVM works in several threads
at once: its wall times add up to more than the call takes. Minima over the rounds, each number by itself.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

#: phase -> functions, as module:attribute; each is replaced where it is looked up
PHASES = {
    "trace": ["graphtorch.frontend.compile:run_trace"],
    "verify": ["graphtorch.ir.passmanager:verify"],
    "lower": ["graphtorch.codegen.program:lower_node"],
    "schedule": ["graphtorch.codegen.program:schedule_cpu"],
    "print": [
        "graphtorch.codegen.kernel_text:print_kernel",
        "graphtorch.codegen.program:print_graph",
        "graphtorch.frontend.build:print_graph",
        "graphtorch.runtime.executable:print_graph",
    ],
    "legalize": ["graphtorch.codegen.emit_program:legalize"],
    "emit": ["graphtorch.codegen.emit_program:emit_kernel", "graphtorch.codegen.emit_program:_emit_entry"],
    "emit, text": ["graphtorch.codegen.llvm_text:Module.__str__"],
    "LLVM, parse": ["graphtorch.runtime.cpu:parse"],
    "LLVM, passes": ["graphtorch.runtime.cpu:optimize"],
    "LLVM, code": ["graphtorch.runtime.cpu:generate"],
    "import of llvmlite": ["graphtorch.runtime.executable:host_target"],
    "hash of the sources": ["graphtorch.runtime.cache:generator"],
    "cache, read and write": ["graphtorch.runtime.cache:_read", "graphtorch.runtime.cache:_write"],
    "load": ["graphtorch.runtime.cpu:Machine.__init__"],
    "worker pool": ["graphtorch.runtime.entry:threads.pool"],
    "plan memory": ["graphtorch.runtime.executable:plan_memory"],
    "first run": ["graphtorch.frontend.program:Program.run"],
}


class Clock:
    """Seconds of CPU and of wall time by phase; each thread has its own stack of phases."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = defaultdict(float)
        self.wall: dict[str, float] = defaultdict(float)
        self._own = threading.local()
        self._lock = threading.Lock()

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            stack = self._own.__dict__.setdefault("stack", [])
            stack.append([0.0, 0.0])
            cpu, wall = time.thread_time(), time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                took = time.thread_time() - cpu, time.perf_counter() - wall
                self._add(phase, took, stack.pop())
                if stack:
                    stack[-1] = [inner + t for inner, t in zip(stack[-1], took, strict=True)]

        return call

    def _add(self, phase: str, took: tuple[float, float], inner: list[float]) -> None:
        with self._lock:
            self.cpu[phase] += took[0] - inner[0]
            self.wall[phase] += took[1] - inner[1]


def watch(clock: Clock) -> None:
    """Put a clock around every function of every phase, and around each pass."""
    import importlib

    from graphtorch.ir import pipeline

    for phase, places in PHASES.items():
        for place in places:
            module, path = place.split(":")
            *owners, name = path.split(".")
            owner = functools.reduce(getattr, owners, importlib.import_module(module))
            setattr(owner, name, clock.timed(phase, getattr(owner, name)))
    for step in pipeline.OPTIMIZE:
        kind: Any = type(step)
        kind.run = clock.timed(f"pass {step.name}", kind.run)


def first_call(workload: str) -> dict[str, Any]:
    from benchmarks.peers import graphtorch as peer
    from benchmarks.workloads import BY_NAME

    step = peer.build(BY_NAME[workload], "graphtorch", 2, "")
    clock = Clock()
    watch(clock)
    cpu, wall = time.process_time(), time.perf_counter()
    clock.timed("rest", step)()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"cpu": clock.cpu, "wall": clock.wall, "all": (cpu, wall)}


def measure(workload: str, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """What each process tells: "cold" and "cached"."""
    found: dict[str, list[dict[str, Any]]] = {"cold": [], "cached": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for kind, results in found.items():
                results.append(_in_process(workload, folder))
                print(f"  {workload}, {kind}: {results[-1]['all'][1]:.2f} s", file=sys.stderr)
    return found


def _in_process(workload: str, folder: str) -> dict[str, Any]:
    environment = {**os.environ, "GRAPHTORCH_CACHE_DIR": folder, "GRAPHTORCH_CACHE": "1"}
    command = [sys.executable, "-m", "benchmarks.compile_time", "--child", workload]
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    told: dict[str, Any] = json.loads(out.splitlines()[-1])
    return told


def table(workload: str, found: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown: a line for each phase that takes half a millisecond anywhere."""
    names = dict.fromkeys(name for results in found.values() for r in results for name in r["cpu"])
    lines = [f"| {workload} | cold: CPU | wall | cached: CPU | wall |", "|---|---|---|---|---|"]
    for name in names:
        least = [1e3 * min(r[clock].get(name, 0.0) for r in rs) for rs in found.values() for clock in ("cpu", "wall")]
        if max(least) >= 0.5:
            lines.append(f"| {name} | {' | '.join(f'{x:.0f}' for x in least)} |")
    total = [1e3 * min(r["all"][i] for r in results) for results in found.values() for i in (0, 1)]
    lines.append(f"| **first call, all threads** | {' | '.join(f'{x:.0f}' for x in total)} |")
    lines.append(f"| **cached, of cold** | | | {100 * total[2] / total[0]:.1f} % | {100 * total[3] / total[1]:.1f} % |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=["seed-train-64", "resnet18-train"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(first_call(options.workloads[0])))
        return
    for workload in options.workloads:
        print(table(workload, measure(workload, options.rounds)) + "\n")


if __name__ == "__main__":
    main()
