"""A scheduled graph as kernels on a GPU: what is launched, and with which addresses."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

from graphtorch.codegen.cuda_program import CudaLaunch, cuda_launches, describe
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.launch import workspaces
from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.graph import Graph, Value
from graphtorch.runtime.cuda import Gpu, gpu
from graphtorch.runtime.cuda_array import DeviceArray, Memory
from graphtorch.runtime.cuda_compile import Loaded, Stage, compile_and_load
from graphtorch.runtime.cuda_copy import empty, raw
from graphtorch.runtime.plan import Plan, plan_memory

#: workspaces lie side by side at multiples of it
_LINE = 256


@dataclass(frozen=True)
class _Step:
    """One launch. An argument is an offset from an entry of the table of addresses."""

    stage: Stage
    pack: struct.Struct
    places: tuple[tuple[int, int], ...]
    launch: CudaLaunch

    def arguments(self, table: Sequence[int]) -> bytes:
        return self.pack.pack(*[table[slot] + offset for slot, offset in self.places])


class CudaProgram:
    """Kernels of a graph that went through OPTIMIZE_CUDA, on one device.

    The table of addresses is that of the parameters, the outputs, and two more: the arena, and a workspace that kernels
    have one after the other. `launch` puts all kernels on the current stream. Updates are written in place.
    """

    def __init__(self, graph: Graph, index: int) -> None:
        started = time.perf_counter()
        self.graph, self.index = graph, index
        self.plan: Plan = plan_memory(graph)
        self.launches = cuda_launches(graph)
        device = gpu(index)
        kernels = list(dict.fromkeys(launch.kernel for launch in self.launches))
        self.code: Loaded = compile_and_load(device, kernels)
        self.workspace_bytes = max((self._workspace(k)[1] for k in kernels), default=0)
        stages = dict(zip(kernels, self.code.stages, strict=True))
        self.steps = [step for launch in self.launches for step in self._steps(launch, stages[launch.kernel])]
        self.compile_seconds = time.perf_counter() - started

    @property
    def device(self) -> Gpu:
        return gpu(self.index)

    @staticmethod
    def _workspace(kernel: Kernel) -> tuple[list[int], int]:
        """Offsets of a kernel's workspaces, and their end."""
        offsets, end = [], 0
        for buffer in workspaces(kernel):
            offsets.append(end)
            end += -(-buffer.nbytes // _LINE) * _LINE
        return offsets, end

    def _steps(self, launch: CudaLaunch, stages: Sequence[Stage]) -> list[_Step]:
        """Those that have anything to do."""
        shared = len(self.graph.params) + len(self.graph.outputs) + 1
        places = [self._place(v) for v in launch.values]
        places += [(shared, offset) for offset in self._workspace(launch.kernel)[0]]
        pack = struct.Struct(f"{len(places)}Q")
        return [_Step(s, pack, tuple(places), launch) for s in stages if min(s.grid)]

    def _place(self, value: Value) -> tuple[int, int]:
        place = self.plan.place(value)
        params, outputs = len(self.graph.params), len(self.graph.outputs)
        if place.kind == "param":
            return place.at, 0
        return (params + place.at, place.offset) if place.kind == "output" else (params + outputs, place.at)

    def memory(self) -> tuple[Memory, Memory]:
        """Arena and workspace for one run, or for all."""
        return raw(self.device, self.plan.arena_bytes), raw(self.device, self.workspace_bytes)

    def launch(self, table: Sequence[int]) -> None:
        """All kernels, on the current stream. An error says which of them it is of."""
        device = self.device
        for step in self.steps:
            try:
                s = step.stage
                device.launch(s.function, s.grid, s.block, step.arguments(table), s.shared)
            except GraphTorchError as error:
                error.facts.append(f"kernel {step.stage.name}: {describe(step.launch.node)}")
                raise

    def run(self, params: Sequence[DeviceArray]) -> list[DeviceArray]:
        """Outputs in fresh memory, over arrays in row-major order."""
        outputs = [empty(self.index, o.type.shape, o.type.dtype.np) for o in self.graph.outputs]
        memory = self.memory()
        self.launch([*(a.address for a in params), *(a.address for a in outputs), *(m.address for m in memory)])
        return outputs

    def text(self) -> str:
        """CUDA C of every kernel, and what each takes of the device."""
        report = "\n".join(f"// {line}" for line in self.code.report)
        return "\n".join([report, *self.code.sources])


def needs_copies(array: DeviceArray) -> bool:
    """Whether kernels cannot read an array where it lies: they want row-major order, and 16 bytes at a time."""
    return not array.dense or array.address % 16 != 0
