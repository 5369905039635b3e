"""Saves that are cut off leave the old file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import graphtorch as gt
from graphtorch.frontend.files.atomic import replacing


def test_kill_9_in_the_middle_of_a_save(tmp_path: Path) -> None:
    """A process that saves a second version stops when half of it is written, tells so, and is killed."""
    path = tmp_path / "model.pt"
    gt.save({"version": 1, "w": gt.ones(1000)}, path)
    program = textwrap.dedent("""
        import os, sys, time
        import graphtorch as gt
        from graphtorch.frontend.files import native

        whole = native.write_blocks

        def half(file, blocks, metadata):
            whole(file, blocks[:1], metadata)
            file.flush()
            print("half", flush=True)
            time.sleep(600)

        native.write_blocks = half
        gt.save({"version": 2, "w": gt.zeros(100_000), "v": gt.zeros(7)}, sys.argv[1])
    """)
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"half\n"
    assert len(os.listdir(tmp_path)) == 2  # the new file is there, unfinished, under another name
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    old = gt.load(path)
    assert old["version"] == 1 and old["w"].tolist() == [1] * 1000
    gt.save({"version": 3}, path)
    assert gt.load(path) == {"version": 3} and os.listdir(tmp_path) == ["model.pt"]


@pytest.mark.parametrize("when", ["before", "while", "after"])
def test_an_error_leaves_the_old_file_and_nothing_else(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    if when == "after":
        monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"), replacing(path) as file:
        if when == "before":
            fail()
        file.write(b"new")
        if when == "while":
            fail()
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_permissions_and_links(tmp_path: Path) -> None:
    path, link = tmp_path / "a", tmp_path / "link"
    mask = os.umask(0o027)
    try:
        gt.save(1, path)
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o604)
        link.symlink_to(path)
        gt.save(2, link)
    finally:
        os.umask(mask)
    assert link.is_symlink() and gt.load(path) == 2 and path.stat().st_mode & 0o777 == 0o604


def test_what_is_no_ordinary_file_is_written_directly() -> None:
    gt.save(1, os.devnull)
    assert Path(os.devnull).is_char_device()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        gt.save(1, tmp_path / "none" / "a.pt")
    assert caught.value.filename == str(tmp_path / "none" / "a.pt")


def test_what_killed_processes_left_is_deleted_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a[1].pt"  # a name that would be a pattern
    left, other = tmp_path / ".a[1].pt.0123abcd.tmp", tmp_path / ".a[1].pt.notes.tmp"
    left.write_bytes(b"half")
    other.write_bytes(b"a file of somebody else")
    with replacing(path) as file:
        assert not left.exists() and other.exists()
        file.write(b"slow")
        gt.save("quick", path)
        assert gt.load(path) == "quick"
    assert path.read_bytes() == b"slow" and sorted(os.listdir(tmp_path)) == [other.name, path.name]


def test_names_as_long_as_they_can_be(tmp_path: Path) -> None:
    for name in ("a" * 255, "é" * 127, "字" * 85):
        gt.save(name, tmp_path / name)
        assert gt.load(tmp_path / name) == name
    assert len(os.listdir(tmp_path)) == 3


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match="symbolic links"):
        gt.save(1, tmp_path / "loop")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    gt.save(1, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and gt.load(tmp_path / "target") == 1
