"""A compiled program, ready to be called: machine code, arena, and the table of pointers."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.codegen.kernel_ir import has_parallel_loop
from graphtorch.codegen.program import (
    HEADER,
    Launch,
    emit_program,
    memory_sizes,
    program_text,
    schedule_graph,
)
from graphtorch.codegen.target import host_target
from graphtorch.ir.graph import Graph, Value
from graphtorch.runtime import cache, cpu, threads
from graphtorch.runtime.plan import plan_memory

Array = np.ndarray[Any, Any]
_ALIGN = 64


class Executable:
    """A program of one native entry. `run` may be called from several threads; calls take turns.

    ``kernels`` counts kernel launches; ``calls`` counts entries into native code;
    ``compile_seconds`` and ``from_cache`` tell how the machine code was had.
    """

    def __init__(self, graph: Graph) -> None:
        started = time.perf_counter()
        self.graph = graph
        self.plan = plan_memory(graph)
        self.launches: list[Launch] = schedule_graph(graph, host_target())
        sizes = memory_sizes(self.launches)
        self._scratch_bytes = -(-sizes.scratch // _ALIGN) * _ALIGN
        text = program_text(self.launches, self._where) + f"\nscratch {self._scratch_bytes}"
        self._parallel = any(has_parallel_loop(launch.kernel.body) for launch in self.launches)
        self._pool = threads.pool()
        code, self.from_cache = cache.object_for(text, "program", lambda: cpu.compile_object(self.llvm_text()))
        self._machine = cpu.Machine(code)
        self._entry = self._machine.address("program")
        sections = ctypes.CFUNCTYPE(ctypes.c_int64)(self._machine.address("sections"))()
        self._section_count = sections
        self.kernels, self.calls = len(self.launches), 0
        self._lock = threads.fork_safe(threading.Lock())
        count = HEADER + len(graph.params) + len(graph.outputs)
        self._table = (ctypes.c_void_p * count)()
        self._table_address = ctypes.addressof(self._table)
        self._memory = _aligned(self.plan.arena_bytes), _aligned(sizes.workspace)
        self._scratch = self._sections = _aligned(0)
        self._ready_for = self._epoch = 0
        self._table[0], self._table[2] = (_address(m) for m in self._memory)
        self._output_types = [(o.type.shape, o.type.dtype.np) for o in graph.outputs]
        self.compile_seconds = time.perf_counter() - started

    def llvm_text(self) -> str:
        """The LLVM IR before LLVM's own passes."""
        return emit_program(self.launches, self._where, self._scratch_bytes)

    def _where(self, value: Value) -> tuple[str, int]:
        place = self.plan.place(value)
        at = place.at + len(self.graph.params) if place.kind == "output" else place.at
        return ("arena" if place.kind == "arena" else "slot"), at

    def run(self, params: Sequence[Array]) -> list[Array]:
        """The outputs, in fresh memory; ``inout`` parameters are written in place.

        ``params`` are C-contiguous arrays of the graph's parameter types, in order: the caller sees to it.
        """
        outputs = [np.empty(shape, dtype) for shape, dtype in self._output_types]
        with self._lock:
            self._prepare()
            table, at = self._table, HEADER
            for array in params:
                table[at] = _address(array)
                at += 1
            for array in outputs:
                table[at] = _address(array)
                at += 1
            self._launch(threads.get_num_threads() if self._parallel else 1)
        return outputs

    def _prepare(self) -> None:
        """Memory for the threads of now, and a pool of this process (it may have forked)."""
        count = threads.get_num_threads()
        pool = threads.pool()
        if pool.workers < count - 1:
            pool.grow(count)
        if count != self._ready_for or pool is not self._pool:
            # sections are counted on from run to run: anew where their number of chunks changes, or a run was cut off
            self._pool, self._ready_for = pool, count
            self._scratch = _aligned(self._scratch_bytes * count)
            self._sections = _aligned(_ALIGN * (1 + self._section_count * (1 + count)))
            self._sections[:] = 0
            self._epoch = _address(self._sections)  # in the line before the sections
            self._table[1], self._table[3] = _address(self._scratch), self._epoch + _ALIGN

    def _launch(self, count: int) -> None:
        """The one call into native code."""
        self.calls += 1
        self._pool.launch(self._pool.address, self._entry, self._table_address, count, self._epoch)


def _aligned(nbytes: int) -> Array:
    raw = np.zeros(nbytes + _ALIGN, np.uint8)
    skip = -_address(raw) % _ALIGN
    return raw[skip : skip + nbytes]


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])
