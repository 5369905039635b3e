"""Data sets that have no files, and what all have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentError
from graphtorch.vision import datasets, transforms

pytest.importorskip("PIL")
from PIL import Image


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
