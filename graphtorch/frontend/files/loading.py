"""`load`: which format a file has, and its value."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import Any, BinaryIO

from graphtorch.frontend.files import native, safetensors, torch_legacy, torch_zip
from graphtorch.frontend.files.locations import Locations
from graphtorch.frontend.files.source import Budget, Source, damaged
from graphtorch.frontend.files.trust import Trust
from graphtorch.ir.errors import ArgumentTypeError, LoadError

#: how files begin that are none of ours, and what they are
_OTHERS = {
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"BZh": "a bzip2 file: unpack it first",
    b"\x89HDF": "an HDF5 file, as Keras writes them",
    b"GGUF": "a GGUF file, as llama.cpp reads them",
    b"\x93NUMPY": "a file of numpy: numpy.load(path) reads it",
    b"version https://git-lfs": "a pointer of Git LFS in the place of the file: run git lfs pull",
    b"<": "a web page, perhaps the answer of a server in the place of the file",
}


def load(f: Any, map_location: Any = None, *, weights_only: bool | None = True, classes: Iterable[type] = ()) -> Any:
    """What was saved in ``f``, a path or a file that can seek, by `save`, by torch.save, or as safetensors.

    The format is told by how the file begins. It may hold tensors, parameters and plain data (docs/files.md); nothing
    that it names is imported or executed. Tensors that shared memory share it again, and keep their strides. Modules
    that `save` wrote are of the package's layers, of ``classes``, or, with ``weights_only=False``, of any class that
    can be imported: do that with files that you trust. Of torch's files nothing is executed in any case. Objects take
    at most twice the size of the file, or 256 MiB; ``weights_only=False`` lifts that, too. None is True, as in torch.

    ``map_location`` is a device, a mapping or a function as in torch; tensors of GPUs come to the CPU by themselves.

    Raises LoadError: GT901 for another format, GT902 for a damaged file, GT903 for one that names what is not data,
    GT904 for one that asks for more than it holds, GT905 for a tensor of a dtype that there is not, GT906 for a module
    of a class that is gone or was not trusted. DeviceError GT402 if ``map_location`` wants a device that there is not.
    """
    locations, trust = Locations(map_location), Trust(classes, everything=weights_only is False)
    if isinstance(f, str | os.PathLike):
        with open(f, "rb") as file:
            value = _load(file, locations, trust)
        locations.settle()
        return value
    if not hasattr(f, "read"):
        got = f"f must be a path or a file that is open for reading bytes, got {type(f).__name__}"
        raise ArgumentTypeError("GT301", got)
    value = _load(_seekable(f), locations, trust)
    locations.settle()
    return value


def _seekable(f: Any) -> BinaryIO:
    """The file itself, or all of it in memory, where it cannot seek or cannot read into an array."""
    if hasattr(f, "readinto") and hasattr(f, "seek") and f.seekable():
        return f  # type: ignore[no-any-return]
    data = f.read()
    if not isinstance(data, bytes):
        got = f"f gives {type(data).__name__}"
        raise ArgumentTypeError("GT301", got, ['expected a file of bytes: open(path, "rb")'])
    return io.BytesIO(data)


def _load(file: BinaryIO, locations: Locations, trust: Trust) -> Any:
    source = Source(file, file.tell())
    if trust.everything:
        source.budget = Budget(source.size, unlimited=True)
    head = source.read(min(source.size, 512))
    source.seek(0)
    try:
        if safetensors.begins(head, source.size):  # first: the length that it begins with may be any bytes
            return native.read(source, locations, trust)
        if head.startswith(b"PK"):
            return torch_zip.read(source, locations)
        if head.startswith((b"\x80", b"L")):
            return torch_legacy.read(source, locations)
    except (RecursionError, MemoryError) as error:  # what no limit foresaw is the file's fault all the same
        raise damaged(type(error).__name__) from None
    raise LoadError("GT901", _what(head), ["expected a file of torch.save, graphtorch.save or safetensors"])


def _what(head: bytes) -> str:
    if head[257:262] == b"ustar" or head.startswith((b"sys_info\0", b"pickle\0", b"storages\0", b"tensors\0")):
        return "this is a tar archive, as torch before 0.1.10 wrote them, which is not read"
    known = [what for start, what in _OTHERS.items() if head.startswith(start)]
    return f"this is {known[0]}" if known else f"this is no file of tensors: it begins with {head[:8]!r}"
