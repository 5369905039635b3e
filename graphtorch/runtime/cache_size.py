"""The on-disk cache within a bound: what was used least recently goes.

The time of a file's last use is its modification time, which a hit sets: access times are not kept everywhere.
$GRAPHTORCH_CACHE_MB is the bound, 1024 if it is not set; 0 is none.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

DEFAULT_MB = 1024
#: what the names of files of the cache end with: object code, and what is known of programs
OBJECTS, KNOWN = ".o", ".known"
#: of the bound, after a clean-up: the next programs fit without another one
KEPT = 0.75


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


def trim(folder: Path) -> None:
    """Remove what was used least recently where files take more than the bound.

    Other processes may do the same, or read what is removed: they compile it again.
    """
    most = most_bytes()
    if most is None:
        return
    with contextlib.suppress(OSError):
        ours = [path for path in folder.iterdir() if path.suffix in (OBJECTS, KNOWN)]
        files = [(info.st_mtime_ns, info.st_size, path) for path in ours if (info := _stat(path))]
        total = sum(size for _, size, _ in files)
        if total <= most:
            return
        for _, size, path in sorted(files):
            if total <= KEPT * most:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # somebody else has removed it
        return None
