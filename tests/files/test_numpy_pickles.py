"""Pickles of data sets: arrays of numpy, also those of Python 2, as `pickle` reads them."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest

from graphtorch.errors import LoadError
from graphtorch.frontend.files.numpy_builders import ARRAYS
from graphtorch.frontend.files.unpickler import restricted_load

VALUES = {
    "bytes": np.arange(60, dtype=np.uint8).reshape(5, 12),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big": np.arange(4, dtype=">i4"),
    "flags": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "texts": np.array(["a", "bcé"]),
    "names": np.array([b"x", b"yz"]),
    "none": np.empty((0, 3), np.float16),
    "number": np.array(5),
    "scalar": np.float32(2.5),
    "part": np.arange(20).reshape(4, 5)[::2, 1:3],
}
#: {"data": u8[2,3], "labels": [6, 9]} as Python 2 with numpy 1 writes it, by protocol 2
PYTHON2 = (
    b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85q\x05U\x01b"
    b"q\x06\x87q\x07Rq\x08(K\x01K\x02K\x03\x86q\x09cnumpy\ndtype\nq\nU\x02u1q\x0bK\x00K\x01\x87q\x0cRq\r(K\x03U\x01|q\x0e"
    b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0fb\x89U\x06\x00\xff\x02\x03\x80\x05q\x10tq\x11bU\x06labelsq\x12]q\x13"
    b"(K\x06K\x09eu."
)


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("name", VALUES)
def test_arrays(name: str, protocol: int) -> None:
    data = pickle.dumps({name: VALUES[name]}, protocol)
    got, expected = restricted_load(io.BytesIO(data), ARRAYS)[name], pickle.loads(data)[name]
    assert type(got) is type(expected) and got.dtype == expected.dtype and got.shape == expected.shape
    assert got.tobytes() == expected.tobytes()


@pytest.mark.parametrize("encoding", ["bytes", "latin1"])
def test_python_2(encoding: str) -> None:
    got, expected = restricted_load(io.BytesIO(PYTHON2), ARRAYS, encoding), pickle.loads(PYTHON2, encoding=encoding)
    assert list(got) == list(expected)
    data, labels = got.values()
    assert np.array_equal(data, [[0, 255, 2], [3, 128, 5]]) and data.dtype == np.uint8 and labels == [6, 9]


def test_texts_of_python_2_need_an_encoding_where_they_are_not_ascii() -> None:
    with pytest.raises(LoadError, match=r"GT902: .*no ascii"):
        restricted_load(io.BytesIO(PYTHON2), ARRAYS)


@pytest.mark.parametrize("value", [np.array([None]), np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]), np.ma.ones(3)])
def test_arrays_of_objects_and_records_are_refused(value: Any) -> None:
    with pytest.raises(LoadError, match=r"GT90[23]"):
        restricted_load(io.BytesIO(pickle.dumps(value, 2)), ARRAYS)


def test_reading_begins_where_the_file_is_and_ends_behind_the_pickle() -> None:
    file = io.BytesIO(b"abc" + pickle.dumps([1], 2) + pickle.dumps({2}, 4))
    file.seek(3)
    assert restricted_load(file) == [1]
    with pytest.raises(LoadError, match=r"GT903|GT902"):
        restricted_load(io.BytesIO(pickle.dumps({2}, 2)))
    assert restricted_load(file) == {2}
