"""Devices, as torch names them."""

from __future__ import annotations

from collections.abc import Callable
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


#: sees to it that a GPU can hold tensors, and raises DeviceError GT402 where it cannot; the frontend sets it
ready: Callable[[device], device] | None = None


def check_device(given: Any) -> device | None:
    """The device that a ``device=`` names, None for none: ready to hold tensors, or DeviceError GT402."""
    if given is None:
        return None
    found = device("cuda", given) if type(given) is int else device(given)
    if found.type == "cpu":
        return CPU
    if ready is None:
        raise DeviceError("GT402", f"{str(given)!r} cannot hold tensors", ['expected device="cpu"'])
    return ready(found)
