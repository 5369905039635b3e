"""Facts of the machine, and what keeps the processes of a run apart on it."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import time
from pathlib import Path
from typing import Any

QUIET_SECONDS, QUIET_LIMIT = 0.01, 1.0


def cpus(count: int) -> list[int]:
    """``count`` CPUs to run on; second threads of a core come last."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    firsts: dict[tuple[str, str], int] = {}
    later = []
    for cpu in sorted(os.sched_getaffinity(0)):
        core = (_topology(cpu, "physical_package_id"), _topology(cpu, "core_id"))
        if core in firsts and "" not in core:
            later.append(cpu)
        else:
            firsts[core if "" not in core else (str(cpu), "")] = cpu
    return [*firsts.values(), *later][:count]


def _topology(cpu: int, name: str) -> str:
    return _read(f"/sys/devices/system/cpu/cpu{cpu}/topology/{name}").strip()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def environment(threads: int, cache: str) -> dict[str, str]:
    """Of a worker: every library on as many threads; every compiler with an empty cache."""
    names = (
        "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GRAPHTORCH_NUM_THREADS", "NPROC", "PJRT_NPROC",
    )  # fmt: skip
    caches = {"GRAPHTORCH_CACHE_DIR": f"{cache}/graphtorch", "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor"}
    return {**os.environ, **dict.fromkeys(names, str(threads)), **caches, "JAX_PLATFORMS": "cpu"}


def forget_peak_memory() -> None:
    """Let `peak_memory` count from here on, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def peak_memory() -> int:
    """Bytes that this process had resident at most. (getrusage would count those of the process it was forked from.)"""
    found = re.search(r"VmHWM:\s+(\d+) kB", _read("/proc/self/status"))
    if found:
        return int(found[1]) * 1024
    import resource

    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cpu_seconds(pid: int) -> float | None:
    """CPU time of all threads of a process, to the microsecond; None where the system does not tell."""
    total, seen = 0, False
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        text = _read(str(path))
        seen = seen or bool(text)
        total += int(text.split()[0]) if text else 0
    return total / 1e9 if seen else None


def wait_quiet(pid: int) -> float:
    """Until the threads of a process sleep; libraries let them spin for a while. Seconds waited."""
    start = time.perf_counter()
    before = cpu_seconds(pid)
    while time.perf_counter() - start < QUIET_LIMIT:
        time.sleep(QUIET_SECONDS if before is not None else QUIET_LIMIT / 4)
        after = cpu_seconds(pid)
        if before is None or after is None or after - before < QUIET_SECONDS / 10:
            break
        before = after
    return time.perf_counter() - start


def describe() -> dict[str, Any]:
    """What a table names: never the host, only what kind of machine it is."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    vectors = next((name for key, name in _VECTORS if features.get(key)), "128-bit vectors")
    return {
        "cpu": cpu_name(_read("/proc/cpuinfo"), llvm.get_host_cpu_name()),
        "vectors": vectors,
        "cpus": len(cpus(1 << 16)) or os.cpu_count() or 1,
        "memory_gb": _memory_gb(_read("/proc/meminfo")),
        "system": platform.system(),
        "python": platform.python_version(),
    }


_VECTORS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("neon", "NEON"))


def cpu_name(cpuinfo: str, llvm_name: str) -> str:
    """ "Zen 5, AMD EPYC": the microarchitecture as LLVM knows it, and the model's name."""
    zen = re.fullmatch(r"znver(\d)", llvm_name)
    kind = f"Zen {zen[1]}" if zen else llvm_name
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    return f"{kind}, {model[1].strip()}" if model else kind


def _memory_gb(meminfo: str) -> int | None:
    found = re.search(r"MemTotal:\s+(\d+) kB", meminfo)
    return round(int(found[1]) / 2**20) if found else None
