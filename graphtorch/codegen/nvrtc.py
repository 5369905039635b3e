"""CUDA C -> cubin through NVRTC, NVIDIA's compiler as a library: its wheel is enough, and no toolkit is needed."""

from __future__ import annotations

import ctypes
import functools
import glob
import importlib.util
import os
from ctypes import byref, c_char_p, c_int, c_size_t, c_void_p
from typing import Any

from graphtorch.ir.errors import IRError


@functools.cache
def find_nvrtc() -> Any:
    """The library, loaded; None where there is none.

    It is looked for in the wheels of Python (nvidia-cuda-nvrtc), and then where the system looks. What it has of CUDA's
    own functions is a library beside it, which is loaded first: NVRTC looks for it on the system's path alone.
    """
    for folder in _folders():
        libraries = [p for p in sorted(glob.glob(os.path.join(folder, "libnvrtc*.so*"))) if ".alt." not in p]
        builtins = [p for p in libraries if "builtins" in p]
        for path in [p for p in libraries if p not in builtins]:
            try:
                for beside in builtins:
                    ctypes.CDLL(beside, ctypes.RTLD_GLOBAL)
                return ctypes.CDLL(path)
            except OSError:
                continue
    try:
        return ctypes.CDLL("libnvrtc.so")
    except OSError:
        return None


def _folders() -> list[str]:
    """Where wheels of NVIDIA's have libraries."""
    spec = importlib.util.find_spec("nvidia")
    roots = list(spec.submodule_search_locations or ()) if spec is not None else []
    return [
        f for root in roots for f in sorted(glob.glob(os.path.join(root, "*", "lib"))) if glob.glob(f + "/libnvrtc*")
    ]


@functools.cache
def version() -> str:
    """Of the library that `find_nvrtc` gives."""
    major, minor = c_int(), c_int()
    find_nvrtc().nvrtcVersion(byref(major), byref(minor))
    return f"{major.value}.{minor.value}"


def compile_cubin(source: str, arch: str) -> bytes:
    """The cubin of a CUDA C source for ``arch`` ("sm_90"); IRError GT827 with NVRTC's words when it rejects it."""
    lib, program = find_nvrtc(), c_void_p()
    lib.nvrtcGetErrorString.restype = c_char_p
    _checked(lib, lib.nvrtcCreateProgram(byref(program), source.encode(), b"kernels.cu", 0, None, None))
    try:
        options = (c_char_p * 2)(f"-arch={arch}".encode(), b"--std=c++17")
        code = lib.nvrtcCompileProgram(program, len(options), options)
        if code:
            raise IRError(
                "GT827", "NVRTC rejected generated CUDA C", _text(lib, program, "ProgramLog").splitlines()[:20]
            )
        return _bytes(lib, program, "CUBIN")
    finally:
        lib.nvrtcDestroyProgram(byref(program))


def _checked(lib: Any, code: int) -> None:
    if code:
        raise IRError("GT827", f"NVRTC failed: {lib.nvrtcGetErrorString(code).decode()}")


def _bytes(lib: Any, program: c_void_p, what: str) -> bytes:
    size = c_size_t()
    _checked(lib, getattr(lib, f"nvrtcGet{what}Size")(program, byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _checked(lib, getattr(lib, f"nvrtcGet{what}")(program, buffer))
    return buffer.raw


def _text(lib: Any, program: c_void_p, what: str) -> str:
    return _bytes(lib, program, what).rstrip(b"\0").decode(errors="replace")
