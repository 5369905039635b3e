"""MNIST, and data sets that are published in the same form: gray images of 28 x 28 pixels in files of IDX."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import graphtorch as gt
from graphtorch.frontend.tensor import Tensor
from graphtorch.vision.datasets.files import damaged, fetch, missing, reading
from graphtorch.vision.datasets.idx import read_idx
from graphtorch.vision.datasets.vision import Function, VisionDataset
from graphtorch.vision.pillow import pillow


def read_image_file(path: str | os.PathLike[str]) -> Tensor:
    """The images of a file of IDX, uint8[n, height, width]. LoadError GT901, GT902 and GT904, which name the file."""
    return gt.from_numpy(_of_bytes(path, 3, "images"))


def read_label_file(path: str | os.PathLike[str]) -> Tensor:
    """The labels of a file of IDX, int64[n]. LoadError GT901, GT902 and GT904, which name the file."""
    return gt.from_numpy(_of_bytes(path, 1, "labels").astype(np.int64))


def _of_bytes(path: str | os.PathLike[str], ndim: int, what: str) -> Any:
    values = read_idx(path)
    if values.dtype != np.uint8 or values.ndim != ndim:
        with reading(path):
            got = f"{values.dtype}{list(values.shape)}"
            raise damaged(f"it has no {what}", f"expected uint8 of {ndim} dimensions, got {got}")
    return values


class MNIST(VisionDataset):
    """Handwritten digits: 60,000 images of 28 x 28 to train with, 10,000 to test. Samples are (image of Pillow, class).

    ``root``/MNIST/raw holds the four files, as they are published (.gz) or unpacked; ``download=True`` gets those that
    are missing. ``data`` is uint8[n, 28, 28], ``targets`` int64[n]; they need no Pillow.
    MissingFilesError GT920 says which files are missing; LoadError GT901 to GT904 which one is damaged, and how.
    """

    mirrors: ClassVar[list[str]] = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    #: names of the files, and their md5 sums
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: Any = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven", "8 - eight",
        "9 - nine",
    ]  # fmt: skip

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
        self.data, self.targets = self._load_data()

    @property
    def raw_folder(self) -> str:
        """Where the files are."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return {name: number for number, name in enumerate(self.classes)}

    def download(self) -> None:
        """Get the files that are missing. DownloadError GT910 says where to put one that cannot be had."""
        for name, md5 in self.resources:
            if self._found(name) is None:
                fetch([mirror + name for mirror in self.mirrors], Path(self.raw_folder, name), md5)

    def _found(self, name: str) -> Path | None:
        """The file, unpacked or as it is published."""
        packed = Path(self.raw_folder, name)
        return next((path for path in (packed.with_suffix(""), packed) if path.is_file()), None)

    def _load_data(self) -> tuple[Tensor, Tensor]:
        names = [name for name, _ in self.resources[0 if self.train else 2 :][:2]]
        paths = [self._found(name) for name in names]
        images, labels = paths
        if images is None or labels is None:
            lacking = [Path(self.raw_folder, n) for n, path in zip(names, paths, strict=True) if path is None]
            raise missing(type(self).__name__, lacking, self.mirrors[0])
        data, targets = read_image_file(images), read_label_file(labels)
        with reading(labels):
            if len(data) != len(targets):
                raise damaged(f"it has {len(targets)} labels for {len(data)} images")
            if len(targets) and int(targets.max()) >= len(self.classes):
                raise damaged(f"it has the label {int(targets.max())}", f"expected 0 to {len(self.classes) - 1}")
        return data, targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels, targets = (
            self.data.numpy(),
            self.targets.numpy(),
        )  # views: an op for each would take longer than the rest
        return self._sample(pillow(wanted_by=type(self).__name__).fromarray(pixels[index]), int(targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Pictures of clothes, in the form of `MNIST`: 10 classes, 60,000 and 10,000 images.

    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms".
    """

    mirrors: ClassVar[list[str]] = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes: Any = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip


class KMNIST(MNIST):
    """Cursive Japanese characters, in the form of `MNIST`: 10 classes, 60,000 and 10,000 images.

    T. Clanuwat et al., "Deep learning for classical Japanese literature".
    """

    mirrors: ClassVar[list[str]] = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes: Any = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
