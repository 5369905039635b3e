"""The fake driver: what it does, and what it refuses as a real one does."""

from __future__ import annotations

import ctypes
import struct
import subprocess
import sys
from collections.abc import Callable
from ctypes import byref, c_float, c_int, c_size_t, c_uint64, c_void_p

import numpy as np
import pytest

from tests.cuda_emulator import build, environment
from tests.cuda_emulator.harness import refused
from tests.cuda_emulator.streams import event, first, on, ready
from tests.gpu.driver import CudaError, Gpu

# ---- streams and events ---------------------------------------------------------------------------


def test_work_is_done_when_somebody_waits_for_it(gpu: Gpu, kernels: Callable[[str], c_void_p], x: int) -> None:
    pinned = c_void_p()
    gpu.call("cuMemHostAlloc", byref(pinned), c_size_t(256), 0)
    host = np.frombuffer((ctypes.c_char * 256).from_address(pinned.value or 0), np.float32)
    gpu.launch(ready(gpu, kernels, "add", x))
    gpu.call("cuMemcpyDtoHAsync_v2", pinned, c_uint64(x), c_size_t(256), gpu.stream)
    assert np.isnan(host).all()
    gpu.synchronize()
    assert (host == 1).all()
    gpu.call("cuMemFreeHost", pinned)


def test_streams_are_ordered_by_events_alone(
    gpu: Gpu, kernels: Callable[[str], c_void_p], x: int, streams: tuple[c_void_p, c_void_p]
) -> None:
    one, other = streams
    for waits, want in ((False, 1), (True, 2)):
        gpu.upload(np.zeros(64, np.float32), x)
        on(gpu, one, ready(gpu, kernels, "add", x))
        if waits:
            done = event(gpu)
            gpu.call("cuEventRecord", done, one)
            gpu.call("cuStreamWaitEvent", other, done, 0)
        on(gpu, other, ready(gpu, kernels, "twice", x))
        gpu.call("cuStreamSynchronize", other)
        assert first(gpu, x) == want


def test_the_default_stream_waits_for_blocking_ones_alone(gpu: Gpu, kernels: Callable[[str], c_void_p], x: int) -> None:
    for flags, want in ((0, 2), (1, 1)):
        gpu.upload(np.zeros(64, np.float32), x)
        stream = c_void_p()
        gpu.call("cuStreamCreate", byref(stream), flags)
        on(gpu, stream, ready(gpu, kernels, "add", x))
        on(gpu, c_void_p(), ready(gpu, kernels, "twice", x))
        gpu.call("cuStreamSynchronize", c_void_p())
        assert first(gpu, x) == want
        gpu.call("cuStreamDestroy_v2", stream)


def test_queries_and_times(gpu: Gpu, kernels: Callable[[str], c_void_p], x: int) -> None:
    start, end, time = event(gpu), event(gpu), c_float(-1)
    gpu.call("cuEventRecord", start, gpu.stream)
    gpu.launch(ready(gpu, kernels, "add", x))
    gpu.call("cuEventRecord", end, gpu.stream)
    not_ready = 600
    assert gpu.lib.cuEventElapsedTime(byref(time), start, end) == not_ready
    assert gpu.lib.cuEventQuery(end) == not_ready
    assert gpu.lib.cuEventQuery(end) == 0 == gpu.lib.cuStreamQuery(gpu.stream)
    gpu.call("cuEventElapsedTime", byref(time), start, end)
    assert 0 <= time.value < 1e6


# ---- memory ---------------------------------------------------------------------------------------


def test_memory_begins_as_nan(gpu: Gpu) -> None:
    address = c_uint64()
    gpu.call("cuMemAlloc_v2", byref(address), c_size_t(36))
    assert address.value % 256 == 0
    assert np.isnan(gpu.download(address.value, (9,), np.float32)).all()
    gpu.call("cuMemFree_v2", address)


def test_copies_and_fills_stay_in_bounds(gpu: Gpu) -> None:
    x, host = gpu.alloc(100), np.zeros(30, np.float32)
    past = "the destination of a copy: 104 bytes from byte 0 of an allocation of 100 bytes"
    refused(gpu, "INVALID_VALUE", past, "cuMemcpyHtoD_v2", c_uint64(x), c_void_p(host.ctypes.data), c_size_t(104))
    past = "the source of a copy: 8 bytes from byte 96 of an allocation of 100 bytes"
    refused(gpu, "INVALID_VALUE", past, "cuMemcpyDtoH_v2", c_void_p(host.ctypes.data), c_uint64(x + 96), c_size_t(8))
    refused(gpu, "INVALID_VALUE", "a fill: 104 bytes", "cuMemsetD32_v2", c_uint64(x), 0, c_size_t(26))
    refused(gpu, "INVALID_VALUE", "not aligned", "cuMemsetD32_v2", c_uint64(x + 2), 0, c_size_t(1))
    where = "which is in no allocation"
    refused(gpu, "INVALID_VALUE", where, "cuMemcpyHtoD_v2", c_uint64(4096), c_void_p(host.ctypes.data), c_size_t(4))
    swapped = "an address of device memory is given as one of the host"
    refused(gpu, "INVALID_VALUE", swapped, "cuMemcpyHtoD_v2", c_uint64(x), c_uint64(x), c_size_t(4))
    gpu.call("cuMemsetD16_v2", c_uint64(x), 0x3C00, c_size_t(50))
    assert (gpu.download(x, (50,), np.float16) == 1).all()


def test_what_was_freed_is_gone(gpu: Gpu) -> None:
    x = c_uint64(gpu.alloc(100))
    gpu.call("cuMemFree_v2", x)
    gpu.memory.remove(x.value)
    refused(gpu, "INVALID_VALUE", "free: memory that was freed", "cuMemFree_v2", x)
    refused(gpu, "INVALID_VALUE", "a fill: memory that was freed", "cuMemsetD8_v2", x, 0, c_size_t(1))


def test_memory_ends(gpu: Gpu) -> None:
    free, total, address = c_size_t(), c_size_t(), c_uint64()
    gpu.call("cuMemGetInfo_v2", byref(free), byref(total))
    x = gpu.alloc(1000)
    before = free.value
    gpu.call("cuMemGetInfo_v2", byref(free), byref(total))
    assert before - free.value == 1000 and total.value == 16 << 30 and x
    words = f"an allocation of {total.value} bytes with {free.value} bytes free"
    refused(gpu, "OUT_OF_MEMORY", words, "cuMemAlloc_v2", byref(address), total)


# ---- modules and launches -------------------------------------------------------------------------


def test_attributes_of_a_kernel(gpu: Gpu) -> None:
    source = """extern "C" __global__ void one(float* x) { __shared__ double s[7]; __shared__ char c; s[0] = c; x[0] = s[0]; }
extern "C" __global__ void two(float* x) { __shared__ float s[5]; s[0] = 1; x[0] = s[0]; }"""
    find = gpu.load(build(source))
    assert [gpu.function_attribute(find(n), "shared bytes") for n in ("one", "two")] == [57, 20]
    with pytest.raises(CudaError, match="cuModuleGetFunction: CUDA_ERROR_NOT_FOUND"):
        find("three")


def test_launches_that_no_device_takes(gpu: Gpu, kernels: Callable[[str], c_void_p], x: int) -> None:
    launch = ready(gpu, kernels, "add", x)

    def refuse(code: str, words: str, grid: int, block: int, dynamic: int = 0) -> None:
        args = (launch.function, grid, 1, 1, block, 1, 1, dynamic, gpu.stream, launch.pointers, None)
        refused(gpu, code, f"kernel add: {words}", "cuLaunchKernel", *args)

    refuse("INVALID_VALUE", "the grid is empty or too large", 0, 64)
    refuse("INVALID_VALUE", "the block is empty or too large", 1, 1025)
    refuse("LAUNCH_OUT_OF_RESOURCES", "65 threads in a block, its launch bounds say 64", 1, 65)
    refuse("INVALID_VALUE", "49153 bytes of dynamic shared memory, its attribute allows 49152", 1, 64, 49153)
    gpu.call("cuFuncSetAttribute", launch.function, 8, 100_000)
    gpu.call("cuLaunchKernel", launch.function, 1, 1, 1, 64, 1, 1, 100_000, gpu.stream, launch.pointers, None)
    refused(gpu, "INVALID_VALUE", "so much shared memory", "cuFuncSetAttribute", launch.function, 8, 232_449)
    assert first(gpu, x) == 1


def test_arguments_in_one_buffer(gpu: Gpu, x: int) -> None:
    """As pycuda gives them; they are aligned as a struct's members."""
    source = 'extern "C" __global__ void f(char a, double b, float* x, short c) { x[threadIdx.x] = a + b + c; }'
    function = gpu.load(build(source))("f")
    buffer = np.zeros((), np.dtype([("a", "i1"), ("b", "f8"), ("x", "u8"), ("c", "i2")], align=True))
    buffer["a"], buffer["b"], buffer["x"], buffer["c"] = 3, 0.5, x, 1000
    raw = buffer.tobytes()[:26]
    for size, good in ((26, True), (24, False)):
        held = c_size_t(size)
        extra = (c_void_p * 5)(1, ctypes.cast(ctypes.c_char_p(raw), c_void_p), 2, ctypes.addressof(held), 0)
        args = (function, 1, 1, 1, 64, 1, 1, 0, gpu.stream, None, extra)
        if good:
            gpu.call("cuLaunchKernel", *args)
            assert first(gpu, x) == 1003.5
        else:
            refused(gpu, "INVALID_VALUE", "kernel f takes 26 bytes of arguments, got 24", "cuLaunchKernel", *args)


def test_images_that_are_none(gpu: Gpu) -> None:
    cubin = b"\x7fELF" + bytes(14) + struct.pack("<H", 190) + bytes(100)
    refused(gpu, "NO_BINARY_FOR_GPU", "a cubin for a GPU", "cuModuleLoadData", byref(c_void_p()), cubin)
    refused(gpu, "INVALID_IMAGE", "no ELF file", "cuModuleLoadData", byref(c_void_p()), bytes(100))


# ---- contexts -------------------------------------------------------------------------------------


def test_a_failed_launch_ends_the_context(gpu: Gpu) -> None:
    """Of a context of its own; the others go on."""
    own, popped, module, function = c_void_p(), c_void_p(), c_void_p(), c_void_p()
    gpu.call("cuCtxCreate_v2", byref(own), 0, gpu.device)
    gpu.call("cuModuleLoadData", byref(module), build('extern "C" __global__ void f(int* y) { y[0] = 1; }'))
    gpu.call("cuModuleGetFunction", byref(function), module, b"f")
    pointers = (c_void_p * 1)(ctypes.addressof(held := c_uint64(0)))
    gpu.call("cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, None, pointers, None)
    for name in ("cuCtxSynchronize", "cuCtxSynchronize"):
        refused(gpu, "LAUNCH_FAILED", "kernel f, block (0, 0, 0), thread (0, 0, 0): a null pointer", name)
    gpu.call("cuCtxPopCurrent_v2", byref(popped))
    gpu.call("cuCtxDestroy_v2", own)
    assert popped.value == own.value and held.value == 0
    gpu.call("cuCtxSynchronize")


def test_kernels_streams_and_memory_belong_to_a_context(gpu: Gpu, kernels: Callable[[str], c_void_p], x: int) -> None:
    launch, own, now = ready(gpu, kernels, "add", x), c_void_p(), c_void_p()
    gpu.call("cuCtxCreate_v2", byref(own), 0, gpu.device)
    args = (*launch.grid, *launch.block, 0, None, launch.pointers, None)
    refused(gpu, "INVALID_HANDLE", "it was loaded in another context", "cuLaunchKernel", launch.function, *args)
    refused(gpu, "INVALID_HANDLE", "a stream of another context", "cuStreamQuery", gpu.stream)
    gpu.call("cuCtxPushCurrent_v2", gpu.context)
    gpu.launch(launch)
    assert first(gpu, x) == 1
    gpu.call("cuCtxPopCurrent_v2", None)
    gpu.call("cuCtxGetCurrent", byref(now))
    assert now.value == own.value
    gpu.call("cuCtxDestroy_v2", own)


TWO = """
from ctypes import byref, c_int, c_size_t, c_uint64, c_void_p
from tests.gpu.driver import CudaError, Gpu
gpu = Gpu()
count, there, other = c_int(), c_uint64(), c_void_p()
gpu.call("cuDeviceGetCount", byref(count))
here = gpu.alloc(8)
gpu.call("cuDevicePrimaryCtxRetain", byref(other), 1)
gpu.call("cuCtxPushCurrent_v2", other)
gpu.call("cuMemAlloc_v2", byref(there), c_size_t(8))
try:
    gpu.call("cuMemcpyDtoD_v2", there, c_uint64(here), c_size_t(8))
except CudaError as error:
    print(error)
gpu.call("cuMemcpyPeer", there, other, c_uint64(here), gpu.context, c_size_t(8))
gpu.call("cuCtxEnablePeerAccess", gpu.context, 0)
gpu.call("cuMemcpyDtoD_v2", there, c_uint64(here), c_size_t(8))
gpu.call("cuCtxSynchronize")
print(count.value, gpu.arch, gpu.driver)
"""


def test_two_devices(gpu: Gpu) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO], env=environment(devices=2, arch="sm_80"), capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.stdout == "cuMemcpyDtoD_v2: CUDA_ERROR_INVALID_VALUE (1)\n2 sm_80 13.0\n", done.stderr


def test_nobody_else_in_this_process_is_given_the_emulator(gpu: Gpu) -> None:
    """Where there is a driver it is another one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return
    assert not hasattr(driver, "emu_report")


def test_no_device(gpu: Gpu) -> None:
    code = "from tests.gpu.driver import Gpu\nGpu()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(devices=0), capture_output=True, text=True, check=False
    )
    assert "CudaError: cuInit: CUDA_ERROR_NO_DEVICE (100)" in done.stderr


def test_handles_that_are_gone(gpu: Gpu) -> None:
    stream = c_void_p()
    gpu.call("cuStreamCreate", byref(stream), 0)
    gpu.call("cuStreamDestroy_v2", stream)
    refused(gpu, "INVALID_HANDLE", "this is no stream, or one that was destroyed", "cuStreamSynchronize", stream)
    refused(gpu, "INVALID_HANDLE", "this is no event", "cuEventRecord", c_void_p(12345), gpu.stream)
    refused(gpu, "INVALID_DEVICE", "there is no device 7, there are 1", "cuDeviceGet", byref(c_int()), 7)
    refused(gpu, "NOT_SUPPORTED", "the emulator lacks cuArrayCreate_v2", "cuArrayCreate_v2", None, None)
