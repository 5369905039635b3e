"""Planted errors of kernels: races, barriers that some threads miss, accesses out of bounds. All are found, and named with
block, thread and line."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator

import numpy as np
import pytest

from tests.cuda_emulator.harness import HEAD, launch, report
from tests.gpu.driver import Gpu


@pytest.fixture
def broken(gpu: Gpu) -> Iterator[Gpu]:
    """A device on which a launch may fail: its context is made anew behind the test."""
    yield gpu
    gpu.memory.clear()
    gpu.call("cuDevicePrimaryCtxReset_v2", gpu.device)
    gpu.open()


TURN = (
    HEAD
    + """const float* x, float* y) {
  __shared__ float s[64]; int t = threadIdx.x;
  s[t] = x[t];
  %s
  y[t] = s[63 - t]; }"""
)


def test_a_missing_barrier_is_a_race(broken: Gpu) -> None:
    x = broken.upload(np.arange(64, dtype=np.float32))
    launch(broken, TURN % "__syncthreads();", x, broken.alloc(256), block=64)
    found = report(broken, TURN % "", x, broken.alloc(256), block=64)
    assert re.fullmatch(
        r"kernel f: a race: byte \d+ of an allocation of 256 bytes depends on the order of threads \(forward, reverse\)",
        found,
    )


def test_blocks_that_need_each_other_are_a_race(broken: Gpu) -> None:
    source = HEAD + "int* y) { if (threadIdx.x == 0) y[blockIdx.x + 1] = y[blockIdx.x] + 1; }"
    assert "a race" in report(broken, source, broken.upload(np.zeros(5, np.int32)), grid=4)


FAILURES = {
    "line 5: a divergent barrier: thread (4, 0, 0) waits in a barrier in line 3": """
  if (threadIdx.x < 5)
    __syncthreads();
  else
    __syncthreads();
  y[0] = 1;""",
    "line 2: a barrier that thread (40, 0, 0) never reaches: it has ended": """
  if (threadIdx.x < 40) __syncthreads();
  y[0] = 1;""",
    "line 2: __shfl_xor_sync never ends: thread (9, 0, 0) waits in a barrier in line 3": """
  if (threadIdx.x != 9) y[0] = __shfl_xor_sync(~0u, y[1], 1);
  __syncthreads();""",
    "line 2: __shfl_sync never ends: thread (31, 0, 0) has ended": """
  if (threadIdx.x < 31) y[0] = __shfl_sync(~0u, y[1], 1);""",
    "line 2: a lane calls a warp primitive whose mask leaves it out": """
  y[0] = __shfl_sync(0xffffu, y[1], 1);""",
    "line 2: cp.async: an address is no multiple of what is copied": """
  __shared__ __align__(16) float s[64]; gt_copy<16>(s, y + 1, true);""",
}


@pytest.mark.parametrize("words", list(FAILURES))
def test_what_cannot_go_on_is_reported(words: str, broken: Gpu) -> None:
    found = report(broken, f"{HEAD}int* y) {{{FAILURES[words]} }}", broken.alloc(256, 0), grid=2, block=64)
    assert found.startswith("kernel f, block (0, 0, 0), thread (") and found.endswith(words)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (64, "0 bytes past the end of an allocation of 256 bytes"),
        (70, "24 bytes past the end of an allocation of 256 bytes"),
        (-1024, "4096 bytes before an allocation of 256 bytes"),
    ],
)
def test_accesses_out_of_bounds_fault(index: int, words: str, broken: Gpu) -> None:
    source = f"{HEAD}int* y) {{ if (threadIdx.x == 7) y[{index}] = 1; }}"
    assert report(broken, source, broken.alloc(256)) == f"kernel f, block (0, 0, 0), thread (7, 0, 0): {words}"


def test_bytes_behind_the_end_are_looked_at(broken: Gpu) -> None:
    source = HEAD + "int* y) { y[3] = 1; }"
    assert (
        report(broken, source, broken.alloc(12))
        == "kernel f: 0 bytes past the end of an allocation of 12 bytes were written"
    )


def test_memory_that_was_freed_faults(broken: Gpu) -> None:
    """By a pointer that lies in memory, since those of arguments are looked at before."""
    y = broken.alloc(256)
    table = broken.upload(np.array([y], np.uint64))
    broken.call("cuMemFree_v2", ctypes.c_uint64(y))
    broken.memory.remove(y)
    assert "memory that was freed" in report(broken, HEAD + "int** y) { *y[0] = 1; }", table)


def test_a_pointer_to_the_host_is_refused(broken: Gpu) -> None:
    host = np.zeros(8, np.float32)
    found = report(broken, HEAD + "float* y) { y[0] = 1; }", host.ctypes.data)
    assert re.fullmatch(r"kernel f: argument 0 points to the address 0x\w+, which is in no allocation", found)


def test_an_access_that_is_not_aligned_faults(broken: Gpu) -> None:
    y = broken.alloc(256)
    found = report(broken, HEAD + "float4* y) { y[0] = make_float4(1, 2, 3, 4); }", y + 4)
    assert found.endswith("thread (0, 0, 0): an access that is not aligned to its size")


def test_a_full_stack_is_named(broken: Gpu) -> None:
    source = (
        "__device__ __noinline__ int deep(volatile int* n) { volatile int a[999]; a[5] = *n; return deep(n) + a[5]; }\n"
    )
    assert "its stack is full" in report(broken, source + HEAD + "int* y) { y[0] = deep(y); }", broken.alloc(4, 0))
