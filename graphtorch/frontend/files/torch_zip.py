"""Files of `torch.save` since version 1.6: an archive with a pickle, and a record for each storage."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.files.locations import Locations
from graphtorch.frontend.files.memory import Memory
from graphtorch.frontend.files.source import Source, damaged
from graphtorch.frontend.files.torch_names import NAMES, Stored, storage_dtype
from graphtorch.frontend.files.unpickler import Machine
from graphtorch.frontend.files.zip_reader import ZipReader
from graphtorch.ir.errors import LoadError


def read(source: Source, locations: Locations) -> Any:
    """The value that was saved. LoadError GT901 to GT905."""
    archive = ZipReader(source)
    root = _root(archive)
    big = _is_big_endian(archive, root)
    memories: dict[str, Memory] = {}

    def storage(given: Any) -> Stored:
        kind, key, location, numel = persistent_id(given)
        dtype = storage_dtype(kind)
        if key not in memories:
            archive.check_size(f"{root}/data/{key}", numel * dtype.itemsize)
            memories[key] = Memory(dtype, numel, source.size)
            locations.place(location, memories[key])
        if memories[key].dtype != dtype:
            raise damaged(f"the storage {key!r} is named with two dtypes")
        return Stored(memories[key])

    value = Machine(archive.open(f"{root}/data.pkl"), NAMES, storage).load()
    for key, memory in memories.items():
        memory.fill(archive.open(f"{root}/data/{key}"))
        if big:
            memory.swap()
    return value


def persistent_id(given: Any) -> tuple[Any, str, str, int]:
    """Class, key, place and number of elements of a storage: what the ids of both formats begin with."""
    if not isinstance(given, tuple) or len(given) not in (5, 6) or not _is(given[0], "storage"):
        raise damaged("a persistent id is not that of a storage")
    _, kind, key, location, numel = given[:5]
    if not isinstance(key, str) or not isinstance(location, str) or type(numel) is not int or numel < 0:
        raise damaged("a persistent id is not that of a storage")
    if len(given) == 6 and given[5] is not None:
        raise LoadError(
            "GT903", "the file has a view of a storage, as torch 0.1 wrote it", ["write it with a newer torch"]
        )
    return kind, key, location, numel


def _is(value: Any, text: str) -> bool:
    """Whether a value is this text: a tensor, which == compares element by element, is not."""
    return isinstance(value, str) and value == text


def _root(archive: ZipReader) -> str:
    """The folder that holds all records."""
    found = [name.removesuffix("/data.pkl") for name in archive.names if name.endswith("/data.pkl")]
    if any(name.rpartition("/")[2] == "constants.pkl" for name in archive.names):
        raise LoadError(
            "GT901",
            "this is a TorchScript archive, a program and not data",
            fix="save the state_dict instead: torch.save(model.state_dict(), path)",
        )
    if len(found) != 1 or "/" in found[0]:
        raise LoadError(
            "GT901",
            "this zip archive was not written by torch.save",
            ["expected one record data.pkl", f"got {archive.names[:5]}"],
            fix="numpy.load(path), if it is an .npz file",
        )
    return found[0]


def _is_big_endian(archive: ZipReader, root: str) -> bool:
    if f"{root}/byteorder" not in archive.names:
        return False
    order = archive.open(f"{root}/byteorder")
    said = order.read(min(order.size, 16))
    if said not in (b"little", b"big"):
        raise damaged(f"the byte order is {said!r}", "expected little or big")
    return said == b"big"
