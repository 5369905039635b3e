"""CUDA C to code on a device, by nvcc, or by NVRTC where there is no toolkit; units side by side, and kept on disk.

``GRAPHTORCH_CUDA_COMPILER`` is "nvcc" or "nvrtc" where both are installed and the second is wanted: it starts no
processes, which is most of the time for a small kernel.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from graphtorch.codegen import nvcc, nvrtc
from graphtorch.codegen.emit_cuda import c_name, cuda_source, launch_geometry
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.launch import Dim3, dynamic_shared, stages_of
from graphtorch.ir.errors import DeviceError
from graphtorch.runtime import cache
from graphtorch.runtime.cuda import Function, Gpu, Module

#: kernels of one translation unit: units are compiled side by side
UNIT = 8


@dataclass(frozen=True)
class Stage:
    """One launch of a kernel: its function, and how many blocks and threads."""

    name: str
    function: Function
    grid: Dim3
    block: Dim3
    #: bytes of shared memory a block that the launch gives
    shared: int = 0


@dataclass(frozen=True)
class Loaded:
    """Kernels on a device, in order, each as its launches; what of them came from the cache; what they take."""

    stages: list[tuple[Stage, ...]]
    from_cache: bool
    sources: list[str]
    report: list[str]


def compile_and_load(gpu: Gpu, kernels: Sequence[Kernel]) -> Loaded:
    """Equal kernels are to be given once; their names need not differ."""
    named = [replace(k, name=f"{k.name}_{i}") for i, k in enumerate(kernels)]
    units = [named[i : i + UNIT] for i in range(0, len(named), UNIT)]
    sources = [cuda_source(unit, aliased=True) for unit in units]
    if len(sources) < 2:
        found = [_cubin(gpu.arch, s) for s in sources]
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(functools.partial(_cubin, gpu.arch), sources))
    stages: list[tuple[Stage, ...]] = []
    report: list[str] = []
    for unit, (cubin, _) in zip(units, found, strict=True):
        module = gpu.load(cubin)
        for kernel in unit:
            parts = stages_of(kernel)
            found_here = [_stage(module, s) for s in parts]
            stages.append(tuple(found_here))
            report += [f"{s.name}: {_figures(s.function.figures)}" for s in found_here]
    return Loaded(stages, all(hit for _, hit in found), sources, report)


def _stage(module: Module, stage: Kernel) -> Stage:
    name, shared = c_name(stage), dynamic_shared(stage)
    return Stage(name, module.function(name, shared), *launch_geometry(stage), shared)


def load_source(gpu: Gpu, source: str) -> Any:
    """The module of a text of its own."""
    return gpu.load(_cubin(gpu.arch, source)[0])


def _figures(found: dict[str, int]) -> str:
    return ", ".join(f"{n} {what}" for what, n in found.items())


def _cubin(arch: str, source: str) -> tuple[bytes, bool]:
    """The code, and whether it came from the cache."""
    compiler = _compiler()
    # not `cache.key_of`: what the host is does not matter, and LLVM need not be there
    text = "\0".join(("cubin", compiler, arch, source))
    key = hashlib.sha256(text.encode()).hexdigest()
    (code,), hit = cache.objects_for(key, lambda: [_compile(compiler, source, arch)])
    return code, hit


def _compile(compiler: str, source: str, arch: str) -> bytes:
    compile_cubin = nvcc.compile_cubin if compiler.startswith("nvcc") else nvrtc.compile_cubin
    return compile_cubin(source, arch)


@functools.cache
def _compiler() -> str:
    """ "nvcc" or "nvrtc" with its version; DeviceError GT403 where neither is installed."""
    wanted = os.environ.get("GRAPHTORCH_CUDA_COMPILER", "")
    found = nvcc.find_nvcc()
    if found is not None and wanted != "nvrtc":
        told = subprocess.run([str(found), "--version"], capture_output=True, text=True, check=False).stdout
        return f"nvcc {told.strip().splitlines()[-1] if told.strip() else ''}"
    if nvrtc.find_nvrtc() is not None and wanted != "nvcc":
        return f"nvrtc {nvrtc.version()}"
    raise DeviceError(
        "GT403",
        "no CUDA compiler was found",
        [f"looked for nvcc in $CUDA_HOME/bin (CUDA_HOME={os.environ.get('CUDA_HOME')!r}) and on PATH, and for NVRTC"],
        "pip install nvidia-cuda-nvrtc, or install the CUDA toolkit",
    )
