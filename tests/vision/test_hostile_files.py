"""Files of data sets, changed at random: they are read or refused, by LoadError, and take no more memory than they may."""

from __future__ import annotations

import gzip
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphtorch.errors import LoadError
from graphtorch.vision.datasets.cifar import read_batch
from graphtorch.vision.datasets.idx import FLOOR, read_idx
from tests.vision.served import idx

RNG = np.random.default_rng(5)
PLAIN = idx(RNG.integers(0, 9, (5, 7, 3), dtype=np.uint8))
BATCH = pickle.dumps({"data": RNG.integers(0, 256, (2, 3072), dtype=np.uint8), "labels": [3, 8], "x": ("a", 1.5)}, 2)
FILES: dict[str, tuple[Callable[[Any], Any], bytes]] = {
    "plain": (read_idx, PLAIN),
    "packed": (read_idx, gzip.compress(PLAIN, mtime=0)),
    "pickle": (read_batch, BATCH),
}


@st.composite
def changed(draw: Any, data: bytes) -> bytes:
    """``data`` with a few bytes replaced, left out or put in, mostly at its beginning."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        near = draw(st.booleans())
        at = draw(st.integers(0, min(len(out), 40 if near else len(out))))
        cut, more = draw(st.sampled_from([(1, 1), (0, 2), (4, 4), (4, 0), (8, 8), (len(out), 0)]))
        out[at : at + cut] = draw(st.binary(min_size=more, max_size=more))
    return bytes(out)


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_files(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    read, original = FILES[kind]
    path = tmp_path / "file"
    path.write_bytes(data.draw(changed(original)))
    try:
        read(path)
    except LoadError as error:
        assert error.facts[0] == f"file {path}"


@pytest.mark.parametrize("kind", FILES)
def test_every_beginning(kind: str, tmp_path: Path) -> None:
    read, original = FILES[kind]
    path = tmp_path / "file"
    for length in (*range(min(len(original), 60)), len(original) - 1):
        path.write_bytes(original[:length])
        with pytest.raises(LoadError):
            read(path)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("sizes", [(2**32 - 1,) * 3, (2**31, 1, 1), (90, 1024, 1024), (0, 2**32 - 1, 2**32 - 1)])
def test_memory(sizes: tuple[int, ...], packed: bool, tmp_path: Path) -> None:
    data = b"\0\0\x08\3" + b"".join(n.to_bytes(4, "big") for n in sizes) + bytes(3000)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(data) if packed else data)
    tracemalloc.start()
    try:
        with pytest.raises(LoadError):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_bomb_takes_no_more_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "file"
    honest = FLOOR - (1 << 20)
    path.write_bytes(gzip.compress(b"\0\0\x08\1" + honest.to_bytes(4, "big") + bytes(2 * FLOOR), 1))
    tracemalloc.start()
    try:
        with pytest.raises(LoadError, match="its length is not what it says"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * FLOOR
    finally:
        tracemalloc.stop()
