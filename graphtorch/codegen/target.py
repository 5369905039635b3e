"""What machine code is generated for: the host's CPU, or one named for cross-checking."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from graphtorch.ir.errors import ArgumentError, check

Winograd = Literal["never", "frozen", "always"]


@dataclass(frozen=True)
class Target:
    """An LLVM target, and what schedules ask of it: bytes per vector, vector registers, and caches
    in bytes, the last of which cores share."""

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    l1: int = 32 * 1024
    l2: int = 512 * 1024
    l3: int = 32 * 1024 * 1024
    winograd: Winograd = "frozen"  # for which weights schedules may choose it (ADR 9)

    @property
    def fused(self) -> bool:
        """Whether a product and a sum are one instruction."""
        return "+fma" in self.features.split(",") or self.triple.startswith(("aarch64", "arm64"))

    @property
    def halves(self) -> bool:
        """Whether float16 to float32 and back are instructions."""
        return "+f16c" in self.features.split(",") or self.triple.startswith(("aarch64", "arm64"))

    def lanes(self, itemsize: int) -> int:
        """Elements of ``itemsize`` bytes per vector."""
        return max(1, self.vector_bytes // itemsize)


@functools.cache
def host_target() -> Target:
    """The CPU that runs this process; GRAPHTORCH_CPU_FEATURES ("-avx512f", ...) takes features away.

    GRAPHTORCH_WINOGRAD=0 keeps schedules from Winograd convolution, 1 allows it also where weights are not frozen.
    """
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    features.update(_changes(os.environ.get("GRAPHTORCH_CPU_FEATURES", "")))
    found = target_for(llvm.get_default_triple(), llvm.get_host_cpu_name(), dict(features))
    choices: dict[str, Winograd] = {"0": "never", "1": "always"}
    winograd: Winograd = choices.get(os.environ.get("GRAPHTORCH_WINOGRAD", ""), "frozen")
    caches = _cache_bytes()
    return replace(
        found,
        l1=caches.get(1, found.l1),
        l2=caches.get(2, found.l2),
        l3=caches.get(3, found.l3),
        winograd=winograd,
    )


def _changes(text: str) -> dict[str, bool]:
    """Features to switch on or off; ArgumentError GT304 for one without a sign."""
    changes = [change.strip() for change in text.split(",") if change.strip()]
    for change in changes:
        check(
            change[0] in "+-" and len(change) > 1,
            "GT304",
            f"GRAPHTORCH_CPU_FEATURES={text!r} is not allowed: {change!r} has no sign",
            'expected names of features, each with a sign, as in "-avx512f,-avx2"',
            kind=ArgumentError,
        )
    return {change[1:]: change[0] == "+" for change in changes}


def _cache_bytes() -> dict[int, int]:
    """The sizes of a core's data caches by level, as far as Linux tells them."""
    found: dict[int, int] = {}
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if level.isdigit() and kind != "Instruction" and size.endswith("K"):
            found[int(level)] = int(size[:-1]) * 1024
    return found


def target_for(triple: str, cpu: str, features: dict[str, bool]) -> Target:
    """A target from LLVM's names, with vector width and register count read off the features."""
    flat = ",".join(("+" if on else "-") + name for name, on in sorted(features.items()))
    if features.get("avx512f") and features.get("avx512vl"):
        return Target(triple, cpu, flat, 64, 32)
    if features.get("avx2"):
        return Target(triple, cpu, flat, 32, 16)
    return Target(triple, cpu, flat, 16, 32 if triple.startswith(("aarch64", "arm64")) else 16)
