"""What pycuda leaves out of the driver, by ctypes on the same library: plain memory, contexts by thread, CUDA graphs.

Memory is the pool's (cuda_memory.py), and may outlive all that pycuda's own objects need when they go.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from ctypes import byref, c_char_p, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any

from graphtorch.ir.errors import DeviceError

#: what the driver calls the error of memory that it does not have
_OUT_OF_MEMORY = 2
#: a capture in which other threads may do as they like
_THREAD_LOCAL = 1


class OutOfMemory(Exception):
    """The driver has no memory of this size; the pool makes an error of it that says how much there is."""


@functools.cache
def library() -> ctypes.CDLL:
    """libcuda; OSError where there is none."""
    return ctypes.CDLL("libcuda.so.1")


def call(name: str, *args: Any) -> None:
    """A function of the driver API; DeviceError GT406 with the driver's words where it fails."""
    code = getattr(library(), name)(*args)
    if not code:
        return
    if code == _OUT_OF_MEMORY:
        raise OutOfMemory
    word, text = c_char_p(), c_char_p()
    library().cuGetErrorName(code, byref(word))
    library().cuGetErrorString(code, byref(text))
    told = [(t.value or b"").decode() for t in (word, text)]
    raise failed(name, ": ".join(filter(None, told)) or f"error {code}")


def failed(name: str, why: str) -> DeviceError:
    """The error of a call of the driver."""
    return DeviceError(
        "GT406",
        f"the CUDA driver's {name} failed: {why}",
        ["the error may be that of an earlier kernel: what runs on a GPU is waited for later"],
        "CUDA_LAUNCH_BLOCKING=1 waits for each kernel, so that the error comes where it belongs",
    )


class _Current(threading.local):
    context = 0


_current = _Current()


def make_current(context: int) -> None:
    """The calls of this thread are for ``context`` from now on."""
    if _current.context != context:
        call("cuCtxSetCurrent", c_void_p(context))
        _current.context = context


def allocate(nbytes: int) -> int:
    """The address of memory of the current context: a multiple of 256."""
    found = c_uint64()
    call("cuMemAlloc_v2", byref(found), c_size_t(nbytes))
    return found.value


def release(address: int) -> None:
    """Give memory back."""
    call("cuMemFree_v2", c_uint64(address))


def fill(address: int, byte: int, nbytes: int, stream: int) -> None:
    """Set every byte, in turn with what else is on the stream."""
    call("cuMemsetD8Async", c_uint64(address), ctypes.c_ubyte(byte), c_size_t(nbytes), c_void_p(stream))


class Recording:
    """Work that a stream was given while it was recorded, as one launch."""

    def __init__(self, stream: int) -> None:
        self._graph, self._executable = c_void_p(), c_void_p()
        self._stream = stream
        call("cuStreamBeginCapture_v2", c_void_p(stream), c_uint(_THREAD_LOCAL))

    def end(self) -> None:
        """What was put on the stream since is what `replay` does."""
        call("cuStreamEndCapture", c_void_p(self._stream), byref(self._graph))
        call("cuGraphInstantiateWithFlags", byref(self._executable), self._graph, c_uint64(0))

    def abandon(self) -> None:
        """Something failed: leave the stream as it was."""
        library().cuStreamEndCapture(c_void_p(self._stream), byref(self._graph))
        self.close()

    def replay(self, stream: int) -> None:
        call("cuGraphLaunch", self._executable, c_void_p(stream))

    def close(self) -> None:
        for destroy, what in (("cuGraphExecDestroy", self._executable), ("cuGraphDestroy", self._graph)):
            if what.value:
                getattr(library(), destroy)(what)
                what.value = None
