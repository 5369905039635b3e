"""The memory behind tensors: what views share, and memory that Python holds too."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakSet, WeakValueDictionary

import numpy as np

from graphtorch.ir.loc import Place
from graphtorch.runtime.cuda_array import on_gpu


class Storage:
    """Memory that tensors view. ``version`` counts in-place writes, but for those through `.data`, which ``unseen``
    counts; ``changed`` tells of the last. ``array`` is None in a trace."""

    version = unseen = 0  # in the class, so that a new one is quickly made
    changed: tuple[str, Place | None] = ("an in-place operation", None)

    def __init__(self, array: np.ndarray[Any, Any] | None) -> None:
        self.array = array

    def __reduce__(self) -> tuple[Any, ...]:
        if on_gpu(self.array):
            return _on_device, (host(self.array), f"cuda:{self.array.device}")
        return Storage, (self.array,)


def _on_device(array: np.ndarray[Any, Any], place: str) -> Storage:
    """Out of a pickle, back to the device that it was on; DeviceError GT402 where that is not there."""
    from graphtorch.frontend.placement import out_of_a_pickle

    return Storage(out_of_a_pickle(array, place))


class Unseen:
    """The writes through one `.data` of a tensor, and through views of it, which autograd knows for these alone."""

    count = 0


def address(array: Any) -> int:
    """Where the first element lies, on whatever device."""
    if on_gpu(array):
        return array.address
    return int(array.__array_interface__["data"][0])


def flat(array: Any) -> Any:
    """The elements of ``array`` in order of memory; a view, where they are dense."""
    if on_gpu(array):
        return (array if array.flags.forc else copy_of(array)).flat()
    return array.reshape(-1) if array.flags.c_contiguous else array.ravel(order="K")


def as_elements(memory: Any, dtype: Any) -> Any:
    """The bytes of ``memory``, of one dimension, as elements of ``dtype``; those at its end that make none are left."""
    if memory.dtype == dtype:
        return memory
    if on_gpu(memory):
        return memory.view(dtype)
    size = np.dtype(dtype).itemsize
    return memory.view(np.uint8)[: memory.nbytes // size * size].view(dtype)


def dense(storage: Storage) -> bool:
    """Whether the memory has no gaps, and is that of no trace."""
    array = storage.array
    return array is not None and bool(array.flags.c_contiguous or array.flags.f_contiguous)


def copied(storage: Storage) -> np.ndarray[Any, Any] | None:
    """A copy of the memory, in its order."""
    return None if storage.array is None else copy_of(storage.array)


def copy_of(array: Any) -> Any:
    """A copy of an array of any device, in its order of dimensions."""
    if on_gpu(array):
        from graphtorch.runtime import cuda_copy  # which the CPU does without

        return cuda_copy.copied(array)
    return array.copy(order="K")


def row_major_copy(array: Any) -> Any:
    """A copy of an array of any device, in row-major order."""
    if on_gpu(array):
        from graphtorch.runtime import cuda_copy

        return cuda_copy.copied(array, "C")
    return np.array(array, order="C")


def host(array: Any) -> Any:
    """The numbers of an array of any device, where Python can read them: a copy, of one on a GPU."""
    if on_gpu(array):
        from graphtorch.runtime import cuda_copy

        return cuda_copy.to_host(array)
    return array


def shares(array: Any, other: Any) -> bool:
    """Whether two arrays may share memory."""
    if on_gpu(array) and on_gpu(other):
        return array.memory is other.memory and bool(np.may_share_memory(array.shadow, other.shadow))
    return type(array) is type(other) and bool(np.may_share_memory(array, other))


def assign(to: Any, source: Any) -> None:
    """``to[...] = source``, arrays of one shape and dtype, of any devices."""
    if on_gpu(to) or on_gpu(source):
        from graphtorch.runtime import cuda_copy

        if on_gpu(to):
            cuda_copy.assign(to, source)
            return
        source = cuda_copy.to_host(source)
    np.copyto(to, source)


def strided(storage: Storage, dtype: Any, shape: Any, strides: Any, offset: int) -> Any:
    """The elements of dense memory from number ``offset`` on, ``strides`` elements apart."""
    assert storage.array is not None  # it is no storage of a trace
    memory = as_elements(flat(storage.array), dtype)
    steps = [s * memory.itemsize for s in strides]
    if on_gpu(memory):
        return memory.strided(shape, steps, offset)
    return np.lib.stride_tricks.as_strided(memory[offset:], shape, steps)


def seen_through(storage: Storage, t: Any) -> Any:
    """What ``t`` shows of its storage, of a copy of that; of memory with gaps, a copy of what it shows."""
    if not dense(t._storage):
        return row_major_copy(t._array)
    if t._array is t._storage.array and storage.array is not None:
        return storage.array
    return strided(storage, t._array.dtype, t._array.shape, *t._layout())


def repeats(array: np.ndarray[Any, Any]) -> bool:
    """Whether elements share memory: those of an expanded tensor, or overlapping windows."""
    return not array.flags.forc and elements_overlap(array.shape, array.strides)  # flags: the usual case


def elements_overlap(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether two elements lie at one place; strides in any unit."""
    sizes = [(abs(s), n) for s, n in zip(strides, shape, strict=True) if n > 1]
    if not sizes or 0 in shape:
        return False
    reach = 0
    for stride, n in sorted(sizes):
        if stride <= reach:
            return stride == 0 or _overlap_exactly(shape, strides)
        reach += stride * (n - 1)
    return False


def _overlap_exactly(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """`elements_overlap`, where dimensions interleave: by the offset of each element."""
    offsets = np.zeros((), np.int64)
    for stride, n in zip(strides, shape, strict=True):
        offsets = offsets[..., None] + np.arange(n) * stride
    return len(np.unique(offsets)) < offsets.size


#: the storage over an array that Python holds too, by where it lies: two tensors over one array share it
_shared: WeakValueDictionary[Any, Storage] = WeakValueDictionary()
#: storages whose arrays Python was given, and that are not in `_shared` yet: `numpy()` is called more than `from_numpy`
given: WeakSet[Storage] = WeakSet()


def share(storage: Storage) -> Storage:
    """The storage that tensors over this memory have already, or this one."""
    with suppress(KeyError):
        while given:
            _enter(given.pop())
    return _enter(storage)


def _enter(storage: Storage) -> Storage:
    array = storage.array
    if array is None or not array.size:
        return storage
    return _shared.setdefault((address(array), array.shape, array.strides, array.dtype.str), storage)
