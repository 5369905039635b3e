"""Downloads, from a server on this machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphtorch.errors import ArgumentError, DownloadError
from graphtorch.utils.download import download, matches
from tests.hub.server import Server, serving

DATA = bytes(range(256)) * 9001  # two pieces and a part
SHA, MD5 = hashlib.sha256(DATA).hexdigest(), hashlib.md5(DATA).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving({"/a.bin": DATA}, monkeypatch) as found:
        yield found


def test_a_file_comes_whole_into_a_folder_that_is_made(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "a.bin"
    assert download(f"{server.url}/a.bin", target) == target
    assert target.read_bytes() == DATA and os.listdir(target.parent) == ["a.bin"]


@pytest.mark.parametrize("checksum", [{}, {"sha256": SHA}, {"md5": MD5.upper()}, {"sha256": SHA[:8], "md5": MD5}])
def test_a_file_that_is_there_stays(server: Server, tmp_path: Path, checksum: dict[str, str]) -> None:
    for _ in range(2):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", **checksum)
    assert server.asked == [("/a.bin", None)]


def test_a_file_with_another_checksum_is_got_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"old")
    download(f"{server.url}/a.bin", tmp_path / "a.bin", sha256=SHA)
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_download_that_broke_off_is_resumed(server: Server, tmp_path: Path) -> None:
    server.breaks = 1_500_000
    with pytest.raises(DownloadError, match=rf"GT910: .*cannot be downloaded.*\n(.*\n)*.*put the file at {tmp_path}"):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", md5=MD5)
    assert os.listdir(tmp_path) == ["a.bin.part"]
    have = (tmp_path / "a.bin.part").stat().st_size
    assert 0 < have <= 1_500_000
    server.breaks = None
    download(f"{server.url}/a.bin", tmp_path / "a.bin", md5=MD5)
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert server.asked == [("/a.bin", None), ("/a.bin", f"bytes={have}-")]


@pytest.mark.parametrize("how", ["server gives no parts", "no checksum", "not wanted"])
def test_a_download_that_broke_off_is_begun_anew(server: Server, tmp_path: Path, how: str) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"of another file")
    server.ranges = how != "server gives no parts"
    options = {} if how == "no checksum" else {"sha256": SHA, "resume": how != "not wanted"}
    download(f"{server.url}/a.bin", tmp_path / "a.bin", **options)
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_part_that_is_all_becomes_the_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(DATA)
    download(f"{server.url}/a.bin", tmp_path / "a.bin", sha256=SHA)
    assert (tmp_path / "a.bin").read_bytes() == DATA


@pytest.mark.parametrize("checksum", [{"sha256": "0" * 64}, {"md5": "00"}])
def test_another_file_than_promised_is_deleted(server: Server, tmp_path: Path, checksum: dict[str, str]) -> None:
    with pytest.raises(DownloadError, match=r"GT911: what came from .* is not what was promised"):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", **checksum)
    assert os.listdir(tmp_path) == []


def test_what_is_not_there(server: Server, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"GT910: .*/none cannot be downloaded: Not Found"):
        download(f"{server.url}/none", tmp_path / "x")
    assert os.listdir(tmp_path) == []


def test_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}, monkeypatch) as gone:
        url = gone.url
    with pytest.raises(DownloadError, match=r"GT910: .*refused"):
        download(f"{url}/x", tmp_path / "x")


def test_other_addresses_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="GT304: url='ftp://x/y' is not allowed"):
        download("ftp://x/y", tmp_path / "y")


def test_checksums(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    assert matches(path) and matches(path, "ba7816bf") and matches(path, md5="900150983CD24FB0D6963F7D28E17F72")
    assert not matches(path, "ba7816be") and not matches(path, "ba7816bf", "00")
