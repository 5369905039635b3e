"""What gpu_check measures: copies, functions and training steps of ours."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import graphtorch as gt
import graphtorch.nn.functional as F
from graphtorch.codegen import nvcc
from graphtorch.codegen.launch import stages_of
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE_CUDA
from tests.gpu.driver import Gpu
from tests.gpu.harness import Program
from tools.gpu_torch import Torch

Array = Any
Shape = tuple[int, ...]
SAMPLES = 30
_COPY = """
extern "C" __global__ void copy(const float4* __restrict__ x, float4* __restrict__ y) {
  const size_t i = blockIdx.x * (size_t)256 + threadIdx.x;
  y[i] = x[i];
}
"""


@dataclass
class Table:
    """Lines of Markdown."""

    title: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        yield f"## {self.title}\n"
        yield f"| {' | '.join(self.head)} |"
        yield "|" + "|".join(["---", *["---:"] * (len(self.head) - 1)]) + "|"
        yield from (f"| {' | '.join(row)} |" for row in self.rows)
        yield ""


@dataclass(frozen=True)
class Case:
    """A function of arrays; ``gt`` and torch have the same names. ``work`` is floating-point operations, or 0."""

    name: str
    function: Callable[..., Any]
    shapes: tuple[Shape, ...]
    work: int = 0


def _matmul(n: int) -> Case:
    return Case(f"x @ y, {n}", lambda _f, x, y: x @ y, ((n, n), (n, n)), 2 * n**3)


BIG, ROWS, SQUARES = (1 << 26,), (65536, 1024), ((4096, 4096), (4096, 4096))
CASES = [
    Case("relu(x) * 2 + y, 2^26", lambda f, x, y: f.relu(x) * 2 + y, (BIG, BIG)),
    Case("x + row, 65536 x 1024", lambda _f, x, y: x + y, (ROWS, ROWS[1:])),
    Case("gelu, 2^26", lambda f, x: f.gelu(x), (BIG,)),
    Case("softmax of rows, 65536 x 1024", lambda f, x: f.softmax(x, 1), (ROWS,)),
    Case("layer_norm, 65536 x 1024", lambda f, x, w, b: f.layer_norm(x, (1024,), w, b), (ROWS, (1024,), (1024,))),
    Case("sum of rows, 65536 x 1024", lambda _f, x: x.sum(1), (ROWS,)),
    Case("sum of columns, 65536 x 1024", lambda _f, x: x.sum(0), (ROWS,)),
    Case("sum of all, 2^26", lambda _f, x: x.sum(), (BIG,)),
    *map(_matmul, (1024, 2048, 4096)),
    Case("linear + relu, 4096", lambda f, x, w, b: f.relu(f.linear(x, w, b)), (*SQUARES, (4096,)), 2 * 4096**3),
]  # fmt: skip


def shown(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.1f} ({min(times):.1f})"


def copies(gpu: Gpu) -> Table:
    """The device's own bandwidth, bytes read and written together."""
    nbytes = 1 << 30
    x, y = gpu.upload(np.random.default_rng(0).random(nbytes // 4, np.float32)), gpu.alloc(nbytes)
    kernel = gpu.prepare(
        gpu.load(nvcc.compile_cubin(_COPY, gpu.arch))("copy"), (nbytes // 4096, 1, 1), (256, 1, 1), [x, y]
    )
    table = Table("Copies of 1 GiB", ["copy", "us", "GB/s"])
    for name, work in [
        ("cuMemcpyDtoD", lambda: gpu.copy(y, x, nbytes)),
        ("kernel of float4", lambda: gpu.launch(kernel)),
    ]:
        times = gpu.times(work, SAMPLES)
        table.rows.append([name, shown(times), f"{2 * nbytes / statistics.median(times) / 1e3:.0f}"])
    gpu.free()
    return table


def functions(gpu: Gpu, torch: Torch | None) -> Iterator[Table]:
    """Ours beside torch's; bandwidth or rate of ours."""
    table = Table(
        "Functions, float32",
        ["function", "kernels", "ours", "GB/s or TFLOP/s", "torch eager", "torch.compile", "ours / best of torch"],
    )
    for case in CASES:
        arrays = [np.random.default_rng(i).standard_normal(s, np.float32) for i, s in enumerate(case.shapes)]
        program = traced(gpu, case, arrays)
        times = gpu.times(program.run, SAMPLES)
        nbytes = sum(a.nbytes for a in arrays) + sum(o.type.nbytes for o in program.graph.outputs)
        rate = (case.work / 1e6 if case.work else nbytes / 1e3) / statistics.median(times)
        result = program.fetch(program.graph.outputs[0])
        gpu.free()
        theirs = torch.times(case.function, arrays, result, SAMPLES) if torch else {}
        best = min((statistics.median(t) for t in theirs.values()), default=0.0)
        ratio = f"{statistics.median(times) / best:.2f}" if best else "-"
        columns = [shown(theirs[k]) if k in theirs else "-" for k in ("eager", "compile")]
        row = [
            case.name,
            str(len(program.launches)),
            shown(times),
            f"{rate:.1f}" if case.work else f"{rate:.0f}",
            *columns,
            ratio,
        ]
        print(*row, sep="  ", flush=True)
        table.rows.append(row)
    yield table


def traced(gpu: Gpu, case: Case, arrays: Sequence[Array]) -> Program:
    def call(*args: Any) -> Any:
        return case.function(F, *args)

    graph = gt.trace(call, *(gt.TensorSpec(s) for s in case.shapes))
    return Program(gpu, run_passes(graph, OPTIMIZE_CUDA), arrays)


def nets(gpu: Gpu) -> Table:
    """A training step, and where its time goes."""
    from tests.gpu.test_steps import arrays_of, cifar_net, graph_of, norm_net

    table = Table("A training step (cross entropy, SGD with momentum)", ["net", "kernels", "launched", "graph"])
    slow: list[tuple[float, str, str]] = []
    for name, net, shape in [
        ("three convolutions, batch 64 of 3 x 32 x 32", cifar_net, (64, 3, 32, 32)),
        ("norms, batch 37", norm_net, (37, 9, 11)),
    ]:
        graph = graph_of(net(), *shape)
        program = Program(gpu, graph, arrays_of(graph))
        launched, replayed = gpu.times(program.run, SAMPLES), gpu.times(gpu.capture(program.run), SAMPLES)
        table.rows.append([name, str(len(program.launches)), shown(launched), shown(replayed)])
        names = [stage.name for k in program.loaded for stage in stages_of(k.kernel)]
        for kernel, launch in zip(names, program.launches, strict=True):
            time = statistics.median(gpu.times(lambda launch=launch: gpu.launch(launch), 5))  # type: ignore[misc]
            registers = gpu.function_attribute(launch.function, "registers")
            slow.append((time, name, f"{kernel} grid {launch.grid} registers {registers}"))
        gpu.free()
    print(*(f"{t:8.1f} {net}: {what}" for t, net, what in sorted(slow)[:-16:-1]), sep="\n", flush=True)
    return table
