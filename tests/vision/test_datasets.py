"""Published data sets: read, downloaded from a server of this machine, and refused where they are damaged."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentError, DownloadError, LoadError, MissingFilesError
from graphtorch.utils.data import DataLoader
from graphtorch.vision import datasets, transforms
from graphtorch.vision.datasets.cifar import read_batch
from graphtorch.vision.datasets.idx import read_idx
from tests.vision.served import archive, cifar_files, idx, md5, mnist_files, serving

pytest.importorskip("PIL")
from PIL import Image

PUBLISHED = json.loads((Path(__file__).parent / "facts" / "facts.json").read_text(encoding="utf-8"))["published"]
CIFAR = cifar_files()


def small_mnist(files: dict[str, bytes], url: str = "http://127.0.0.1:9/") -> type[datasets.MNIST]:
    """MNIST with other files, by their checksums."""
    resources = [(name, md5(files[name])) for name, _ in datasets.MNIST.resources]
    return type("Small", (datasets.MNIST,), {"mirrors": [url], "resources": resources})


def small_cifar(
    files: dict[str, bytes], url: str = "http://127.0.0.1:9/", packed: bytes = b""
) -> type[datasets.CIFAR10]:
    def sums(names: list[list[str]]) -> list[list[str]]:
        return [[name, md5(files[name])] for name, _ in names]

    kind = datasets.CIFAR10
    changes = {
        "url": url + kind.filename, "tgz_md5": md5(packed), "train_list": sums(kind.train_list),
        "test_list": sums(kind.test_list), "meta": {**kind.meta, "md5": md5(files["batches.meta"])},
    }  # fmt: skip
    return type("Small", (kind,), changes)


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


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


# ---- CIFAR ----------------------------------------------------------------------------------------


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


# ---- others ---------------------------------------------------------------------------------------


def test_fake_data() -> None:
    gt.manual_seed(3)
    before = gt.get_rng_state()
    data = datasets.FakeData(20, (3, 5, 7), 4, transform=transforms.ToTensor())
    samples = [data[i] for i in range(20)]
    np.testing.assert_array_equal(before.numpy(), gt.get_rng_state().numpy())
    assert {x.shape for x, _ in samples} == {(3, 5, 7)} and {y for _, y in samples} == {0, 1, 2, 3}
    np.testing.assert_array_equal(data[4][0].numpy(), samples[4][0].numpy())
    shifted = datasets.FakeData(20, (3, 5, 7), 4, transform=transforms.ToTensor(), random_offset=4)
    np.testing.assert_array_equal(shifted[0][0].numpy(), samples[4][0].numpy())
    assert not np.array_equal(samples[4][0].numpy(), samples[5][0].numpy())
    with pytest.raises(IndexError, match="GT302"):
        data[20]
    for options in ({"size": -1}, {"image_size": (3, 5)}, {"image_size": (3, 0, 5)}, {"num_classes": 0}):
        with pytest.raises(ArgumentError, match=next(iter(options))):
            datasets.FakeData(**options)


def test_transforms_of_a_data_set() -> None:
    class Numbers(datasets.VisionDataset):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            return self.transforms(index, -index)

    assert Numbers("~/x", transforms=lambda x, y: (x * 2, y * 3))[2] == (4, -6)
    assert Numbers(transform=lambda x: x + 1)[2] == (3, -2)
    assert repr(Numbers()) == "Dataset Numbers\n    Number of datapoints: 3"
    whole = repr(Numbers("/x", transform=transforms.Compose([transforms.ToTensor()])))
    shown = [
        "    Root location: /x",
        "    StandardTransform",
        "Transform: Compose(",
        " " * 15 + "ToTensor()",
        " " * 11 + ")",
    ]
    assert whole.splitlines()[2:] == shown
    with pytest.raises(ArgumentError, match="transforms was given along with"):
        Numbers(transforms=max, transform=min)
    with pytest.raises(ArgumentError, match="target_transform must be callable"):
        Numbers(target_transform=3)


def test_image_size_of_no_consequence_for_pillow() -> None:
    """Images of a data set are Pillow's own."""
    assert isinstance(datasets.FakeData(1, (1, 3, 4))[0][0], Image.Image)
