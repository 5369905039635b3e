"""The device of these tests, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graphtorch.codegen import nvcc
from tests.gpu.driver import CudaError, Gpu


@pytest.fixture(scope="session")
def device() -> Gpu:
    if nvcc.find_nvcc() is None:
        pytest.skip("no nvcc on PATH or in CUDA_HOME")
    try:
        return Gpu()
    except CudaError as error:
        pytest.skip(f"no GPU: {error}")


@pytest.fixture
def gpu(device: Gpu) -> Iterator[Gpu]:
    """The device; memory that a test takes is given back after it."""
    yield device
    device.free()
