"""Files of every format, changed at random: a value or a LoadError, within the memory that is promised."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtorch as gt
from graphtorch.errors import LoadError
from graphtorch.frontend.files import memory, source
from graphtorch.frontend.files.numpy_builders import ARRAYS
from graphtorch.frontend.files.unpickler import restricted_load
from tests.files.seeds import seeds

SEEDS = seeds()
LITTLE = 1 << 20
#: bytes that say much in one of the formats: opcodes, digits, brackets, large numbers
TELLING = [bytes([c]) for c in b"()]}.NRQbsuate\x80\x85\x86\x87\x8a\x8c\x93\x94\x95{[\",:-019"] + [
    b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0\0\0\0\x80", b"PK\1\2", b"cos\nsystem\n", b'"$":"module"',
]  # fmt: skip


@st.composite
def changed(draw: Any) -> bytes:
    """A file in which parts were overwritten, cut out, put in, or taken from another."""
    data = bytearray(SEEDS[draw(st.sampled_from(sorted(SEEDS)))])
    for _ in range(draw(st.integers(1, 6))):
        at, n = draw(st.integers(0, len(data))), draw(st.integers(0, 16))
        how = draw(st.sampled_from(["put", "over", "cut", "repeat", "end", "other"]))
        part = draw(st.one_of(st.sampled_from(TELLING), st.binary(max_size=8)))
        if how == "put":
            data[at:at] = part
        elif how == "over":
            data[at : at + len(part)] = part
        elif how == "cut":
            del data[at : at + n]
        elif how == "repeat":
            data[at:at] = data[at : at + n] * draw(st.integers(1, 9))
        elif how == "end":
            del data[max(at, len(data) - 4 * n) :]
        else:
            other = SEEDS[draw(st.sampled_from(sorted(SEEDS)))]
            start = draw(st.integers(0, len(other)))
            data[at : at + n] = other[start : start + n]
    return bytes(data)


def survives(data: bytes) -> None:
    before = source.FLOOR, memory.FLOOR
    source.FLOOR = memory.FLOOR = LITTLE
    tracemalloc.start()
    try:
        for run in (gt.load, lambda file: restricted_load(file, ARRAYS, "latin1")):
            try:
                run(io.BytesIO(data))
            except LoadError as error:
                assert error.code.startswith("GT90") and len(str(error)) < 2000
        assert tracemalloc.get_traced_memory()[1] < max(LITTLE, 2 * len(data)) + 2**19
    finally:
        tracemalloc.stop()
        source.FLOOR, memory.FLOOR = before


@given(changed())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_changed_files(data: bytes) -> None:
    survives(data)


@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(TELLING), max_size=60).map(b"".join)))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_pickles_of_nobody(code: bytes) -> None:
    survives(SEEDS["legacy plain"][:30] + code)
    survives(b"\x80\x02" + code + b".")


@pytest.mark.slow
@given(changed())
@settings(max_examples=20_000, deadline=None)
def test_many_changed_files(data: bytes) -> None:
    survives(data)


DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**100), 2**100)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(-9, 2**60) | st.tuples(st.text(), st.booleans()), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(DATA)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_whatever_is_saved_is_loaded(value: Any) -> None:
    file = io.BytesIO()
    gt.save(value, file)
    again = gt.load(io.BytesIO(file.getvalue()))
    assert again == value and repr(again) == repr(value)
