"""The on-disk cache within a bound: what was used least recently goes.

The time of a file's last use is its modification time, which a hit sets: access times are not kept everywhere.
$GRAPHTORCH_CACHE_MB is the bound, 1024 if it is not set; 0 is none. To know what all files take one has to look at
each, so that is done once for every so many bytes that are written, by whichever process comes to it: the bound is kept
but for a 64th of it for each process.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

DEFAULT_MB = 1024
#: what the names of files of the cache end with: object code, what is known of programs, and the hash of the sources
OBJECTS, KNOWN, SOURCES = ".o", ".known", ".sources"
#: of the bound, after a clean-up: the next programs fit without another one
KEPT = 0.75
#: of the bound, what is written until the files are looked at again
LOOK = 1 / 64


class _Written:
    """Bytes that this process has written since the files were looked at; at the start any share of what leads to a
    look, so that many processes which write little look in turn."""

    def __init__(self) -> None:
        self.share, self.bytes = int.from_bytes(os.urandom(4), "little") / 2**32, 0.0

    def is_due(self, nbytes: int, most: int) -> bool:
        """Whether to look, now that ``nbytes`` more were written."""
        self.bytes += nbytes
        if self.bytes + self.share * LOOK * most < LOOK * most:
            return False
        self.share, self.bytes = 0.0, 0.0
        return True


_written = _Written()


def most_bytes() -> int | None:
    """The bound; None for none. What is no number is the default."""
    try:
        megabytes = float(os.environ.get("GRAPHTORCH_CACHE_MB", DEFAULT_MB))
    except ValueError:
        megabytes = DEFAULT_MB
    return int(megabytes * 1e6) if megabytes > 0 else None


def used(path: Path) -> None:
    """It is the last to go from now on."""
    with contextlib.suppress(OSError):
        os.utime(path)


def trim(folder: Path, written: int) -> None:
    """Remove what was used least recently where files take more than the bound, after ``written`` bytes of a new one.

    Other processes may do the same, or read what is removed: they compile it again.
    """
    most = most_bytes()
    if most is None or not _written.is_due(written, most):
        return
    with contextlib.suppress(OSError):
        with os.scandir(folder) as entries:
            ours = [entry for entry in entries if entry.name.endswith((OBJECTS, KNOWN, SOURCES))]
        files = [(info.st_mtime_ns, info.st_size, entry.path) for entry in ours if (info := _stat(entry))]
        total = sum(size for _, size, _ in files)
        if total <= most:
            return
        for _, size, path in sorted(files):
            if total <= KEPT * most:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
            total -= size


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:  # somebody else has removed it
        return None
