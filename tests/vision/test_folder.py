"""Images in folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphtorch.errors import ArgumentError, LoadError, MissingFilesError
from graphtorch.utils.data import DataLoader
from graphtorch.vision import datasets, transforms
from graphtorch.vision.datasets.folder import is_image_file, make_dataset

pytest.importorskip("PIL")
from PIL import Image


def image(path: Path, level: int, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (7, 5), (level, 2 * level, 255 - level)).convert(mode).save(path)


@pytest.fixture
def hymenoptera(tmp_path: Path) -> Path:
    """root/{train,val}/{ants,bees}/*.jpg, and what else lies around."""
    for split, count in (("train", 3), ("val", 2)):
        for number, name in enumerate(("ants", "bees")):
            for i in range(count):
                image(tmp_path / split / name / f"{i}.{'JPG' if i else 'jpg'}", 40 * number + 10 * i)
    image(tmp_path / "train" / "bees" / "more" / "gray.png", 60, "L")
    (tmp_path / "train" / "ants" / "notes.txt").write_text("none")
    (tmp_path / "train" / "readme.md").write_text("none")
    return tmp_path


def test_image_folder(hymenoptera: Path) -> None:
    data = datasets.ImageFolder(hymenoptera / "train", target_transform=lambda y: y + 5)
    assert data.classes == ["ants", "bees"] and data.class_to_idx == {"ants": 0, "bees": 1}
    assert data.targets == [0, 0, 0, 1, 1, 1, 1] and data.samples == data.imgs
    names = ["ants/0.jpg", "ants/1.JPG", "ants/2.JPG", "bees/0.jpg", "bees/1.JPG", "bees/2.JPG", "bees/more/gray.png"]
    assert [path for path, _ in data.samples] == [str(hymenoptera / "train" / name) for name in names]
    picture, target = data[6]
    assert picture.mode == "RGB" and picture.size == (7, 5) and target == 6
    tensors = datasets.ImageFolder(str(hymenoptera / "val"), transform=transforms.ToTensor())
    x, y = next(iter(DataLoader(tensors, 4)))
    assert x.shape == (4, 3, 5, 7) and y.tolist() == [0, 0, 1, 1]
    with Image.open(tensors.samples[3][0]) as file:
        np.testing.assert_array_equal(x[3].numpy(), np.asarray(file, np.float32).transpose(2, 0, 1) / 255)


def test_which_files_count(hymenoptera: Path) -> None:
    root = hymenoptera / "train"
    chosen = datasets.ImageFolder(root, is_valid_file=lambda path: path.endswith(".JPG"))
    assert len(chosen) == 4 and chosen.extensions is None
    texts = datasets.DatasetFolder(root, lambda path: Path(path).read_text(), (".txt",), allow_empty=True)
    assert texts[0] == ("none", 0) and len(texts) == 1
    assert len(make_dataset(root, {"bees": 3}, ".png")) == 1
    assert is_image_file("x.WEBP") and not is_image_file("jpg")


def test_a_subclass_may_choose_classes(hymenoptera: Path) -> None:
    class Bees(datasets.ImageFolder):
        def find_classes(self, directory: Path) -> tuple[list[str], dict[str, int]]:
            return ["bees"], {"bees": 0}

    assert Bees(hymenoptera / "train").targets == [0] * 4


def test_what_is_refused(hymenoptera: Path) -> None:
    with pytest.raises(MissingFilesError, match=r"there is no folder .*/nowhere"):
        datasets.ImageFolder(hymenoptera / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no folder of a class in .*/ants"):
        datasets.ImageFolder(hymenoptera / "train" / "ants")
    (hymenoptera / "val" / "wasps").mkdir()
    with pytest.raises(MissingFilesError, match=r"no file for the classes wasps(.|\n)*\.jpg \.jpeg(.|\n)*allow_empty"):
        datasets.ImageFolder(hymenoptera / "val")
    assert len(datasets.ImageFolder(hymenoptera / "val", allow_empty=True)) == 4
    for options, why in (
        ({"extensions": ".jpg", "is_valid_file": len}, "both were given"),
        ({}, "neither extensions nor is_valid_file"),
        ({"class_to_idx": {}, "extensions": ".jpg"}, "no classes"),
        ({"extensions": 3}, "extensions must be texts"),
    ):
        with pytest.raises(ArgumentError, match=why):
            make_dataset(hymenoptera / "val", **options)
    with pytest.raises(ArgumentError, match="loader must be callable"):
        datasets.DatasetFolder(hymenoptera, "loader", ".jpg")


@pytest.mark.parametrize("content", [b"", b"no image", None], ids=["empty", "text", "cut off"])
def test_a_file_that_is_no_image(content: bytes | None, hymenoptera: Path) -> None:
    path = hymenoptera / "val" / "ants" / "0.jpg"
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    data = datasets.ImageFolder(hymenoptera / "val")
    with pytest.raises(LoadError, match=r"val/ants/0\.jpg") as caught:
        data[0]
    assert caught.value.code == "GT902"
    path.unlink()
    with pytest.raises(FileNotFoundError):
        data[0]


def test_an_image_that_is_too_large(hymenoptera: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16)  # the images have 35: Pillow refuses more than twice as many
    with pytest.raises(LoadError, match=r"val/ants/0\.jpg") as caught:
        datasets.ImageFolder(hymenoptera / "val")[0]
    assert caught.value.code == "GT904"
