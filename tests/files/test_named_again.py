"""Two bytes of a pickle name a value again: what is built of it, or said of it, is no larger for that."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import LoadError
from graphtorch.frontend.files import torch_legacy
from graphtorch.frontend.files.memory import Memory
from graphtorch.frontend.files.numpy_builders import ARRAYS
from graphtorch.frontend.files.source import shown
from graphtorch.frontend.files.unpickler import restricted_load
from tests.files.test_hostile import MAGIC, little, numbers, refused, tensor, text, with_pickle, zipped

__all__ = ["little"]  # a fixture of all tests here


def times(n: int, name: str, args: bytes) -> bytes:
    """A pickle that calls ``name`` n times with the same arguments."""
    module, _, function = name.rpartition(".")
    return b"\x80\x02" + args + b"q\x000](" + f"c{module}\n{function}\nq\1h\0R".encode() + b"h\1h\0R" * (n - 1) + b"e."


def members(n: int, each: bytes = b"") -> bytes:
    """A tuple of a list of ``n`` numbers, or pairs of them and of what ``each`` makes."""
    return b"](" + b"".join(b"J" + struct.pack("<i", i) + each for i in range(n)) + b"e\x85"


COPIED = {
    "an ordered dict": ("collections.OrderedDict", members(2000, b"N\x86")),
    "a counter of a dict": ("collections.Counter", b"}(" + members(2000, b"N")[2:-2] + b"u\x85"),
    "a set": ("__builtin__.set", members(2000)),
    "a frozen set": ("builtins.frozenset", members(2000)),
    "sizes": ("torch.Size", members(2000)),
    "a bytearray": ("builtins.bytearray", b"B" + struct.pack("<I", 50_000) + bytes(50_000) + b"\x85"),
    "encoded bytes": ("_codecs.encode", b"X" + struct.pack("<I", 50_000) + b"a" * 50_000 + text("latin1") + b"\x86"),
}


@pytest.mark.parametrize("what", COPIED)
def test_copies_are_counted_each_time(what: str) -> None:
    name, args = COPIED[what]
    assert legacy_of(times(1, name, args)) is not None
    assert refused(with_pickle(times(1000, name, args))).code == "GT904"


def legacy_of(code: bytes) -> object:
    return gt.load(io.BytesIO(with_pickle(code)))


def test_attributes_of_parameters_are_counted_each_time() -> None:
    state = b"}(" + b"".join(text(f"a{i:05}") + b"N" for i in range(1000)) + b"uq\2"
    with zipfile.ZipFile(io.BytesIO(tensor([2], [1]))) as archive:
        one = archive.read("a/data.pkl")[2:-1]
    call = b"ctorch._utils\n_rebuild_parameter_with_state\n(h\3\x89}h\2tR"

    def file(n: int) -> bytes:
        code = b"\x80\x02" + state + b"0" + one + b"q\0030](" + call * n + b"e."
        return zipped({"a/data.pkl": code, "a/data/0": bytes(16)})

    assert gt.load(io.BytesIO(file(1)))[0].a00007 is None
    assert refused(file(200)).code == "GT904"


def test_arrays_are_counted_each_time() -> None:
    raw = text("a" * 50_000)
    one = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85C\1btR(K\1M\x50\xc3\x85"
        b"cnumpy\ndtype\n" + text("u1") + b"\x85RI00\nh\0tb"
    )
    make = lambda n: io.BytesIO(b"\x80\x03" + raw + b"q\0000](" + one * n + b"e.")
    assert restricted_load(make(1), ARRAYS)[0].tolist() == [97] * 50_000
    with pytest.raises(LoadError, match="GT904"):
        restricted_load(make(30), ARRAYS)


TWOS = b"K\1\x85" + b"2\x86" * 60  # a tuple of two of the same, sixty times over


@pytest.mark.parametrize(
    "data",
    [
        MAGIC[: len(pickle.dumps(0x1950A86A20F9469CFC6C, 2))] + b"\x80\x02" + TWOS + b"." + MAGIC,
        tensor([2], [1]).replace(numbers([2]), TWOS),
    ],
)
def test_messages_end(data: bytes) -> None:
    assert len(str(refused(data))) < 400


def test_what_is_shown_of_a_value() -> None:
    assert shown((1, (2, (3,)), "a", None, 2.5)) == "[1, a tuple, 'a', None, 2.5]"
    assert shown([0] * 20) == "[" + "0, " * 9 + "...]" and len(shown("x" * 1000)) < 100
    assert shown(1 << 4000) == "a int" and shown({}) == "a dict"


@pytest.mark.parametrize("where", ["}h\0Ns", "(h\0Nd", "\x8f(h\0\x90"])
def test_wide_keys_of_wide_keys(where: str) -> None:
    wide = b"K\1" + (b"q\0000(" + b"h\0" * 300 + b"t") * 4 + b"q\0000"
    code = b"\x80\x04" + wide + where.encode("latin-1") + b"."
    error = refused(with_pickle(code))
    assert "a key is a tuple of more than 1000 parts" in str(error)


class Watched(Memory):
    """Memory that counts how often it is looked at."""

    looks = 0

    @property  # type: ignore[override]
    def array(self) -> Any:
        Watched.looks += 1
        return self._array

    @array.setter
    def array(self, given: Any) -> None:
        self._array = given


def test_storages_of_the_older_format_are_counted_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not all of them again for each, as was done: 20,000 took minutes."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch_legacy, "Memory", Watched)
    looks = []
    for n in (20, 200):
        file = io.BytesIO()
        torch.save([torch.zeros(1 + i % 3) for i in range(n)], file, _use_new_zipfile_serialization=False)
        Watched.looks = 0
        assert len(gt.load(io.BytesIO(file.getvalue()))) == n
        looks.append(Watched.looks)
    assert looks[1] == 10 * looks[0]


def test_records_in_each_other_in_a_file_with_room() -> None:
    """One record within another, which is as large as both: their sizes alone do not tell."""
    inner = b"PK\3\4" + bytes(22) + struct.pack("<2H", len(b"a/data/0"), 0) + b"a/data/0"
    data = bytearray(zipped({"a/data.pkl": pickle.dumps({}, 2), "a/data/0": bytes(16), "a/big": inner + bytes(500)}))
    within, at = data.find(inner), data.find(b"PK\1\2")
    while data[at + 46 : at + 54] != b"a/data/0":
        at = data.find(b"PK\1\2", at + 1)
    assert gt.load(io.BytesIO(data)) == {}
    data[at + 42 : at + 46] = struct.pack("<L", within)
    assert "its records overlap" in str(refused(bytes(data)))


@pytest.mark.parametrize("kind", ["torch", "legacy", "safetensors"])
def test_a_bool_of_another_byte_counts_once(kind: str) -> None:
    torch = pytest.importorskip("torch")
    raw, known = np.array([0, 1, 2, 255, 0], np.uint8), np.array([0, 1, 1, 1, 0], np.uint8)
    file = io.BytesIO()
    if kind == "safetensors":
        head = b'{"a":{"dtype":"BOOL","shape":[5],"data_offsets":[0,5]}}'
        file.write(len(head).to_bytes(8, "little") + head + raw.tobytes())
    else:
        torch.save({"a": torch.from_numpy(known).bool()}, file, _use_new_zipfile_serialization=kind == "torch")
        data = file.getvalue()
        at = data.rfind(known.tobytes())
        file = io.BytesIO(data[:at] + raw.tobytes() + data[at + 5 :])
    file.seek(0)
    read = gt.load(file)["a"]
    assert read.sum().item() == 3 and read.to(gt.uint8).tolist() == known.tolist()
    assert np.asarray(read).view(np.uint8).tolist() == known.tolist()
