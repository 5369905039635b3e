"""A GPU through libcuda alone: as much of the driver API as it takes to run kernels, and to time them.

No runtime: memory is freed when the `Gpu` is closed, and all work is on one stream.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import byref, c_float, c_int, c_size_t, c_uint, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
Dim3 = tuple[int, int, int]
#: what cuDeviceGetAttribute calls them
ATTRIBUTES = {"multiprocessors": 16, "L2 bytes": 38, "capability major": 75, "capability minor": 76}
#: what cuFuncGetAttribute calls them
FUNCTION_ATTRIBUTES = {"shared bytes": 1, "local bytes": 3, "registers": 4}
_THREAD_LOCAL_CAPTURE = 1
#: what cuFuncSetAttribute calls it
_MOST_DYNAMIC_SHARED = 8


class CudaError(RuntimeError):
    """A call of the driver that failed: its name, and the driver's name of the error."""


def _loaded(library: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(library)
    except OSError as error:
        raise CudaError(f"there is no driver: {error}") from None


@dataclass(frozen=True)
class Launch:
    """A kernel with its geometry and packed arguments: what it costs to launch it is one call of the driver."""

    function: c_void_p
    grid: Dim3
    block: Dim3
    pointers: Any
    arguments: Any
    shared: int


class Gpu:
    """The primary context of device 0, by the driver ``library``. CudaError where there is no driver or no device."""

    def __init__(self, library: str = "libcuda.so.1") -> None:
        self.lib = _loaded(library)
        self.call("cuInit", 0)
        device = c_int()
        self.call("cuDeviceGet", byref(device), 0)
        self.device, self.context, self.stream = device, c_void_p(), c_void_p()
        self.memory: list[int] = []
        self.open()

    def open(self) -> None:
        """A context and a stream; again after the context was reset."""
        self.call("cuDevicePrimaryCtxRetain", byref(self.context), self.device)
        self.call("cuCtxSetCurrent", self.context)
        self.call("cuStreamCreate", byref(self.stream), 1)

    def call(self, name: str, *args: object) -> None:
        code = getattr(self.lib, name)(*args)
        if code:
            text = ctypes.c_char_p()
            self.lib.cuGetErrorName(code, byref(text))
            raise CudaError(f"{name}: {(text.value or b'unknown error').decode()} ({code})")

    # ---- facts ------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        text = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", text, 256, self.device)
        return text.value.decode()

    @property
    def driver(self) -> str:
        """The newest CUDA version that the driver knows."""
        version = c_int()
        self.call("cuDriverGetVersion", byref(version))
        return f"{version.value // 1000}.{version.value % 1000 // 10}"

    def attribute(self, name: str) -> int:
        value = c_int()
        self.call("cuDeviceGetAttribute", byref(value), ATTRIBUTES[name], self.device)
        return value.value

    @property
    def arch(self) -> str:
        return f"sm_{self.attribute('capability major')}{self.attribute('capability minor')}"

    # ---- memory -----------------------------------------------------------------------------------

    def alloc(self, nbytes: int, fill: int = 0xFF) -> int:
        """Memory in which every byte is ``fill``: by default floats are nan. Its address is a multiple of 256."""
        address = c_uint64()
        self.call("cuMemAlloc_v2", byref(address), c_size_t(max(nbytes, 1)))
        self.memory.append(address.value)
        self.call("cuMemsetD8_v2", address, ctypes.c_ubyte(fill), c_size_t(max(nbytes, 1)))
        self.call("cuCtxSynchronize")  # fills are not waited for, and this stream does not wait for the default one
        return address.value

    def upload(self, array: Array, address: int | None = None) -> int:
        """The array's bytes, in memory of their own unless an address is given."""
        dense = np.ascontiguousarray(array)
        where = self.alloc(dense.nbytes) if address is None else address
        if dense.nbytes:
            self.call("cuMemcpyHtoD_v2", c_uint64(where), c_void_p(dense.ctypes.data), c_size_t(dense.nbytes))
        return where

    def download(self, address: int, shape: tuple[int, ...], dtype: Any) -> Array:
        out = np.empty(shape, dtype)
        if out.nbytes:
            self.synchronize()
            self.call("cuMemcpyDtoH_v2", c_void_p(out.ctypes.data), c_uint64(address), c_size_t(out.nbytes))
        return out

    def copy(self, to: int, source: int, nbytes: int) -> None:
        """From device memory to device memory, on the stream."""
        self.call("cuMemcpyDtoDAsync_v2", c_uint64(to), c_uint64(source), c_size_t(nbytes), self.stream)

    def free(self) -> None:
        """All memory."""
        self.synchronize()
        for address in self.memory:
            self.call("cuMemFree_v2", c_uint64(address))
        self.memory.clear()

    # ---- kernels ----------------------------------------------------------------------------------

    def load(self, cubin: bytes) -> Callable[[str], c_void_p]:
        """From the name of a kernel to its function."""
        module = c_void_p()
        self.call("cuModuleLoadData", byref(module), cubin)

        def function(name: str) -> c_void_p:
            found = c_void_p()
            self.call("cuModuleGetFunction", byref(found), module, name.encode())
            return found

        return function

    def function_attribute(self, function: c_void_p, name: str) -> int:
        value = c_int()
        self.call("cuFuncGetAttribute", byref(value), FUNCTION_ATTRIBUTES[name], function)
        return value.value

    def prepare(self, function: c_void_p, grid: Dim3, block: Dim3, addresses: Sequence[int], shared: int = 0) -> Launch:
        """``shared`` bytes of memory a block, where the kernel does not declare its own."""
        if shared:
            self.call("cuFuncSetAttribute", function, c_int(_MOST_DYNAMIC_SHARED), c_int(shared))
        arguments = (c_uint64 * len(addresses))(*addresses)
        base, size = ctypes.addressof(arguments), ctypes.sizeof(c_uint64)
        pointers = (c_void_p * len(addresses))(*(base + i * size for i in range(len(addresses))))
        return Launch(function, grid, block, pointers, arguments, shared)

    def launch(self, launch: Launch) -> None:
        sizes = (*launch.grid, *launch.block, launch.shared)
        self.call("cuLaunchKernel", launch.function, *sizes, self.stream, launch.pointers, None)

    def synchronize(self) -> None:
        self.call("cuStreamSynchronize", self.stream)

    # ---- graphs and events ------------------------------------------------------------------------

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """A function that replays what ``work`` puts on the stream, as one CUDA graph."""
        graph, executable = c_void_p(), c_void_p()
        self.call("cuStreamBeginCapture_v2", self.stream, c_uint(_THREAD_LOCAL_CAPTURE))
        try:
            work()
        finally:
            self.call("cuStreamEndCapture", self.stream, byref(graph))
        self.call("cuGraphInstantiateWithFlags", byref(executable), graph, c_uint64(0))
        return lambda: self.call("cuGraphLaunch", executable, self.stream)

    def times(self, work: Callable[[], None], samples: int = 30, warm_up: int = 3) -> list[float]:
        """Microseconds of the device between an event before ``work`` and one after it, for each of ``samples``."""
        for _ in range(warm_up):
            work()
        self.synchronize()
        return [self._time(work) for _ in range(samples)]

    def _time(self, work: Callable[[], None]) -> float:
        start, end, milliseconds = c_void_p(), c_void_p(), c_float()
        for event in (start, end):
            self.call("cuEventCreate", byref(event), 0)
        self.call("cuEventRecord", start, self.stream)
        work()
        self.call("cuEventRecord", end, self.stream)
        self.call("cuEventSynchronize", end)
        self.call("cuEventElapsedTime", byref(milliseconds), start, end)
        for event in (start, end):
            self.call("cuEventDestroy_v2", event)
        return milliseconds.value * 1000
