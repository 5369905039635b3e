"""Memory that tensors share: a program tells tensors apart by storage, so what it writes must overlap no other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphtorch.frontend.tensors.storage import address, shares
from graphtorch.frontend.traced_state import Binding
from graphtorch.ir.errors import TraceError
from graphtorch.runtime.cuda_array import on_gpu
from graphtorch.runtime.gather import CONTIGUOUS, WRITEABLE

Array = np.ndarray[Any, Any]
#: how much work to find out whether two interleaved views overlap; more than that, and they do
_EFFORT: Any = 100_000


@dataclass(frozen=True)
class Span:
    """The bytes from ``low`` to before ``high``, in which the array of binding number ``index`` lies."""

    low: int
    high: int
    array: Array
    index: int


def span(array: Array, index: int) -> Span:
    """Where an array lies."""
    low = address(array)
    if array.flags.c_contiguous:
        return Span(low, low + array.nbytes, array, index)
    reach = [s * (n - 1) for n, s in zip(array.shape, array.strides, strict=True)]
    down, up = sum(r for r in reach if r < 0), sum(r for r in reach if r > 0)
    return Span(low + down, low + up + array.itemsize if array.size else low + down, array, index)


def overlap(a: Span, b: Span) -> bool:
    """Whether two arrays have an element in common."""
    if a.high <= b.low or b.high <= a.low:
        return False
    if type(a.array) is not type(b.array):
        return False
    if on_gpu(a.array):
        return shares(a.array, b.array)
    try:
        return bool(np.shares_memory(a.array, b.array, max_work=_EFFORT))
    except np.exceptions.TooHardError:
        return True


class Memory:
    """The memory of a program's tensors, looked at again when captured ones may have moved."""

    def __init__(self, bindings: Sequence[Binding]) -> None:
        self._bindings = bindings
        self._inputs = [i for i, b in enumerate(bindings) if b.position is not None]
        self._state = [i for i, b in enumerate(bindings) if b.position is None and b.tensor is not None]
        self.written = {i for i, b in enumerate(bindings) if b.param.role == "inout"}
        self._writes_inputs = any(i in self.written for i in self._inputs)
        self._spans: list[Span] = []
        self._highest: list[int] = []

    def need(self, index: int) -> tuple[int, int]:
        """Flags and bytes of an array that takes no closer look (`plan_of`)."""
        writes_input = index in self.written and index in self._inputs
        return CONTIGUOUS | (WRITEABLE if writes_input else 0), self._bindings[index].param.type.nbytes

    def pairs(self) -> list[tuple[int, int]]:
        """Arrays that `check` compares: an argument with what is written, and one that is written with all."""
        inputs = set(self._inputs)
        return [
            (i, j)
            for i in self._inputs
            for j in sorted({*self._inputs, *self._state})
            if (i in self.written or j in self.written) and (i < j or j not in inputs)
        ]

    def layout(self, owners: Sequence[Any]) -> list[int]:
        """Which tensors of the captured state share a storage with which: a program is good for one answer."""
        ids = [id(owners[i]._storage) for i in self._state]
        return [ids.index(i) for i in ids] if len(set(ids)) < len(ids) else []

    def settle(self, owners: Sequence[Any]) -> None:
        """TraceError GT607 when captured tensors overlap and one of them is written."""
        if not self.written:
            return
        self._writeable(owners, self._state)
        relevant = self._state if self._writes_inputs else [i for i in self._state if i in self.written]
        spans = sorted((span(owners[i]._array, i) for i in self._state), key=lambda s: s.low)
        before: list[Span] = []
        for s in spans:
            before = [b for b in before if b.high > s.low]
            for b in before:
                if owners[b.index]._storage is not owners[s.index]._storage and self._conflict(b, s):
                    names = f"{self._name(b.index)} and {self._name(s.index)}"
                    raise _shared(f"{names} share memory, and the program writes one of them in place")
            before.append(s)
        chosen = set(relevant)
        self._spans = [s for s in spans if s.index in chosen]
        self._highest = [s.high for s in self._spans]
        for i in range(1, len(self._spans)):
            self._highest[i] = max(self._highest[i], self._highest[i - 1])

    def check(self, owners: Sequence[Any]) -> None:
        """TraceError GT607 when an argument overlaps what the program writes, or is written over something else."""
        if not self.written:
            return
        self._writeable(owners, self._inputs)
        seen: list[Span] = []
        for i in self._inputs:
            s = span(owners[i]._array, i)
            other = self._clash(s)
            if other is not None:
                raise _shared(self._with_state(i, other))
            if any(self._conflict(other, s) for other in seen):
                raise _shared("arguments share memory, and the program writes one of them in place")
            seen.append(s)

    def _writeable(self, owners: Sequence[Any], among: Sequence[int]) -> None:
        """TraceError GT613 for memory that must not be written, or whose elements are one."""
        for i in among:
            if i not in self.written:
                continue
            array = owners[i]._array
            if array.flags.writeable and not _repeats(array):
                continue
            why = "shared by several of its elements" if _repeats(array) else "read-only"
            raise TraceError(
                "GT613",
                f"{self._name(i)} is written in place, and its memory is {why}",
                ["clone() it before the call"],
            )

    def clash(self, owners: Sequence[Any], index: int) -> bool:
        """Whether state that is read, and stands elsewhere than before, overlaps state that is written."""
        return self._clash(span(owners[index]._array, index)) is not None

    def _clash(self, s: Span) -> int | None:
        at = bisect_left(self._highest, s.low + 1)
        while at < len(self._spans) and self._spans[at].low < s.high:
            if self._conflict(self._spans[at], s):
                return self._spans[at].index
            at += 1
        return None

    def _with_state(self, argument: int, state: int) -> str:
        if state in self.written:
            return f"{self._name(argument)} is also state that the program writes in place, {self._name(state)}"
        return f"{self._name(argument)}, which the program writes in place, shares memory with {self._name(state)}"

    def _conflict(self, a: Span, b: Span) -> bool:
        return (a.index in self.written or b.index in self.written) and overlap(a, b)

    def _name(self, index: int) -> str:
        binding = self._bindings[index]
        if binding.position is not None:
            return f"argument {binding.position}"
        return f"{binding.param.label or binding.param.name} {binding.param.type}"


def _repeats(array: Array) -> bool:
    """Whether elements share memory, as those of an expanded tensor do."""
    if 0 not in array.strides or not array.size:  # numpy gives arrays of no elements strides of 0
        return False
    return any(stride == 0 and n > 1 for stride, n in zip(array.strides, array.shape, strict=True))


def _shared(text: str) -> TraceError:
    return TraceError("GT607", text, ["clone() one of them before the call"])
