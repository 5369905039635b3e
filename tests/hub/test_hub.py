"""Repositories of models: folders, and what a server on this machine gives in the place of GitHub."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import graphtorch as gt
from graphtorch import hub
from graphtorch.errors import ArgumentError, DownloadError, HubError, LoadError
from graphtorch.utils import archives
from graphtorch.utils.archives import extract_zip
from tests.hub.server import Server, serving

HUBCONF = '''
import graphtorch as gt
from graphtorch import nn
from parts import widths

dependencies = ["graphtorch"]


def mlp(hidden=4, *, bias=True):
    """Two layers."""
    return nn.Sequential(nn.Linear(widths[0], hidden, bias=bias), nn.Linear(hidden, widths[1]))


def _private():
    return 1


constant = 3
'''


def files(root: str = "owner-repo-abc/") -> dict[str, str]:
    return {f"{root}hubconf.py": HUBCONF, f"{root}parts.py": "widths = 3, 2\n", f"{root}deep/er/notes.txt": "notes"}


def archive(records: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in records.items():
            opened.writestr(name, content)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(hub, "_folder", str(tmp_path / "hub"))
    monkeypatch.setattr(hub, "_ARCHIVE", "http://127.0.0.1:9/{owner}/{name}/{ref}")
    yield
    sys.modules.pop("parts", None)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    for name, content in files("").items():
        path = tmp_path / "repo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return str(tmp_path / "repo")


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving({"/owner/repo/main": archive(files()), "/owner/repo/v1/x": archive(files())}, monkeypatch) as found:
        monkeypatch.setattr(hub, "_ARCHIVE", found.url + "/{owner}/{name}/{ref}")
        yield found


def test_a_folder(folder: str) -> None:
    before = list(sys.path)
    assert gt.hub.list(folder, source="local") == ["mlp"]
    assert gt.hub.help(folder, "mlp", source="local") == "Two layers."
    net = gt.hub.load(folder, "mlp", 7, bias=False, source="local")
    assert net(gt.ones(5, 3)).shape == (5, 2) and net[0].bias is None and net[0].out_features == 7
    assert sys.path == before and "hubconf" not in sys.modules


def test_entries_may_import_what_lies_beside_them(tmp_path: Path) -> None:
    (tmp_path / "hubconf.py").write_text("def net():\n    from beside_this_hubconf import width\n    return width\n")
    (tmp_path / "beside_this_hubconf.py").write_text("width = 7\n")
    before = list(sys.path)
    assert gt.hub.load(str(tmp_path), "net", source="local") == 7 and sys.path == before


@pytest.mark.parametrize("name", ["none", "_private", "constant"])
def test_entries_that_there_are_not(folder: str, name: str) -> None:
    with pytest.raises(HubError, match=rf"GT913: there is no entry '{name}'(.|\n)*expected one of mlp"):
        gt.hub.load(folder, name, source="local")


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"GT913: .* has no hubconf\.py"):
        gt.hub.list(str(tmp_path), source="local")


def test_what_is_not_installed(folder: str) -> None:
    path = Path(folder) / "hubconf.py"
    path.write_text(path.read_text() + 'dependencies = ["graphtorch", "no_such_package"]\n')
    with pytest.raises(HubError, match=r"GT913: .* needs no_such_package(.|\n)*pip install no_such_package"):
        gt.hub.load(folder, "mlp", source="local")


@pytest.mark.parametrize("trust", [None, False, "check"])
def test_a_repository_that_is_not_trusted_is_not_even_fetched(github: Server, trust: Any) -> None:
    with pytest.raises(HubError, match=r"GT912: owner/repo is not trusted(.|\n)*trust_repo=True"):
        gt.hub.load("owner/repo", "mlp", trust_repo=trust)
    assert github.asked == [] and not os.path.exists(gt.hub.get_dir())


def test_a_repository_is_fetched_once_and_trusted_from_then_on(github: Server, capsys: Any) -> None:
    net = gt.hub.load("owner/repo", "mlp", trust_repo=True)
    assert net(gt.ones(1, 3)).shape == (1, 2)
    assert gt.hub.list("owner/repo") == ["mlp"] and "Using" in capsys.readouterr().err
    assert gt.hub.help("owner/repo:main", "mlp") == "Two layers."
    assert len(github.asked) == 1
    gt.hub.list("owner/repo", force_reload=True)
    assert len(github.asked) == 2
    assert sorted(os.listdir(gt.hub.get_dir())) == ["owner_repo_main", "trusted_list"]
    assert (Path(gt.hub.get_dir()) / "owner_repo_main" / "deep" / "er" / "notes.txt").read_text() == "notes"
    with pytest.raises(HubError, match="GT912"):
        gt.hub.list("owner/repo", trust_repo=False)


@pytest.mark.parametrize(("answer", "trusted"), [("y", True), ("Yes ", True), ("", False), ("n", False)])
def test_a_user_at_a_terminal_is_asked(github: Server, monkeypatch: Any, answer: str, trusted: bool) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer + "\n"))
    if trusted:
        assert gt.hub.list("owner/repo:v1/x") == ["mlp"]
        assert "owner_repo_v1_x" in os.listdir(gt.hub.get_dir())
    else:
        with pytest.raises(HubError, match="GT912"):
            gt.hub.list("owner/repo:v1/x")


def test_without_a_connection_it_says_where_to_put_the_files(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setenv("no_proxy", "*")
    place = os.path.join(gt.hub.get_dir(), "owner_repo_main")
    with pytest.raises(DownloadError, match="GT910") as caught:
        gt.hub.load("owner/repo", "mlp", trust_repo=True)
    assert f'put its files into {place}, or name its folder with source="local"' in caught.value.fix
    os.rename(folder, place)
    assert gt.hub.list("owner/repo", verbose=False) == ["mlp"]


@pytest.mark.parametrize("repo", ["owner", "owner/../x", "a/b/c", "owner/repo:../../x", "", "https://github.com/a/b"])
def test_names_that_are_no_repository(repo: str) -> None:
    with pytest.raises(ArgumentError, match="GT304: repo_or_dir="):
        gt.hub.load(repo, "mlp", trust_repo=True)


def test_other_sources() -> None:
    with pytest.raises(ArgumentError, match="GT304: source='gitlab' is not allowed"):
        gt.hub.load("a/b", "c", source="gitlab")


def test_the_folder_of_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_folder", None)
    monkeypatch.setenv("GRAPHTORCH_HOME", "/a")
    assert gt.hub.get_dir() == "/a/hub"
    monkeypatch.delenv("GRAPHTORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert gt.hub.get_dir() == "/b/graphtorch/hub"
    gt.hub.set_dir("/c")
    assert gt.hub.get_dir() == "/c"


# ---- archives ----

LINK = zipfile.ZipInfo("a/link")
LINK.external_attr = (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize(
    ("records", "code"),
    [
        ({"a/../../out": "x"}, "GT903"),
        ({"/etc/out": "x"}, "GT903"),
        ({"a\\..\\..\\out": "x"}, "GT903"),
        ({"C:/out": "x"}, "GT903"),
        ({"a/x": bytes(3 << 20)}, "GT904"),
    ],
)
def test_archives_that_do_harm(
    records: dict[str, Any], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_FLOOR", 1 << 20)
    path = tmp_path / "a.zip"
    path.write_bytes(archive(records))
    (tmp_path / "old").mkdir()
    with pytest.raises(LoadError, match=code):
        extract_zip(path, tmp_path / "old")
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "old"]


def test_links_are_left_out_and_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr(LINK, "/etc/passwd")
        opened.writestr("a/b/c", "c")
    assert os.listdir(extract_zip(path, tmp_path / "out", strip=1)) == ["b"]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(LoadError, match="GT902"):
        extract_zip(path, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["b"]


# ---- weights ----


def test_weights_by_their_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = io.BytesIO()
    gt.save({"w": gt.arange(3.0)}, out)
    digest = hashlib.sha256(out.getvalue()).hexdigest()
    good, bad = f"net-{digest[:8]}.pth", "net-0123abcd.pth"
    with serving(
        {f"/{good}": out.getvalue(), f"/{bad}": out.getvalue(), "/w.pth": out.getvalue()}, monkeypatch
    ) as server:
        for _ in range(2):
            got = gt.hub.load_state_dict_from_url(f"{server.url}/{good}?x=1", check_hash=True, map_location="cpu")
        assert got["w"].tolist() == [0, 1, 2] and server.asked == [(f"/{good}?x=1", None)]
        assert os.listdir(os.path.join(gt.hub.get_dir(), "checkpoints")) == [good]
        with pytest.raises(DownloadError, match="GT911"):
            gt.hub.load_state_dict_from_url(f"{server.url}/{bad}", tmp_path)
        gt.hub.load_state_dict_from_url(f"{server.url}/w.pth", tmp_path, file_name="mine.pth", progress=False)
        assert (tmp_path / "mine.pth").exists()
        with pytest.raises(ArgumentError, match=r"GT304: check_hash=True is not allowed with 'w.pth'"):
            gt.hub.load_state_dict_from_url(f"{server.url}/w.pth", check_hash=True)
