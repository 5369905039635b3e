"""Archives of others, unpacked into a folder and nowhere else."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from graphtorch.ir.errors import LoadError

#: what an archive may unfold to: so many times its size, and so many bytes in any case
_RATIO, _FLOOR = 200, 256 << 20


def extract_zip(archive: str | os.PathLike[str], folder: str | os.PathLike[str], strip: int = 0) -> Path:
    """Unpack a zip file into ``folder``, which is replaced when all is there, and give its path.

    ``strip`` leading parts of each path are dropped, as of the one folder in which GitHub puts a repository. Links are
    left out. Raises LoadError GT902 for a damaged archive, GT903 for a path that leads out of the folder, GT904 for one
    that unfolds to more than 200 times its size (and 256 MiB).
    """
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        with zipfile.ZipFile(archive) as opened:
            _check(opened, Path(archive).stat().st_size)
            for entry in opened.infolist():
                _extract(opened, entry, fresh, strip)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(fresh, target)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise LoadError("GT902", f"{os.fspath(archive)} is no zip file, or is damaged: {error}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _check(archive: zipfile.ZipFile, size: int) -> None:
    entries = archive.infolist()
    total, allowed = sum(e.file_size for e in entries), max(_FLOOR, _RATIO * size)
    if total > allowed:
        raise LoadError("GT904", f"the archive unfolds to {total} bytes", [f"expected at most {allowed}"])
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in entry.filename.partition("/")[0]:
            raise LoadError("GT903", f"the archive has the path {entry.filename!r}, which leads out of its folder")


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, strip: int) -> None:
    parts = PurePosixPath(entry.filename).parts[strip:]
    is_link = (entry.external_attr >> 16) & 0o170000 == 0o120000
    if entry.is_dir() or not parts or is_link:
        return
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, target.open("wb") as out:
        shutil.copyfileobj(source, out)
