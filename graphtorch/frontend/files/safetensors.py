"""The safetensors format: eight bytes with the length of a header, the header in JSON, the elements.

Defined by https://github.com/huggingface/safetensors (format of 2022): ``{"name": {"dtype", "shape", "data_offsets"},
"__metadata__": {text: text}}``; elements are little-endian, row-major, without gaps or overlaps.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from graphtorch.frontend.files.locations import Locations
from graphtorch.frontend.files.memory import Memory, no_dtype
from graphtorch.frontend.files.source import Source, damaged, too_large
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.types import TENSOR_DTYPES, DType, contiguous_strides

#: the longest header that safetensors itself reads
LONGEST = 100_000_000
CODES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
_DTYPES = {d.name: d for d in TENSOR_DTYPES}


class Entry(NamedTuple):
    """A tensor of the file: ``at`` and ``size`` in bytes, from the end of the header on."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    at: int
    size: int


class Header(NamedTuple):
    """What a file says of itself: ``start`` is where elements begin."""

    entries: dict[str, Entry]
    metadata: dict[str, str]
    start: int


def begins(head: bytes, size: int) -> bool:
    """Whether a file that begins so is one of safetensors."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8


def read_header(source: Source) -> Header:
    """The header, checked: LoadError GT902 for entries that do not fit, GT905 for a dtype that there is not."""
    length = int.from_bytes(source.read(8), "little")
    if length > min(LONGEST, source.left):
        raise damaged(f"a header of {length} bytes", f"the file has {source.size}")
    given = parsed(source.read(length), source)
    if not isinstance(given, dict):
        raise damaged("the header is no object")
    metadata = given.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise damaged("the metadata is not one text for each name")
    source.budget.take(2400 * len(given))
    entries = {name: _entry(name, said) for name, said in given.items()}
    _check_places(entries.values(), source.left)
    return Header(entries, metadata, 8 + length)


def parsed(text: bytes | str, source: Source) -> Any:
    """The value of a text of JSON, whose objects count on the budget of ``source``."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    source.budget.take(len(raw) * (1 if raw.isascii() else 4))
    source.budget.take(64 * raw.count(b"[") + 72 * raw.count(b"{") + 40 * raw.count(b",") + 60 * raw.count(b'"'))
    try:
        return json.loads(raw, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise damaged(f"the header is not JSON: {type(error).__name__}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _entry(name: str, said: Any) -> Entry:
    if not isinstance(said, dict) or said.keys() != {"dtype", "shape", "data_offsets"}:
        raise damaged(f"the entry {name!r} has not dtype, shape and data_offsets")
    shape, offsets, code = said["shape"], said["data_offsets"], said["dtype"]
    if not _counts(shape) or not _counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise damaged(f"the entry {name!r} has no whole numbers for sizes and places")
    if not isinstance(code, str) or code not in CODES:
        raise no_dtype(str(code)[:40])
    dtype, (at, end) = _DTYPES[CODES[code]], offsets
    if len(shape) > 32 or max(shape, default=0) >= 2**48 or math.prod(shape) * dtype.itemsize != end - at:
        raise damaged(f"the entry {name!r} of sizes {str(shape)[:80]} has {end - at} bytes")
    return Entry(name, dtype, tuple(shape), at, end - at)


def _counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and 0 <= n < 2**63 for n in values)


def _check_places(entries: Any, left: int) -> None:
    """Every byte belongs to one tensor, as the format demands: nothing is hidden, nothing is read twice."""
    at = 0
    for entry in sorted(entries, key=lambda e: (e.at, e.size)):
        if entry.at != at:
            raise damaged(f"the entry {entry.name!r} begins at byte {entry.at}, the one before ends at {at}")
        at += entry.size
    if at != left:
        kind = too_large if at > left else damaged
        raise kind(f"its tensors have {at} bytes", f"the file has {left} for them")


def header(entries: list[tuple[str, DType, tuple[int, ...]]], metadata: dict[str, str]) -> bytes:
    """The beginning of a file with these tensors, whose elements follow in this order."""
    said: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    at = 0
    codes = {name: code for code, name in CODES.items()}
    for name, dtype, shape in entries:
        size = math.prod(shape) * dtype.itemsize
        said[name] = {"dtype": codes[dtype.name], "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(said, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % 8)  # so that elements are aligned
    return len(text).to_bytes(8, "little") + text


def read_entry(source: Source, found: Header, entry: Entry, locations: Locations) -> Memory:
    """The memory of one tensor."""
    memory = Memory(entry.dtype, math.prod(entry.shape), source.size)
    locations.place("cpu", memory)
    source.seek(found.start + entry.at)
    memory.fill(source)
    return memory


def read_tensors(source: Source, found: Header, locations: Locations) -> dict[str, Tensor]:
    """All tensors by name, in the order of the header; each has memory of its own."""
    made = {}
    for entry in sorted(found.entries.values(), key=lambda e: e.at):
        memory = read_entry(source, found, entry, locations)
        made[entry.name] = memory.tensor(entry.shape, contiguous_strides(entry.shape), 0)
    return {name: made[name] for name in found.entries}
