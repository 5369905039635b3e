"""The object cache never breaks or endangers a run."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import warnings
from pathlib import Path
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.errors import CacheWarning
from graphtorch.runtime import cache, executable, threads


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    threads.pool()  # its code is cached as well: have it before
    monkeypatch.setenv("GRAPHTORCH_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run() -> bool:
    """Compile something; whether it came from the cache."""
    f = gt.compile(lambda x: (x * 3).tanh() - 0.125)
    x = gt.arange(5, dtype=gt.float32)
    assert abs((f(x) - ((x * 3).tanh() - 0.125)).abs().amax().item()) < 1e-6
    return f.stats[0].from_cache


def files(folder: Path) -> list[Path]:
    """Those of object code."""
    return sorted(folder.glob("*.o"))


def test_the_second_run_comes_from_the_cache(folder: Path) -> None:
    assert [run(), run()] == [False, True]
    assert len(files(folder)) == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_damaged_file_is_ignored_with_a_warning_and_replaced(folder: Path) -> None:
    run()
    (path,) = files(folder)
    good = path.read_bytes()
    for bad in (good[:-1], b"", good[:60] + bytes([good[60] ^ 1]) + good[61:], b"x" * 4096):
        path.write_bytes(bad)
        with pytest.warns(CacheWarning, match="is damaged"):
            assert run() is False
        assert path.read_bytes() == good
    assert run() is True


def test_one_program_s_code_is_not_taken_for_another_s(folder: Path) -> None:
    run()
    (path,) = files(folder)
    other = gt.compile(lambda x: x * 7 - 2)
    other(gt.ones(5))
    (second,) = set(files(folder)) - {path}
    second.write_bytes(path.read_bytes())
    again = gt.compile(lambda x: x * 7 - 2)
    with pytest.warns(CacheWarning, match="is damaged"):
        assert again(gt.ones(5)).tolist() == [5.0] * 5


def test_a_directory_that_others_can_write_is_not_trusted(folder: Path) -> None:
    run()
    folder.chmod(0o777)
    with pytest.warns(CacheWarning, match="can be written by others"):
        assert run() is False


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="the system has no users")
def test_a_foreign_directory_is_not_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.warns(CacheWarning, match="belongs to another user"):
        assert run() is False


def test_a_directory_that_cannot_be_made_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRAPHTORCH_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.warns(CacheWarning, match="cannot be used"):
        assert run() is False


def test_a_full_disk_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.tempfile, "mkstemp", fail)
    with pytest.warns(CacheWarning, match="cannot be written"):
        assert run() is False


def test_it_can_be_turned_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHTORCH_CACHE", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [run(), run()] == [False, False]
    assert not folder.exists()


def test_the_key_covers_the_tools_and_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    import llvmlite

    before = cache.key_of("text", "program")
    assert cache.key_of("text ", "program") != before
    assert cache.key_of("text", "pool") != before
    monkeypatch.setattr(llvmlite, "__version__", "0.0")
    assert cache.key_of("text", "program") != before


def test_a_program_from_the_cache_makes_no_kernels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known by its graph; its kernels are made for whoever asks to see them."""
    run()
    made = []
    schedule = executable.schedule_graph
    monkeypatch.setattr(executable, "schedule_graph", lambda *a: made.append(a) or schedule(*a))
    f = gt.compile(lambda x: (x * 3).tanh() - 0.125)
    f(gt.arange(5, dtype=gt.float32))
    assert f.stats[0].from_cache and f.stats[0].kernels == 1 and not made
    assert "tanh" in f.stages[0]["kernels"] and made


def test_code_for_another_target_is_not_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    narrow = dataclasses.replace(executable.host_target(), vector_bytes=16)
    monkeypatch.setattr(executable, "host_target", lambda: narrow)
    assert [run(), run()] == [False, True]


def test_moved_code_is_the_same_program(folder: Path) -> None:
    """Locations in the user's files are no part of the key."""
    for lead in ("", "\n\n# a comment\n"):
        names = {"gt": gt}
        exec(lead + "f = gt.compile(lambda x: x * 5 - 0.5)", names)
        f = names["f"]
        f(gt.ones(3))
    assert f.stats[0].from_cache


def test_the_hash_of_the_sources_is_of_what_is_in_them(folder: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        (place / "inner").mkdir(parents=True)
        (place / "a.py").write_text("x = 1\n")
        (place / "inner" / "b.py").write_text("y = 2\n")
        (place / "notes.txt").write_text(str(place))
    hashes = [cache.sources_hash(str(place)) for place in (here, there)]
    assert hashes[0] == hashes[1] and len(list(folder.glob("*.sources"))) == 2  # as if moved, or installed anew
    (here / "inner" / "b.py").write_text("y = 3\n")  # of the same size
    assert cache.sources_hash(str(here)) != hashes[0]
    assert cache.sources_hash(str(there)) == hashes[1]


def test_sources_are_read_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "a.py").write_text("x = 1\n")
    first = cache.sources_hash(str(sources))
    read = hashlib.sha256(b"x = 1\n\0").hexdigest()
    assert first == read
    monkeypatch.setattr("builtins.open", _only_from(folder))
    assert cache.sources_hash(str(sources)) == first


def _only_from(folder: Path) -> Any:
    plain = open

    def opened(path: Any, *args: Any, **options: Any) -> Any:
        assert Path(path).is_relative_to(folder), f"{path} is read"
        return plain(path, *args, **options)

    return opened
