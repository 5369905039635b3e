"""Run by test_pycuda.py in a process whose driver is the fake one: each function is a test of real pycuda on it."""

from __future__ import annotations

import ctypes
import gc
import sys
from ctypes import byref, c_size_t, c_uint, c_uint64, c_void_p

import numpy as np
import pycuda.driver as cuda
import pycuda.tools

from tests.cuda_emulator import build

SOURCE = """
extern "C" __global__ void __launch_bounds__(64) axpy(float a, const float* x, float* y, int n) {
  int i = blockIdx.x * 64 + threadIdx.x;
  if (i < n) y[i] += a * x[i];
}
extern "C" __global__ void __launch_bounds__(64) turned(const float* x, float* y) {
  GT_SHARED(256);
  float* s = (float*)gt_shared;
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x];
}
"""
N = 100


class Fixture:
    def __init__(self) -> None:
        self.module = cuda.module_from_buffer(build(SOURCE))
        self.axpy, self.turned = (self.module.get_function(n) for n in ("axpy", "turned"))
        self.host = np.arange(N, dtype=np.float32)
        self.x, self.y = cuda.to_device(self.host), cuda.to_device(self.host)


def devices(_: Fixture) -> None:
    assert cuda.Device.count() == 2
    device = cuda.Device(1)
    assert device.name() == "CUDA emulator" and device.compute_capability() == (8, 0)
    assert device.get_attribute(cuda.device_attribute.WARP_SIZE) == 32
    assert device.total_memory() == 1 << 20
    assert cuda.get_driver_version() >= 12000
    assert len(device.get_attributes()) > 50


def calls(f: Fixture) -> None:
    """Each of pycuda's ways to launch a kernel."""
    grid, block, n = (2, 1), (64, 1, 1), np.int32(N)
    f.axpy(np.float32(2), f.x, f.y, n, block=block, grid=grid)
    f.axpy.prepare("fPPi")
    f.axpy.prepared_call(grid, block, 2, f.x, f.y, N)
    stream = cuda.Stream()
    f.axpy.prepared_async_call(grid, block, stream, 2, f.x, f.y, N)
    got = np.empty_like(f.host)
    cuda.memcpy_dtoh_async(got, f.y, stream)
    assert (got == 7 * f.host).all()
    f.turned(f.x, f.y, block=block, shared=256)
    cuda.memcpy_dtoh(got, f.y)
    assert (got[:64] == f.host[63::-1]).all()
    assert f.axpy.max_threads_per_block == 64 and f.axpy.shared_size_bytes == 0


def copies(f: Fixture) -> None:
    stream, pinned = cuda.Stream(), cuda.pagelocked_empty(N, np.float32)
    pinned[:] = f.host
    cuda.memcpy_htod_async(f.y, pinned, stream)
    pinned[:] = 0  # too early, and it shows
    stream.synchronize()
    got = np.full(N, 5, np.float32)
    cuda.memcpy_dtoh(got, f.y)
    assert (got == 0).all()
    cuda.memcpy_dtod_async(f.y, f.x, 4 * N, stream)
    cuda.memset_d32_async(int(f.y) + 16, 0x3F800000, 3, stream)
    cuda.memcpy_dtoh_async(pinned, f.y, stream)
    assert (pinned == 0).all()
    stream.synchronize()
    assert (pinned[4:7] == 1).all() and (pinned[7:] == f.host[7:]).all()


def events(f: Fixture) -> None:
    one, other = cuda.Stream(), cuda.Stream()
    start, end = cuda.Event(), cuda.Event()
    start.record(one)
    f.axpy(np.float32(1), f.x, f.y, np.int32(N), block=(64, 1, 1), grid=(2, 1), stream=one)
    end.record(one)
    assert not end.query()
    other.wait_for_event(end)
    got = cuda.pagelocked_empty(N, np.float32)
    cuda.memcpy_dtoh_async(got, f.y, other)
    other.synchronize()
    assert (got == 2 * f.host).all()
    assert end.query() and end.time_since(start) >= 0


def pools(_: Fixture) -> None:
    free, total = cuda.mem_get_info()
    pool = pycuda.tools.DeviceMemoryPool()
    block = pool.allocate(1000)
    address = int(block)
    del block
    assert int(pool.allocate(1000)) == address
    gc.collect()
    pool.free_held()
    assert cuda.mem_get_info() == (free, total)
    pinned = pycuda.tools.PageLockedMemoryPool()
    array = pinned.allocate((10,), np.float32)
    assert array.shape == (10,)
    try:
        cuda.mem_alloc(total)
    except cuda.MemoryError as error:
        assert "an allocation of 1048576 bytes with" in str(error)
    else:
        raise AssertionError("more memory than there is")


def graphs(f: Fixture) -> None:
    """By ctypes on the same library, on pycuda's stream."""
    driver, stream = ctypes.CDLL("libcuda.so.1"), cuda.Stream()
    graph, made, handle = c_void_p(), c_void_p(), c_void_p(stream.handle)
    assert driver.cuStreamBeginCapture_v2(handle, c_uint(1)) == 0
    f.axpy(np.float32(1), f.x, f.y, np.int32(N), block=(64, 1, 1), grid=(2, 1), stream=stream)
    cuda.memcpy_dtod_async(f.x, f.y, 4 * N, stream)
    assert driver.cuStreamEndCapture(handle, byref(graph)) == 0
    assert driver.cuGraphInstantiateWithFlags(byref(made), graph, c_uint64(0)) == 0
    count = c_size_t()
    assert driver.cuGraphGetNodes(graph, None, byref(count)) == 0 and count.value == 2
    for _ in range(3):
        assert driver.cuGraphLaunch(made, handle) == 0
    stream.synchronize()
    got = np.empty_like(f.host)
    cuda.memcpy_dtoh(got, f.x)
    assert (got == 8 * f.host).all()
    assert driver.cuGraphExecDestroy(made) == 0 == driver.cuGraphDestroy(graph)


def failures(f: Fixture) -> None:
    """In a context of its own, which they end."""
    context = cuda.Device(1).make_context()
    try:
        module = cuda.module_from_buffer(build(SOURCE))
        module.get_function("turned")(np.uintp(int(f.x)), np.uintp(int(f.y)), block=(64, 1, 1), shared=256)
        context.synchronize()
    except cuda.Error as error:
        assert "kernel turned: argument 0 points to memory of device 0" in str(error), error
    else:
        raise AssertionError("memory of another device")
    finally:
        cuda.Context.pop()


TESTS = [devices, calls, copies, events, pools, graphs, failures]

if __name__ == "__main__":
    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    for test in TESTS:
        test(Fixture())
        print(test.__name__)
        gc.collect()
    sys.stdout.flush()
    context.pop()
