"""One native function over a sequence of launches: its machine code, its scratch memory, and its table of pointers."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphtorch.codegen.kernel_ir import has_parallel_loop
from graphtorch.codegen.program import HEADER, Sizes, Step, Where, launches_of, memory_needs
from graphtorch.ir.dim import Guards, is_dynamic, recorded
from graphtorch.runtime import cache, cpu, threads
from graphtorch.runtime.compiling import compile_objects
from graphtorch.runtime.gather import CONTIGUOUS, plan_of
from graphtorch.runtime.layouts import Layout

Array = np.ndarray[Any, Any]
_ALIGN = 64


class Entry:
    """``calls`` counts entries into native code; ``from_cache`` tells how the machine code was had.

    ``key`` is that of the machine code in the cache; ``code`` is what lies there, where it was read before.
    ``steps`` makes the kernels, and is asked for them only where there is no code yet, or to print it.
    """

    def __init__(
        self,
        key: str,
        steps: Callable[[], Sequence[Step]],
        where: Where,
        arena: Array,
        kept: Array,
        slots: int,
        code: list[bytes] | None = None,
    ) -> None:
        self._steps, self._where = steps, where
        self.pool = threads.pool()
        (facts, *objects), self.from_cache = (code, True) if code else cache.objects_for(key, self._compile)
        self._facts = Facts(**json.loads(facts))
        self.kernels = self._facts.kernels
        self._machine = cpu.Machine(*objects)
        self._address = self._machine.address("program")
        self._section_count = ctypes.CFUNCTYPE(ctypes.c_int64)(self._machine.address("sections"))()
        self.calls = 0
        self._table = (ctypes.c_void_p * (HEADER + slots))()
        self._memory = arena, kept, aligned(self._facts.workspace)
        self._scratch_bytes = self._facts.scratch
        self._scratch = self._sections = aligned(0)
        self._list = np.zeros(0, np.int64)
        self.ready_for = self._epoch = 0
        self._table[0], self._table[4], self._table[2] = map(address, self._memory)
        self.expect([(CONTIGUOUS, 0)] * slots, [])

    def expect(self, needs: Sequence[tuple[int, int]], pairs: Sequence[tuple[int, int]]) -> None:
        """What `run` sees to (`plan_of`). There may be more arrays than slots, which are only looked at."""
        header = self._table[:HEADER]
        self._table = (ctypes.c_void_p * (HEADER + len(needs)))(*header)
        self._table_address = ctypes.addressof(self._table)
        self._plan = plan_of(needs, pairs)
        self.ready_for = 0

    def resize(self, layout: Layout, needs: Sequence[tuple[int, int]], pairs: Sequence[tuple[int, int]]) -> None:
        """Sizes, and places in the arena, for the calls that follow, and what is expected of their arrays.

        Memory grows, and does not shrink.
        """
        self._plan[:] = plan_of(needs, pairs)
        arena, kept, workspace = self._memory
        arena = arena if arena.nbytes >= layout.arena else aligned(layout.arena)
        workspace = workspace if workspace.nbytes >= layout.workspace else aligned(layout.workspace)
        if layout.scratch > self._scratch_bytes:
            self._scratch_bytes = _whole_lines(layout.scratch)
            self._scratch = aligned(self._scratch_bytes * self.ready_for)
            self._table[1] = address(self._scratch)
        numbers = [self._scratch_bytes, *layout.sizes]
        found = np.concatenate([np.array(numbers, np.int64), layout.offsets + address(arena)])
        if self._list.size != found.size:
            self._list = found
        self._list[:] = found  # in place: a thread that the system holds back may have yet to look at it
        self._memory = arena, kept, workspace
        self._table[0], self._table[2] = address(self._list), address(workspace)

    @property
    def workspace_bytes(self) -> int:
        return self._facts.workspace

    @property
    def scratch_bytes(self) -> int:
        """For each thread."""
        return self._facts.scratch

    def _compile(self) -> list[bytes]:
        """What the entry is to know of its kernels, and their object code."""
        from graphtorch.codegen.emit_program import emit_parts  # not loaded where the code is in the cache

        steps = self._steps()
        facts = _facts(steps)
        with recorded(Guards()) as guards:
            code = compile_objects(emit_parts(steps, self._where, facts.scratch))
        if guards.asked:  # from the cache the code comes without them: kernels are right for all sizes, or have asked
            raise RuntimeError(f"machine code depends on a size: {', '.join(map(str, guards.asked))}")
        return [json.dumps(asdict(facts)).encode(), *code]

    def llvm_text(self) -> str:
        """The LLVM IR before LLVM's own passes."""
        from graphtorch.codegen.emit_program import emit_program

        steps = self._steps()
        return emit_program(steps, self._where, _facts(steps).scratch)

    def run(self, arrays: tuple[Array, ...], anyway: bool = True) -> bool:
        """Point the slots to ``arrays``, and make the one call into native code; one at a time.

        Where they are not as `expect` was told it happens ``anyway``, or nothing happens and the answer is False.
        """
        if threads._threads != self.ready_for or threads._pool is not self.pool:
            self.prepare()
        if self.pool.launch(id(arrays), self.call_address):
            if not anyway:
                return False
            for at, array in enumerate(arrays[: len(self._table) - HEADER], HEADER):
                self._table[at] = address(array)
            self.pool.start(*self._call[:5])
        self.calls += 1
        return True

    def prepare(self) -> None:
        """Memory for the threads of now, and a pool of this process (it may have forked).

        Their number is asked for once in a call: another Python thread may change it at any time.
        """
        count, pool = threads.get_num_threads(), threads.pool()
        pool.grow(count)
        if count == self.ready_for and pool is self.pool:
            return
        # sections are counted on from run to run: anew where their number of chunks changes, or a run was cut off
        self.pool, self.ready_for = pool, 0  # until all is made: an interrupt may come in between
        self._scratch = aligned(self._scratch_bytes * count)
        self._sections = aligned(_ALIGN * (1 + self._section_count * (1 + count)))
        self._sections[:] = 0
        self._epoch = address(self._sections)  # in the line before the sections
        self._table[1], self._table[3] = address(self._scratch), self._epoch + _ALIGN
        slots = self._table_address + HEADER * ctypes.sizeof(ctypes.c_void_p)
        used = count if self._facts.parallel else 1
        call = pool.address, self._address, self._table_address, used, self._epoch, slots, address(self._plan)
        self._call = (ctypes.c_int64 * len(call))(*call)
        self.call_address = ctypes.addressof(self._call)
        self.ready_for = count


@dataclass(frozen=True)
class Facts:
    """Bytes of scratch memory for each thread and of workspace for all, unless sizes are not known; if threads share a
    loop; kernels launched.

    What threads go through without meeting counts as one kernel, and one in a loop counts once.
    """

    scratch: int
    workspace: int
    parallel: bool
    kernels: int


def _facts(steps: Sequence[Step]) -> Facts:
    launches = list(launches_of(steps))
    needs = memory_needs(steps)
    sizes = Sizes(0, 0) if any(map(is_dynamic, needs.scratch | needs.workspace)) else needs.at({})
    parallel = any(has_parallel_loop(launch.kernel.body) for launch in launches)
    return Facts(_whole_lines(sizes.scratch), sizes.workspace, parallel, sum(x.meets for x in launches))


def _whole_lines(nbytes: int) -> int:
    return -(-nbytes // _ALIGN) * _ALIGN


def aligned(nbytes: int) -> Array:
    """Zeros from an address that is a multiple of a cache line's size."""
    raw = np.zeros(nbytes + _ALIGN, np.uint8)
    skip = -address(raw) % _ALIGN
    return raw[skip : skip + nbytes]


def address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])
