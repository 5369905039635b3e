"""Devices, as torch names them. Only "cpu" can hold tensors so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphtorch.ir.errors import ArgumentError, DeviceError


@dataclass(frozen=True, init=False)
class device:
    """``device("cpu")``, ``device("cuda:1")`` or ``device("cuda", 1)``."""

    type: str
    index: int | None

    def __init__(self, type: str | device, index: int | None = None) -> None:
        name = str(type)
        kind, _, number = name.partition(":")
        if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
            raise ArgumentError("GT401", f"there is no device {name!r}", ['expected "cpu", "cuda" or "cuda:<index>"'])
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", int(number) if number else index)

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"


CPU = device("cpu")


def require_cpu(given: Any) -> None:
    """DeviceError GT402 for a device that cannot hold tensors here."""
    if given is not None and device(given).type != "cpu":
        raise DeviceError(
            "GT402",
            f"{str(given)!r} cannot hold tensors",
            ['the CUDA runtime is not part of this release; expected device="cpu"'],
        )
