"""The kernels that tests/gpu runs on a GPU, as threads of the emulator: in several orders, against each op's `ref`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.codegen.nests import reference
from tests.codegen.test_schedule_cuda import CASES, cuda_kernel, label, operands_of
from tests.gpu.driver import Gpu
from tests.gpu.harness import load_kernels
from tests.sampling import sampled


@pytest.mark.parametrize("index", sampled(range(len(CASES)), 30, lambda i: CASES[i][0], lambda i: label(CASES[i])))
def test_kernels_agree_with_ref(index: int, gpu: Gpu) -> None:
    c = CASES[index]
    arrays = operands_of(c)
    (kernel,) = load_kernels(gpu, [cuda_kernel(c)])
    for got, want in zip(kernel(*arrays), reference(c[0], *arrays, **c[2]), strict=True):
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=2e-5, atol=2e-5)
