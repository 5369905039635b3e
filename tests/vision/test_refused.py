"""What transforms refuse, and that they name the parameter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")

import graphtorch as gt
from graphtorch.errors import ArgumentError, DTypeError, ShapeError
from graphtorch.vision import transforms as T
from graphtorch.vision import utils
from graphtorch.vision.transforms import InterpolationMode
from graphtorch.vision.transforms import functional as F
from tests.vision.cases import pictures, tensors

RGB8, BATCH, DOUBLE = (gt.from_numpy(tensors()[name]) for name in ("rgb8", "batch", "double"))
PICTURE = pictures()["RGB"]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: T.Resize("9"), "size must be"), (lambda: T.Resize([1, 2, 3]), "size="), (lambda: T.Resize(0), "size="),
        (lambda: T.Resize(9, max_size=9), "max_size="), (lambda: T.Resize((3, 4), max_size=9), "max_size="),
        (lambda: T.Resize(9, "bilinear"), "interpolation must be"), (lambda: T.Resize(9, 17), "interpolation="),
        (lambda: T.CenterCrop(2.5), "size must be"), (lambda: T.CenterCrop(0), "size="), (lambda: T.RandomCrop((1, 2, 3)), "size="),
        (lambda: T.FiveCrop("x"), "size must be"), (lambda: T.TenCrop(-1), "size="), (lambda: T.Pad("x"), "padding must be"),
        (lambda: T.Pad([1, 2, 3]), "padding="), (lambda: T.Pad(1, "red"), "fill must be"),
        (lambda: T.Pad(1, padding_mode="wrap"), "padding_mode="), (lambda: T.RandomCrop(3, padding_mode="x"), "padding_mode="),
        (lambda: T.RandomHorizontalFlip(1.5), "p="), (lambda: T.RandomVerticalFlip(-0.1), "p="),
        (lambda: T.RandomHorizontalFlip("x"), "p must be"), (lambda: T.RandomHorizontalFlip(math.nan), "p="),
        (lambda: T.RandomResizedCrop(3, (0.5, 0.1)), "scale="), (lambda: T.RandomResizedCrop(3, 0.5), "scale must be"),
        (lambda: T.RandomResizedCrop(3, ratio=(0, 1)), "ratio="), (lambda: T.ColorJitter(-1), "brightness="),
        (lambda: T.ColorJitter(hue=0.6), "hue="), (lambda: T.ColorJitter(contrast=(2, 1)), "contrast="),
        (lambda: T.ColorJitter(saturation="x"), "saturation must be"), (lambda: T.Grayscale(2), "num_output_channels="),
        (lambda: T.RandomGrayscale(2), "p="), (lambda: T.RandomRotation(-3), "degrees="), (lambda: T.RandomRotation((1, 2, 3)), "degrees="),
        (lambda: T.RandomRotation(3, center=3), "center must be"), (lambda: T.RandomRotation(3, fill="x"), "fill must be"),
        (lambda: T.RandomAffine(3, (0.1, 1.1)), "translate="), (lambda: T.RandomAffine(3, scale=(0, 1)), "scale="),
        (lambda: T.RandomAffine(3, shear=(1, 2, 3)), "shear="), (lambda: T.RandomPerspective(1.2), "distortion_scale="),
        (lambda: T.RandomErasing(2), "p="), (lambda: T.RandomErasing(scale=(0.5, 2)), "scale="),
        (lambda: T.RandomErasing(value="x"), "value="), (lambda: T.RandomErasing(value=None), "value must be"),
        (lambda: T.GaussianBlur(4), "kernel_size="), (lambda: T.GaussianBlur(3, 0), "sigma="), (lambda: T.GaussianBlur(3, (2, 1)), "sigma="),
        (lambda: T.RandomPosterize(9), "bits="), (lambda: T.RandomSolarize("x"), "threshold="),
        (lambda: T.RandomAdjustSharpness(-1), "sharpness_factor="), (lambda: T.Lambda(3), "lambd must be"),
        (lambda: T.Compose(3), "transforms must be"), (lambda: T.Compose([T.Pad(1), 3]), r"transforms\[1\] must be"),
        (lambda: T.RandomApply([], 3), "p="), (lambda: T.RandomChoice([]), "transforms="),
        (lambda: T.RandomChoice([T.Pad(1)], [1, 2]), "p="), (lambda: T.RandomChoice([T.Pad(1)], [0]), "p="),
        (lambda: T.RandomChoice([T.Pad(1)], 1), "p must be"), (lambda: T.RandomChoice([T.Pad(1)], [-1]), r"p\[0\]="),
    ],
)  # fmt: skip
def test_constructors_refuse(make: Any, why: str) -> None:
    with pytest.raises(ArgumentError, match=why):
        make()


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: F.hflip(np.zeros((3, 4))), "img must be a PIL image or a tensor"),
        (lambda: F.hflip(gt.zeros(3)), "img is no image"),
        (lambda: F.get_dimensions("x"), "img must be"),
        (lambda: F.resize(BATCH, 5, InterpolationMode.LANCZOS), "interpolation="),
        (lambda: F.resize(gt.zeros(1, 0, 4), 5), "an image that is not empty"),
        (lambda: F.rotate(BATCH, 5, InterpolationMode.BICUBIC), "interpolation="),
        (lambda: F.rotate(BATCH, "5"), "angle must be"),
        (lambda: F.rotate(BATCH, 5, fill=[1, 2]), "fill="),
        (lambda: F.rotate(PICTURE, 5, fill=[1, 2]), "fill="),
        (lambda: F.rotate(PICTURE, 5, center=[1]), "center="),
        (lambda: F.affine(BATCH, 5, [1, 2], 0, 0), "scale="),
        (lambda: F.affine(BATCH, 5, 1, 1, 0), "translate must be"),
        (lambda: F.perspective(BATCH, [[0, 0]], [[0, 0]] * 4), "startpoints="),
        (lambda: F.five_crop(PICTURE, 40), "size="),
        (lambda: F.pad(BATCH, 1, fill=[1, 2, 3]), "fill="),
        (lambda: F.pad(gt.zeros(1, 0, 3), 1, padding_mode="edge"), "img has no pixels"),
        (lambda: F.pad(BATCH, -9, padding_mode="edge"), "nothing is left"),
        (lambda: F.adjust_brightness(BATCH, -1), "brightness_factor="),
        (lambda: F.adjust_hue(BATCH, 0.7), "hue_factor="),
        (lambda: F.adjust_gamma(BATCH, -1), "gamma="),
        (lambda: F.adjust_contrast(gt.zeros(2, 4, 5), 1), "2 channels"),
        (lambda: F.rgb_to_grayscale(BATCH, 2), "num_output_channels="),
        (lambda: F.gaussian_blur(BATCH, 3, -1), "sigma="),
        (lambda: F.gaussian_blur(gt.zeros(1, 3, 9), 7), "smaller than half the kernel"),
        (lambda: F.equalize(BATCH), "uint8"),
        (lambda: F.posterize(RGB8, 9), "bits="),
        (lambda: F.solarize(RGB8, 256), "threshold="),
        (lambda: F.erase(PICTURE, 1, 1, 1, 1, 0), "img must be"),
        (lambda: utils.make_grid(3), "tensor must be"),
        (lambda: utils.make_grid(gt.zeros(3)), "tensor is no batch"),
        (lambda: utils.make_grid(BATCH, 0), "nrow="),
        (lambda: utils.make_grid(BATCH, normalize=True, value_range=3), "value_range="),
    ],
)
def test_functions_refuse(call: Any, why: str) -> None:
    with pytest.raises((ArgumentError, ShapeError, DTypeError), match=why):
        call()
