"""Files of the package safetensors, both ways; and what it refuses, refused here."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import LoadError, SaveError

package = pytest.importorskip("safetensors")
CODES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def file(entries: dict[str, Any], data: bytes, metadata: Any = None) -> bytes:
    head = json.dumps(entries | ({"__metadata__": metadata} if metadata is not None else {})).encode()
    return len(head).to_bytes(8, "little") + head + data


def entry(code: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": code, "shape": shape, "data_offsets": [start, end]}


def test_what_it_writes_is_read(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    rng = np.random.default_rng(0)
    given = {
        "a": rng.standard_normal((3, 5)),
        "b": rng.standard_normal(7).astype("f2"),
        "c": rng.integers(-5, 5, (2, 3, 4)),
        "d": rng.random(6) > 0.5,
        "none": np.empty((0, 3), "f4"),
        "number": np.array(3, "i1"),
    }
    save_file(given, tmp_path / "a.safetensors", {"made": "by hand"})
    got = gt.load(tmp_path / "a.safetensors")
    assert set(got) == set(given)
    for name, value in given.items():
        assert got[name].numpy().dtype == value.dtype and np.array_equal(got[name].numpy(), value)


def test_what_we_write_is_read_by_it(tmp_path: Path) -> None:
    t = gt.randn(3, 4)
    given = {
        "t": t.t(),
        "row": t[1],
        "h": t.half(),
        "i": t.long(),
        "b": t > 0,
        "none": gt.zeros(2, 0),
        "n": gt.tensor(3),
    }
    gt.save(given | {"w": t.bfloat16()}, tmp_path / "a.safetensors")
    with package.safe_open(tmp_path / "a.safetensors", "np") as opened:
        assert set(opened.keys()) == {*given, "w"} and opened.metadata() is None
        for name, value in given.items():
            assert (
                np.array_equal(opened.get_tensor(name), value.numpy()) and opened.get_tensor(name).shape == value.shape
            )
        assert opened.get_slice("w").get_dtype() == "BF16"
    again = gt.load(tmp_path / "a.safetensors")
    assert gt.equal(again["w"], t.bfloat16()) and gt.equal(again["t"], t.t())


@pytest.mark.parametrize("value", [[1], {"a": 3}, {3: gt.ones(1)}, gt.ones(2)])
def test_plain_files_hold_dicts_of_tensors(value: Any, tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="GT907"):
        gt.save(value, tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", ["F8_E4M3", "F8_E5M2", "U16", "U32", "U64", "C64", "F4"])
def test_dtypes_that_there_are_not(code: str) -> None:
    with pytest.raises(LoadError, match=f"GT905: the file has a tensor of {code}"):
        gt.load(io.BytesIO(file({"a": entry(code, [0], 0, 0)}, b"")))


@pytest.mark.parametrize("code", CODES)
def test_dtypes_that_there_are(code: str) -> None:
    assert gt.load(io.BytesIO(file({"a": entry(code, [2], 0, 2 * CODES[code])}, bytes(16)[: 2 * CODES[code]])))


WRONG = {
    "too short": file({"a": entry("F32", [2], 0, 8)}, bytes(7)),
    "too long": file({"a": entry("F32", [2], 0, 8)}, bytes(9)),
    "a gap": file({"a": entry("U8", [1], 0, 1), "b": entry("U8", [1], 2, 3)}, bytes(3)),
    "an overlap": file({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)}, bytes(3)),
    "another size": file({"a": entry("F32", [3], 0, 8)}, bytes(8)),
    "backwards": file({"a": entry("U8", [1], 1, 0)}, bytes(1)),
    "negative": file({"a": entry("U8", [-1], 0, 0)}, b""),
    "a fraction": file({"a": entry("U8", [1.0], 0, 1)}, bytes(1)),
    "true": file({"a": entry("U8", [True], 0, 1)}, bytes(1)),
    "sizes that overflow": file({"a": entry("F32", [2**62, 2**62, 0, 8], 0, 0)}, b""),
    "many sizes": file({"a": entry("U8", [1] * 100, 0, 1)}, bytes(1)),
    "no offsets": file({"a": {"dtype": "U8", "shape": []}}, b""),
    "more fields": file({"a": entry("U8", [0], 0, 0) | {"b": 1}}, b""),
    "metadata of numbers": file({}, b"", {"a": 3}),
    "metadata that are a list": file({}, b"", []),
    "a name twice": (lambda h: len(h).to_bytes(8, "little") + h)(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    "no JSON": (lambda h: len(h).to_bytes(8, "little") + h)(b'{"a":'),
    "no UTF-8": (lambda h: len(h).to_bytes(8, "little") + h)(b'{"\xff":3}'),
    "deep": (lambda h: len(h).to_bytes(8, "little") + h)(b'{"a":' + b"[" * 100_000),
    "an endless number": (lambda h: len(h).to_bytes(8, "little") + h)(b'{"a":' + b"9" * 10_000 + b"}"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_files_that_are_wrong(name: str) -> None:
    with pytest.raises(LoadError, match=r"GT90[24]"):
        gt.load(io.BytesIO(WRONG[name]))


@pytest.mark.parametrize("name", WRONG)
def test_the_package_refuses_them_too(name: str) -> None:
    if name in ("many sizes", "more fields", "a name twice"):
        pytest.skip("it reads them: numpy has no 100 dimensions, and the rest says two things")
    with pytest.raises(package.SafetensorError):
        package.deserialize(WRONG[name])


def test_a_header_that_is_longer_than_the_file_is_no_header() -> None:
    with pytest.raises(LoadError, match="GT901"):
        gt.load(io.BytesIO((1 << 40).to_bytes(8, "little") + b"{}"))
