"""Files that were made to do harm: every one gives a LoadError, executes nothing and takes little memory."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import LoadError
from graphtorch.frontend.files import memory, source
from graphtorch.frontend.files.numpy_builders import ARRAYS
from graphtorch.frontend.files.unpickler import restricted_load
from tests.files.seeds import legacy

MAGIC = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {}))
END = pickle.dumps([], 2)


def zipped(records: dict[str, bytes], **options: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, data in records.items():
            archive.writestr(name, data)
    return file.getvalue()


def with_pickle(code: bytes) -> bytes:
    """A file of torch's older format with this pickle in it."""
    return MAGIC + code + END


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(n: int) -> bytes:
    return pickle.dumps(n, 2)[2:-1]


def numbers(values: list[int]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(size: list[int], stride: list[int], offset: int = 0, numel: int = 4, kind: str = "Float") -> bytes:
    """A file with one tensor over one storage; the numbers are put into the pickle as they are."""
    storage = (
        b"(" + text("storage") + f"ctorch\n{kind}Storage\n".encode() + text("0") + text("cpu") + number(numel) + b"tQ"
    )
    args = storage + number(offset) + numbers(size) + numbers(stride) + b"\x89ccollections\nOrderedDict\n)R"
    code = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + args + b"tR."
    return zipped({"a/data.pkl": code, "a/data/0": np.arange(4, dtype="<f4").tobytes()})


def test_the_tensor_that_the_others_are_made_of_is_read() -> None:
    assert gt.load(io.BytesIO(tensor([2, 2], [2, 1]))).tolist() == [[0, 1], [2, 3]]
    assert gt.load(io.BytesIO(tensor([3, 2], [1, 1]))).tolist() == [[0, 1], [1, 2], [2, 3]]
    assert gt.load(io.BytesIO(tensor([0, 5], [7, 9], 100))).shape == (0, 5)


TENSORS = {
    "beyond the end": tensor([5], [1]),
    "beyond by stride": tensor([2], [4]),
    "beyond by offset": tensor([1], [1], 4),
    "negative size": tensor([-1], [1]),
    "negative stride": tensor([2], [-1], 3),
    "negative offset": tensor([1], [1], -1),
    "huge": tensor([2**40], [1]),
    "huge by no stride": tensor([2**40], [0]),
    "huge product": tensor([2**20, 2**20, 2**20], [0, 0, 0]),
    "overflow": tensor([2**62, 4], [0, 0]),
    "more than 64 bits": tensor([2**80], [0]),
    "empty and huge": tensor([0, 2**62], [1, 1]),
    "sizes without strides": tensor([2, 2], [1]),
    "100 sizes": tensor([1] * 100, [1] * 100),
    "a storage of another size": tensor([2], [1], numel=5),
    "a storage of none": tensor([2], [1], numel=-1),
    "a huge storage": tensor([2], [1], numel=2**50),
    "a storage of another type": tensor([2], [1], kind="Double"),
}


def deep(open_: bytes, close: bytes, n: int = 100_000) -> bytes:
    return b"\x80\x02" + open_ * n + close * (n - 1) + b"."


def doubled(n: int) -> bytes:
    """A tuple of two of the same, ``n`` times over: small, and endless for who walks it."""
    return b"\x80\x02)" + b"".join(b"\x94h" + bytes([i]) + b"\x86" for i in range(n)) + b"."


PICKLES = {
    "nothing": b"",
    "no value": b"\x80\x02.",
    "two values": b"\x80\x02NN.",
    "only a mark": b"\x80\x02(.",
    "an unknown opcode": b"\x80\x02\xff.",
    "a protocol of the future": b"\x80\x06N.",
    "a list in itself": b"\x80\x02]q\x00h\x00a.",
    "a dict in itself": b"\x80\x02}q\x00" + text("a") + b"h\x00s.",
    "lists in lists": deep(b"]", b"a"),
    "tuples in tuples": deep(b")", b"\x85", 2) [:-1] + b"\x85" * 100_000 + b"0N.",
    "deep tuples": b"\x80\x02)" + b"\x85" * 100_000 + b".",
    "a deep tuple as a key": b"\x80\x02})" + b"\x85" * 100_000 + b"Ns.",
    "a deep tuple in a set": b"\x80\x04\x8f()" + b"\x85" * 100_000 + b"\x90.",
    "marks": b"\x80\x02" + b"(" * 100_000 + b".",
    "a list as a key": b"\x80\x02}]Ns.",
    "a dict in a set": b"\x80\x04\x8f(}\x90.",
    "a huge integer as a key": b"\x80\x02}\x8a\x10" + b"\x7f" * 16 + b"Ns.",
    "a far place in the memo": b"\x80\x02Nr\xff\xff\xff\xff0j\xfe\xff\xff\xff.",
    "a text that is longer than the file": b"\x80\x02X\xff\xff\xff\xffabc.",
    "bytes that are longer than the file": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
    "bytes of more than 63 bits": b"\x80\x04\x8e" + b"\xff" * 8 + b".",
    "a bytearray that is longer than the file": b"\x80\x05\x96\0\0\0\0\0\1\0\0.",
    "an integer that is longer than the file": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "an integer of a negative size": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "a text of a negative size": b"\x80\x02T\xff\xff\xff\xff.",
    "digits": b"I" + b"9" * 100_000 + b"\n.",
    "digits with underscores": b"I1_0\n.",
    "no UTF-8": b"\x80\x02X\x02\0\0\0\xc3\x28.",
    "append to a number": b"\x80\x02K\x01Na.",
    "append to nothing": b"\x80\x02Na.",
    "a key without a value": b"\x80\x02}(Nu.",
    "items to a list": b"\x80\x02]NNs.",
    "recall what is not there": b"\x80\x02h\x05.",
    "put nothing": b"\x80\x02q\x05N.",
    "call a number": b"\x80\x02K\x01)R.",
    "call a text": b"\x80\x02" + text("os.system") + text("ls") + b"\x85R.",
    "call without a tuple": b"\x80\x02ccollections\nOrderedDict\nNR.",
    "call with other arguments": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nK\x01\x85R.",
    "set the state of a dict": b"\x80\x02}}b.",
    "set the state of a class": b"\x80\x02ctorch\nTensor\n}b.",
    "make a tensor from nothing": b"\x80\x02ctorch\nTensor\n)\x81.",
    "a parameter of a number": b"\x80\x02ctorch._utils\n_rebuild_parameter\nK\x01\x88N\x87R.",
    "a size that is a text": b"\x80\x02ctorch\nSize\n(" + text("a") + b"t\x85R.",
    "a device that is a number": b"\x80\x02ctorch\ndevice\nK\x01\x85R.",
    "an ordered dict of a number": b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.",
    "an ordered dict of deep keys": b"\x80\x02ccollections\nOrderedDict\n])" + b"\x85" * 100_000 + b"N\x86a\x85R.",
    "a storage that is none": b"\x80\x02K\x01Q.",
    "a storage of a text": b"\x80\x02(" + text("storage") + text("a") + text("0") + text("cpu") + b"K\x04tQ.",
    "a storage of 8 EiB": b"\x80\x02(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"\x8a\x09" + b"\0" * 7 + b"\x20\0tQ.",
    "a module": b"\x80\x02(" + text("module") + b"NNNtQ.",
    "an ordered dict of deep pairs": b"\x80\x02ccollections\nOrderedDict\n])" + b"\x85" * 100_000 + b"N\x86a\x85R0N.",
    "a counter of deep tuples": b"\x80\x02ccollections\nCounter\n])" + b"\x85" * 100_000 + b"a\x85R.",
    "INST": b"(ios\nsystem\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "a buffer": b"\x80\x05\x97.",
    "many lists": b"\x80\x02(" + b"]" * 200_000 + b"l.",
    "many dicts": b"\x80\x02(" + b"}" * 200_000 + b"l.",
    "many sets": b"\x80\x04(" + b"\x8f" * 50_000 + b"l.",
    "many ordered dicts": b"\x80\x02(ccollections\nOrderedDict\nq\0" + b"h\0)R" * 20_000 + b"l.",
    "the same text, in ever more lists": b"\x80\x02(" + text("x" * 100) + b"q\0" + b"](h\0h\0h\0h\0e" * 50_000 + b"l.",
}  # fmt: skip


@pytest.mark.parametrize("name", TENSORS)
def test_tensors(name: str) -> None:
    refused(TENSORS[name])


@pytest.mark.parametrize("name", PICKLES)
def test_pickles(name: str) -> None:
    refused(with_pickle(PICKLES[name]))
    with pytest.raises(LoadError):
        restricted_load(io.BytesIO(PICKLES[name]), ARRAYS)


LITTLE = 1 << 20  # in the place of what small files may take, so that these can stay small


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FLOOR", LITTLE)
    monkeypatch.setattr(memory, "FLOOR", LITTLE)


def refused(data: bytes) -> LoadError:
    """The file is a LoadError, within the memory that is promised."""
    file = io.BytesIO(data)
    tracemalloc.start()
    try:
        with pytest.raises(LoadError, match=r"GT90[1-5]") as caught:
            gt.load(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= max(LITTLE, 2 * len(data)) + 2**19
    assert len(str(caught.value)) < 1000
    return caught.value


def test_what_is_shared_is_walked_once() -> None:
    assert restricted_load(io.BytesIO(doubled(100))) is not None


@pytest.mark.parametrize(
    "name",
    "os.system posix.system builtins.eval builtins.exec builtins.getattr __builtin__.eval subprocess.Popen runpy.run_path "
    "torch.load torch.hub.load torch.nn.modules.linear.Linear numpy.load graphtorch.load functools.partial "
    "operator.attrgetter importlib.import_module torch._utils._rebuild_sparse_tensor pickle.loads".split(),
)  # fmt: skip
@pytest.mark.parametrize("protocol", [2, 4])
def test_names_are_refused_and_nothing_runs(name: str, protocol: int, tmp_path: Path) -> None:
    module, _, function = name.rpartition(".")
    command = text(f"touch {tmp_path}/ran") + b"\x85R."
    code = f"c{module}\n{function}\n".encode() if protocol == 2 else text(module) + text(function) + b"\x93"
    data = with_pickle(bytes([0x80, protocol]) + code + command)
    error = refused(data)
    assert error.code == "GT903" and error.message == f"the file names {name}, which is not data"
    assert refused(zipped({"a/data.pkl": bytes([0x80, protocol]) + code + command})).code == "GT903"
    assert not os.listdir(tmp_path)


def test_names_with_dots_lead_nowhere() -> None:
    assert (
        refused(with_pickle(b"\x80\x04" + text("collections") + text("OrderedDict.fromkeys") + b"\x93.")).code
        == "GT903"
    )


PLAIN = pickle.dumps({"a": 1}, 2)


def edited(data: bytes, find: bytes, put: bytes, last: bool = False) -> bytes:
    at = data.rfind(find) if last else data.find(find)
    assert at >= 0
    return data[:at] + put + data[at + len(put) :]


def directory(data: bytes, field: int, layout: str, value: int) -> bytes:
    """An archive with another number in its first entry of the table."""
    at = data.find(b"PK\1\2") + field
    return data[:at] + struct.pack(layout, value) + data[at + struct.calcsize(layout) :]


def twice() -> bytes:
    data = zipped({"a/data.pkl": PLAIN, "a/data.pkm": PLAIN})
    return data.replace(b"a/data.pkm", b"a/data.pkl")


def bomb() -> bytes:
    """Many entries of the table over one record, as in a bomb whose records overlap."""
    names = {f"a/data/{i:03}": b"" for i in range(200)}
    data = bytearray(zipped({"a/data.pkl": PLAIN, "a/big": bytes(100_000)} | names))
    at = data.find(b"PK\1\2")
    while data[at : at + 4] == b"PK\1\2":
        n, extra, comment = struct.unpack("<3H", data[at + 28 : at + 34])
        data[at + 20 : at + 28] = struct.pack("<2L", 100_000, 100_000)
        at += 46 + n + extra + comment
    return bytes(data)


WHOLE = zipped({"a/data.pkl": PLAIN})
ARCHIVES = {
    "compressed": zipped({"a/data.pkl": bytes(10**6)}, compression=zipfile.ZIP_DEFLATED),
    "encrypted": directory(WHOLE, 8, "<H", 1),
    "a size that is another": directory(WHOLE, 24, "<L", 2**31),
    "a record beyond the end": directory(directory(WHOLE, 20, "<L", 2**31), 24, "<L", 2**31),
    "an offset beyond the end": directory(WHOLE, 42, "<L", 2**31),
    "an offset to elsewhere": directory(WHOLE, 42, "<L", 3),
    "64 bits without a field": directory(WHOLE, 42, "<L", 2**32 - 1),
    "two records of one name": twice(),
    "records that overlap": bomb(),
    "a path that leads out": zipped({"../data.pkl": PLAIN}),
    "an absolute path": zipped({"/data.pkl": PLAIN}),
    "two roots": zipped({"a/data.pkl": PLAIN, "b/data.pkl": PLAIN}),
    "no pickle": zipped({"a/weights": PLAIN}),
    "a program of TorchScript": zipped({"a/data.pkl": PLAIN, "a/constants.pkl": PLAIN, "a/code/x.py": b""}),
    "another order of bytes": zipped({"a/data.pkl": PLAIN, "a/byteorder": b"middle"}),
    "no table": WHOLE[:-22],
    "an end alone": b"PK\5\6" + bytes(18),
    "many entries": b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 65535, 65535, 0, 0, 0),
    "an archive in parts": edited(WHOLE, b"PK\5\6\0\0", b"PK\5\6\1\0"),
    "a table at a far place": edited(WHOLE, b"PK\5\6", WHOLE[-22:-10] + struct.pack("<2L", 2**31, 2**31)),
    "a locator to nowhere": WHOLE[:-22] + b"PK\6\7" + struct.pack("<LQL", 0, 2**60, 1) + WHOLE[-22:],
    "a cut pickle": zipped({"a/data.pkl": PLAIN[:-3]}),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives(name: str) -> None:
    refused(ARCHIVES[name])


def test_the_archive_that_the_others_are_made_of_is_read() -> None:
    assert gt.load(io.BytesIO(WHOLE)) == {"a": 1}


def test_an_archive_of_64_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
    data = zipped({"a/data.pkl": PLAIN})
    assert b"PK\6\6" in data and gt.load(io.BytesIO(data)) == {"a": 1}


def test_big_endian_archives() -> None:
    data = tensor([2, 2], [2, 1])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    records |= {"a/data/0": np.arange(4, dtype=">f4").tobytes(), "a/byteorder": b"big"}
    assert gt.load(io.BytesIO(zipped(records))).tolist() == [[0, 1], [2, 3]]


def test_legacy_files_whose_storages_do_not_fit() -> None:
    whole = (Path(__file__).parent / "fixtures" / "dtypes.legacy.pt").read_bytes()
    six = struct.pack("<q", 6)
    assert whole.count(six) == 10
    for other in (5, 7, -1, 2**62):
        refused(whole.replace(six, struct.pack("<q", other)))
    refused(legacy({"a": 1}).replace(END, pickle.dumps(["0"], 2)))
    refused(legacy({"a": 1}).replace(END, pickle.dumps([3], 2)))
    refused(legacy({"a": 1})[: -len(END)])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no file of tensors"),
        (b"\x1f\x8b\x08\0", "a gzip file"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"GGUF\3\0\0\0", "a GGUF file"),
        (b"\x93NUMPY\1\0", "a file of numpy"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"pickle\0".ljust(257, b"\0") + b"ustar\0".ljust(300, b"\0"), "a tar archive, as torch before 0.1.10"),
        (pickle.dumps({"a": 1}), "not written by torch.save"),
        (zipped({"arr_0.npy": b"\x93NUMPY"}), "numpy.load"),
    ],
)
def test_other_formats_are_named(data: bytes, said: str) -> None:
    error = refused(data)
    assert error.code == "GT901" and said in str(error)


def array(state: Callable[[], Any], function: str = "numpy._core.multiarray._reconstruct") -> bytes:
    """A pickle of an array with the state given, as `numpy` writes it."""
    whole = pickle.dumps(np.arange(3, dtype="<i4"), 2)
    inner = pickle.dumps(state(), 2)[2:-1]
    head = f"c{function.rpartition('.')[0]}\n_reconstruct\ncnumpy\nndarray\nK\0\x85".encode() + b"C\x01b\x87R"
    assert whole
    return b"\x80\x02" + head + inner + b"b."


@pytest.mark.parametrize(
    "state",
    [
        lambda: (1, (3,), np.dtype("i4"), False, b"\0" * 11),
        lambda: (1, (2**60,), np.dtype("i4"), False, b""),
        lambda: (1, (0, 2**62), np.dtype("i4"), False, b""),
        lambda: (1, (-1,), np.dtype("i4"), False, b""),
        lambda: (1, (3,), np.dtype("i4"), False, [1, 2, 3]),
        lambda: (1, (3,), "i4", False, b"\0" * 12),
        lambda: (1, [3], np.dtype("i4"), False, b"\0" * 12),
        lambda: (1, (1,), np.dtype("O"), False, [1]),
        lambda: (1, (1,), np.dtype([("a", "i4")]), False, b"\0" * 4),
        lambda: 3,
        lambda: (),
    ],
)
def test_arrays(state: Callable[[], Any]) -> None:
    with pytest.raises(LoadError, match=r"GT90[23]"):
        restricted_load(io.BytesIO(array(state)), ARRAYS)


def test_arrays_are_refused_where_nobody_asks_for_them() -> None:
    with pytest.raises(LoadError, match=r"GT903: the file names numpy\._core\.multiarray\._reconstruct"):
        restricted_load(io.BytesIO(pickle.dumps(np.arange(3), 2)))


def test_very_many_tensors_are_loaded_where_the_file_is_trusted() -> None:
    file = io.BytesIO()
    gt.save([gt.zeros(1) for _ in range(1000)], file)
    for data in (file.getvalue(), with_many(2000)):
        error = refused(data)
        assert error.code == "GT904" and "weights_only=False lifts this limit" in str(error)
        assert len(gt.load(io.BytesIO(data), weights_only=False)) >= 1000


ONE = (
    b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(("
    + text("storage")
    + b"ctorch\nFloatStorage\n"
    + text("0")
    + text("cpu")
)
ONE += b"K\x04tQK\0K\x04\x85K\x01\x85\x89NtRq\0"


@pytest.mark.parametrize(
    "code",
    [
        b"0ctorch\nSize\n)h\0\x92.",
        b"0}h\0Ns.",
        b"0\x8f(h\0\x90.",
        b"0(h\0" + b"NNNNtQ.",
        b"0c_codecs\nencode\n" + text("a") + b"h\0\x86R.",
        b"0ctorch._tensor\n_rebuild_from_type_v2\n(ctorch\nSize\nh\0)NtR.",
        b"0ctorch\nSize\nh\0\x85R.",
        b"0ctorch\ndevice\nh\0\x85R.",
        b"0ccollections\nCounter\nh\0\x85R.",
        b"0ccollections\nOrderedDict\n]h\0N\x86a\x85R.",
        b"0h\0)R.",
        b"0h\0}b.",
        b"0ch\0.",
    ],
)
def test_a_tensor_in_the_place_of_something_else(code: bytes) -> None:
    data = ONE + code
    refused(zipped({"a/data.pkl": data, "a/data/0": np.arange(4, dtype="<f4").tobytes()}))


def with_many(n: int) -> bytes:
    """A file of torch's with ``n`` tensors over one storage."""
    data = tensor([2, 2], [2, 1])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    one = records["a/data.pkl"][2:-1]
    return zipped(records | {"a/data.pkl": b"\x80\x02(" + one * n + b"l."})


def test_the_peak_of_a_large_honest_file(tmp_path: Path) -> None:
    gt.save({"a": gt.zeros(4_000_000), "b": gt.zeros(4000, 500).t()}, tmp_path / "a.pt")
    size = (tmp_path / "a.pt").stat().st_size
    tracemalloc.start()
    value = gt.load(tmp_path / "a.pt")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert value["b"].stride() == (1, 500) and size <= peak < size * 1.5
