"""CUDA C -> cubin, through the nvcc of an installed CUDA toolkit."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from graphtorch.ir.errors import DeviceError, IRError


def find_nvcc() -> Path | None:
    """nvcc of $CUDA_HOME, else on PATH; None where there is none."""
    home = os.environ.get("CUDA_HOME")
    found = (shutil.which("nvcc", path=str(Path(home) / "bin")) if home else None) or shutil.which("nvcc")
    return Path(found) if found else None


def compile_cubin(source: str, arch: str = "sm_90") -> bytes:
    """The cubin of a CUDA C source for ``arch``.

    DeviceError GT403 when there is no nvcc, IRError GT827 with nvcc's words when it rejects the source.
    """
    nvcc = find_nvcc()
    if nvcc is None:
        raise DeviceError(
            "GT403",
            "the CUDA compiler nvcc was not found",
            [f"looked in $CUDA_HOME/bin (CUDA_HOME={os.environ.get('CUDA_HOME')!r}) and on PATH"],
            "install the CUDA toolkit, or set CUDA_HOME to where it is",
        )
    with tempfile.TemporaryDirectory(prefix="graphtorch-") as folder:
        text, cubin = Path(folder, "kernels.cu"), Path(folder, "kernels.cubin")
        text.write_text(source)
        command = [str(nvcc), "-w", "-cubin", f"-arch={arch}", "-o", str(cubin), str(text)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not cubin.exists():
            facts = (done.stderr or done.stdout).replace(f"{folder}/", "").splitlines()[:20]
            raise IRError("GT827", f"nvcc rejected generated CUDA C (exit status {done.returncode})", facts)
        return cubin.read_bytes()
