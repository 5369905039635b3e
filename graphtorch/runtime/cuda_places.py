"""Where a program on a GPU reads its parameters and writes its outputs, call for call: copies are launches, too.

State is read and written where it lies. So is an argument that lies where it lay at the last call; others, and numbers,
are copied into memory of the program, since a recording for each address costs more. Small outputs are written together
into a piece that callers get parts of, and that is written again when nobody has any of it: two pieces take turns where
each call's results replace those of the last one. Large outputs are written to new memory, large gradients where the
last ones were, as on the CPU (ADR 15), if those are there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.ir.graph import Graph
from graphtorch.runtime.cuda import gpu
from graphtorch.runtime.cuda_array import DeviceArray, Memory
from graphtorch.runtime.cuda_copy import assign, empty, raw, to_host, upload
from graphtorch.runtime.cuda_program import needs_copies

#: outputs of at most so many bytes are handed out together
_SMALL = 1 << 16
#: pieces for small outputs that take turns; who keeps more results than these is given copies
_MOST_PIECES = 3
#: arguments of more than so many bytes are read where they lie: to copy them costs more than another recording
_LARGE = 1 << 22
#: how often an argument may move before it is copied by every call
_MOST_MOVES = 8
_LINE = 256


def write_back(target: Any, array: DeviceArray) -> None:
    """Into state that the program could not write where it lies."""
    if isinstance(target, DeviceArray):
        assign(target, array)
    else:
        np.copyto(target, to_host(array))


class Inputs:
    """The parameters of a graph. ``in_place``: all are read where they lie, as far as kernels can."""

    def __init__(self, graph: Graph, index: int, in_place: bool) -> None:
        self.index = index
        self._types, self._roles = [p.type for p in graph.params], [p.role for p in graph.params]
        self._stay = [in_place or p.role != "in" or p.type.nbytes > _LARGE for p in graph.params]
        self._own: list[DeviceArray | None] = [None] * len(graph.params)
        self._last: list[bytes | None] = [None] * len(graph.params)
        self._lay, self._moves = [0] * len(graph.params), [0] * len(graph.params)

    def put(self, params: Sequence[Any]) -> tuple[list[int], list[tuple[Any, DeviceArray]]]:
        """(an address for each parameter, what is to be written back where)."""
        found, back, index = [], [], self.index
        for i, array in enumerate(params):
            readable = type(array) is DeviceArray and array.memory.device == index and not needs_copies(array)
            if readable and (self._stay[i] or self._is_where_it_was(i, array.address)):
                found.append(array.address)
                continue
            own = self._place(i)
            self._copy(i, own, array)
            found.append(own.address)
            if self._roles[i] == "inout":
                back.append((own, array))
        return found, back

    def _is_where_it_was(self, i: int, address: int) -> bool:
        """Whether an argument is at the address of the last call, and has not moved too often."""
        if self._lay[i] == address:
            return self._moves[i] <= _MOST_MOVES
        self._lay[i] = address
        self._moves[i] += 1
        return False

    def _place(self, i: int) -> DeviceArray:
        own = self._own[i]
        if own is None:
            own = self._own[i] = empty(self.index, self._types[i].shape, self._types[i].dtype.np)
        return own

    def _copy(self, i: int, own: DeviceArray, array: Any) -> None:
        """Numbers that are what they were, such as a learning rate, lie there already."""
        if isinstance(array, DeviceArray):
            assign(own, array)
            self._last[i] = None
            return
        small = array.tobytes() if array.nbytes <= 64 and self._roles[i] == "in" else None
        if small is None or small != self._last[i]:
            upload(own.address, np.ascontiguousarray(array).reshape(-1), self.index)
        self._last[i] = small


class Outputs:
    """The outputs of a graph, and what calls are given: memory that no later call writes."""

    def __init__(self, graph: Graph, index: int) -> None:
        self.index = index
        self._types = [o.type for o in graph.outputs]
        self._offsets: dict[int, int] = {}
        self._bytes = 0
        for i, type_ in enumerate(self._types):
            if type_.nbytes <= _SMALL:
                self._offsets[i] = self._bytes
                self._bytes += max(-(-type_.nbytes // _LINE), 1) * _LINE
        self._pieces: list[Memory] = []
        self._stream = 0
        #: the piece of the call that is going on; and the one that is copied from where callers have all others
        self._piece: Memory | None = None
        self._shared: Memory | None = None

    def place(self, found: list[Any]) -> list[int]:
        """An address for each: where those in ``found`` lie, new memory for what is large, a piece for others."""
        self._piece = self._free_piece() if self._offsets else None
        return [self._place(i, array, found) for i, array in enumerate(found)]

    def _place(self, i: int, array: DeviceArray | None, found: list[Any]) -> int:
        if array is not None:
            return array.address
        if i in self._offsets and self._piece is not None:
            return self._piece.address + self._offsets[i]
        found[i] = array = empty(self.index, self._types[i].shape, self._types[i].dtype.np)
        return array.address

    def _free_piece(self) -> Memory:
        """One that nobody else has, or else the shared one."""
        device = gpu(self.index)
        if device.stream.handle != self._stream:  # what is freed is free for the work of its own stream
            self._pieces.clear()
            self._stream = device.stream.handle
        for piece in self._pieces:
            if sys.getrefcount(piece) == _ALONE:
                return piece
        if len(self._pieces) < _MOST_PIECES:
            self._pieces.append(raw(device, self._bytes))
            return self._pieces[-1]
        self._shared = self._shared or raw(device, self._bytes)
        return self._shared

    def take(self, found: list[Any]) -> list[Any]:
        """The outputs of a call: small ones as parts of one piece of memory, which they keep the whole of."""
        piece, self._piece = self._piece, None
        if piece is None:
            return found
        if piece is self._shared:
            device = gpu(self.index)
            copy = raw(device, self._bytes)
            device.copy(copy.address, piece.address, self._bytes)
            piece = copy
        for i, offset in self._offsets.items():
            if found[i] is None:
                type_ = self._types[i]
                part = Memory(piece.address + offset, type_.nbytes, self.index, piece)
                found[i] = DeviceArray.over(part, type_.shape, type_.dtype.np)
        return found


def _alone() -> int:
    """References to an element of a list that a loop looks at, where there are no others."""
    for element in [object()]:
        return sys.getrefcount(element)
    raise AssertionError


_ALONE = _alone()
