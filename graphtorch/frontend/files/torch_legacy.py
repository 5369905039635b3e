"""Files of `torch.save` before version 1.6, or with ``_use_new_zipfile_serialization=False``.

Five pickles (a magic number, the protocol, facts of the machine, the value, the keys of storages), then for each key a
number of elements and the elements, all little-endian.
"""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.files.locations import Locations
from graphtorch.frontend.files.memory import Memory
from graphtorch.frontend.files.source import Source, damaged, shown, too_large
from graphtorch.frontend.files.torch_names import NAMES, Stored, storage_dtype
from graphtorch.frontend.files.torch_zip import persistent_id
from graphtorch.frontend.files.unpickler import Machine
from graphtorch.ir.errors import LoadError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


def read(source: Source, locations: Locations) -> Any:
    """The value that was saved. LoadError GT901 to GT905."""
    _check_head(source)
    memories: dict[str, Memory] = {}
    left = source.size

    def storage(given: Any) -> Stored:
        nonlocal left
        kind, key, location, numel = persistent_id(given)
        dtype = storage_dtype(kind)
        if key not in memories:
            left -= numel * dtype.itemsize
            if left < 0:
                raise too_large("its storages are larger than itself")
            memories[key] = Memory(dtype, numel, source.size)
            locations.place(location, memories[key])
        if memories[key].dtype != dtype:
            raise damaged(f"the storage {key!r} is named with two dtypes")
        return Stored(memories[key])

    value = Machine(source, NAMES, storage).load()
    keys = Machine(source, {}).load()
    if not isinstance(keys, list) or not all(isinstance(k, str) for k in keys) or sorted(keys) != sorted(memories):
        raise damaged("the storages that it has are not those that it names")
    for key in keys:
        _fill(source, memories[key], key)
    return value


def _check_head(source: Source) -> None:
    """LoadError GT901 for a pickle that is not torch's."""
    magic = Machine(source, {}).load()
    if magic != _MAGIC:
        raise LoadError(
            "GT901",
            "this pickle was not written by torch.save",
            ["expected a file of torch.save, graphtorch.save or safetensors"],
        )
    protocol = Machine(source, {}).load()
    if protocol != _PROTOCOL:
        raise LoadError("GT901", f"this file of torch has the protocol {shown(protocol)}", [f"expected {_PROTOCOL}"])
    Machine(source, {}).load()  # facts of the machine that wrote it; storages are little-endian on all


def _fill(source: Source, memory: Memory, key: str) -> None:
    numel = int.from_bytes(source.read(8), "little", signed=True)
    if numel != memory.numel:
        raise damaged(f"the storage {key!r} has {numel} elements", f"expected {memory.numel}")
    memory.fill(source)
