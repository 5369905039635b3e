"""CIFAR10 and CIFAR100: colour images of 32 x 32 pixels, published as pickles of numpy arrays.

The pickles are read by a machine that builds arrays and plain data and refuses the rest (`frontend/files/unpickler`):
nothing that a file names is executed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from graphtorch.frontend.files.numpy_builders import ARRAYS
from graphtorch.frontend.files.unpickler import restricted_load
from graphtorch.ir.errors import LoadError
from graphtorch.vision.datasets.files import check_md5, damaged, fetch, missing, reading, unpack
from graphtorch.vision.datasets.vision import Function, VisionDataset
from graphtorch.vision.pillow import pillow

Array = Any
_PIXELS = 3 * 32 * 32


def read_batch(path: str | os.PathLike[str]) -> tuple[Array, list[int]]:
    """(images uint8[n, 32, 32, 3], labels) of a file of CIFAR10, or of CIFAR100 with its fine labels.

    LoadError, which names the file: GT902 for a damaged one, GT903 for one that names what is not data, GT904 for one
    that asks for more than it holds.
    """
    with reading(path):
        batch = _unpickled(path)
        data, labels = batch.get("data"), batch.get("labels", batch.get("fine_labels"))
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != _PIXELS:
            got = f"{data.dtype}{list(data.shape)}" if isinstance(data, np.ndarray) else type(data).__name__
            raise damaged("it has no images", f"expected uint8[n, {_PIXELS}], got {got}")
        if not isinstance(labels, list) or len(labels) != len(data) or not all(type(n) is int for n in labels):
            raise damaged("it has no label for each image", f"expected a list of {len(data)} ints")
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def _unpickled(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        with Path(path).open("rb") as file:
            found = restricted_load(file, ARRAYS, encoding="bytes")  # as a text, the images would be there twice
    except LoadError as error:
        error.fix = "get the file again, from where it is published"
        raise
    if not isinstance(found, dict):
        raise damaged(f"it holds a {type(found).__name__}", "expected a dict")
    return {_text(key): value for key, value in found.items()}


def _text(value: Any) -> Any:
    """A text that Python 2 wrote."""
    return value.decode("latin-1") if isinstance(value, bytes) else value


class CIFAR10(VisionDataset):
    """50,000 colour images of 32 x 32 in 10 classes to train with, 10,000 to test. Samples are (PIL image, class).

    ``root``/cifar-10-batches-py holds the files, with their published md5 sums. ``download=True`` gets the archive into
    ``root``, or takes it from there, and unpacks it. ``data`` is a numpy array uint8[n, 32, 32, 3], ``targets`` a list
    of ints. MissingFilesError GT920 says which files are missing; LoadError GT902 to GT904 which one is damaged.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list: ClassVar[list[list[str]]] = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list: ClassVar[list[list[str]]] = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Function | None = None,
        target_transform: Function | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        batches = [read_batch(path) for path in self._checked(self.train_list if train else self.test_list)]
        self.data: Array = np.concatenate([images for images, _ in batches])
        self.targets = [label for _, labels in batches for label in labels]
        self.classes = self._class_names()
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self._check_targets()

    def _path(self, name: str) -> Path:
        return Path(self.root, self.base_folder, name)

    def _files(self) -> list[list[str]]:
        return [*self.train_list, *self.test_list, [self.meta["filename"], self.meta["md5"]]]

    def _checked(self, files: list[list[str]]) -> list[Path]:
        """The paths of files that are there and are the published ones."""
        lacking = [self._path(name) for name, _ in files if not self._path(name).is_file()]
        if lacking:
            raise missing(type(self).__name__, lacking, self.url)
        for name, md5 in files:
            check_md5(self._path(name), md5)
        return [self._path(name) for name, _ in files]

    def download(self) -> None:
        """Get the archive, unless all files are there, and unpack it.

        DownloadError GT910 says where to put it if it cannot be had.
        """
        if all(self._path(name).is_file() for name, _ in self._files()):
            return
        archive = Path(self.root, self.filename)
        fetch([self.url], archive, self.tgz_md5)
        unpack(archive, Path(self.root), [f"{self.base_folder}/{name}" for name, _ in self._files()])

    def _class_names(self) -> list[str]:
        (path,) = self._checked([[self.meta["filename"], self.meta["md5"]]])
        with reading(path):
            names = _unpickled(path).get(self.meta["key"])
            texts: list[Any] = [_text(name) for name in names] if isinstance(names, list) else [None]
            if not all(isinstance(name, str) for name in texts):
                raise damaged("it has no names of classes", f"expected a list of texts, {self.meta['key']!r}")
        return texts

    def _check_targets(self) -> None:
        strange = {label for label in self.targets if not 0 <= label < len(self.classes)}
        if strange:
            folder = self._path("")
            with reading(folder):
                raise damaged(f"it has the label {min(strange)}", f"expected 0 to {len(self.classes) - 1}")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = pillow(wanted_by=type(self).__name__).fromarray(np.ascontiguousarray(self.data[index]))
        return self._sample(image, self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """`CIFAR10` with 100 classes of 500 images to train with and 100 to test, in ``root``/cifar-100-python."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list: ClassVar[list[list[str]]] = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list: ClassVar[list[list[str]]] = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }
