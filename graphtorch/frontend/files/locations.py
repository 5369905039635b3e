"""``map_location``: where the tensors of a file go. One device can hold them, so it is asked and obeyed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphtorch.frontend.files.memory import Memory
from graphtorch.frontend.tensors.memory import TensorStorage
from graphtorch.ir.device import device, require_cpu
from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.ir.types import uint8


class Locations:
    """What ``map_location`` says of each place, "cpu" or "cuda:0", that storages of a file had.

    None: the CPU, wherever they were. Otherwise a device, a mapping of places to devices, or a function of a storage
    and its place, as in torch. DeviceError GT402 where that is a device that cannot hold tensors, ArgumentTypeError
    GT301 for a ``map_location`` that is nothing of this.
    """

    def __init__(self, given: Any) -> None:
        if not (given is None or isinstance(given, str | device | Mapping) or callable(given)):
            got = f"map_location must be a device, a mapping or a function, got {type(given).__name__}"
            raise ArgumentTypeError("GT301", got, ['expected map_location="cpu"'])
        if isinstance(given, str | device):
            require_cpu(given)
        self.given = given

    def check(self, location: str, memory: Memory) -> None:
        """DeviceError GT402 if a storage is to go where it cannot."""
        if isinstance(self.given, Mapping):
            require_cpu(self.given.get(location))
        elif callable(self.given):
            self.given(TensorStorage(memory.storage, uint8), location)
