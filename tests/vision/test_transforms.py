"""Transforms by hand and by Pillow. Results of torchvision are in test_facts.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")
from PIL import Image

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, DTypeError, ShapeError
from graphtorch.vision import transforms as T
from graphtorch.vision import utils
from graphtorch.vision.transforms import InterpolationMode
from graphtorch.vision.transforms import functional as F
from tests.vision.cases import pictures, tensors

RGB8, BATCH, DOUBLE = (gt.from_numpy(tensors()[name]) for name in ("rgb8", "batch", "double"))
PICTURE = pictures()["RGB"]


# ---- conversions ----------------------------------------------------------------------------------


def test_to_tensor_by_hand() -> None:
    picture = Image.fromarray(np.array([[[0, 51, 255], [1, 2, 3]]], np.uint8))
    x = F.to_tensor(picture)
    assert x.dtype == gt.float32 and x.shape == (3, 1, 2) and x.is_contiguous()
    np.testing.assert_array_equal(x.numpy(), np.float32([[[0, 1]], [[51, 2]], [[255, 3]]]) / np.float32(255))
    assert F.to_tensor(np.zeros((4, 5), np.uint8)).shape == (1, 4, 5)
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    y = F.to_tensor(array)
    np.testing.assert_array_equal(y.numpy(), array.transpose(2, 0, 1))
    array[:] = 0
    assert y.sum().item() == 276  # memory of its own


def test_to_tensor_follows_the_default_dtype() -> None:
    gt.set_default_dtype(gt.float64)
    try:
        x = F.to_tensor(PICTURE)
    finally:
        gt.set_default_dtype(gt.float32)
    assert x.dtype == gt.float64
    np.testing.assert_array_equal(x.numpy(), np.asarray(PICTURE).transpose(2, 0, 1) / 255)


def test_wide_modes_come_whole() -> None:
    values = np.array([[0, 1, 40000], [65535, 7, 300]], np.uint16)
    picture = Image.fromarray(values)
    assert picture.mode == "I;16"
    np.testing.assert_array_equal(F.pil_to_tensor(picture).numpy(), values[None].astype(np.int32))
    np.testing.assert_array_equal(F.to_tensor(picture).numpy(), values[None].view(np.int16))
    again = F.to_pil_image(F.to_tensor(picture))
    assert again.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(again), values)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I", "F"])
def test_there_and_back(mode: str) -> None:
    picture = pictures()[mode]
    again = T.ToPILImage("F" if mode == "F" else None)(T.PILToTensor()(picture))
    assert again.mode == mode
    np.testing.assert_array_equal(np.asarray(again), np.asarray(picture))
    if mode not in ("I", "F"):
        np.testing.assert_array_equal(np.asarray(T.ToPILImage()(T.ToTensor()(picture))), np.asarray(picture))


def test_a_transposed_tensor_becomes_the_image_that_it_is() -> None:
    turned = RGB8.permute(0, 2, 1)
    np.testing.assert_array_equal(np.asarray(F.to_pil_image(turned)), RGB8.numpy().transpose(2, 1, 0))
    np.testing.assert_array_equal(np.asarray(F.to_pil_image(RGB8[1])), RGB8.numpy()[1])


@pytest.mark.parametrize(
    ("call", "kind", "why"),
    [
        (lambda: F.to_tensor([[1]]), TypeError, "pic must be a PIL image or a numpy array"),
        (lambda: F.to_tensor(np.zeros(3)), ShapeError, r"expected \[H, W\]"),
        (lambda: F.pil_to_tensor(np.zeros((2, 2))), TypeError, "pic must be a PIL image"),
        (lambda: F.to_pil_image(gt.zeros(2, 3, 4, 5)), ShapeError, "pic is no image"),
        (lambda: F.to_pil_image(gt.zeros(5, 3, 4)), ShapeError, "5 channels"),
        (lambda: F.to_pil_image(gt.zeros(3, 4, 5).to(gt.int32)), DTypeError, "int32 of 3 channels"),
        (lambda: F.to_pil_image(gt.zeros(1, 4, 5).to(gt.int64)), DTypeError, "int64 of one channel"),
        (lambda: F.to_pil_image(RGB8, "RGBA"), ArgumentError, "mode='RGBA'"),
        (lambda: F.to_pil_image(RGB8[0], "RGB"), ArgumentError, "mode='RGB'"),
        (lambda: T.ToPILImage(3), TypeError, "mode must be"),
        (lambda: F.normalize(RGB8, 0.5, 0.5), DTypeError, "convert_image_dtype"),
        (lambda: F.normalize(PICTURE, 0.5, 0.5), TypeError, r"ToTensor\(\)"),
        (lambda: F.normalize(DOUBLE[0], 0.5, 0.5), ShapeError, "tensor is no image"),
        (lambda: F.normalize(DOUBLE, [0.5, 0.5], 0.5), ArgumentError, "mean="),
        (lambda: F.normalize(BATCH, 0.5, [0.5, 1e-60, 0.5]), ArgumentError, "std="),
        (lambda: T.Normalize(0.5, [0.5, 0.0]), ArgumentError, "std="),
        (lambda: T.Normalize("0.5", 0.5), TypeError, "mean must be"),
        (lambda: T.Normalize([0.5, None], 0.5), TypeError, "mean must be"),
        (lambda: F.convert_image_dtype(BATCH, gt.int32), DTypeError, "too few digits"),
        (lambda: T.ConvertImageDtype("float32"), TypeError, "dtype must be"),
    ],
)
def test_conversions_refuse(call: Any, kind: type[Exception], why: str) -> None:
    with pytest.raises(kind, match=why):
        call()


def test_normalize_by_hand() -> None:
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.25, 2.0])
    x = DOUBLE.clone()
    want = (x.numpy() - mean[:, None, None]) / std[:, None, None]
    for center, spread in ((mean.tolist(), tuple(std)), (gt.tensor(mean, dtype=gt.float64), std)):
        np.testing.assert_allclose(T.Normalize(center, spread)(x).numpy(), want, rtol=1e-15)
    out = T.Normalize(mean, std, inplace=True)(x)
    assert out is x
    np.testing.assert_allclose(x.numpy(), want, rtol=1e-15)


# ---- geometry -------------------------------------------------------------------------------------


def test_crops_outside_of_a_tensor_are_those_of_pillow() -> None:
    values = np.asarray(PICTURE)
    x = gt.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))
    for box in ((-9, 1, 4, 5), (-3, -20, 5, 6), (2, 40, 3, 4), (-2, -2, 20, 30)):
        cut = np.asarray(F.crop(PICTURE, *box)).transpose(2, 0, 1)
        np.testing.assert_array_equal(F.crop(x, *box).numpy(), cut)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [[5, 8], [29, 40], [4, 31], [1, 1]])
def test_tensors_are_resized_as_pillow_resizes(mode: str, size: list[int]) -> None:
    """Which rounds to bytes between its two passes: one gray level; or what overshoots them, is lost on the way."""
    values = tensors()["large8"]
    by_pillow = F.resize(Image.fromarray(values.transpose(1, 2, 0)), size, InterpolationMode(mode))
    x = F.resize(gt.from_numpy(values), size, InterpolationMode(mode))
    apart = np.abs(x.numpy().astype(int) - np.asarray(by_pillow).transpose(2, 0, 1))
    assert apart.max() <= (1 if mode == "bilinear" else 8) and (apart > 1).mean() < 0.02


def test_sizes_of_resize() -> None:
    x = gt.zeros(1, 30, 40)
    for size, options, want in (
        (12, {}, (12, 16)), ([12], {}, (12, 16)), ((12, 5), {}, (12, 5)), (12, {"max_size": 14}, (10, 14)), (30, {}, (30, 40)),
    ):  # fmt: skip
        assert F.resize(x, size, **options).shape[1:] == want
        assert F.resize(x.permute(0, 2, 1), size, **options).shape[1:] == (
            want[::-1] if len(np.atleast_1d(size)) < 2 else want
        )
    assert F.resize(x[0], 6).shape == (6, 8) and F.resize(gt.zeros(2, 3, 1, 30, 40), 6).shape == (2, 3, 1, 6, 8)
    assert F.resize(x, 30) is x


def test_pillow_smooths_always() -> None:
    with pytest.warns(UserWarning, match="antialias=True always"):
        F.resize(PICTURE, 5, antialias=False)


def test_a_quarter_turn_is_exact() -> None:
    square = RGB8[:, :9, :9]
    for angle, count in ((90, 1), (180, 2), (270, 3), (-90, 3)):
        for mode in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
            turned = F.rotate(square, angle, mode)
            np.testing.assert_array_equal(turned.numpy(), np.rot90(square.numpy(), count, (1, 2)))
    wide = F.rotate(RGB8, 90, expand=True)
    np.testing.assert_array_equal(wide.numpy(), np.rot90(RGB8.numpy(), 1, (1, 2)))


def test_affine_moves_by_whole_pixels() -> None:
    moved = F.affine(RGB8, 0, [3, -2], 1.0, 0.0, fill=9)
    np.testing.assert_array_equal(moved.numpy()[:, :-2, 3:], RGB8.numpy()[:, 2:, :-3])
    assert (moved.numpy()[:, -2:] == 9).all() and (moved.numpy()[:, :, :3] == 9).all()


@pytest.mark.parametrize("image", ["RGB", "L", "LA", "RGBA", "CMYK", "YCbCr", "P", "1", "I", "F"])
def test_modes_stay(image: str) -> None:
    picture = pictures()[image]
    for change in (
        T.Resize(6), T.CenterCrop(4), T.RandomCrop(3), T.RandomHorizontalFlip(1), T.RandomVerticalFlip(1), T.RandomRotation(30),
        T.RandomAffine(9), T.Pad(2, padding_mode="edge"), T.Pad(1), T.RandomResizedCrop(5), T.RandomPerspective(p=1),
    ):  # fmt: skip
        assert change(picture).mode == image, change


def test_pad_copies_what_is_there() -> None:
    x = BATCH[:, :, ::2]
    for mode in ("constant", "edge", "reflect", "symmetric"):
        got = F.pad(x, [1, 2, 3, 1], padding_mode=mode).numpy()
        widths = ((0, 0), (0, 0), (2, 1), (1, 3))
        np.testing.assert_array_equal(got, np.pad(x.numpy(), widths, mode=mode))  # type: ignore[call-overload]


def test_erase() -> None:
    x = BATCH.clone()
    out = F.erase(x, 2, 3, 4, 5, gt.tensor([1.0, 2.0, 3.0])[:, None, None])
    want = BATCH.numpy().copy()
    want[:, :, 2:6, 3:8] = np.array([1, 2, 3])[:, None, None]
    np.testing.assert_array_equal(out.numpy(), want)
    np.testing.assert_array_equal(x.numpy(), BATCH.numpy())
    assert F.erase(x, 2, 3, 4, 5, 0.5, inplace=True) is x and x[1, 2, 3, 4].item() == 0.5


def test_blur_keeps_a_plain_image() -> None:
    np.testing.assert_array_equal(
        F.gaussian_blur(gt.full((3, 9, 7), 77, dtype=gt.uint8), 5).numpy(), np.full((3, 9, 7), 77)
    )
    spot = gt.zeros(1, 11, 11)
    spot[0, 5, 5] = 1
    out = F.gaussian_blur(spot, [3, 5], [0.5, 1.5]).numpy()[0]
    assert math.isclose(out.sum(), 1, rel_tol=1e-6) and np.count_nonzero(out) == 15
    np.testing.assert_allclose(out[5, 4] / out[5, 5], math.exp(-0.5 / 0.5**2), rtol=1e-5)
    np.testing.assert_allclose(out[3, 5] / out[5, 5], math.exp(-0.5 * (2 / 1.5) ** 2), rtol=1e-5)


# ---- the whole ------------------------------------------------------------------------------------


def test_compose() -> None:
    whole = T.Compose([T.Resize(8), T.CenterCrop(6), T.ToTensor(), T.Normalize(0.5, 0.5), T.Lambda(lambda x: x * 2)])
    assert whole(PICTURE).shape == (3, 6, 6) and len(whole.transforms) == 5
    as_modules = nn.Sequential(T.Resize(8), T.CenterCrop(6), T.ConvertImageDtype(gt.float32), T.Normalize(0.5, 0.5))
    assert as_modules(RGB8).shape == (3, 6, 6) and "CenterCrop(size=(6, 6))" in repr(as_modules)


def test_save_image(tmp_path: Any) -> None:
    utils.save_image(BATCH, tmp_path / "grid.png", nrow=1, padding=1)
    with Image.open(tmp_path / "grid.png") as file:
        read = np.asarray(file)
    assert read.shape == (2 * 10 + 1, 16, 3)
    np.testing.assert_array_equal(read[1:10, 1:15], (BATCH[0].numpy().transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8))


def test_lists_make_grids() -> None:
    alike = utils.make_grid([BATCH[0], BATCH[1]])
    np.testing.assert_array_equal(alike.numpy(), utils.make_grid(BATCH).numpy())
    assert utils.make_grid(BATCH[0, 0]).shape == (3, 9, 14)
