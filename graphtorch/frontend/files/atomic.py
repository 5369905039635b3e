"""Writing a file so that there is either the old one or the whole new one."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of ``path`` when the block ends, and is deleted if it raises.

    It is made in the same folder, ``.name.*.tmp``, and written to the disk before it is renamed: a process that is
    killed, or a machine that loses power, leaves the old file as it was (and perhaps the unfinished one beside it). A
    link is followed, and what is no ordinary file, such as ``/dev/stdout``, is written directly. The permissions are
    those of the old file, or of a new one.
    """
    target = os.path.realpath(path)
    old = os.stat(target) if os.path.exists(target) else None
    if old is not None and not stat.S_ISREG(old.st_mode):
        with open(target, "wb") as file:
            yield file
        return
    folder, name = os.path.split(target)
    handle, temporary = tempfile.mkstemp(".tmp", f".{name}.", folder)
    try:
        with os.fdopen(handle, "wb") as file:
            os.chmod(temporary, stat.S_IMODE(old.st_mode) if old else 0o666 & ~_umask())
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(folder)


def _umask() -> int:
    """The bits that new files of this process do not have; asking sets it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: str) -> None:
    """See to it that the new name is on the disk, where the system lets folders be opened."""
    try:
        handle: Any = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
