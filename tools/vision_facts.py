"""Write what torchvision makes of the calls in tests/vision/cases.py: run where torchvision is installed.

    python -m tools.vision_facts

It writes into tests/vision/facts/: results.npz (arrays by the name of the case), and facts.json: the versions, modes
of images, reprs, and the files of data sets with their md5 sums. It imports torchvision, numpy and Pillow alone.
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from tests.vision.cases import FIXED, GRIDS, REPRS, Case, cases, pictures, tensors

FACTS = Path(__file__).parent.parent / "tests" / "vision" / "facts"


def named(options: dict[str, Any], torch: Any, modes: Any) -> dict[str, Any]:
    """Options with interpolations and dtypes in the place of their names."""
    found = dict(options)
    if "interpolation" in found:
        found["interpolation"] = modes(found["interpolation"])
    if "dtype" in found:
        found["dtype"] = getattr(torch, found["dtype"])
    return found


def results() -> tuple[dict[str, Any], dict[str, str]]:
    """(arrays, modes of those that are images), by the names of cases; of several images one below the other."""
    import torch
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as F

    arrays, modes = {}, {}
    images = {name: torch.from_numpy(values) for name, values in tensors().items()} | pictures()
    for case in cases():
        out = getattr(F, case.function)(images[case.image], **named(case.options, torch, InterpolationMode))
        for number, one in enumerate(out if isinstance(out, tuple) else (out,)):
            key = f"{case.name}#{number}"
            arrays[key] = one.numpy() if isinstance(one, torch.Tensor) else np.asarray(one)
            if not isinstance(one, torch.Tensor):
                modes[key] = one.mode
    return arrays, modes


def reprs() -> dict[str, str]:
    import torch
    from torchvision import transforms

    names = {**vars(transforms)}
    names["ConvertImageDtype"] = lambda name: transforms.ConvertImageDtype(getattr(torch, name))
    return {source: repr(eval(source, names)) for source in REPRS}


def fixed() -> tuple[dict[str, Any], dict[str, str]]:
    """What transforms give that have no choice: (arrays, modes of images), by the constructor and the image."""
    import torch
    from torchvision import transforms

    arrays, modes = {}, {}
    images = {"rgb8": torch.from_numpy(tensors()["rgb8"]), "RGB": pictures()["RGB"]}
    for source, (name, image) in product(FIXED, images.items()):
        out = eval(source, {**vars(transforms)})(image)
        for number, one in enumerate(out if isinstance(out, tuple) else (out,)):
            key = f"{source} of {name}#{number}"
            arrays[key] = one.numpy() if isinstance(one, torch.Tensor) else np.asarray(one)
            modes |= {} if isinstance(one, torch.Tensor) else {key: one.mode}
    return arrays, modes


def grids() -> dict[str, Any]:
    import torch
    from torchvision.utils import make_grid

    images = tensors()
    return {
        Case("make_grid", image, options).name: make_grid(torch.from_numpy(images[image]), **options).numpy()
        for image, options in GRIDS
    }


def published() -> dict[str, Any]:
    """The files of data sets, and where they are."""
    from torchvision import datasets

    found: dict[str, Any] = {}
    for name in ("MNIST", "FashionMNIST", "KMNIST"):
        kind = getattr(datasets, name)
        found[name] = {"mirrors": kind.mirrors, "resources": kind.resources, "classes": kind.classes}
    for name in ("CIFAR10", "CIFAR100"):
        kind = getattr(datasets, name)
        names = "url", "filename", "tgz_md5", "base_folder", "train_list", "test_list", "meta"
        found[name] = {key: getattr(kind, key) for key in names}
    return found


def main() -> None:
    import PIL
    import torchvision

    (arrays, modes), (more, more_modes) = results(), fixed()
    arrays, modes = arrays | more, modes | more_modes
    np.savez_compressed(FACTS / "results.npz", **arrays, **grids())
    writer = f"torchvision {torchvision.__version__}, Pillow {PIL.__version__}, Python {sys.version.split()[0]}"
    facts = {"written by": writer, "modes": modes, "reprs": reprs(), "published": published()}
    (FACTS / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(f"{len(arrays)} results by {writer}")


if __name__ == "__main__":
    main()
