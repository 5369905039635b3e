"""On a GPU, what the emulator's models of warp primitives, fragments and 16-bit floats were written from: the same tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cuda_emulator import test_emulator as models
from tests.gpu.driver import Gpu

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(("call", "want"), models.PRIMITIVES)
def test_warp_primitives(call: str, want: Any, gpu: Gpu) -> None:
    models.test_warp_primitives(call, want, gpu)


@pytest.mark.parametrize(
    "test",
    [
        models.test_threads_and_blocks_have_three_axes, models.test_atomics_and_vectors,
        models.test_functions_that_cpp_lacks, models.test_16_bit_floats, models.test_tf32_drops_bits,
    ],
    ids=lambda t: t.__name__,
)  # fmt: skip
def test_functions(test: Any, gpu: Gpu) -> None:
    test(gpu)


@pytest.mark.parametrize(("kind", "depth"), models.KINDS)
def test_mma_is_a_product(kind: str, depth: int, gpu: Gpu) -> None:
    models.test_mma_is_a_product(kind, depth, gpu)


@pytest.mark.parametrize("transposed", [False, True])
def test_ldmatrix_spreads_rows_over_lanes(transposed: bool, gpu: Gpu) -> None:
    models.test_ldmatrix_spreads_rows_over_lanes(transposed, gpu)
