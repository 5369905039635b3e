"""Images in a folder for each class: ``root/ants/1.jpg``, ``root/bees/2.png``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from graphtorch.frontend.files.source import too_large
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, LoadError, MissingFilesError
from graphtorch.vision.datasets.files import damaged, reading
from graphtorch.vision.datasets.vision import Function, VisionDataset
from graphtorch.vision.pillow import pillow

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

Path = str | os.PathLike[str]
Samples = list[tuple[str, int]]


def has_file_allowed_extension(filename: str, extensions: str | Sequence[str]) -> bool:
    """Whether a name ends with one of ``extensions``, in capitals or not."""
    return filename.lower().endswith(extensions if isinstance(extensions, str) else tuple(extensions))


def is_image_file(filename: str) -> bool:
    """Whether a name ends as those of images do."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: Path) -> tuple[list[str], dict[str, int]]:
    """(names of the folders in ``directory``, in order; the number of each). MissingFilesError GT920 for none."""
    if not os.path.isdir(directory):
        raise _nothing(f"there is no folder {os.fspath(directory)}")
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise _nothing(f"there is no folder of a class in {os.fspath(directory)}")
    return classes, {name: number for number, name in enumerate(classes)}


def _nothing(what: str, *facts: str) -> MissingFilesError:
    expected = "expected a folder for each class: root/ants/1.jpg, root/bees/2.jpg"
    return MissingFilesError("GT920", what, [*facts, expected])


def make_dataset(
    directory: Path,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> Samples:
    """[(path, number of its class)] of all files below the folders of classes, in order of their names.

    Which files count says either ``extensions`` or ``is_valid_file(path)``. ArgumentError GT304 for both or neither,
    and for no classes; MissingFilesError GT920 for a class with no file, unless ``allow_empty``.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    if not class_to_idx:
        raise ArgumentError("GT304", "class_to_idx has no classes", ["expected at least one"])
    valid = _filter(extensions, is_valid_file)
    found: Samples = []
    empty = []
    for name, number in sorted(class_to_idx.items()):
        paths = _files(os.path.join(directory, name), valid)
        found += [(path, number) for path in paths]
        empty += [] if paths else [name]
    if empty and not allow_empty:
        each = [extensions] if isinstance(extensions, str) else extensions or ()
        fix = f"expected at least one file {' '.join(each)}{' ' if each else ''}for each class; or allow_empty=True"
        raise _nothing(f"there is no file for the classes {', '.join(empty)} in {os.fspath(directory)}", fix)
    return found


def _filter(extensions: Any, is_valid_file: Callable[[str], bool] | None) -> Callable[[str], bool]:
    if (extensions is None) == (is_valid_file is None):
        got = "neither extensions nor is_valid_file was given" if extensions is None else "both were given"
        raise ArgumentError("GT304", got, ["expected one of extensions and is_valid_file"])
    if is_valid_file is not None:
        return is_valid_file
    each = [extensions] if isinstance(extensions, str) else extensions
    if not isinstance(each, Sequence) or not all(isinstance(e, str) for e in each):
        raise ArgumentTypeError("GT301", f"extensions must be texts, got {type(extensions).__name__} {extensions!r}")
    return lambda path: has_file_allowed_extension(path, extensions)


def _files(folder: str, valid: Callable[[str], bool]) -> list[str]:
    walked = sorted(os.walk(folder, followlinks=True))
    paths = [os.path.join(root, name) for root, _, names in walked for name in sorted(names)]
    return [path for path in paths if valid(path)]


def pil_loader(path: Path) -> Any:
    """The image in a file, RGB. LoadError names one that is damaged (GT902), or too large for Pillow (GT904)."""
    image = pillow(wanted_by="ImageFolder")
    with reading(path):
        try:
            with open(path, "rb") as file:
                return image.open(file).convert("RGB")
        except (image.UnidentifiedImageError, SyntaxError, EOFError, ValueError) as error:
            raise damaged(str(error)) from error
        except image.DecompressionBombError as error:
            raise too_large(str(error)) from error
        except OSError as error:
            if isinstance(error, LoadError) or error.errno is not None:  # of the system: no such file, no permission
                raise
            raise damaged(str(error)) from error


def default_loader(path: Path) -> Any:
    """`pil_loader`: the image in a file, RGB."""
    return pil_loader(path)


class DatasetFolder(VisionDataset):
    """Files in a folder for each class; ``loader(path)`` makes a sample of a file.

    ``classes`` are the names of the folders in order, ``class_to_idx`` their numbers, ``samples`` [(path, number)],
    ``targets`` the numbers. See `make_dataset` for ``extensions``, ``is_valid_file`` and ``allow_empty``. Subclasses
    may override ``find_classes`` and ``make_dataset``.
    """

    def __init__(
        self,
        root: Path,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Function | None = None,
        target_transform: Function | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        if not callable(loader):
            raise ArgumentTypeError("GT301", f"loader must be callable, got {type(loader).__name__}")
        self.loader, self.extensions = loader, extensions
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(self.root, self.class_to_idx, extensions, is_valid_file, allow_empty)
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: Path,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> Samples:
        """[(path, number of its class)]."""
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: Path) -> tuple[list[str], dict[str, int]]:
        """(names of classes, the number of each)."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._sample(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in a folder for each class: ``root/ants/1.jpg``. Samples are (image of Pillow, number of its class).

    ``imgs`` is ``samples``; see `DatasetFolder` for the rest. Files that end as images do count, unless
    ``is_valid_file(path)`` says which.
    """

    def __init__(
        self,
        root: Path,
        transform: Function | None = None,
        target_transform: Function | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
