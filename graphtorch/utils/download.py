"""Downloads: whole or not at all, checked, and resumed where they broke off."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

from graphtorch.ir.errors import ArgumentError, DownloadError, check
from graphtorch.utils.data.progress import progress_bar

_CHUNK = 1 << 20


def download(
    url: str,
    path: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    md5: str | None = None,
    resume: bool = True,
    progress: bool | str = False,
    timeout: float = 30,
) -> Path:
    """Get ``url`` (http, https or file) into the file ``path``, whose folder is made, and give its path.

    A file that is there already stays, if it has the checksum or none is given. ``sha256`` and ``md5`` are hexadecimal;
    the beginning of one is enough, as in names such as ``resnet18-f37072fd.pth``. What comes is kept in
    ``path + ".part"`` and becomes ``path`` when it is whole and has the checksum. ``resume``: with a checksum, the
    ``.part`` of an earlier try is gone on with, if the server can; without one nobody would know whether halves fit.
    ``timeout`` is in seconds without any byte. ``progress``: True, or a description, shows a bar.

    Raises DownloadError: GT910 where nothing, or not everything, comes, which says where to put the file instead; GT911
    for a file with another checksum, which is deleted. ArgumentError GT304 for another kind of address.
    """
    target = Path(path)
    known = url.startswith(("http://", "https://", "file://"))
    check(known, "GT304", f"url={url!r} is not allowed", "expected http://, https:// or file://", kind=ArgumentError)
    if target.exists() and matches(target, sha256, md5):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    if not (resume and (sha256 or md5)):
        part.unlink(missing_ok=True)
    try:
        _fetch(url, part, timeout, _description(progress, target))
    except (OSError, HTTPException) as error:
        raise unreachable(url, error, f"put the file at {target}, from wherever you can get it") from error
    if not matches(part, sha256, md5):
        part.unlink()
        raise _another(url, sha256 or md5 or "")
    os.replace(part, target)
    return target


def matches(path: Path, sha256: str | None = None, md5: str | None = None) -> bool:
    """Whether a file has these checksums, or the beginnings of them that are given."""
    for name, expected in (("sha256", sha256), ("md5", md5)):
        if expected and not _digest(path, name).startswith(expected.lower()):
            return False
    return True


def _digest(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()


def _description(progress: bool | str, target: Path) -> str | None:
    return progress if isinstance(progress, str) else target.name if progress else None


def _fetch(url: str, part: Path, timeout: float, description: str | None) -> None:
    """Write ``url`` to ``part``, behind what is there if the server agrees."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "graphtorch"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # there is no more than that; its checksum tells whether it is all
            return
        raise
    with response:
        goes_on = response.status == 206 and (response.headers["Content-Range"] or "").startswith(f"bytes {have}-")
        expected = response.headers["Content-Length"]
        chunks = _chunks(response, expected)
        if description is not None:
            total = -(-int(expected) // _CHUNK) if expected else None
            chunks = progress_bar(chunks, f"{description}, MiB", total=total)
        with part.open("ab" if goes_on else "wb") as out:
            for chunk in chunks:
                out.write(chunk)


def _chunks(response: Any, expected: str | None) -> Iterator[bytes]:
    """What comes, in pieces of a MiB; OSError if it ends too early."""
    got = 0
    while chunk := response.read(_CHUNK):
        got += len(chunk)
        yield chunk
    if expected is not None and got != int(expected):
        raise OSError(f"the connection ended after {got} of {expected} bytes")


def unreachable(url: str, error: BaseException, instead: str) -> DownloadError:
    """Nothing, or not everything, came; ``instead`` is the way out."""
    reason = getattr(error, "reason", None) or error
    return DownloadError("GT910", f"{url} cannot be downloaded: {reason}", fix=instead)


def _another(url: str, expected: str) -> DownloadError:
    return DownloadError(
        "GT911",
        f"what came from {url} is not what was promised",
        [f"expected a checksum that begins with {expected}", "the file was deleted"],
        fix="try again; if it stays so, the file was changed: get it from somewhere else",
    )
