"""Files of IDX, as MNIST is published in: arrays of one dtype, plain or compressed by gzip.

    0 0 dtype ndim          four bytes
    size ...                ndim of them, 4 bytes each, the highest first
    elements                row-major, the highest byte first

Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", whose page describes the format.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from graphtorch.frontend.files.source import too_large
from graphtorch.ir.errors import LoadError
from graphtorch.vision.datasets.files import damaged, reading

Array = Any

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
#: what a small compressed file may unpack to; MNIST's images are 47 MB of 9.9
FLOOR = 64 << 20
#: more dimensions than any such file has
_MOST_DIMENSIONS = 8


def read_idx(path: str | os.PathLike[str]) -> Array:
    """The array in a file of IDX, compressed by gzip or not, with memory of its own.

    LoadError GT901 for another format, GT902 for a file that is shorter or longer than it says, GT904 for a compressed
    one that unpacks to more than twice its size and 64 MiB.
    """
    with reading(path), Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        packed = file.read(2) == _GZIP
        file.seek(0)
        if not packed:
            return _read(file, size)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(unpacked, max(FLOOR, 2 * size))  # type: ignore[arg-type]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise damaged(f"{type(error).__name__}: {error}") from error


def _read(file: BinaryIO, limit: int) -> Array:
    """An array of at most ``limit`` bytes."""
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _DTYPES or not 1 <= head[3] <= _MOST_DIMENSIONS:
        facts = ["expected 0, 0, the dtype, the number of dimensions"]
        raise LoadError("GT901", f"this is no file of IDX: it begins with {head!r}", facts)
    dtype, sizes = np.dtype(_DTYPES[head[2]]), file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise damaged("it ends within its sizes")
    shape = struct.unpack(f">{head[3]}I", sizes)
    count = math.prod(shape) * dtype.itemsize
    if count > limit:
        raise too_large(f"{list(shape)} elements of {dtype.itemsize} bytes", f"expected at most {limit} bytes")
    found = bytearray()  # which grows with what comes, and not with what was said
    while chunk := file.read(min(_CHUNK, count + 1 - len(found))):
        found += chunk
    if len(found) != count:
        longer = "more" if len(found) > count else str(len(found))
        raise damaged("its length is not what it says", f"expected {count} bytes for {list(shape)}, got {longer}")
    return np.frombuffer(found, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
