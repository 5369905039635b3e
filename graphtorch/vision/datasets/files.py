"""The files of data sets: whether they are there and are what was published, and errors that name them."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from typing import Any

from graphtorch.ir.errors import DownloadError, LoadError, MissingFilesError
from graphtorch.utils.download import download, matches


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of the block say which file they are about."""
    try:
        yield
    except LoadError as error:
        error.facts.insert(0, f"file {os.fspath(path)}")
        raise


def damaged(what: str, *facts: str) -> LoadError:
    """The error for a file that ends too early or contradicts itself."""
    return LoadError("GT902", f"the file is damaged: {what}", facts, fix="get the file again")


def missing(name: str, paths: Sequence[Path], source: str) -> MissingFilesError:
    """The error for files of a data set that are not there."""
    facts = [f"expected {path}" for path in paths]
    fix = f"download=True, or put them there yourself: they are published at {source}"
    return MissingFilesError("GT920", f"files of {name} are missing", facts, fix=fix)


def check_md5(path: Path, md5: str | None) -> None:
    """LoadError GT902 for a file that is not the published one."""
    if not matches(path, md5=md5):
        with reading(path):
            raise damaged("it is not the published one", f"expected an md5 sum of {md5}")


def fetch(urls: Sequence[str], path: Path, md5: str | None) -> None:
    """Download a file from the first of ``urls`` that gives it; what the last one says, if none does."""
    for url in urls[:-1]:
        try:
            download(url, path, md5=md5, progress=True)
            return
        except DownloadError:
            continue
    download(urls[-1], path, md5=md5, progress=True)


def unpack(archive: Path, folder: Path, names: Collection[str]) -> None:
    """Take the files ``names`` out of a .tar.gz into ``folder``; what else there is in it stays there.

    LoadError GT902 for an archive that is damaged or has not got them.
    """
    left = set(names)
    with reading(archive):
        try:
            with tarfile.open(archive, "r:gz") as tar:
                for member in tar:
                    if member.name in left and member.isreg():
                        _write(tar.extractfile(member), folder / member.name)
                        left.discard(member.name)
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            raise damaged(f"{type(error).__name__}: {error}") from error
        if left:
            raise damaged(f"{', '.join(sorted(left))} is not in it")


def _write(source: Any, path: Path) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as out:
        copyfileobj(source, out)
    os.replace(part, path)
