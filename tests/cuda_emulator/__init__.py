"""CUDA without a GPU: a host compiler's CUDA C, and a libcuda.so.1 that runs it.

`build` makes of CUDA C, as it is emitted, what the library's cuModuleLoadData takes in place of a cubin. Python loads
the library (`tests.gpu.driver.Gpu(str(in_process_path()))`), or a subprocess with `environment()` finds it as the driver
(`library_path`), pycuda included. Its behaviour is set by variables of the environment:

    CUDA_EMULATOR_DEVICES   how many devices there are (1)
    CUDA_EMULATOR_ARCH      what they say they are (sm_90)
    CUDA_EMULATOR_MEMORY    bytes of each (16 GiB)
    CUDA_EMULATOR_ORDERS    orders in which each launch runs: "forward,reverse,17" (forward). The bytes that they leave must
                            be the same, or the launch fails: it has a race.
    CUDA_EMULATOR_STREAMS   "lazy": work waits until somebody waits for it, so that whoever forgets to reads 0xFF; "eager"
    CUDA_EMULATOR_LOG       if set, errors are printed in words
    CUDA_EMULATOR_FOLDER    where what g++ made is kept

Memory is poisoned with 0xFF. As on a device, an error of a kernel shows where the host waits for it, and ends the
context. cuGetErrorString says what happened, with kernel, block, thread and line; so does `emu_report()`.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
#: CUDA C may not alias types either, but nvcc does not use that; signed overflow wraps as on a device
_FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-strict-aliasing", "-fwrapv", "-w")
#: an access that is not aligned is an illegal instruction, and AddressSanitizer's mode has no handler for it
_ALIGNED = ("-fsanitize=alignment", "-fsanitize-undefined-trap-on-error")
_ADDRESS = ("-fsanitize=address", "-fsanitize-sections=emu_shared")
_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\s*\(\s*([^(),]+)[^()]*\)\s*)?(\w+)\s*\(")


def available() -> str | None:
    """Why the emulator cannot be built or run here; None where it can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"the CUDA emulator is for x86-64 Linux, this is {platform.machine()} {sys.platform}"
    return None if shutil.which("g++") else "the CUDA emulator needs g++, which is not on PATH"


def pycuda_missing() -> str | None:
    """Why there is no pycuda; None where there is."""
    import importlib.util

    return None if importlib.util.find_spec("pycuda") else "pycuda is not installed (see tools/build_pycuda.py)"


def build(source: str, arch: str = "", sanitize: bool = False) -> bytes:
    """What cuModuleLoadData takes, of CUDA C. ``arch`` is ignored; with ``sanitize``, for AddressSanitizer.

    RuntimeError with the compiler's words where it rejects the source.
    """
    flags = (*_FLAGS, *(_ADDRESS if sanitize else _ALIGNED))
    header = _precompiled(flags)
    path = _folder() / f"{_digest(source, str(header))}.so"
    if not path.exists():
        _compile([*flags, "-include", str(header), "-x", "c++", "-"], path, source + _table_of(source))
    return path.read_bytes()


def library_path() -> Path:
    """The fake libcuda.so.1, for LD_LIBRARY_PATH; built if it is not there. RuntimeError where `available` gives a reason."""
    return _driver() / "libcuda.so.1"


def in_process_path() -> Path:
    """The same library without the driver's name: who asks for libcuda.so.1 after this was loaded is not given it."""
    return _driver() / "emulator.so"


def environment(base: Mapping[str, str] | None = None, sanitize: bool = False, **settings: object) -> dict[str, str]:
    """Variables for a subprocess whose driver is the fake one: ``environment(devices=2, orders="forward,reverse")``."""
    found = dict(os.environ if base is None else base)
    found["LD_LIBRARY_PATH"] = ":".join(filter(None, [str(library_path().parent), found.get("LD_LIBRARY_PATH")]))
    # programs that were compiled for the emulator are not to be found by those for a GPU
    found |= {
        "CUDA_EMULATOR_FOLDER": str(_folder()),
        "GRAPHTORCH_CACHE_DIR": str(_precompiled((*_FLAGS, *_ALIGNED)).parents[1]),
    }
    found |= {f"CUDA_EMULATOR_{name.upper()}": str(value) for name, value in settings.items()}
    if sanitize:
        asan = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
        found |= {"LD_PRELOAD": asan.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0"}
    return found


def replace_compiler() -> None:
    """For a subprocess: from here on, graphtorch compiles CUDA C for the emulator."""
    from graphtorch.codegen import nvcc

    nvcc.compile_cubin = build


# ---- compiling ------------------------------------------------------------------------------------


def _table_of(source: str) -> str:
    """What registers the kernels of a source. It stands behind the text, whose lines keep their numbers."""
    kernels = [f"EMU_KERNEL({name}, {most or 0})" for most, name in _KERNEL.findall(source)]
    return f"\nEMU_MODULE({' '.join(kernels)})\n"


@functools.cache
def _driver() -> Path:
    """The folder of the library under both of its names."""
    reason = available()
    if reason:
        raise RuntimeError(reason)
    sources = sorted((HERE / "driver").glob("*.cc"))
    texts = [p.read_text() for p in (*sources, HERE / "abi.h", *sorted((HERE / "driver").glob("*.h")))]
    flags = ["-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden"]
    folder = _folder() / _digest(*flags, *texts)
    if not (folder / "emulator.so").exists():
        folder.mkdir(exist_ok=True)
        code = folder / "driver.o"
        # as one unit: most of the work are headers
        _compile([*flags, "-c", "-x", "c++", "-"], code, "".join(f'#include "{p}"\n' for p in sources))
        _compile(["-shared", "-Wl,-soname,libcuda.so.1", str(code)], folder / "libcuda.so.1")
        _compile(["-shared", str(code)], folder / "emulator.so")
    return folder


@functools.cache
def _precompiled(flags: tuple[str, ...]) -> Path:
    """The header that is included before kernels; its compiled form lies beside it."""
    headers = [HERE / "abi.h", *sorted((HERE / "device").glob("*.h"))]
    folder = _folder() / _digest(*flags, *(p.read_text() for p in headers))
    header = folder / "device" / "emu.h"
    if not header.with_suffix(".h.gch").exists():
        header.parent.mkdir(parents=True, exist_ok=True)
        for p in headers:
            (folder / p.relative_to(HERE)).write_text(p.read_text())
        _compile([*(f for f in flags if f != "-shared"), "-x", "c++-header", str(header)], header.with_suffix(".h.gch"))
    return header


def _compile(arguments: list[str], out: Path, text: str = "") -> None:
    """By g++, to a temporary name that is then renamed: several processes may want the same file."""
    handle, temporary = tempfile.mkstemp(dir=out.parent)
    os.close(handle)
    done = subprocess.run(["g++", *arguments, "-o", temporary], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        os.unlink(temporary)
        raise RuntimeError(f"g++ rejected what is built for the emulator:\n{done.stderr[:4000]}")
    os.replace(temporary, out)


@functools.cache
def _folder() -> Path:
    """Of this user alone: what lies in it is loaded and run."""
    given, base = os.environ.get("CUDA_EMULATOR_FOLDER"), os.environ.get("GRAPHTORCH_CACHE_DIR")
    own = Path(base, "cuda-emulator") if base else Path(tempfile.gettempdir(), f"graphtorch-emulator-{os.getuid()}")
    folder = Path(given) if given else own
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeError(f"{folder} belongs to another user")
    return folder


@functools.cache
def _compiler() -> str:
    return subprocess.run(["g++", "-v"], capture_output=True, text=True, check=False).stderr


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join((_compiler(), *parts)).encode()).hexdigest()[:32]
