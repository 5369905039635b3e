"""graphtorch's own format: a safetensors file, with the structure of what was saved as JSON in its metadata.

Any reader of safetensors has the tensors, by the path under which they were saved ("model.conv1.weight").
"""

from __future__ import annotations

import json
from typing import IO, Any

import numpy as np

from graphtorch.frontend.files import safetensors
from graphtorch.frontend.files.blocks import Block
from graphtorch.frontend.files.decode import Decoder
from graphtorch.frontend.files.encode import Encoder
from graphtorch.frontend.files.locations import Locations
from graphtorch.frontend.files.memory import Memory
from graphtorch.frontend.files.source import Source, damaged, shown
from graphtorch.frontend.files.trust import Trust
from graphtorch.frontend.files.unpickler import built
from graphtorch.ir.errors import LoadError, SaveError

#: the name of the structure in the metadata, and the version of its grammar
_NAME, _VERSION = "graphtorch", 1


def write(file: IO[bytes], value: Any) -> None:
    """Write ``value``. SaveError GT907 for what is no data, before anything is written."""
    encoder = Encoder()
    try:
        said = {"version": _VERSION, "value": encoder.encode(value)}
    except RecursionError:
        raise SaveError("GT907", "the value is nested too deep, as a module in some 200 others is") from None
    blocks = encoder.blocks.make()
    text = json.dumps(said, separators=(",", ":"), allow_nan=False)
    write_blocks(file, blocks, {_NAME: text})


def write_blocks(file: IO[bytes], blocks: list[Block], metadata: dict[str, str]) -> None:
    """Write a safetensors file, one block after the other."""
    file.write(safetensors.header([(b.name, b.dtype, b.array.shape) for b in blocks], metadata))
    for block in blocks:
        dense: Any = np.ascontiguousarray(block.array).reshape(-1).view(np.uint8)
        file.write(memoryview(dense))


def read(source: Source, locations: Locations, trust: Trust) -> Any:
    """The value of a safetensors file: what graphtorch wrote, or the tensors by name where something else did."""
    header = safetensors.read_header(source)
    if _NAME not in header.metadata:
        return safetensors.read_tensors(source, header, locations)
    said = safetensors.parsed(header.metadata[_NAME], source)
    if not isinstance(said, dict) or "value" not in said:
        raise damaged("the structure is no object")
    if said.get("version") != _VERSION:
        raise LoadError("GT901", f"the file has the version {shown(said.get('version'))}", [f"expected {_VERSION}"])
    memories: dict[str, tuple[Memory, tuple[int, ...]]] = {}
    for entry in sorted(header.entries.values(), key=lambda e: e.at):
        memory = safetensors.read_entry(source, header, entry, locations)
        memories[entry.name] = memory, entry.shape
    return built(Decoder(memories, trust, source.budget).decode, said["value"])
