"""Attention on the emulator: sizes that take the interpreter too long."""

from __future__ import annotations

import pytest

from graphtorch.ir.types import bool_, float32
from tests.codegen.test_attention_cuda import attention, check, kernel_of, operands_of
from tests.codegen.test_schedule_cuda import Case, label
from tests.gpu.driver import Gpu
from tests.gpu.harness import load_kernels

CASES = [
    attention((2, 3), 150, 133, 64, 64, causal=True), attention((2,), 97, 200, 33, 70, bool_),
    attention((1,), 64, 128, 128, 128), attention((2, 1), 130, 65, 20, 5, float32, causal=True),
]  # fmt: skip


@pytest.mark.parametrize("c", CASES, ids=label)
def test_it_agrees_with_float64(c: Case, gpu: Gpu) -> None:
    arrays = operands_of(c)
    (kernel,) = load_kernels(gpu, [kernel_of(c)])
    check(c, arrays, kernel(*arrays))
