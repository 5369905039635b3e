"""``map_location``: where the tensors of a file go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphtorch.frontend.files.memory import Memory
from graphtorch.frontend.tensors.memory import TensorStorage
from graphtorch.ir.device import check_device, device
from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.ir.types import uint8


class Locations:
    """What ``map_location`` says of each place, "cpu" or "cuda:0", that storages of a file had.

    None: the CPU, wherever they were. Otherwise a device, a mapping of places to devices, or a function of a storage
    and its place that gives a device, or anything else for the CPU. DeviceError GT402 where that is a device that
    cannot hold tensors, ArgumentTypeError GT301 for a ``map_location`` that is nothing of this.
    """

    def __init__(self, given: Any) -> None:
        if not (given is None or isinstance(given, str | device | Mapping) or callable(given)):
            got = f"map_location must be a device, a mapping or a function, got {type(given).__name__}"
            raise ArgumentTypeError("GT301", got, ['expected map_location="cpu"'])
        self.given = check_device(given) if isinstance(given, str | device) else given
        self._elsewhere: list[Memory] = []

    def place(self, location: str, memory: Memory) -> None:
        """Put a storage, which no tensor is over yet, where it is to go; its elements follow in `settle`."""
        to = self.given
        if isinstance(to, Mapping):
            to = check_device(to.get(location))
        elif callable(to):
            said = to(TensorStorage(memory.storage, uint8), location)
            to = check_device(said) if isinstance(said, str | device) else None
        if to is not None and to.type != "cpu":
            memory.move_to(to)
            self._elsewhere.append(memory)

    def settle(self) -> None:
        """Copy what was read to the devices; all of the file has been."""
        for memory in self._elsewhere:
            memory.settle()
