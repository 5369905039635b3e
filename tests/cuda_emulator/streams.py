"""Two small kernels on streams."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import byref, c_void_p

import numpy as np

from tests.gpu.driver import Gpu, Launch


def ready(gpu: Gpu, kernels: Callable[[str], c_void_p], name: str, x: int) -> Launch:
    return gpu.prepare(kernels(name), (1, 1, 1), (64, 1, 1), [x])


def on(gpu: Gpu, stream: c_void_p, launch: Launch) -> None:
    gpu.call("cuLaunchKernel", launch.function, *launch.grid, *launch.block, 0, stream, launch.pointers, None)


def first(gpu: Gpu, x: int) -> float:
    """The first element, as it is once all is done."""
    gpu.call("cuCtxSynchronize")
    return float(gpu.download(x, (64,), np.float32)[0])


def event(gpu: Gpu) -> c_void_p:
    made = c_void_p()
    gpu.call("cuEventCreate", byref(made), 0)
    return made
