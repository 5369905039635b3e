"""The on-disk cache of object code, and of what is known of a program without it (known.py).

A cached file is machine code that will run, so it is taken only from a directory that belongs to this
user and that nobody else can write; it carries a checksum, and is written to a temporary name and
renamed. A cache that is damaged, unwritable or foreign is ignored with a CacheWarning: the program
is compiled, and runs. Location: $GRAPHTORCH_CACHE_DIR, else $XDG_CACHE_HOME/graphtorch, else
~/.cache/graphtorch. GRAPHTORCH_CACHE=0 turns it off. It is bounded (cache_size.py).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from graphtorch.codegen.target import host_target
from graphtorch.ir.errors import CacheWarning
from graphtorch.runtime.cache_size import OBJECTS, SOURCES, trim, used

_MAGIC = b"graphtorch-objects-2\n"


def directory() -> Path | None:
    """Where the cache is; None when it is turned off."""
    if os.environ.get("GRAPHTORCH_CACHE", "1") == "0":
        return None
    given = os.environ.get("GRAPHTORCH_CACHE_DIR")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "graphtorch"


def key_of(text: str, kind: str) -> str:
    """A hash of the program's text, the target and the tools."""
    import llvmlite

    from graphtorch import __version__

    parts = (kind, generator(), __version__, llvmlite.__version__, repr(host_target()), text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.cache
def generator() -> str:
    """A hash of the package's source: what it makes of a graph need not show in a text."""
    return sources_hash(os.path.dirname(os.path.dirname(__file__)))


def sources_hash(folder: str) -> str:
    """A hash of all sources below ``folder``.

    It is kept in the cache under their paths, inodes, sizes and times, so that they are not read again before one of
    these changes.
    """
    stamps, folders = [], [folder]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.name.endswith(".py"):
                info = entry.stat()
                stamps.append((entry.path, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns))
            elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
                folders.append(entry.path)
    stamps.sort()
    key = hashlib.sha256(repr(stamps).encode()).hexdigest()
    kept = load(key, SOURCES)
    if kept is not None:
        return kept[0].decode()
    total = hashlib.sha256()
    for path, *_ in stamps:
        with open(path, "rb", buffering=0) as file:
            total.update(file.read() + b"\0")
    store(key, [total.hexdigest().encode()], SOURCES)
    return total.hexdigest()


def objects_for(key: str, compile: Callable[[], list[bytes]]) -> tuple[list[bytes], bool]:
    """(object files, whether they came from the cache)."""
    found = load(key)
    if found is not None:
        return found, True
    code = compile()
    store(key, code)
    return code, False


def load(key: str, suffix: str = OBJECTS) -> list[bytes] | None:
    """What was stored under ``key``; None where there is nothing that can be trusted, or no cache."""
    folder = directory()
    if folder is None or not _trusted(folder):
        return None
    path = folder / (key + suffix)
    found = _read(path)
    if found is not None:
        used(path)
    return found


def store(key: str, parts: list[bytes], suffix: str = OBJECTS) -> None:
    """Keep ``parts`` under ``key``, in the place of what is there. Without a cache nothing happens."""
    folder = directory()
    if folder is None or not _trusted(folder):
        return
    trim(folder, _write(folder / (key + suffix), parts))


def _trusted(folder: Path) -> bool:
    """Make the directory, and see that it is ours alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = folder.stat()
    except OSError as error:
        _warn(f"the cache directory {folder} cannot be used ({error.strerror})")
        return False
    if hasattr(os, "getuid") and info.st_uid != os.getuid():
        _warn(f"the cache directory {folder} belongs to another user")
        return False
    if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        _warn(f"the cache directory {folder} can be written by others (chmod 700 it)")
        return False
    return True


def _read(path: Path) -> list[bytes] | None:
    try:
        with open(path, "rb") as file:
            info = os.fstat(file.fileno())
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        _warn(f"{path} cannot be read ({error.strerror})")
        return None
    if hasattr(os, "getuid") and info.st_uid != os.getuid():
        _warn(f"{path} belongs to another user")
        return None
    head = len(_MAGIC)
    checksum, code = data[head : head + 32], data[head + 32 :]
    if data[:head] != _MAGIC or _checksum(path, code) != checksum:
        _warn(f"{path} is damaged")
        return None
    return _unpack(code)


def _pack(parts: list[bytes]) -> bytes:
    """Each part behind its length."""
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def _unpack(code: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(code):
        end = at + 8 + int.from_bytes(code[at : at + 8], "little")
        parts.append(code[at + 8 : end])
        at = end
    return parts


def _checksum(path: Path, code: bytes) -> bytes:
    """Of the code and of its key, so that one program's code is not taken for another's."""
    return hashlib.sha256(path.stem.encode() + code).digest()


def _write(path: Path, parts: list[bytes]) -> int:
    """How many bytes it takes; 0 where it cannot be written."""
    temporary, code = "", _pack(parts)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + _checksum(path, code) + code)
        os.replace(temporary, path)
        return len(code)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        _warn(f"{path} cannot be written ({error.strerror})")
    return 0


def _warn(what: str) -> None:
    warnings.warn(f"graphtorch compiles without its cache: {what}", CacheWarning, stacklevel=2)
