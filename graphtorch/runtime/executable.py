"""A compiled program, ready to be called: its memory, and its native entries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from graphtorch.codegen.hoist import Hoisted, hoist
from graphtorch.codegen.names import names_of_program
from graphtorch.codegen.program import Launch, launches_of, memory_needs, program_text, schedule_graph
from graphtorch.codegen.program import Place as WhereItLies
from graphtorch.codegen.target import host_target
from graphtorch.ir.dim import at_sizes, example
from graphtorch.ir.graph import Graph, Value
from graphtorch.ir.in_place import root
from graphtorch.ir.sized import is_dynamic_graph
from graphtorch.ir.text import print_graph
from graphtorch.runtime import cache, threads
from graphtorch.runtime.entry import Entry, aligned
from graphtorch.runtime.gather import CONTIGUOUS
from graphtorch.runtime.known import Face, Known, face_of, has_own_ops
from graphtorch.runtime.layouts import Layout, Layouts
from graphtorch.runtime.plan import Plan, plan_memory
from graphtorch.runtime.tune import fastest, first

Array = np.ndarray[Any, Any]
_empty = np.empty


def key_of(text: str, kind: str) -> str:
    """The key in the cache of what ``text`` becomes for the target that programs are scheduled for."""
    return cache.key_of(f"{host_target()}\n{text}", kind)


class Executable:
    """A program of one native entry. `run` may be called from several threads; calls take turns.

    What kernels do to "frozen" parameters alone (packing a weight) is a second entry, which runs at the first
    call and at the first after `refresh`; its results are kept.

    ``tune`` measures the ways to compute a contraction (tune.py) where the model of cycles would choose. What is
    ``known`` of the program stands for its graph until somebody looks into that, and then ``graph`` makes it.

    Where sizes are not known, ``layouts`` has what depends on them; then `graph` is scheduled at once, so that guards
    are recorded with whoever makes this.

    ``kernels`` counts kernel launches of a call; ``calls`` counts entries into native code;
    ``compile_seconds`` and ``from_cache`` tell how the machine code was had.
    """

    def __init__(self, graph: Graph | Callable[[], Graph], tune: bool = False, known: Known | None = None) -> None:
        started = time.perf_counter()
        self._graph, self._tune = graph, tune
        # what is tuned or kept, and what users' ops do, shows in the kernels; any other program is known by its graph,
        # and needs no schedule
        self.layouts = Layouts(self.graph) if known is None and is_dynamic_graph(self.graph) else None
        frozen = known is None and any(p.role == "frozen" for p in self.graph.params)
        by_kernels = known is None and (tune or frozen or self.layouts is not None or has_own_ops(self.graph))
        self.face = known.face if known else self._look(by_kernels)
        self._slots = len(self.face.params) + len(self.face.outputs)
        if self.layouts is not None:
            self.layouts.prepare(memory_needs(self._parts.program), names_of_program(self._parts.program, self._where))
        kept = self._parts.kept_bytes if by_kernels else 0
        memory = aligned(self.face.arena_bytes), aligned(kept), self._slots
        code = known.code if known else None
        self.entry = Entry(self.face.key, lambda: self._parts.program, self._where, *memory, code)
        #: that of the last call; None before the first, and where all sizes are known
        self.layout: Layout | None = None
        self._needs: Sequence[tuple[int, int]] = [(CONTIGUOUS, 0)] * self._slots
        self._pairs: Sequence[tuple[int, int]] = []
        self._stale, self._once = True, self._once_entry(*memory) if by_kernels and self._parts.once else None
        self.kernels = self.entry.kernels
        self.from_cache = self.entry.from_cache and (self._once is None or self._once.from_cache)
        self.lock = threads.fork_safe(threading.Lock())
        self._shapes = [o.shape for o in self.face.outputs]
        self._dtypes = [o.dtype.np for o in self.face.outputs]
        self.compile_seconds = time.perf_counter() - started

    def _look(self, by_kernels: bool) -> Face:
        """What the graph has to say, and the key of the machine code."""
        graph, arena = self.graph, 0 if self.layouts else self.plan.arena_bytes
        text = program_text(self._parts.program, self._where) if by_kernels else print_graph(graph, locations=False)
        return face_of(graph, arena, key_of(f"arena {arena}\n{text}", "program"))

    def _once_entry(self, arena: Array, kept: Array, slots: int) -> Entry:
        key = key_of(program_text(self._parts.once, self._where), "program")
        return Entry(key, lambda: self._parts.once, self._where, arena, kept, slots)

    @cached_property
    def graph(self) -> Graph:
        """The scheduled graph."""
        return self._graph if isinstance(self._graph, Graph) else self._graph()

    @property
    def names(self) -> tuple[str, ...]:
        """The sizes that are not known, in order of the alphabet."""
        return self.layouts.names if self.layouts else ()

    @cached_property
    def plan(self) -> Plan:
        """Where each value lies; for the examples of sizes that are not known."""
        return plan_memory(self.graph) if self.layouts is None else self.layouts.example.plan

    @cached_property
    def _parts(self) -> Hoisted:
        return hoist(schedule_graph(self.graph, host_target(), fastest if self._tune else first))

    @property
    def launches(self) -> list[Launch]:
        """Every launch of a kernel, those that run once first; those in loops are there once."""
        return [*self._parts.once, *launches_of(self._parts.program)]

    @property
    def calls(self) -> int:
        return self.entry.calls + (self._once.calls if self._once else 0)

    @property
    def kept_bytes(self) -> int:
        """What the second entry makes, and every call reads."""
        return self._parts.kept_bytes if self._once else 0

    @property
    def workspace_bytes(self) -> int:
        """What the threads of a kernel share."""
        return sum(e.workspace_bytes for e in (self.entry, self._once) if e is not None)

    @property
    def scratch_bytes(self) -> int:
        """What each thread has for itself."""
        return sum(e.scratch_bytes for e in (self.entry, self._once) if e is not None)

    def llvm_text(self) -> str:
        """The LLVM IR before LLVM's own passes."""
        once = f"; once\n{self._once.llvm_text()}\n" if self._once else ""
        return once + self.entry.llvm_text()

    def code_text(self) -> tuple[str, str]:
        """The name of the last stage, and its text."""
        return "llvm", self.llvm_text()

    def _where(self, value: Value) -> WhereItLies:
        if value in self._parts.offsets:
            return "kept", self._parts.offsets[value]
        place = self.plan.place(value) if self.layouts is None else self.layouts.places[root(value)]
        if self.layouts is not None and place.kind == "arena":
            return "listed", self.layouts.listed[root(value)], place.strides
        at = place.at + len(self.graph.params) if place.kind == "output" else place.at
        return ("arena" if place.kind == "arena" else "slot"), at, place.strides, place.offset

    def refresh(self) -> None:
        """What "frozen" parameters hold has changed since the last call."""
        self._stale = True

    def expect(self, needs: Sequence[tuple[int, int]], pairs: Sequence[tuple[int, int]]) -> None:
        """What `attempt` asks of its arrays, numbered as parameters, outputs, and what is ``beside`` (`plan_of`).
        Bytes may be sizes that are not known."""
        self._needs, self._pairs, self.layout = needs, pairs, None
        self.entry.expect([(flags, example(nbytes)) for flags, nbytes in needs], pairs)

    def attempt(
        self,
        params: Sequence[Array],
        beside: Sequence[Array] = (),
        anyway: bool = False,
        reuse: Callable[[list[Array]], None] | None = None,
        sizes: tuple[int, ...] = (),
    ) -> list[Array] | None:
        """`run`, if the arrays are as `expect` was told; None, and nothing is done, where they are not.

        ``reuse`` may put other memory into the list of outputs; calls of this program take turns while it looks.
        ``sizes`` are those of the names in the graph, in order of the alphabet.
        """
        layout = self.layout_at(sizes)
        outputs = list(map(_empty, layout.shapes if layout else self._shapes, self._dtypes))
        with self.lock:
            if layout is not self.layout and layout is not None:
                self.resize(layout)
            if reuse is not None:
                reuse(outputs)
            arrays = (*params, *outputs, *beside)
            if self._stale and self._once is not None:
                if not self._once.run(arrays[: self._slots], anyway):
                    return None
                self._stale = False
            return outputs if self.entry.run(arrays, anyway) else None

    def layout_at(self, sizes: tuple[int, ...]) -> Layout | None:
        """What a call with these sizes of `names` needs; None where all sizes are known."""
        return self.layouts.at(sizes) if self.layouts else None

    def resize(self, layout: Layout) -> None:
        """For calls of other sizes from now on; to be called in turn with calls."""
        needs = [(flags, at_sizes(nbytes, layout.names)) for flags, nbytes in self._needs]
        self.entry.resize(layout, needs, self._pairs)
        self.layout = layout

    def run(self, params: Sequence[Array], sizes: tuple[int, ...] | None = None) -> list[Array]:
        """The outputs, in fresh memory; ``inout`` parameters are written in place.

        ``params`` are C-contiguous arrays of the graph's parameter types, in order: the caller sees to it. Without
        ``sizes`` each of the names has to be a dimension of one.
        """
        if len(params) != len(self.face.params):  # native code would read what is not there
            raise ValueError(f"{len(params)} arrays for {len(self.face.params)} parameters")
        if sizes is None:
            sizes = self.layouts.sizes_of(params) if self.layouts else ()
        outputs = self.attempt(params, anyway=True, sizes=sizes)
        assert outputs is not None  # it ran anyway
        return outputs
