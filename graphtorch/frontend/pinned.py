"""Tensors in memory of the host that a GPU reads by itself: copies from there go on while Python does."""

from __future__ import annotations

import weakref
from typing import Any

from graphtorch.frontend.placement import current_index
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tensors.storage import address, host
from graphtorch.runtime.cuda import Gpu, gpu

#: where pinned memory begins, and where it ends
_ranges: dict[int, int] = {}


def pinned(t: Tensor) -> Tensor:
    """A copy of ``t`` in pinned memory, which goes back to its pool with the copy; ``t`` itself where it is there."""
    if is_pinned(t):
        return t
    device, source = gpu(current_index()), host(t._array)
    memory = device.pinned(max(source.nbytes, 1))
    array = memory[: source.nbytes].view(source.dtype).reshape(source.shape)
    array[...] = source
    begin = address(memory)
    _ranges[begin] = begin + memory.nbytes
    weakref.finalize(array, _returned, device, memory)
    return Tensor._made(array, t.aval)


def _returned(device: Gpu, memory: Any) -> None:
    """To the pool, when copies that read it are done."""
    del _ranges[address(memory)]
    device.synchronize()
    device.unpin(memory)


def is_pinned(t: Tensor) -> bool:
    """Whether all of ``t`` is in memory that `pinned` gave."""
    return t.is_cpu and holds(t._array)


def holds(array: Any) -> bool:
    """Whether a numpy array lies in memory that `pinned` gave."""
    at = address(array)
    return any(begin <= at < end for begin, end in _ranges.items())
