"""The MNIST family: read, downloaded from a server of this machine, and refused where it is damaged."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import DownloadError, LoadError, MissingFilesError
from graphtorch.utils.data import DataLoader
from graphtorch.vision import datasets, transforms
from graphtorch.vision.datasets.idx import read_idx
from tests.vision.served import cifar_files, idx, mnist_files, put, serving, small_cifar, small_mnist

pytest.importorskip("PIL")

PUBLISHED = json.loads((Path(__file__).parent / "facts" / "facts.json").read_text(encoding="utf-8"))["published"]
CIFAR = cifar_files()


# ---- what is published ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_files_and_checksums_are_the_published_ones(name: str) -> None:
    kind = getattr(datasets, name)
    for key, value in PUBLISHED[name].items():
        assert json.loads(json.dumps(getattr(kind, key))) == value, key


# ---- IDX ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")])
def test_idx(code: int, dtype: str, tmp_path: Path) -> None:
    values = (np.arange(2 * 3 * 5).reshape(2, 3, 5) * 4 - 7).astype(dtype)
    (tmp_path / "plain").write_bytes(idx(values, code))
    (tmp_path / "packed").write_bytes(gzip.compress(idx(values, code)))
    for name in ("plain", "packed"):
        found = read_idx(tmp_path / name)
        assert found.dtype == np.dtype(dtype) and found.dtype.isnative and found.flags.writeable
        np.testing.assert_array_equal(found, values)
    (tmp_path / "empty").write_bytes(idx(values[:0], code))
    assert read_idx(tmp_path / "empty").shape == (0, 3, 5)


def test_mnist(tmp_path: Path) -> None:
    files = mnist_files()
    put(tmp_path / "MNIST" / "raw", files)
    data = datasets.MNIST(tmp_path)
    test = datasets.MNIST(str(tmp_path), train=False, transform=transforms.ToTensor(), target_transform=lambda y: -y)
    assert len(data) == 13 and len(test) == 7
    assert data.data.dtype == gt.uint8 and data.targets.dtype == gt.int64 and data.targets.tolist()[:4] == [0, 3, 6, 9]
    image, label = data[3]
    assert image.mode == "L" and image.size == (28, 28) and (label, type(label)) == (9, int)
    pixels = np.frombuffer(gzip.decompress(files["train-images-idx3-ubyte.gz"])[16:], np.uint8).reshape(13, 28, 28)
    np.testing.assert_array_equal(np.asarray(image), pixels[3])
    x, y = test[2]
    assert x.shape == (1, 28, 28) and y == -6 and test.class_to_idx["3 - three"] == 3
    x, y = next(iter(DataLoader(test, 4)))
    assert x.shape == (4, 1, 28, 28) and y.tolist() == [0, -3, -6, -9]
    assert repr(test).splitlines() == [
        "Dataset MNIST", "    Number of datapoints: 7", f"    Root location: {tmp_path}", "    Split: Test",
        "    StandardTransform", "Transform: ToTensor()", f"Target transform: {test.target_transform!r}",
    ]  # fmt: skip
    data.data, data.targets = data.data[:5], data.targets[:5]
    assert len(data) == 5


def test_unpacked_files_are_taken_first(tmp_path: Path) -> None:
    files = mnist_files()
    put(tmp_path / "KMNIST" / "raw", files)
    unpacked = {name.removesuffix(".gz"): gzip.decompress(data) for name, data in mnist_files(train=4).items()}
    put(tmp_path / "KMNIST" / "raw", unpacked)
    assert len(datasets.KMNIST(tmp_path)) == 4


def test_mnist_that_is_not_there(tmp_path: Path) -> None:
    put(tmp_path / "MNIST" / "raw", {"train-images-idx3-ubyte.gz": b""})
    with pytest.raises(MissingFilesError) as caught:
        datasets.MNIST(tmp_path)
    assert isinstance(caught.value, FileNotFoundError) and isinstance(caught.value, RuntimeError)
    assert caught.value.facts == [f"expected {tmp_path}/MNIST/raw/train-labels-idx1-ubyte.gz"]
    assert "https://ossci-datasets.s3.amazonaws.com/mnist/" in caught.value.fix and "download=True" in caught.value.fix


def test_download_of_mnist(tmp_path: Path) -> None:
    files = mnist_files()
    with serving(files) as server:
        kind = small_mnist(files, server.url)
        kind.mirrors = [server.url + "elsewhere/", server.url]
        assert len(kind(tmp_path, download=True)) == 13
        assert len(server.asked) == 8  # of each file the first mirror has none
        kind(tmp_path, train=False, download=True)
        assert len(server.asked) == 8
        (Path(kind(tmp_path).raw_folder) / "t10k-labels-idx1-ubyte.gz").unlink()
        kind(tmp_path, download=True)
        assert [name for name, _ in server.asked[8:]] == [
            "elsewhere/t10k-labels-idx1-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
        ]


def test_a_download_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    files = mnist_files()
    with serving(files) as server:
        kind = small_mnist(files, server.url)
        server.cut, server.cuts = 1000, 1
        with pytest.raises(DownloadError, match="the connection ended after 1000") as caught:
            kind(tmp_path, download=True)
        name = kind.resources[0][0]
        assert f"put the file at {tmp_path}/Small/raw/{name}" in str(caught.value)
        assert len(kind(tmp_path, download=True)) == 13
        assert server.asked[1] == (name, "bytes=1000-")


def test_a_download_of_something_else(tmp_path: Path) -> None:
    files = mnist_files()
    kind = small_mnist(files)
    with serving({**files, kind.resources[1][0]: b"a page of the hotel's network"}) as server:
        kind.mirrors = [server.url]
        with pytest.raises(DownloadError, match="not what was promised"):
            kind(tmp_path, download=True)
    assert not (tmp_path / "Small" / "raw" / kind.resources[1][0]).exists()


def test_offline_says_which_file_to_put_where(tmp_path: Path) -> None:
    for kind, path in (
        (small_mnist(mnist_files()), "Small/raw/train-images-idx3-ubyte.gz"),
        (small_cifar(CIFAR), "cifar-10-python.tar.gz"),
    ):
        with pytest.raises(DownloadError, match=f"put the file at {tmp_path}/{path}"):
            kind(tmp_path, download=True)


# ---- damaged files --------------------------------------------------------------------------------

IMAGES = idx(np.zeros((3, 28, 28), np.uint8))
DAMAGED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "GT901"),
    "no IDX": (b"<html>nothing here</html>", "GT901"),
    "another dtype": (b"\0\0\x07\1" + bytes(8), "GT901"),
    "no dimensions": (b"\0\0\x08\0" + bytes(8), "GT901"),
    "many dimensions": (b"\0\0\x08\xff" + bytes(2000), "GT901"),
    "sizes cut off": (IMAGES[:11], "GT902"),
    "cut off": (IMAGES[:-1], "GT902"),
    "longer": (IMAGES + b"\0", "GT902"),
    "labels": (idx(np.zeros(3, np.uint8)), "GT902"),
    "floats": (idx(np.zeros((3, 28, 28), np.float32), 0x0D), "GT902"),
    "huge": (b"\0\0\x08\3" + b"\xff" * 12 + bytes(100), "GT904"),
    "packed and cut off": (gzip.compress(IMAGES)[:-9], "GT902"),
    "packed and changed": (gzip.compress(IMAGES)[:-6] + b"abcdef", "GT902"),
    "packed and no gzip": (b"\x1f\x8b" + IMAGES, "GT902"),
    "packed and huge": (gzip.compress(b"\0\0\x08\3" + b"\xff" * 12 + bytes(100)), "GT904"),
    "a bomb": (gzip.compress(idx(np.zeros((100, 1000, 1000), np.uint8))), "GT904"),
    "packed and longer": (gzip.compress(IMAGES + bytes(99)), "GT902"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_images(what: str, tmp_path: Path) -> None:
    data, code = DAMAGED[what]
    put(tmp_path / "MNIST" / "raw", {**mnist_files(train=3), "train-images-idx3-ubyte.gz": data})
    with pytest.raises(LoadError) as caught:
        datasets.MNIST(tmp_path)
    assert caught.value.code == code
    assert caught.value.facts[0] == f"file {tmp_path}/MNIST/raw/train-images-idx3-ubyte.gz"


@pytest.mark.parametrize(
    ("labels", "why"), [([1, 2], "2 labels for 3 images"), ([1, 2, 10], "the label 10"), ([255] * 3, "the label 255")]
)
def test_labels_that_do_not_fit(labels: list[int], why: str, tmp_path: Path) -> None:
    packed = gzip.compress(idx(np.array(labels, np.uint8)))
    put(tmp_path / "MNIST" / "raw", {**mnist_files(train=3), "train-labels-idx1-ubyte.gz": packed})
    with pytest.raises(LoadError, match=f"{why}(.|\n)*train-labels-idx1-ubyte.gz"):
        datasets.MNIST(tmp_path)
