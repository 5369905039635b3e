"""CIFAR: read, downloaded from a server of this machine, and refused where it is damaged."""

from __future__ import annotations

import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphtorch.errors import LoadError, MissingFilesError
from graphtorch.frontend.files import source
from graphtorch.vision import datasets, transforms
from graphtorch.vision.datasets.cifar import read_batch
from tests.vision.served import archive, cifar_files, md5, put, serving, small_cifar

pytest.importorskip("PIL")

CIFAR = cifar_files()


def test_cifar(tmp_path: Path) -> None:
    kind = small_cifar(CIFAR)
    put(tmp_path / "cifar-10-batches-py", CIFAR)
    data, test = kind(tmp_path), kind(tmp_path, train=False, transform=transforms.ToTensor())
    assert data.data.shape == (30, 32, 32, 3) and data.data.dtype == np.uint8 and len(data.targets) == 30
    assert data.classes[3] == "cat" and data.class_to_idx["truck"] == 9
    image, label = data[8]
    batch = pickle.loads(CIFAR["data_batch_2"])
    np.testing.assert_array_equal(np.asarray(image).transpose(2, 0, 1).reshape(-1), batch["data"][2])
    assert label == batch["labels"][2] and image.mode == "RGB"
    assert test[0][0].shape == (3, 32, 32) and "Split: Test" in repr(test)


def test_cifar100(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    files = {}
    for name, count in (("train", 5), ("test", 3)):
        pixels = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        parts = {"fine_labels": [n * 19 for n in range(count)], "coarse_labels": [1] * count, "data": pixels}
        files[name] = pickle.dumps(parts, 2)
    files["meta"] = pickle.dumps({"fine_label_names": [f"c{n}" for n in range(100)]}, 2)
    put(tmp_path / "cifar-100-python", files)
    changes = {key: [[n, md5(files[n])] for n in [key.removesuffix("_list")]] for key in ("train_list", "test_list")}
    meta = {**datasets.CIFAR100.meta, "md5": md5(files["meta"])}
    kind = type("Small", (datasets.CIFAR100,), {**changes, "meta": meta})
    assert kind(tmp_path).targets == [0, 19, 38, 57, 76] and len(kind(tmp_path, train=False)) == 3


def python_2(count: int) -> bytes:
    """A batch of CIFAR100 as Python 2 wrote those that are published: texts are bytes, and so are the images."""
    short = lambda b: b"U" + bytes([len(b)]) + b
    numbers = b"](" + b"".join(b"K" + bytes([n % 100]) for n in range(count)) + b"e"
    pixels = bytes(range(256)) * 12 * count
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85" + short(b"b") + b"tR(K\1J"
    array += struct.pack("<i", count) + b"M\0\x0c\x86cnumpy\ndtype\n(" + short(b"u1") + b"K\0K\1tR(K\3" + short(b"|")
    array += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T" + struct.pack("<i", len(pixels)) + pixels + b"tb"
    names = b"](" + b"".join(short(b"some_picture_%06d.png" % n) for n in range(count)) + b"e"
    pairs = {b"data": array, b"fine_labels": numbers, b"coarse_labels": numbers, b"filenames": names}
    return b"\x80\x02}(" + b"".join(short(key) + value for key, value in pairs.items()) + b"u."


def test_batches_of_python_2_are_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of CIFAR100 has 154 MB; here what a small file may take is less, in the same measure."""
    monkeypatch.setattr(source, "FLOOR", 1 << 20)
    path = tmp_path / "train"
    path.write_bytes(python_2(900))
    tracemalloc.start()
    images, labels = read_batch(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert images.shape == (900, 32, 32, 3) and labels == [n % 100 for n in range(900)]
    assert images[7, 0, 5].tolist() == [5, 5, 5] and images[7, 31, 31, 2] == 255
    assert peak < 1.2 * path.stat().st_size


def test_download_of_cifar(tmp_path: Path) -> None:
    packed = archive("cifar-10-batches-py", CIFAR)
    with serving({"cifar-10-python.tar.gz": packed}) as server:
        kind = small_cifar(CIFAR, server.url, packed)
        assert len(kind(tmp_path / "data", download=True)) == 30
        kind(tmp_path / "data", download=True)
        assert len(server.asked) == 1
    assert not (tmp_path / "outside").exists()
    (tmp_path / "data" / "cifar-10-batches-py" / "test_batch").unlink()
    kind(tmp_path / "data", download=True)  # from the archive, with nobody to ask


def test_an_archive_that_lacks_a_file(tmp_path: Path) -> None:
    packed = archive("cifar-10-batches-py", {n: d for n, d in CIFAR.items() if n != "test_batch"})
    with (
        serving({"cifar-10-python.tar.gz": packed}) as server,
        pytest.raises(LoadError, match="test_batch is not in it"),
    ):
        small_cifar(CIFAR, server.url, packed)(tmp_path, download=True)
    with (
        serving({"cifar-10-python.tar.gz": packed[:-99]}) as server,
        pytest.raises(LoadError, match=r"tar\.gz") as caught,
    ):
        small_cifar(CIFAR, server.url, packed[:-99])(tmp_path, download=True)
    assert caught.value.code == "GT902"


def test_files_of_cifar_that_are_missing_or_others(tmp_path: Path) -> None:
    kind = small_cifar(CIFAR)
    put(tmp_path / "cifar-10-batches-py", {n: d for n, d in CIFAR.items() if n != "data_batch_3"})
    with pytest.raises(MissingFilesError, match="data_batch_3"):
        kind(tmp_path)
    put(tmp_path / "cifar-10-batches-py", {"data_batch_3": CIFAR["data_batch_3"][:-1]})
    with pytest.raises(LoadError, match=r"not the published one(.|\n)*data_batch_3"):
        kind(tmp_path)
    assert len(kind(tmp_path, train=False)) == 6


class Call:
    """What a pickle can do that is no data."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('executed')",)


PIXELS = np.zeros((2, 3072), np.uint8)
STRANGE: dict[str, tuple[bytes, str]] = {
    "a call": (pickle.dumps({"data": Call()}, 2), "GT903"),
    "objects": (pickle.dumps({"data": np.array([[1, None]], object)}, 2), "GT902"),
    "no dict": (pickle.dumps([1, 2], 2), "GT902"),
    "no images": (pickle.dumps({"labels": [1]}, 2), "GT902"),
    "no labels": (pickle.dumps({"data": PIXELS}, 2), "GT902"),
    "few labels": (pickle.dumps({"data": PIXELS, "labels": [1]}, 2), "GT902"),
    "labels that are texts": (pickle.dumps({"data": PIXELS, "labels": ["1", "2"]}, 2), "GT902"),
    "floats": (pickle.dumps({"data": PIXELS * 1.0, "labels": [1, 2]}, 2), "GT902"),
    "other sizes": (pickle.dumps({"data": PIXELS[:, 1:], "labels": [1, 2]}, 2), "GT902"),
    "cut off": (pickle.dumps({"data": PIXELS, "labels": [1, 2]}, 2)[:-40], "GT902"),
    "nothing": (b"", "GT902"),
    "a place far away in the memo": (b"\x80\x02}r\xff\xff\xff\x7f.", "GT902"),
    "a long text that is not there": (b"\x80\x02X\xff\xff\xff\x7f.", "GT902"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_strange_pickles(what: str, tmp_path: Path) -> None:
    data, code = STRANGE[what]
    (tmp_path / "batch").write_bytes(data)
    with pytest.raises(LoadError) as caught:
        read_batch(tmp_path / "batch")
    assert caught.value.code == code and caught.value.facts[0] == f"file {tmp_path}/batch"


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pickles_of_several_protocols(protocol: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3072), dtype=np.uint8)
    (tmp_path / "batch").write_bytes(pickle.dumps({"data": pixels, "labels": [4, 2]}, protocol))
    images, labels = read_batch(tmp_path / "batch")
    np.testing.assert_array_equal(images.transpose(0, 3, 1, 2).reshape(2, -1), pixels)
    assert labels == [4, 2]


def test_pickles_of_python_2(tmp_path: Path) -> None:
    """As the published ones are: texts and elements are strings of bytes."""
    pixels = np.random.default_rng(1).integers(0, 256, (2, 3072), dtype=np.uint8)
    made = (
        b"\x80\x02}q\x01(U\x0bbatch_labelU\x05batchU\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\n"
        b"ndarray\nK\x00\x85U\x01b\x87Rq\x04(K\x01K\x02M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<i", pixels.nbytes) + pixels.tobytes() +
        b"tbU\x06labels](K\x04K\x02eu."
    )  # fmt: skip
    (tmp_path / "batch").write_bytes(made)
    images, labels = read_batch(tmp_path / "batch")
    np.testing.assert_array_equal(images.transpose(0, 3, 1, 2).reshape(2, -1), pixels)
    assert labels == [4, 2]


def test_a_class_that_has_no_name(tmp_path: Path) -> None:
    files = {**CIFAR, "batches.meta": pickle.dumps({"label_names": ["one", "two"]}, 2)}
    put(tmp_path / "cifar-10-batches-py", files)
    with pytest.raises(LoadError, match="it has the label"):
        small_cifar(files)(tmp_path)
    files["batches.meta"] = pickle.dumps({"label_names": [1]}, 2)
    put(tmp_path / "cifar-10-batches-py", files)
    with pytest.raises(LoadError, match=r"no names of classes(.|\n)*batches.meta"):
        small_cifar(files)(tmp_path)
