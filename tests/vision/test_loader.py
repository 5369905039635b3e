"""Data sets of images in loaders, with and without worker processes; and an installation without Pillow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")

import graphtorch as gt
from graphtorch.errors import ArgumentTypeError
from graphtorch.utils.data import DataLoader, default_collate
from graphtorch.vision import datasets, transforms

ROOT = Path(__file__).parent.parent.parent


def test_workers_draw_what_the_training_process_would() -> None:
    change = transforms.Compose([
        transforms.RandomResizedCrop(9), transforms.RandomHorizontalFlip(), transforms.ColorJitter(0.4, 0.4, 0.4, 0.1),
        transforms.ToTensor(), transforms.RandomErasing(),
    ])  # fmt: skip
    passes = []
    for workers in (0, 2):
        gt.manual_seed(5)
        loader = DataLoader(datasets.FakeData(17, (3, 16, 20), transform=change), 4, shuffle=True, num_workers=workers)
        passes.append([list(loader), list(loader)])
    for alone, shared in zip(*passes, strict=True):
        assert [x.shape for x, _ in shared] == [(4, 3, 9, 9)] * 4 + [(1, 3, 9, 9)]
        for (x, y), (other_x, other_y) in zip(alone, shared, strict=True):
            np.testing.assert_array_equal(x.numpy(), other_x.numpy())
            assert y.tolist() == other_y.tolist()
    assert not np.array_equal(passes[0][0][0][0].numpy(), passes[0][1][0][0].numpy())  # another pass, other draws


def test_images_do_not_collate() -> None:
    sample = datasets.FakeData(1, (3, 4, 5))[0]
    with pytest.raises(ArgumentTypeError, match=r"transforms\.ToTensor\(\)"):
        default_collate([sample, sample])


WITHOUT = """
import sys
sys.modules["PIL"] = None  # as if it were not installed
import numpy as np
import graphtorch as gt
from graphtorch.vision import datasets, transforms, utils

x = transforms.Compose([transforms.ToTensor(), transforms.Resize(5), transforms.RandomRotation(9)])(np.ones((9, 8, 3), np.uint8))
assert x.shape == (3, 5, 5)
for wanted in (lambda: transforms.ToPILImage()(x), lambda: datasets.FakeData(1)[0], lambda: utils.save_image(x, "x.png")):
    try:
        wanted()
    except ImportError as error:
        print(error)
print("torch" in sys.modules or "PIL.Image" in sys.modules)
"""


def test_without_pillow() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    *errors, loaded = done.stdout.splitlines()
    assert [e.split(" needs")[0] for e in errors] == ["to_pil_image", "to_pil_image", "save_image"]
    assert all(e.endswith("needs Pillow: pip install 'graphtorch[vision]'") for e in errors) and loaded == "False"
