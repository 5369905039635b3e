"""Kernels compiled by nvcc, and what it says of them: registers, spills, and the instructions that it chose."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from graphtorch.codegen import nvcc
from graphtorch.codegen.emit_cuda import c_name, cuda_source
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.launch import stages_of

ARCHES = ("sm_80", "sm_90")
#: kernels of one translation unit
UNIT = 8
_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_REGISTERS = re.compile(r"Used (\d+) registers")


@dataclass(frozen=True)
class Figures:
    """Of a function: registers of a thread, bytes of its stack, bytes that were spilled and fetched again."""

    registers: int
    stack: int
    spilled: int


def named(kernels: Sequence[Kernel]) -> list[Kernel]:
    """With names that differ."""
    return [replace(k, name=f"{k.name}_{i}") for i, k in enumerate(kernels)]


def figures(kernels: Sequence[Kernel], arch: str) -> dict[str, Figures]:
    """By the name of each stage, of kernels whose names differ."""
    units = [kernels[i : i + UNIT] for i in range(0, len(kernels), UNIT)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        told = list(pool.map(lambda unit: _ptxas(cuda_source(unit, aliased=True), arch), units))
    found = dict(pair for text in told for pair in _figures_in(text))
    assert set(found) == {c_name(s) for k in kernels for s in stages_of(k)}
    return found


def _ptxas(source: str, arch: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernels.cu")
        path.write_text(source)
        command = [str(nvcc.find_nvcc()), "-w", "-cubin", f"-arch={arch}", "-Xptxas", "-v", "-o", os.devnull, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr


def _figures_in(text: str) -> Iterator[tuple[str, Figures]]:
    for part in text.split("ptxas info    : Compiling entry")[1:]:
        part = "Compiling entry" + part
        name, spills, registers = _ENTRY.search(part), _SPILLS.search(part), _REGISTERS.search(part)
        assert name and spills and registers, part
        stack, stores, loads = map(int, spills.groups())
        yield name[1], Figures(int(registers[1]), stack, stores + loads)


def find_nvdisasm() -> Path | None:
    """Of the toolkit, or of the package nvidia-cuda-nvdisasm."""
    beside = shutil.which("nvdisasm")
    if beside:
        return Path(beside)
    spec = importlib.util.find_spec("nvidia")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return next((p for f in folders for p in sorted(Path(f).glob("*/bin/nvdisasm"))), None)


def instructions(kernel: Kernel, arch: str) -> list[str]:
    """The mnemonics of the machine code, in order."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.cubin")
        path.write_bytes(nvcc.compile_cubin(cuda_source([kernel]), arch))
        told = subprocess.run([str(find_nvdisasm()), "-c", str(path)], capture_output=True, text=True, check=True)
    return re.findall(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", told.stdout)
