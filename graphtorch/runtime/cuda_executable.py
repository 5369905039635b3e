"""A compiled program on a GPU: recorded once as a CUDA graph, and replayed by every call.

What a recording reads and writes lies at addresses that stay: state where it is, arguments and numbers in memory of the
program that every call copies them into, small outputs in memory that every call copies out of. Large outputs are
written to new memory, large gradients where the last ones were, as on the CPU (ADR 15), if those are there. So a
recording is for the addresses of these and of state, and there is another one where they differ.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphtorch.ir.graph import Graph
from graphtorch.runtime import threads
from graphtorch.runtime.cuda import gpu
from graphtorch.runtime.cuda_array import DeviceArray, Memory
from graphtorch.runtime.cuda_copy import assign, empty, raw, to_host, upload
from graphtorch.runtime.cuda_driver import Recording
from graphtorch.runtime.cuda_program import CudaProgram, needs_copies
from graphtorch.runtime.known import Face, face_of

#: recordings of one program that are kept, for as many combinations of addresses
_MOST_RECORDINGS = 8
#: outputs of at most so many bytes are handed out together
_SMALL = 1 << 16
#: arguments of more than so many bytes are read where they lie: to copy them costs more than another recording
_LARGE = 1 << 22
_LINE = 256


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
        self._inputs = _Inputs(graph, index, 0 if in_place else _LARGE)
        self._outputs = _Outputs(graph, index)
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
                found = [a if self._is_ours(a) else None for a in found]
            fixed, back = self._inputs.put(params)
            own = self._outputs.place(found)
            table = (*fixed, *own, *(m.address for m in self._memory))
            self._play(table)
            for array, target in back:
                _write_back(target, array)
            self.calls += 1
            return self._outputs.take(found)

    def _is_ours(self, array: Any) -> bool:
        """Whether kernels can write it where it lies."""
        return isinstance(array, DeviceArray) and array.device == self.index and not needs_copies(array)

    def _play(self, table: tuple[int, ...]) -> None:
        recording = self._recordings.get(table)
        if recording is not None:
            recording.replay(self.program.device.stream.handle)
        elif table in self._recordings and not self.program.device.waits:
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


def _write_back(target: Any, array: DeviceArray) -> None:
    """Into state that the program could not write where it lies."""
    if isinstance(target, DeviceArray):
        assign(target, array)
    else:
        np.copyto(target, to_host(array))


class _Inputs:
    """Where parameters are read: state where it lies, all else in memory of the program."""

    def __init__(self, graph: Graph, index: int, large: int) -> None:
        self.index = index
        self._roles = [p.role for p in graph.params]
        self._stay = [p.role != "in" or p.type.nbytes > large for p in graph.params]
        self._own: list[DeviceArray | None] = [None] * len(graph.params)
        self._types = [p.type for p in graph.params]
        self._last: list[bytes | None] = [None] * len(graph.params)

    def put(self, params: Sequence[Any]) -> tuple[list[int], list[tuple[Any, DeviceArray]]]:
        """(an address for each parameter, what is to be written back where)."""
        found, back = [], []
        for i, array in enumerate(params):
            on_device = isinstance(array, DeviceArray) and array.device == self.index
            if on_device and self._stay[i] and not needs_copies(array):
                found.append(array.address)
                continue
            own = self._place(i)
            self._copy(i, own, array)
            found.append(own.address)
            if self._roles[i] == "inout":
                back.append((own, array))
        return found, back

    def _place(self, i: int) -> DeviceArray:
        own = self._own[i]
        if own is None:
            own = self._own[i] = empty(self.index, self._types[i].shape, self._types[i].dtype.np)
        return own

    def _copy(self, i: int, own: DeviceArray, array: Any) -> None:
        """Numbers that are what they were, such as a learning rate, lie there already."""
        if isinstance(array, DeviceArray):
            assign(own, array)
            return
        small = array.tobytes() if array.nbytes <= 64 and self._roles[i] == "in" else None
        if small is None or small != self._last[i]:
            upload(own.address, np.ascontiguousarray(array).reshape(-1), self.index)
        self._last[i] = small


class _Outputs:
    """Where outputs are written, and what calls are given: memory that no later call writes."""

    def __init__(self, graph: Graph, index: int) -> None:
        self.index = index
        self._types = [o.type for o in graph.outputs]
        self._offsets: dict[int, int] = {}
        self._bytes = 0
        for i, type_ in enumerate(self._types):
            if type_.nbytes <= _SMALL:
                self._offsets[i] = self._bytes
                self._bytes += max(-(-type_.nbytes // _LINE), 1) * _LINE
        #: where recordings write what is small
        self._together: Memory | None = None

    def place(self, found: list[Any]) -> list[int]:
        """An address for each: where those in ``found`` lie, new memory for what is large, the program's for others."""
        return [self._place(i, found) for i in range(len(found))]

    def _place(self, i: int, found: list[Any]) -> int:
        if found[i] is None and i in self._offsets:
            self._together = self._together or raw(gpu(self.index), self._bytes)
            return self._together.address + self._offsets[i]
        if found[i] is None:
            found[i] = empty(self.index, self._types[i].shape, self._types[i].dtype.np)
        return found[i].address  # type: ignore[no-any-return]

    def take(self, found: list[Any]) -> list[Any]:
        """The outputs of a call: small ones by one copy, each as memory of its own that keeps the whole of it."""
        small = [i for i, given in enumerate(found) if given is None]
        if small:
            assert self._together is not None  # `place` made it
            device = gpu(self.index)
            block = raw(device, self._bytes)
            device.copy(block.address, self._together.address, self._bytes)
            for i in small:
                type_ = self._types[i]
                piece = Memory(block.address + self._offsets[i], type_.nbytes, self.index, block)
                found[i] = DeviceArray.over(piece, type_.shape, type_.dtype.np)
        return found
