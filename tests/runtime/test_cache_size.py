"""The bound of the cache on disk: the oldest use goes first, a hit is a use, and nothing else is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graphtorch.runtime import cache, cache_size


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHTORCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("GRAPHTORCH_CACHE_MB", "0.0012")  # 1,200 bytes
    monkeypatch.delenv("GRAPHTORCH_CACHE", raising=False)
    return tmp_path / "cache"


def store(folder: Path, text: str, size: int, age: int) -> Path:
    """An entry of the cache, last used ``age`` seconds ago."""
    cache.objects_for(cache.key_of(text, "test"), lambda: [bytes(size)])
    path = folder / (cache.key_of(text, "test") + ".o")
    if path.exists():
        then = path.stat().st_mtime - age
        os.utime(path, (then, then))
    return path


def test_what_was_used_least_recently_goes(folder: Path) -> None:
    a, b, c = (store(folder, *each) for each in (("a", 200, 300), ("b", 600, 200), ("c", 200, 100)))
    other = folder / "notes.txt"
    other.write_bytes(bytes(5000))
    (code,), hit = cache.objects_for(cache.key_of("a", "test"), lambda: pytest.fail("it is there"))
    assert hit and code == bytes(200)
    d = store(folder, "d", 250, 0)  # now it is more than 1,200 bytes, heads included
    assert [p.exists() for p in (a, b, c, d)] == [True, False, True, True]
    assert other.exists()
    left = sum(p.stat().st_size for p in folder.glob("*.o"))
    assert left <= 1200


def test_one_that_is_larger_than_the_bound_is_compiled_every_time(folder: Path) -> None:
    path = store(folder, "large", 5000, 0)
    assert not path.exists()
    assert cache.objects_for(path.stem, lambda: [b"again"]) == ([b"again"], False)


@pytest.mark.parametrize(("given", "bound"), [("0", None), ("2.5", 2_500_000), ("many", 1_024_000_000), ("-1", None)])
def test_the_bound(given: str, bound: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHTORCH_CACHE_MB", given)
    assert cache_size.most_bytes() == bound


def test_without_a_bound_nothing_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHTORCH_CACHE_MB", "0")
    paths = [store(folder, name, 900, 0) for name in "abc"]
    assert all(p.exists() for p in paths)


def test_files_are_looked_at_once_for_many_that_are_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program costs does not grow with how many there are."""
    monkeypatch.setenv("GRAPHTORCH_CACHE_MB", "0.64")  # a look for every 10,000 bytes
    monkeypatch.setattr(cache_size, "_written", cache_size._Written())
    looks, scan = [], os.scandir

    def counting(path: object) -> object:
        if path == folder:
            looks.append(path)
        return scan(path)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "scandir", counting)
    for number in range(100):
        store(folder, str(number), 1000, 0)
    assert len(looks) == 10  # wherever the process began: one for every ten files
