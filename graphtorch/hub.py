"""graphtorch.hub: models out of repositories that have a ``hubconf.py``, and weights by their address.

    model = gt.hub.load("path/to/repo", "resnet", pretrained=True, source="local")
    model = gt.hub.load("owner/repo:branch", "resnet", trust_repo=True)

A ``hubconf.py`` is a module of Python that imports graphtorch: its functions are the entries, ``dependencies`` is a
list of modules that it needs. **It is run as it is.** A folder of this machine is taken to be the user's own; a
repository of GitHub is fetched and run only where the caller says that it is trusted.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

from graphtorch.frontend.files.loading import load as _load_file
from graphtorch.ir.errors import ArgumentError, DownloadError, HubError, check
from graphtorch.utils.archives import extract_zip
from graphtorch.utils.download import download

#: where GitHub gives a ref of a repository as an archive
_ARCHIVE = "https://github.com/{owner}/{name}/zipball/{ref}"
_REPO = re.compile(r"([\w.-]+)/([\w.-]+?)(?::([\w./-]+))?")
#: the checksum in the name of a file: "resnet18-f37072fd.pth"
_HASH = re.compile(r"-([a-f0-9]{8,64})\.")

_folder: str | None = None


def get_dir() -> str:
    """The folder of downloads: what `set_dir` said, else ``$GRAPHTORCH_HOME/hub``, else ``~/.cache/graphtorch/hub``."""
    if _folder is not None:
        return _folder
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    home = os.environ.get("GRAPHTORCH_HOME") or os.path.join(base, "graphtorch")
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Let downloads go into the folder ``d``, which is made when it is needed."""
    global _folder
    _folder = os.path.expanduser(os.fspath(d))


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: bool | str | None = None,
    force_reload: bool = False,
    verbose: bool = True,
    **kwargs: Any,
) -> Any:
    """What the entry ``model`` of a repository returns for ``args`` and ``kwargs``.

    ``source="local"``: ``repo_or_dir`` is a folder with a ``hubconf.py``. ``source="github"``: it is "owner/name" or
    "owner/name:ref" (a branch, a tag or a commit; "main" unless given), which is fetched once into `get_dir`, and again
    with ``force_reload``. ``trust_repo``: True runs it; None asks on a terminal, as "check" does, and refuses where
    there is none; False asks each time. What was trusted once is not asked for again, but with False.

    Raises HubError: GT912 for a repository that is not trusted, GT913 for one that has no such entry or that needs what
    is not installed; DownloadError GT910 where it cannot be fetched, which says where to put it.
    """
    conf = _hubconf(repo_or_dir, source, trust_repo, force_reload, verbose)
    with _beside(conf):  # entries may import where they need it
        return _entry(conf, model)(*args, **kwargs)


def list(
    repo_or_dir: str,
    force_reload: bool = False,
    trust_repo: bool | str | None = None,
    verbose: bool = True,
    *,
    source: str = "github",
) -> Any:
    """The names of the entries of a repository, sorted; arguments and errors as those of `load`."""
    conf = _hubconf(repo_or_dir, source, trust_repo, force_reload, verbose)
    return sorted(name for name, value in vars(conf).items() if callable(value) and not name.startswith("_"))


def help(
    repo_or_dir: str,
    model: str,
    force_reload: bool = False,
    trust_repo: bool | str | None = None,
    *,
    source: str = "github",
) -> str | None:
    """What an entry says of itself, its docstring; arguments and errors as those of `load`."""
    return _entry(_hubconf(repo_or_dir, source, trust_repo, force_reload, True), model).__doc__  # type: ignore[no-any-return]


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike[str] | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """What `load` reads from the file at ``url``, which is downloaded once, into ``model_dir`` (`get_dir`/checkpoints).

    A name such as "resnet18-f37072fd.pth" has the beginning of the file's SHA-256, which is checked, and lets a
    download that broke off be resumed; ``check_hash`` asks for such a name. Raises DownloadError GT910 and GT911,
    LoadError as `load` does, ArgumentError GT304 for a name without a checksum where one is asked for.
    """
    name = file_name or Path(urlparse(url).path).name
    found = _HASH.search(name)
    check(
        found is not None or not check_hash,
        "GT304",
        f"check_hash=True is not allowed with {name!r}",
        "expected a name with the beginning of a SHA-256: name-0123abcd.pth",
        kind=ArgumentError,
    )
    folder = Path(get_dir(), "checkpoints") if model_dir is None else Path(model_dir)
    path = download(url, folder / Path(name).name, sha256=found[1] if found else None, progress=progress)
    return _load_file(path, map_location, weights_only=weights_only)


# ---- repositories ----


def _hubconf(repo_or_dir: str, source: str, trust: bool | str | None, force_reload: bool, verbose: bool) -> ModuleType:
    """The module of a repository, run."""
    allowed = source in ("local", "github")
    check(allowed, "GT304", f"source={source!r} is not allowed", 'expected "github" or "local"', kind=ArgumentError)
    folder = Path(repo_or_dir) if source == "local" else _fetched(repo_or_dir, trust, force_reload, verbose)
    path = folder / "hubconf.py"
    if not path.is_file():
        raise HubError("GT913", f"{folder} has no hubconf.py", [f"{repo_or_dir!r} is not a repository of models"])
    return _run(path)


def _run(path: Path) -> ModuleType:
    """A hubconf.py as a module of its own, which can import what lies beside it."""
    spec = importlib.util.spec_from_file_location("hubconf", path)
    if spec is None or spec.loader is None:
        raise HubError("GT913", f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    with _beside(module):
        spec.loader.exec_module(module)
    missing = [d for d in getattr(module, "dependencies", []) if importlib.util.find_spec(d) is None]
    if missing:
        raise HubError("GT913", f"{path} needs {', '.join(missing)}", fix=f"pip install {' '.join(missing)}")
    return module


@contextmanager
def _beside(module: ModuleType) -> Iterator[None]:
    """What lies beside a hubconf.py can be imported."""
    folder = str(Path(module.__file__ or "").parent.resolve())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _entry(module: ModuleType, name: str) -> Any:
    found = getattr(module, name, None)
    if not callable(found) or name.startswith("_"):
        names = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise HubError(
            "GT913", f"there is no entry {name!r}", [f"expected one of {', '.join(sorted(names)) or 'none'}"]
        )
    return found


def _fetched(repo: str, trust: bool | str | None, force_reload: bool, verbose: bool) -> Path:
    """The folder of a repository of GitHub, downloaded if it is not there."""
    found = _REPO.fullmatch(repo)
    parts = found.groups() if found else ("", "", "")
    check(
        found is not None and ".." not in repo,
        "GT304",
        f"repo_or_dir={repo!r} is not allowed",
        'expected "owner/name" or "owner/name:ref", or a folder with source="local"',
        kind=ArgumentError,
    )
    owner, name, ref = parts[0], parts[1], parts[2] or "main"
    _require_trust(f"{owner}/{name}", trust)
    folder = Path(get_dir(), f"{owner}_{name}_{ref.replace('/', '_')}")
    if folder.is_dir() and not force_reload:
        if verbose:
            print(f"Using {folder}", file=sys.stderr)
        return folder
    archive = folder.with_suffix(folder.suffix + ".zip")
    archive.unlink(missing_ok=True)
    _get_archive(_ARCHIVE.format(owner=owner, name=name, ref=ref), archive, folder, repo)
    return folder


def _get_archive(url: str, archive: Path, folder: Path, repo: str) -> None:
    try:
        download(url, archive, progress=True)
    except DownloadError as error:
        error.fix = f'get {repo} by other means, put its files into {folder}, or name its folder with source="local"'
        raise
    try:
        extract_zip(archive, folder, strip=1)
    finally:
        archive.unlink(missing_ok=True)


def _require_trust(repo: str, trust: bool | str | None) -> None:
    """HubError GT912 unless the caller, the user at a terminal, or an earlier answer trusts a repository."""
    listed = Path(get_dir(), "trusted_list")
    known = listed.read_text(encoding="utf-8").split() if listed.exists() else []
    if trust is True or (repo in known and trust is not False):
        agreed = True
    else:
        agreed = sys.stdin is not None and sys.stdin.isatty() and _asked(repo)
    if not agreed:
        raise HubError(
            "GT912",
            f"{repo} is not trusted",
            ["its hubconf.py would be downloaded and run, with all that you may do"],
            fix="read it first; then trust_repo=True",
        )
    if repo not in known and trust is not False:
        listed.parent.mkdir(parents=True, exist_ok=True)
        with listed.open("a", encoding="utf-8") as file:
            file.write(f"{repo}\n")


def _asked(repo: str) -> bool:
    answer = input(f"{repo} will be downloaded, and its hubconf.py run. Do you trust it? (y/N) ")
    return answer.strip().lower() in ("y", "yes")
