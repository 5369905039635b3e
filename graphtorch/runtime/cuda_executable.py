"""A compiled program on a GPU: recorded once as a CUDA graph, and replayed by every call.

A recording is for the addresses that it reads and writes, and there is another one where they differ. Which they are,
so that few differ and nothing is copied, is cuda_places.py's: a step of a net that is like the last one is one launch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from graphtorch.ir.graph import Graph
from graphtorch.runtime import threads
from graphtorch.runtime.cuda_array import DeviceArray
from graphtorch.runtime.cuda_driver import Recording
from graphtorch.runtime.cuda_places import Inputs, Outputs, write_back
from graphtorch.runtime.cuda_program import CudaProgram, needs_copies
from graphtorch.runtime.known import Face, face_of

#: recordings of one program that are kept, for as many combinations of addresses
_MOST_RECORDINGS = 8


class CudaExecutable:
    """As `Executable`: `attempt` and `run` take arrays in the order of the graph's parameters, and give outputs.

    Arrays are a device's, or numpy's, which are copied there. Sizes are all known. ``in_place``: arguments are read
    where they lie, whatever their size; that is for those that lie where they lay at the last call.
    """

    layouts = layout = None
    names: tuple[str, ...] = ()
    kept_bytes = scratch_bytes = 0

    def __init__(self, graph: Graph, index: int, in_place: bool = False) -> None:
        self.graph, self.index = graph, index
        self.program = CudaProgram(graph, index)
        self.face: Face = face_of(graph, self.program.plan.arena_bytes, "")
        self.kernels, self.calls = len(self.program.steps), 0
        self.compile_seconds, self.from_cache = self.program.compile_seconds, self.program.code.from_cache
        self.lock = threads.fork_safe(threading.Lock())
        self._memory = self.program.memory()
        self._inputs = Inputs(graph, index, in_place)
        self._outputs = Outputs(graph, index)
        self._recordings: dict[tuple[int, ...], Recording | None] = {}

    @property
    def plan(self) -> Any:
        """Where each value lies."""
        return self.program.plan

    @property
    def launches(self) -> Any:
        """Every launch of a kernel, in order."""
        return self.program.launches

    @property
    def workspace_bytes(self) -> int:
        return self.program.workspace_bytes

    def expect(self, needs: Any, pairs: Any) -> None:
        """Arrays are looked at by every call: there is nothing to prepare."""

    def layout_at(self, sizes: Any) -> None:
        """All sizes are known."""

    def refresh(self) -> None:
        """Nothing is kept of frozen parameters."""

    def run(self, params: Sequence[Any], sizes: Any = None) -> list[Any]:
        """The outputs, in fresh memory; ``inout`` parameters are written in place."""
        return self.attempt(params, anyway=True)

    def attempt(
        self,
        params: Sequence[Any],
        beside: Sequence[Any] = (),
        anyway: bool = False,
        reuse: Callable[[list[Any]], None] | None = None,
        sizes: Any = (),
    ) -> list[Any]:
        """`run`; ``reuse`` may put other memory into the list of outputs, in turn with other calls."""
        with self.lock:
            found: list[Any] = [None] * len(self.graph.outputs)
            if reuse is not None:
                reuse(found)
                found = [a if a is not None and self._is_ours(a) else None for a in found]
            fixed, back = self._inputs.put(params)
            own = self._outputs.place(found)
            table = (*fixed, *own, *(m.address for m in self._memory))
            self._play(table)
            for array, target in back:
                write_back(target, array)
            self.calls += 1
            return self._outputs.take(found)

    def _is_ours(self, array: Any) -> bool:
        """Whether kernels can write it where it lies."""
        return type(array) is DeviceArray and array.device == self.index and not needs_copies(array)

    def _play(self, table: tuple[int, ...]) -> None:
        device = self.program.device
        recording = self._recordings.get(table)
        if recording is not None:
            recording.replay(device.stream.handle)
        elif table in self._recordings and not device.waits:
            self._record(table)
        else:
            # the first call runs kernel by kernel: addresses that come once are not worth a recording
            self._make_room()
            self._recordings[table] = None
            self.program.launch(table)

    def _make_room(self) -> None:
        if len(self._recordings) >= _MOST_RECORDINGS:
            oldest = self._recordings.pop(next(iter(self._recordings)))
            if oldest is not None:
                oldest.close()

    def _record(self, table: tuple[int, ...]) -> None:
        stream = self.program.device.stream.handle
        recording = Recording(stream)
        try:
            self.program.launch(table)
        except BaseException:
            recording.abandon()
            raise
        recording.end()
        self._recordings[table] = recording
        recording.replay(stream)

    def code_text(self) -> tuple[str, str]:
        """The name of the last stage, and its text."""
        return "cuda", self.program.text()
