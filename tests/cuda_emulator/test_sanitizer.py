"""Kernels under AddressSanitizer, in processes of their own: what lies out of bounds is found to the byte."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import cuda_emulator

pytestmark = pytest.mark.skipif(cuda_emulator.available() is not None, reason=str(cuda_emulator.available()))
HERE = "tests/cuda_emulator"
LAUNCH = """
from tests.cuda_emulator import build
from tests.gpu.driver import Gpu
gpu = Gpu()
function = gpu.load(build(SOURCE, sanitize=True))("f")
ready = gpu.prepare(function, (2, 1, 1), (32, 1, 1), [gpu.alloc(120)])
gpu.call("cuLaunchKernel", function, 2, 1, 1, 32, 1, 1, 128, gpu.stream, ready.pointers, None)
gpu.synchronize()
print("done")
"""
HEAD = 'extern "C" __global__ void f(float* y) { int t = threadIdx.x; '
SHARED = "__shared__ float s[32]; __shared__ float r[32]; s[{at}] = 1; r[t] = 2; __syncthreads(); if (t < 30) y[t] = s[t] + r[t]; }}"
DYNAMIC = "GT_SHARED(128); ((float*)gt_shared)[{at}] = 1; }}"


def run(source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"SOURCE = {source!r}\n{LAUNCH}"],
        env=cuda_emulator.environment(sanitize=True), capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("y[t == 5 ? 30 : 0] = 1; }", ("heap-buffer-overflow", "0 bytes to the right of 120-byte region", "thread (5, 0, 0)")),
        (SHARED.format(at="t + 1"), ("global-buffer-overflow", "of global variable 's'", "thread (31, 0, 0)")),
        (DYNAMIC.format(at="t + 1"), ("use-after-poison", "thread (31, 0, 0)")),
    ],
    ids=["global", "shared", "dynamic"],
)  # fmt: skip
def test_what_is_out_of_bounds_is_found(body: str, words: tuple[str, ...]) -> None:
    done = run(HEAD + body)
    assert done.returncode != 0
    assert all(w in done.stderr for w in (*words, "in kernel f, block (0, 0, 0)")), done.stderr


def test_what_is_in_bounds_is_not() -> None:
    done = run(HEAD + DYNAMIC.format(at="t").replace("}", " ") + SHARED.format(at="t"))
    assert done.stdout == "done\n" and "AddressSanitizer" not in done.stderr


@pytest.mark.slow
def test_the_zoo_is_in_bounds() -> None:
    """All of its kernels that the ordinary run takes."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{HERE}/test_zoo.py", "-x"],
        env=cuda_emulator.environment(sanitize=True) | {"OPENBLAS_NUM_THREADS": "1"}, cwd=os.getcwd(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
