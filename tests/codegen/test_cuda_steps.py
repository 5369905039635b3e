"""Sums of products in blocks of steps: no step comes twice, also where their number has no divisor."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen.schedule.cuda_contract import _block_of
from tests.codegen.nests import f32, random_array, run_op_kernel
from tests.codegen.test_schedule_cuda import case, cuda_kernel


@pytest.mark.parametrize("most", [8, 16])
def test_blocks_are_whole(most: int) -> None:
    for steps in range(1, 200):
        size = _block_of(steps, most)
        assert steps % size == 0 and (size <= most or size == steps)


@pytest.mark.parametrize("depth", [17 * 16, 25 * 16, 25 * 16 + 3])
def test_a_long_product(depth: int) -> None:
    c = case("dot", f32(36, depth), f32(depth, 40))
    x, y = (random_array(t, i) for i, t in enumerate(c[1]))
    (got,) = run_op_kernel(cuda_kernel(c), x, y)
    np.testing.assert_allclose(got.reshape(36, 40), x.astype(np.float64) @ y, rtol=1e-4, atol=2e-5)
