"""Arrays to a GPU, from it, and on it: in any order of elements."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.codegen.cuda_copy import NAMES, THREADS, copy_source
from graphtorch.runtime.cuda import Event, Gpu, gpu
from graphtorch.runtime.cuda_array import DeviceArray, Memory
from graphtorch.runtime.cuda_compile import load_source
from graphtorch.runtime.threads import fork_safe

Array = np.ndarray[Any, Any]
#: blocks of a copy: its threads go on until all is done
_MOST_BLOCKS = 4096
#: pinned pieces that are filled while others are read
_SLOTS = 4
#: bytes from which on a copy from the host waits for the host's memory instead of passing through a pinned piece
_LARGEST_STAGED = 1 << 24


def empty(index: int, shape: Sequence[int], dtype: Any) -> DeviceArray:
    """New memory of device ``index``, for work on its current stream."""
    kind = np.dtype(dtype)
    count = 1
    for n in shape:
        count *= n
    return DeviceArray.over(raw(gpu(index), count * kind.itemsize), shape, kind)


def raw(device: Gpu, nbytes: int) -> Memory:
    """``nbytes`` of memory, or one byte for none."""
    return Memory.of_block(device.pool.take(max(nbytes, 1), device.stream.handle), nbytes, device.index, device.pool)


def to_device(array: Array, index: int) -> DeviceArray:
    """A copy on device ``index``; the host's array can be written as soon as this returns."""
    dense = np.ascontiguousarray(array).reshape(array.shape)
    out = empty(index, dense.shape, dense.dtype)
    if dense.size:
        upload(out.address, dense, index)
    return out


def from_pinned(dense: Array, index: int) -> DeviceArray:
    """`to_device` of pinned memory, which must not be written, or unpinned, before the copy is done."""
    out = empty(index, dense.shape, dense.dtype)
    if dense.size:
        gpu(index).upload(out.address, dense.reshape(-1).view(np.uint8))
    return out


def upload(address: int, dense: Array, index: int) -> None:
    """The bytes of a dense array, in turn with the stream's work, which goes on meanwhile."""
    device = gpu(index)
    if dense.nbytes > _LARGEST_STAGED:
        device.upload(address, dense.reshape(-1).view(np.uint8))
        device.stream.synchronize()
    else:
        _staging(index).put(address, dense)


class Staging:
    """Pinned memory that copies from the host pass through, one piece after the other."""

    def __init__(self, index: int) -> None:
        self.device = gpu(index)
        self._slots: list[tuple[Any, Event] | None] = [None] * _SLOTS
        self._next = 0
        self._lock = fork_safe(threading.Lock())

    def put(self, address: int, dense: Array) -> None:
        with self._lock:
            memory, event = self._free(dense.nbytes)
            piece = memory[: dense.nbytes]
            piece[...] = dense.reshape(-1).view(np.uint8)
            self.device.upload(address, piece)
            event.record(self.device.stream)

    def _free(self, nbytes: int) -> tuple[Any, Event]:
        """The piece that was used longest ago, when the device has read it."""
        at, self._next = self._next, (self._next + 1) % _SLOTS
        slot = self._slots[at]
        if slot is not None:
            slot[1].synchronize()
            if slot[0].nbytes >= nbytes:
                return slot
            self.device.unpin(slot[0])
        slot = self._slots[at] = self.device.pinned(nbytes), Event(self.device, timing=False)
        return slot


@functools.cache
def _staging(index: int) -> Staging:
    return Staging(index)


def to_host(array: DeviceArray) -> Array:
    """A copy in the host's memory, in the order of the elements; waits for the work that makes it."""
    source = array if array.flags.forc else contiguous(array)
    device = gpu(source.device)
    out = np.empty_like(source.shadow, order="K", subok=False)
    if out.size:
        device.download(out.ravel(order="K").view(np.uint8), source.address)
        device.stream.synchronize()
    return out


def contiguous(array: DeviceArray) -> DeviceArray:
    """The array in row-major order: itself where it is."""
    return array if array.flags.c_contiguous else copied(array, "C")


def copied(array: DeviceArray, order: str = "K") -> DeviceArray:
    """A copy, in row-major order ("C") or in that of the array's dimensions ("K")."""
    out = DeviceArray.over(
        raw(gpu(array.device), array.nbytes), array.shape, array.dtype, 0, _dense(array) if order == "K" else None
    )
    assign(out, array)
    return out


def _dense(array: DeviceArray) -> tuple[int, ...]:
    """Strides without gaps, with dimensions in the order in which they lie; numpy's order "K"."""
    found, step = [0] * array.ndim, array.itemsize
    for d in sorted(range(array.ndim), key=lambda d: (abs(array.strides[d]), -d)):
        found[d] = step
        step *= array.shape[d]
    return tuple(found)


def assign(to: DeviceArray, source: DeviceArray | Array) -> None:
    """``to[...] = source``, of one shape and dtype; ``source`` may be the host's, or another device's."""
    if not to.size:
        return
    if not isinstance(source, DeviceArray) or source.device != to.device:
        here = source if not isinstance(source, DeviceArray) else to_host(source)
        if to.flags.c_contiguous:
            upload(to.address, np.ascontiguousarray(here), to.device)
            return
        source = to_device(here, to.device)
    if _overlap(to, source):
        source = copied(source)
    if to.strides == source.strides and to.flags.forc:
        gpu(to.device).copy(to.address, source.address, to.nbytes)
    else:
        _move(to, source)


def _overlap(to: DeviceArray, source: DeviceArray) -> bool:
    if to.memory is not source.memory or (to.address == source.address and to.strides == source.strides):
        return False
    return bool(np.may_share_memory(to.shadow, source.shadow))


def _move(to: DeviceArray, source: DeviceArray) -> None:
    """Element by element, on the device of both."""
    device, size = gpu(to.device), to.itemsize
    sizes, puts, takes = _joined(to.shape, to.strides, source.strides)
    where = _geometry(to.device, (sizes, tuple(s // size for s in puts), tuple(s // size for s in takes)))
    blocks = min(-(-to.size // THREADS), _MOST_BLOCKS)
    arguments = np.array([to.address, source.address, where.address], np.uint64).tobytes()
    device.launch(_function(to.device, size), (blocks, 1, 1), (THREADS, 1, 1), arguments)


def _joined(shape: Sequence[int], puts: Sequence[int], takes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Fewer dimensions, where two lie as one does in both."""
    found: list[list[int]] = []
    for n, put, take in zip(shape, puts, takes, strict=True):
        if n == 1:
            continue
        if found and found[-1][1] == n * put and found[-1][2] == n * take:
            found[-1] = [found[-1][0] * n, put, take]
        else:
            found.append([n, put, take])
    return tuple(zip(*found, strict=True)) if found else ((), (), ())


@functools.lru_cache(4096)
def _geometry(index: int, where: tuple[tuple[int, ...], ...]) -> DeviceArray:
    """What the kernel is told of sizes and strides, on the device."""
    count = 1
    for n in where[0]:
        count *= n
    told = to_device(np.array([len(where[0]), count, *where[0], *where[1], *where[2]], np.int64), index)
    gpu(index).stream.synchronize()  # other streams may want it next
    return told


@functools.cache
def _function(index: int, size: int) -> Any:
    return _module(index).function(NAMES[size])


@functools.cache
def _module(index: int) -> Any:
    return load_source(gpu(index), copy_source())
