"""Products by tensor cores on the emulator: the layouts of its models are its own, and not those of the interpreter."""

from __future__ import annotations

import pytest

from graphtorch.codegen.kernel_ir import walk
from graphtorch.codegen.warp import Mma
from graphtorch.ir.types import bfloat16, float16, float32
from tests.codegen.nests import random_array, reference
from tests.codegen.test_cuda_mma import CONVS, FORMS, close, conv_kernel, exact, product_case
from tests.codegen.test_schedule_cuda import label
from tests.gpu.driver import Gpu
from tests.gpu.harness import load_kernels
from tests.sampling import sampled

TOLERANCE = {float32: 2e-6, bfloat16: 4e-3, float16: 5e-4}


PRODUCTS = [(form, dtype) for dtype in TOLERANCE for form in FORMS]


@pytest.mark.parametrize(("form", "dtype"), sampled(PRODUCTS, 20, lambda c: c[1]))
def test_products_agree_with_float64(form: str, dtype: object, gpu: Gpu) -> None:
    for m, k, n in ((136, 264, 152), (130, 97, 141)):
        kernel, operands, want = product_case(form, dtype, m, k, n)
        assert any(isinstance(s, Mma) for s in walk(kernel.body))
        (loaded,) = load_kernels(gpu, [kernel])
        close(loaded(*operands)[0].reshape(m, n), want, TOLERANCE[dtype])  # type: ignore[index]


@pytest.mark.parametrize("index", sampled(range(len(CONVS)), 20, lambda i: CONVS[i][0], lambda i: label(CONVS[i])))
def test_convolutions_agree_with_float64(index: int, gpu: Gpu) -> None:
    c = CONVS[index]
    arrays = [random_array(t, i) for i, t in enumerate(c[1])]
    (loaded,) = load_kernels(gpu, [conv_kernel(c)])
    close(loaded(*arrays)[0], reference(c[0], *map(exact, arrays), **c[2])[0], 2e-6)
