"""Writing a file so that there is either the old one or the whole new one."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows, where what killed processes leave stays
    fcntl = None  # type: ignore[assignment]

#: bytes of a name that the temporary one begins with: names have 255 at most
_MOST_OF_NAME = 200


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of ``path`` when the block ends, and is deleted if it raises.

    It is made in the same folder, ``.name.*.tmp``, and written to the disk before it is renamed: a process that is
    killed, or a machine that loses power, leaves the old file as it was, and perhaps the unfinished one beside it. That
    is deleted by the next save to ``path``: who writes such a file holds a lock on it, which ends with the process. A
    link is followed, and what is no ordinary file, such as ``/dev/stdout``, is written directly. The permissions are
    those of the old file, or of a new one. OSError as `open` has it, with ``path`` as its file.
    """
    target = os.path.realpath(path)
    if os.path.islink(target):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path))
    old = os.stat(target) if os.path.exists(target) else None
    if old is not None and not stat.S_ISREG(old.st_mode):
        with open(target, "wb") as file:
            yield file
        return
    folder, name = os.path.split(target)
    start = os.path.join(folder, "." + os.fsdecode(os.fsencode(name)[:_MOST_OF_NAME]) + ".")
    _remove_left(start)
    temporary, handle = _create(start, os.fspath(path))
    try:
        with os.fdopen(handle, "wb") as file:
            if old is not None:
                os.chmod(temporary, stat.S_IMODE(old.st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()  # Windows renames no open file; elsewhere the lock has to last until it has its name
            os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _create(start: str, path: Any) -> tuple[str, int]:
    """A new file that no one else has, locked, and its handle."""
    while True:
        temporary = f"{start}{secrets.token_hex(4)}.tmp"
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        except FileExistsError:
            continue
        except OSError as error:  # of a name that the caller has not heard of
            raise type(error)(error.errno, error.strerror, path) from None
        _lock(handle, wait=True)
        if os.fstat(handle).st_nlink:
            return temporary, handle
        os.close(handle)  # another process took it for one that was left, before it had the lock


def _remove_left(start: str) -> None:
    """Delete the unfinished files of processes that are gone: those that can be locked."""
    for left in glob.glob(glob.escape(start) + "[0-9a-f]" * 8 + ".tmp") if fcntl is not None else ():
        with suppress(OSError):
            handle = os.open(left, os.O_WRONLY)
            try:
                if _lock(handle, wait=False):
                    os.unlink(left)
            finally:
                os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    """Lock a file until it is closed; whether that succeeded. Some file systems have no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


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
