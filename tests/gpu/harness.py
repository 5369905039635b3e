"""From kernels and graphs to what a GPU makes of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_void_p
from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.codegen import nvcc
from graphtorch.codegen.emit_cuda import c_name, cuda_source, launch_geometry
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.launch import dynamic_shared, stages_of, workspaces
from graphtorch.codegen.program import lower_graph
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir.graph import Graph, Value
from graphtorch.ir.in_place import root
from tests.gpu.driver import Gpu, Launch

Array = Any
#: kernels of one translation unit at most; nvcc compiles several units at a time
UNIT = 8


class Loaded:
    """A kernel on a device, with its workspaces: the launches of its stages."""

    def __init__(self, gpu: Gpu, kernel: Kernel, find: Callable[[str], c_void_p]) -> None:
        self.gpu, self.kernel = gpu, kernel
        self.stages = [(find(c_name(s)), *launch_geometry(s), dynamic_shared(s)) for s in stages_of(kernel)]

    def on(self, addresses: Sequence[int]) -> list[Launch]:
        """Those that have anything to do."""
        every = [*addresses, *(self.gpu.alloc(b.nbytes) for b in workspaces(self.kernel))]
        return [self.gpu.prepare(f, grid, block, every, shared) for f, grid, block, shared in self.stages if min(grid)]

    def __call__(self, *operands: Array) -> list[Array]:
        """The results over operands in the host's memory; whatever the kernel does not write is nan, or all bits."""
        outs = [p.buffer for p in self.kernel.params if p.mode != "in"]
        places = [self.gpu.alloc(b.nbytes) for b in outs]
        for launch in self.on([*map(self.gpu.upload, operands), *places]):
            self.gpu.launch(launch)
        return [self.gpu.download(a, b.shape, b.dtype.np) for a, b in zip(places, outs, strict=True)]


def load_kernels(gpu: Gpu, kernels: Sequence[Kernel], aliased: bool = False) -> list[Loaded]:
    """Compiled for the device and loaded, in order; names need not differ."""
    named = [replace(k, name=f"{k.name}_{i}") for i, k in enumerate(kernels)]
    size = max(1, min(UNIT, len(named) // (os.cpu_count() or 1)))
    units = [named[i : i + size] for i in range(0, len(named), size)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        cubins = list(pool.map(lambda unit: nvcc.compile_cubin(cuda_source(unit, aliased), gpu.arch), units))
    found: list[Loaded] = []
    for unit, cubin in zip(units, cubins, strict=True):
        find = gpu.load(cubin)
        found += [Loaded(gpu, k, find) for k in unit]
    return found


class Program:
    """A graph that went through OPTIMIZE_CUDA, as launches over memory of its own. Updates are written in place."""

    def __init__(self, gpu: Gpu, graph: Graph, arrays: Sequence[Array]) -> None:
        self.gpu, self.graph = gpu, graph
        self._addresses: dict[Value, int] = {}
        for param, array in zip(graph.params, arrays, strict=True):
            self._addresses[param] = gpu.upload(array)
        self._homes: dict[Value, Value] = {root(v): param for param, v in graph.updates.items()}
        lowered = lower_graph(graph)
        self.loaded = load_kernels(gpu, [schedule_cuda(k.nest) for k in lowered], aliased=True)  # type: ignore[arg-type]
        self.launches = [
            launch
            for k, low in zip(self.loaded, lowered, strict=True)
            for launch in k.on([self.address(v) for v in (*low.operands, *low.results)])
        ]

    def address(self, value: Value) -> int:
        value = root(value)
        value = self._homes.get(value, value)
        if value not in self._addresses:
            self._addresses[value] = self.gpu.alloc(value.type.nbytes)
        return self._addresses[value]

    def run(self) -> None:
        for launch in self.launches:
            self.gpu.launch(launch)

    def fetch(self, value: Value) -> Array:
        return self.gpu.download(self.address(value), value.type.shape, value.type.dtype.np)


def close(got: Array, want: Array, relative: float = 1e-5, absolute: float = 1e-6) -> bool:
    """|got - want| <= relative |want| + absolute, as norms in float64; nan and inf stand at the same places."""
    a, b = np.asarray(got, np.float64), np.asarray(want, np.float64)
    odd = ~np.isfinite(b)
    if not np.array_equal(a[odd], b[odd], equal_nan=True):
        return False
    return bool(np.linalg.norm((a - b)[~odd]) <= relative * np.linalg.norm(b[~odd]) + absolute)
