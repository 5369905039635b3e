"""Objects through shared memory: how a batch gets from a worker to the process that trains.

A batch is pickled; its arrays, wherever they are in it, are not in the pickle but side by side in one segment of shared
memory, and become arrays over that segment where it is unpacked. The segment loses its name there, at once; the system
frees it with the last array. Its name is chosen by who asked for the batch, so a segment that nobody unpacked,
since its worker died or nobody wanted the batch any more, is found and removed.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from collections.abc import Callable
from multiprocessing.shared_memory import SharedMemory
from typing import Any, NamedTuple

import numpy as np

from graphtorch.frontend.tensor import Tensor, as_tensor_of, user_attributes
from graphtorch.ir.types import DType

#: arrays of fewer bytes go through the pipe: a segment costs some system calls, and its pages are new
SMALL = 1 << 16
_ALIGNED = 64
#: batches that may be held over segments, each of which has two of the process's open files; others are copied
_HELD = 64
#: where Linux has its shared memory, which a container may have made small: writing beyond it kills
_MOUNT = "/dev/shm"


class Parcel(NamedTuple):
    """A packed object: the pickle, the sizes of its arrays in bytes, and where they are: in a segment, or here."""

    pickled: bytes
    sizes: tuple[int, ...]
    segment: str | None
    arrays: tuple[bytearray, ...]


class _Pickler(pickle.Pickler):
    """Writes the elements that a tensor shows, and not all of its storage: a batch may be a slice of the data set."""

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, Tensor):
            return NotImplemented
        array = np.ascontiguousarray(obj.detach().numpy()).reshape(obj.shape)
        made = type(obj), array.reshape(-1).view(np.uint8), obj.dtype, tuple(obj.shape), obj.requires_grad
        return _tensor, made, user_attributes(obj) or None


def _tensor(
    cls: type[Tensor], memory: np.ndarray[Any, Any], dtype: DType, shape: tuple[int, ...], requires_grad: bool
) -> Tensor:
    plain = as_tensor_of(memory.view(dtype.np).reshape(shape))
    out = cls.__new__(cls)
    out._data, out._storage, out._requires_grad = plain._data, plain._storage, requires_grad
    return out


def pack(obj: Any, name: str) -> Parcel:
    """``obj`` packed; if its arrays are large they are put into a new segment of shared memory, ``name``."""
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    _Pickler(file, 5, buffer_callback=buffers.append).dump(obj)
    views = [buffer.raw() for buffer in buffers]
    sizes = tuple(view.nbytes for view in views)
    total = sum(map(_rounded, sizes))
    if total < SMALL or not _fits(total):
        return Parcel(file.getvalue(), sizes, None, tuple(bytearray(view) for view in views))
    segment = SharedMemory(name=name, create=True, size=total)
    try:
        _fill(segment, views)
    finally:
        segment.close()
    return Parcel(file.getvalue(), sizes, name, ())


def _fill(segment: SharedMemory, views: list[memoryview]) -> None:
    start, memory = 0, np.frombuffer(_buffer(segment), np.uint8)
    for view in views:
        memory[start : start + view.nbytes] = view
        start += _rounded(view.nbytes)


def _buffer(segment: SharedMemory) -> memoryview:
    assert segment.buf is not None  # it is not closed
    return segment.buf


def _rounded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def _fits(size: int) -> bool:
    """Whether there may be a segment of this size, with as much left over for other workers."""
    if os.name != "posix":
        return False  # Windows removes a segment that no process holds, as between its worker and its reader
    if not os.path.isdir(_MOUNT):
        return True  # the system does not tell
    found = os.statvfs(_MOUNT)
    return found.f_bavail * found.f_frsize >= 2 * size


def unpack(parcel: Parcel) -> Any:
    """The object. Its segment has no name any more, and lasts as long as an array over it.

    It is copied out of its segment where very many are in use.
    """
    if parcel.segment is None:
        return pickle.loads(parcel.pickled, buffers=parcel.arrays)
    held = _Memory(parcel.segment)
    memory = np.asarray(held) if _Memory.alive <= _HELD else np.array(held)
    del held
    views, start = [], 0
    for size in parcel.sizes:
        views.append(memory[start : start + size].data)
        start += _rounded(size)
    return pickle.loads(parcel.pickled, buffers=views)


class _Memory:
    """The bytes of a segment, for numpy: an array over them holds this object, which closes the segment at its end."""

    alive = 0

    def __init__(self, name: str) -> None:
        self._segment = SharedMemory(name=name)
        _Memory.alive += 1
        self._segment.unlink()
        bytes_ = np.frombuffer(_buffer(self._segment), np.uint8)
        self.__array_interface__: dict[str, Any] = bytes_.__array_interface__

    def __del__(self) -> None:
        if segment := getattr(self, "_segment", None):
            _Memory.alive -= 1
            segment.close()


def discard(name: str) -> None:
    """Remove a segment, if there is one of this name."""
    if os.name != "posix":
        return
    try:
        segment = SharedMemory(name=name)
    except FileNotFoundError:
        return
    except ValueError:  # its worker was killed before it had a size, and before anybody heard of it
        return _unlink(name)
    segment.close()
    segment.unlink()


def _unlink(name: str) -> None:
    import _posixshmem  # type: ignore[import-not-found]  # a module of CPython's own, which `shared_memory` uses

    unlink: Callable[[str], None] = _posixshmem.shm_unlink
    with contextlib.suppress(FileNotFoundError):
        unlink(f"/{name}")
