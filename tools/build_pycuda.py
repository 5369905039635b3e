"""Installs pycuda where there is a CUDA toolkit but no driver, as on a CI machine: `python -m tools.build_pycuda`.

pycuda comes as source alone, and its setup wants to link libcuda, which comes with a GPU's driver. A library that has
the driver's names and no code is enough to link; the tests then load pycuda with the driver of tests/cuda_emulator.
pip keeps the wheel that it builds (2 minutes of CPU), so that the next time costs seconds. Where there is no toolkit or
no g++ this says so and does nothing.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

VERSION = "2026.1"
#: any function of the driver: what it returns, perhaps the calling convention, its name
_DECLARED = re.compile(r"\bCUresult\s+(?:\w+\s+)?(cu[A-Z]\w*)\s*\(")
_NO_DEVICE = 100
#: what pycuda's setup reads from the user's home
_DEFAULTS = """\
CUDA_ROOT = {root!r}
CUDADRV_LIB_DIR = [{stub!r}]
CUDA_ENABLE_CURAND = False
CXXFLAGS = ["-O1", "-g0", "-w"]
LDFLAGS = ["-Wl,--no-as-needed", "-Wl,-s"]
"""


def toolkit() -> Path | None:
    """Where the CUDA toolkit is: nvcc says it, since the one on PATH may be a script that calls another."""
    home, nvcc = os.environ.get("CUDA_HOME"), shutil.which("nvcc")
    if home:
        return Path(home)
    if nvcc is None:
        return None
    told = subprocess.run([nvcc, "--dryrun", "-E", "-x", "cu", os.devnull], capture_output=True, text=True, check=False)
    found = re.search(r"^#\$ TOP=(.+)$", told.stderr, re.MULTILINE)
    return Path(found[1]).resolve() if found else None


def why_not(root: Path | None) -> str | None:
    """Why pycuda cannot be built here; None where it can."""
    if root is None or not (root / "include" / "cuda.h").exists():
        return "there is no CUDA toolkit: no nvcc on PATH, or no cuda.h beside it, and no CUDA_HOME"
    return None if shutil.which("g++") else "there is no g++"


def driver_names(root: Path) -> list[str]:
    """All functions of the driver that the headers declare, behind the macros that give them their versions."""
    includes = '#include "cuda.h"\n#include "cudaProfiler.h"\n'
    command = ["g++", "-E", "-x", "c++", f"-I{root / 'include'}", "-"]
    done = subprocess.run(command, input=includes, capture_output=True, text=True, check=True)
    return sorted(set(_DECLARED.findall(done.stdout)))


def write_stub(names: Sequence[str], folder: Path) -> None:
    """A libcuda.so to link with; every function of it says that there is no device."""
    code = "\n".join(f"int {name}(void) {{ return {_NO_DEVICE}; }}" for name in names)
    command = [
        "g++",
        "-x",
        "c",
        "-shared",
        "-fPIC",
        "-w",
        "-Wl,-soname,libcuda.so.1",
        "-o",
        str(folder / "libcuda.so"),
        "-",
    ]
    subprocess.run(command, input=code, text=True, check=True)


def install(root: Path) -> None:
    """By pip, into the environment of this interpreter."""
    home = Path.home()
    kept = {"XDG_CONFIG_HOME": home / ".config", "XDG_CACHE_HOME": home / ".cache"}
    with tempfile.TemporaryDirectory(prefix="pycuda-") as name:
        folder = Path(name)
        write_stub(driver_names(root), folder)
        (folder / ".aksetup-defaults.py").write_text(_DEFAULTS.format(root=str(root), stub=name))
        env = {**{k: str(v) for k, v in kept.items()}, **os.environ, "HOME": name}
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "setuptools", "wheel", "numpy"], env=env, check=True)
        subprocess.run([*pip, "--no-build-isolation", f"pycuda=={VERSION}"], env=env, check=True)


def main() -> int:
    if importlib.util.find_spec("pycuda"):
        print("pycuda is installed")
        return 0
    root = toolkit()
    reason = why_not(root)
    if reason or root is None:
        print(f"pycuda is not built, and tests that need it are skipped: {reason}")
        return 0
    install(root)
    print(f"pycuda {VERSION} was built with the toolkit in {root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
