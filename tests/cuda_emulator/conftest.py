"""The emulator's device, or why there is none."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable, Iterator
from ctypes import byref, c_void_p

import numpy as np
import pytest

from graphtorch.codegen import nvcc
from tests import cuda_emulator
from tests.gpu.driver import Gpu

#: all launches run in each of these orders, and have to leave the same bytes
ORDERS = b"forward,reverse,20261127"
#: this process runs under AddressSanitizer (test_sanitizer.py starts it)
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")


@pytest.fixture(scope="session")
def emulator() -> Gpu:
    reason = cuda_emulator.available()
    if reason:
        pytest.skip(reason)
    device = Gpu(str(cuda_emulator.in_process_path()))
    device.lib.emu_report.restype = ctypes.c_char_p
    device.lib.emu_set_orders(ORDERS)
    return device


@pytest.fixture
def gpu(emulator: Gpu, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gpu]:
    """The device, with a compiler for it; memory that a test takes is given back after it."""
    monkeypatch.setattr(nvcc, "compile_cubin", functools.partial(cuda_emulator.build, sanitize=SANITIZED))
    yield emulator
    emulator.free()


ADD = 'extern "C" __global__ void __launch_bounds__(64) add(float* x) { x[threadIdx.x] += 1; }'
TWICE = 'extern "C" __global__ void __launch_bounds__(64) twice(float* x) { x[threadIdx.x] *= 2; }'


@pytest.fixture
def x(gpu: Gpu) -> int:
    """64 zeros."""
    return gpu.upload(np.zeros(64, np.float32))


@pytest.fixture
def kernels(gpu: Gpu) -> Callable[[str], c_void_p]:
    return gpu.load(cuda_emulator.build(f"{ADD}\n{TWICE}"))


@pytest.fixture
def streams(gpu: Gpu) -> Iterator[tuple[c_void_p, c_void_p]]:
    """Two that wait for nobody."""
    made = c_void_p(), c_void_p()
    for s in made:
        gpu.call("cuStreamCreate", byref(s), 1)
    yield made
    for s in made:
        gpu.call("cuStreamDestroy_v2", s)
