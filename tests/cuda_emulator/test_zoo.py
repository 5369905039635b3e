"""What tests/gpu runs on a GPU, as threads of the emulator: the same kernels and steps, each launch in several orders."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen import cuda_target
from tests.codegen.nests import reference
from tests.codegen.test_schedule_cuda import CASES, FUSED, Case, cuda_kernel, label, operands_of
from tests.gpu import test_kernels, test_steps
from tests.gpu.driver import Gpu
from tests.gpu.harness import load_kernels
from tests.sampling import sampled


@pytest.mark.parametrize("index", sampled(range(len(CASES)), 20, lambda i: CASES[i][0], lambda i: label(CASES[i])))
def test_kernels_agree_with_ref(index: int, gpu: Gpu) -> None:
    c = CASES[index]
    arrays = operands_of(c)
    (kernel,) = load_kernels(gpu, [cuda_kernel(c)])
    for got, want in zip(kernel(*arrays), reference(c[0], *arrays, **c[2]), strict=True):
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=2e-5, atol=2e-5)


#: large kernels that do not take seconds
QUICK = ("exp", "permute", "reduce_argmax", "dot-f32[30,4000]-f32[4000,500]")
BIG = [
    pytest.param(c, id=label(c), marks=[pytest.mark.slow] * (not label(c).startswith(QUICK))) for c in test_kernels.BIG
]


@pytest.mark.parametrize("c", BIG)
def test_large_kernels_agree_with_ref_in_float64(c: Case, gpu: Gpu) -> None:
    test_kernels.test_large_kernels_agree_with_ref_in_float64(c, gpu)


def test_nan_reaches_the_result(gpu: Gpu) -> None:
    test_kernels.test_nan_reaches_the_result(gpu)


@pytest.mark.parametrize("index", range(len(FUSED)))
def test_fused_kernels_agree(index: int, gpu: Gpu) -> None:
    test_kernels.test_fused_kernels_agree(*FUSED[index], gpu)


@pytest.mark.parametrize(("dtype", "small"), sampled(test_kernels.groups(), 10, lambda g: (g[0][0], g[1])))
def test_functions_agree_with_the_interpreter(dtype: str, small: bool, gpu: Gpu) -> None:
    test_kernels.test_functions_agree_with_the_interpreter(dtype, small, gpu)


STEPS = [pytest.param(n, s, id=name, marks=[pytest.mark.slow] * (name == "cifar")) for name, n, s in test_steps.STEPS]


@pytest.mark.parametrize(("net", "shape"), STEPS)
def test_a_training_step_agrees_with_the_graph(
    net: object, shape: tuple[int, ...], gpu: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all bits of a float32: convolutions are rounded to TF32 by default."""
    monkeypatch.setattr(cuda_target, "_current", cuda_target.CudaTarget(tf32_conv=False))
    test_steps.test_a_training_step_agrees_with_the_graph(net, shape, gpu)


@pytest.mark.parametrize(("name", "shape"), sampled(test_steps.ROW_CASES, 15, lambda c: c[0]))
def test_rows_agree_with_eager(name: str, shape: tuple[int, ...], gpu: Gpu) -> None:
    test_steps.test_rows_agree_with_eager(name, shape, gpu)


def test_a_replayed_cuda_graph_does_what_launches_do(gpu: Gpu) -> None:
    test_steps.test_a_replayed_cuda_graph_does_what_launches_do(gpu)
