"""A GPU through pycuda, the one place that imports it: contexts, streams, events, copies, modules, launches.

pycuda is imported when a device is first asked for. Where it, the driver or a device is missing, `why_unavailable`
says so, and nothing fails before a tensor is to be put there.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphtorch.codegen.cuda_target import limit_shared
from graphtorch.ir.errors import DeviceError
from graphtorch.runtime import cuda_driver
from graphtorch.runtime.cuda_driver import failed, make_current
from graphtorch.runtime.cuda_memory import Pool
from graphtorch.runtime.threads import fork_safe

Dim3 = tuple[int, int, int]


@functools.cache
def _pycuda() -> Any:
    import pycuda.driver

    pycuda.driver.init()
    return pycuda.driver


@functools.cache
def why_unavailable() -> str:
    """Why there is no GPU here, in a line; "" where there is one. Never an exception."""
    try:
        drv = _pycuda()
    except ModuleNotFoundError:
        return "pycuda is not installed (pip install graphtorch[cuda])"
    except ImportError as error:
        return f"pycuda does not find the CUDA driver ({error})"
    except Exception as error:  # pycuda's errors are of a module that may not be there
        return f"the CUDA driver does not start ({error})"
    return "" if drv.Device.count() else "the CUDA driver knows no device"


def device_count() -> int:
    """How many GPUs there are."""
    return 0 if why_unavailable() else int(_pycuda().Device.count())


_gpus: dict[int, Gpu] = {}
#: the process that uses them
_process: int | None = None
_making = fork_safe(threading.Lock())


def gpu(index: int) -> Gpu:
    """Device number ``index``, current for this thread; DeviceError GT402 where there is none."""
    global _process
    if _process not in (None, os.getpid()):
        raise DeviceError(
            "GT406",
            "this process was forked from one that uses a GPU, and cannot use it",
            ["workers of a DataLoader make batches on the CPU; move them where they are used"],
            'start processes by "spawn" instead',
        )
    found = _gpus.get(index)
    if found is None:
        why = why_unavailable() or ("" if index < device_count() else f"there are {device_count()} CUDA devices")
        if why:
            raise DeviceError("GT402", f"'cuda:{index}' cannot hold tensors", [why], 'use device="cpu"')
        with _making:
            found = _gpus.get(index) or _gpus.setdefault(index, Gpu(index))
            _process = os.getpid()
    make_current(found.context)
    return found


def opened() -> list[Gpu]:
    """The devices that were used so far."""
    return list(_gpus.values())


class _Streams(threading.local):
    """The stream that a thread has chosen for each device."""

    def __init__(self) -> None:
        self.chosen: dict[int, Stream] = {}


class Gpu:
    """One device: its primary context, which other libraries share, a stream for all work, and a pool of memory."""

    def __init__(self, index: int) -> None:
        drv = _pycuda()
        self.index, self._device = index, drv.Device(index)
        self._primary = self._device.retain_primary_context()
        self.context = int(self._primary.handle)
        make_current(self.context)
        self.name: str = self._device.name()
        self.capability: tuple[int, int] = tuple(self._device.compute_capability())
        self.total_memory = int(self._device.total_memory())
        limit_shared(self.attribute("MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"))
        self.pool = Pool(cuda_driver.allocate, cuda_driver.release, self._memory_left, self.synchronize)
        self._streams = _Streams()
        self.main = Stream(self)
        self._pinned: dict[int, list[Any]] = {}
        #: whether each launch is waited for, so that errors come where they belong
        self.waits = os.environ.get("CUDA_LAUNCH_BLOCKING") == "1"

    @property
    def arch(self) -> str:
        """What compilers call it: "sm_90"."""
        return "sm_{}{}".format(*self.capability)

    def attribute(self, name: str) -> int:
        """By the driver's name: "MULTIPROCESSOR_COUNT"."""
        return int(self._device.get_attribute(getattr(_pycuda().device_attribute, name)))

    def _memory_left(self) -> str:
        return f"{self.name} has {self.total_memory / 2**20:.0f} MiB"

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """pycuda's own objects are made in a context that it knows of; no thread keeps one when it ends."""
        self._primary.push()
        try:
            yield
        finally:
            _pycuda().Context.pop()

    # ---- streams ----------------------------------------------------------------------------------

    @property
    def stream(self) -> Stream:
        """The one that this thread has chosen."""
        return self._streams.chosen.get(self.index, self.main)

    def choose(self, stream: Stream) -> Stream:
        """Work of this thread goes to ``stream`` from now on; the one that it went to."""
        before = self.stream
        self._streams.chosen[self.index] = stream
        return before

    def synchronize(self) -> None:
        """Wait for all work on the device."""
        make_current(self.context)
        cuda_driver.call("cuCtxSynchronize")

    # ---- copies -----------------------------------------------------------------------------------

    def upload(self, address: int, array: Any) -> None:
        """The bytes of a dense numpy array; waited for unless its memory is pinned, in turn with the stream's work."""
        self._tried("memcpy_htod_async", address, array, self.stream.raw)

    def download(self, array: Any, address: int) -> None:
        """Into a dense numpy array, as `upload`: the work of the stream has to be waited for by the caller."""
        self._tried("memcpy_dtoh_async", array, address, self.stream.raw)

    def copy(self, to: int, source: int, nbytes: int) -> None:
        """Between memory of the device, in turn with the stream's work."""
        self._tried("memcpy_dtod_async", to, source, nbytes, self.stream.raw)

    def _tried(self, name: str, *args: Any) -> None:
        drv = _pycuda()
        try:
            getattr(drv, name)(*args)
        except drv.Error as error:
            raise failed(name, str(error)) from None

    # ---- pinned memory ----------------------------------------------------------------------------

    def pinned(self, nbytes: int) -> Any:
        """uint8[at least nbytes] of the host's memory that the device reads by itself; give it back with `unpin`."""
        size = 1 << max(nbytes - 1, 4095).bit_length()
        kept = self._pinned.get(size)
        if kept:
            return kept.pop()
        with self.current():
            return _pycuda().pagelocked_empty(size, np.uint8)

    def unpin(self, memory: Any) -> None:
        """Nobody needs it any more: to be called when copies from and to it are done."""
        self._pinned.setdefault(memory.nbytes, []).append(memory)

    # ---- code -------------------------------------------------------------------------------------

    def load(self, cubin: bytes) -> Module:
        """Code for this device, as a compiler gives it."""
        drv = _pycuda()
        try:
            with self.current():
                return Module(self, drv.module_from_buffer(cubin))
        except drv.Error as error:
            raise failed("cuModuleLoadData", str(error)) from None

    def launch(self, function: Function, grid: Dim3, block: Dim3, arguments: bytes, shared: int = 0) -> None:
        """``arguments`` are the addresses, 8 bytes each; ``shared`` bytes of memory are given to each block."""
        drv = _pycuda()
        try:
            function.raw._launch_kernel(grid, block, arguments, shared, self.stream.raw)
        except drv.Error as error:
            raise failed("cuLaunchKernel", str(error)) from None
        if self.waits:
            self.synchronize()


class _Owned:
    """An object of pycuda, ``raw``, which may go in any thread: pycuda wants its context to be current then."""

    def __init__(self, device: Gpu, raw: Any) -> None:
        self.device, self.raw = device, raw

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        if not ending():  # then pycuda does it, in the thread that the context was made in
            with self.device.current():
                self.raw = None


class Function(_Owned):
    """A kernel of loaded code."""

    @property
    def figures(self) -> dict[str, int]:
        """Registers a thread, bytes that it spills, and bytes of shared memory a block."""
        f = self.raw
        return {"registers": f.num_regs, "spilled": f.local_size_bytes, "shared": f.shared_size_bytes}


class Module(_Owned):
    """Loaded code."""

    def function(self, name: str, shared: int = 0) -> Function:
        """The kernel ``name``, whose launches may give a block so many bytes of shared memory."""
        found = self.raw.get_function(name)
        if shared:
            found.set_attribute(_pycuda().function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, shared)
        return Function(self.device, found)


class Stream(_Owned):
    """Work in turn. It belongs to a device."""

    def __init__(self, device: Gpu) -> None:
        with device.current():
            super().__init__(device, _pycuda().Stream())
        self.handle = int(self.raw.handle)

    def synchronize(self) -> None:
        drv = _pycuda()
        try:
            self.raw.synchronize()
        except drv.Error as error:
            raise failed("cuStreamSynchronize", str(error)) from None

    def query(self) -> bool:
        """Whether all of its work is done."""
        return bool(self.raw.is_done())

    def wait_event(self, event: Event) -> None:
        """What comes later waits for ``event``."""
        self.raw.wait_for_event(event.raw)


class Event(_Owned):
    """A point in the work of a stream."""

    def __init__(self, device: Gpu, timing: bool) -> None:
        drv = _pycuda()
        with device.current():
            super().__init__(device, drv.Event(0 if timing else drv.event_flags.DISABLE_TIMING))

    def record(self, stream: Stream) -> None:
        self.raw.record(stream.raw)

    def synchronize(self) -> None:
        self.raw.synchronize()

    def query(self) -> bool:
        return bool(self.raw.query())

    def milliseconds_to(self, later: Event) -> float:
        return float(self.raw.time_till(later.raw))
