"""A training step of ResNet18, batch 64 of 224 x 224, beside torch's: each replayed as one CUDA graph."""

from __future__ import annotations

import statistics
from typing import Any

import graphtorch as gt
from benchmarks.nets import resnet18
from graphtorch import nn
from graphtorch.codegen.launch import stages_of
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE_CUDA
from tests.codegen.test_step_cuda import step_of
from tests.gpu.driver import Gpu
from tests.gpu.harness import Program
from tests.gpu.test_steps import arrays_of

BATCH, SIZE = 64, 224
#: kernels that are listed
LISTED = 24


def resnet_lines(gpu: Gpu, torch: Any) -> list[str]:
    """Times of both, and our slowest kernels."""
    x, y = gt.TensorSpec((BATCH, 3, SIZE, SIZE)), gt.TensorSpec((BATCH,), gt.int64)
    graph = run_passes(gt.trace(step_of(resnet18(nn)), x, y), OPTIMIZE_CUDA)
    program = Program(gpu, graph, arrays_of(graph))
    program.run()
    gpu.synchronize()
    ours = statistics.median(gpu.times(gpu.capture(program.run), 9, 2))
    names = [stage.name for k in program.loaded for stage in stages_of(k.kernel)]
    times = [min(gpu.times(lambda at=at: gpu.launch(at), 3, 1)) for at in program.launches]  # type: ignore[misc]
    slow = sorted(zip(times, names, program.launches, strict=True), key=lambda found: -found[0])
    gpu.free()
    lines = [f"{t:8.1f} us  {name} grid {at.grid} block {at.block}" for t, name, at in slow[:LISTED]]
    lines.append(f"ours: {ours:.0f} us as a graph, {len(times)} launches, {sum(times):.0f} us one by one")
    theirs = {name: _torch_step(torch, tf32) for name, tf32 in (("tf32", True), ("fp32", False))}
    return [*lines, *(f"torch {name}: {time:.0f} us as a graph" for name, time in theirs.items())]


def _torch_step(torch: Any, tf32: bool) -> float:
    """Microseconds of a step that is a CUDA graph."""
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    net = resnet18(torch.nn).cuda()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x = torch.randn(BATCH, 3, SIZE, SIZE, device="cuda")
    y = torch.randint(1000, (BATCH,), device="cuda")

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()

    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(4):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    found = []
    for _ in range(9):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        found.append(start.elapsed_time(end) * 1000)
    return statistics.median(found)
