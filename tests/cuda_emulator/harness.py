"""Launches of CUDA C, and calls that the driver refuses."""

from __future__ import annotations

import pytest

from graphtorch.codegen import nvcc
from graphtorch.codegen.cuda_prelude import WARP_PRELUDE
from graphtorch.codegen.cuda_tables import PREAMBLE
from tests.gpu.driver import CudaError, Gpu

HEAD = 'extern "C" __global__ void __launch_bounds__(256) f('


def launch(gpu: Gpu, source: str, *addresses: int, grid: int = 1, block: int = 32, dynamic: int = 0) -> None:
    """The kernel `f`, until it is done: on the emulator, or on a device if nvcc's compiler was not replaced."""
    cubin = nvcc.compile_cubin(f"{PREAMBLE}{WARP_PRELUDE}#line 1\n{source}", gpu.arch)
    function = gpu.load(cubin)("f")
    ready = gpu.prepare(function, (grid, 1, 1), (block, 1, 1), addresses)
    gpu.call("cuLaunchKernel", function, grid, 1, 1, block, 1, 1, dynamic, gpu.stream, ready.pointers, None)
    gpu.synchronize()


def report(gpu: Gpu, source: str, *addresses: int, **shape: int) -> str:
    """The words of a launch that fails."""
    with pytest.raises(CudaError, match="cuStreamSynchronize: CUDA_ERROR_"):
        launch(gpu, source, *addresses, **shape)
    return gpu.lib.emu_report().decode()  # type: ignore[no-any-return]


def refused(gpu: Gpu, code: str, words: str, name: str, *args: object) -> None:
    """A call of the driver that gives an error, with these words in its report."""
    with pytest.raises(CudaError, match=rf"{name}: CUDA_ERROR_{code} "):
        gpu.call(name, *args)
    assert words in gpu.lib.emu_report().decode()
