"""Whether the time of every phase of compilation is linear in the size of the program: nets of 10, 100, 1,000 layers.

    python -m benchmarks.scaling [--layers 10,100,1000] [--markdown FILE]

The program is a training step (forward, loss, backward, SGD) of layers Linear(32, 32) and ReLU, batch 16. Each column
is one process; times are CPU seconds of all its threads and of the processes that it starts, without the cache on
disk, and with Python's garbage collector off but for all together and the step. The last column is what the last step
multiplies: linear is the ratio of layers.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WIDTH, BATCH, CLASSES = 32, 16, 10


def training_step(layers: int) -> tuple[Any, list[Any]]:
    """A step and its arguments."""
    import graphtorch as gt
    from benchmarks.nets import train_step
    from graphtorch import nn, optim

    gt.manual_seed(0)
    hidden = [make() for _ in range(layers) for make in (lambda: nn.Linear(WIDTH, WIDTH), nn.ReLU)]
    model = nn.Sequential(*hidden, nn.Linear(WIDTH, CLASSES))
    step = train_step(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.01))
    return step, [gt.randn(BATCH, WIDTH), gt.tensor([i % CLASSES for i in range(BATCH)])]


class Phases:
    """CPU seconds by name, in the order in which they were first met."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        start = cpu()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0) + cpu() - start
            print(f"{name}: {self.seconds[name]:.3f} s", file=sys.stderr, flush=True)


def cpu() -> float:
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def measure(layers: int) -> dict[str, float]:
    """Seconds of every phase of one compilation, and the kernels that it came to."""
    from graphtorch.codegen.emit_program import emit_parts
    from graphtorch.codegen.program import memory_sizes, schedule_graph
    from graphtorch.codegen.target import host_target
    from graphtorch.frontend.program import Program
    from graphtorch.frontend.trace import run_trace
    from graphtorch.ir.pipeline import OPTIMIZE
    from graphtorch.ir.verify import verify
    from graphtorch.runtime import cpu as machine
    from graphtorch.runtime.plan import plan_memory

    step, inputs = training_step(layers)
    phases = Phases()
    gc.disable()
    with phases.of("trace"):
        traced = run_trace(step, tuple(inputs), {})
    graph = traced.graph
    for each in OPTIMIZE:
        with phases.of(each.name):
            graph = each.run(graph)
    with phases.of("verify"):
        verify(graph)
    with phases.of("plan"):
        plan = plan_memory(graph)
    with phases.of("lower and schedule"):
        launches = schedule_graph(graph, host_target())
    sizes = memory_sizes(launches)
    numbers = {v: i for i, v in enumerate((*graph.params, *(r for n in graph.nodes for r in n.results)))}
    with phases.of("emit"):
        parts = list(emit_parts(launches, lambda v: ("slot", numbers[v]), sizes.scratch))
    with phases.of("LLVM"):
        machine.compile_objects(iter(parts))
    gc.enable()
    with phases.of("all, as gt.compile does it"):
        program = Program(run_trace(step, tuple(inputs), {}), "", threading.RLock())
    with phases.of("one step"):
        program.run(inputs, program.match(inputs))  # type: ignore[arg-type]
    counts = {"kernels": len(launches), "different kernels": len(parts) - 1, "arena bytes": plan.arena_bytes}
    return phases.seconds | counts


def child(layers: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.scaling", "--measure", str(layers)]
    done = subprocess.run(
        command, env={**os.environ, "GRAPHTORCH_CACHE": "0"}, stdout=subprocess.PIPE, check=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(sizes: list[int], columns: list[dict[str, float]]) -> str:
    lines = [
        f"| CPU seconds | {' | '.join(f'{n} layers' for n in sizes)} | last step |",
        "|---" * (len(sizes) + 2) + "|",
    ]
    for name in columns[0]:
        values = [c[name] for c in columns]
        shown = [f"{v:,}" if isinstance(v, int) else f"{v:.3f}" for v in values]
        ratio = f"{values[-1] / values[-2]:.1f}" if len(values) > 1 and values[-2] else ""
        lines.append(f"| {name} | {' | '.join(shown)} | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--layers", default="10,100,1000")
    parser.add_argument("--markdown")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure)))
        return
    sizes = [int(n) for n in args.layers.split(",")]
    text = table(sizes, [child(n) for n in sizes])
    print(text)
    if args.markdown:
        Path(args.markdown).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
