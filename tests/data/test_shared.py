"""Objects through shared memory, within one process."""

from __future__ import annotations

import gc
import os
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.utils.data import shared
from tests.data.data_sets import left_over


def _name(number: int) -> str:
    return f"gt{os.getpid():x}-test{number}"


def test_large_arrays_go_through_a_segment_and_small_ones_do_not() -> None:
    large = {"a": np.arange(5001.0), "b": [gt.arange(7001), np.arange(3, dtype=np.int8)], "c": "text"}
    parcel = shared.pack(large, _name(0))
    assert parcel.segment == _name(0) and parcel.sizes == (40008, 56008, 3) and len(parcel.pickled) < 2000
    assert left_over() == [_name(0)]
    found = shared.unpack(parcel)
    assert left_over() == []  # from here on its memory is freed with the last array
    assert found["b"][0].dtype == gt.int64 and found["b"][0][7000].item() == 7000
    small = found["b"][1]
    del found, large
    gc.collect()
    assert small.tolist() == [0, 1, 2] and small.flags.writeable
    small[0] = 5
    parcel = shared.pack(np.arange(5.0), _name(1))
    assert parcel.segment is None
    out = shared.unpack(parcel)
    out[1] = 7
    assert out.tolist() == [0, 7, 2, 3, 4] and left_over() == []


def test_memory_is_given_back() -> None:
    """The mapping goes with the last array, also where that is a view."""

    def mapped() -> int:
        with open("/proc/self/maps", encoding="utf-8") as file:
            return file.read().count(_name(0))

    view = shared.unpack(shared.pack([np.zeros(70_000), gt.ones(5)], _name(0)))[0][3:4]
    assert mapped() == 1
    descriptors = len(os.listdir("/proc/self/fd"))
    del view
    assert mapped() == 0 and len(os.listdir("/proc/self/fd")) == descriptors - 2


def test_many_batches_do_not_use_up_the_open_files() -> None:
    before = len(os.listdir("/proc/self/fd"))
    kept = [shared.unpack(shared.pack(np.full(9000, number), _name(number))) for number in range(200)]
    assert len(os.listdir("/proc/self/fd")) - before < 150
    assert [array[8999] for array in kept] == list(range(200)) and left_over() == []


def test_discarding() -> None:
    shared.pack(np.zeros(70_000), _name(0))
    shared.discard(_name(0))
    shared.discard(_name(0))  # there is none
    assert left_over() == []
    descriptor = os.open(f"/dev/shm/{_name(1)}", os.O_CREAT | os.O_RDWR, 0o600)  # a worker killed in between
    os.close(descriptor)
    shared.discard(_name(1))
    assert left_over() == []
    with pytest.raises(FileNotFoundError):
        SharedMemory(name=_name(1))


def test_what_does_not_fit_goes_through_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result((1, 4096, 30, 30, 30, 1, 1, 1, 1, 255)))
    parcel: Any = shared.pack(np.zeros(70_000), _name(0))
    assert parcel.segment is None and shared.unpack(parcel).shape == (70_000,) and left_over() == []
