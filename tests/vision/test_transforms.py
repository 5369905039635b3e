"""Transforms by hand and by Pillow; what they draw; what they refuse. Results of torchvision are in test_facts.py."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")
from PIL import Image

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, DTypeError, ShapeError, TraceError
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


# ---- tensors are tensors --------------------------------------------------------------------------

CHANGES = {
    "resize": lambda x: F.resize(x, [5, 6]),
    "bicubic": lambda x: F.resize(x, 13, InterpolationMode.BICUBIC),
    "crop": lambda x: F.center_crop(x, [4, 17]),
    "pad": lambda x: F.pad(x, [1, 2, 3, 4], padding_mode="reflect"),
    "flip": F.hflip,
    "rotate": lambda x: F.rotate(x, 30.0, InterpolationMode.BILINEAR, fill=[0.1, 0.2, 0.3]),
    "jitter": lambda x: F.adjust_saturation(F.adjust_contrast(F.adjust_brightness(x, 0.8), 0.9), 1.1),
    "hue": lambda x: F.adjust_hue(x, 0.2),
    "gamma": lambda x: F.adjust_gamma(x + 0.1, 1.7),
    "blur": lambda x: F.gaussian_blur(x, 3),
    "normalize": lambda x: F.normalize(x, [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]),
    "sharpness": lambda x: F.adjust_sharpness(x, 1.3),
}


@pytest.mark.parametrize("name", CHANGES)
def test_programs_give_the_same(name: str) -> None:
    change = CHANGES[name]
    got = gt.compile(change)(BATCH)
    np.testing.assert_allclose(got.numpy(), change(BATCH).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CHANGES)
def test_gradients(name: str) -> None:
    x = gt.from_numpy(np.random.default_rng(3).uniform(0.3, 0.5, (1, 3, 5, 6))).requires_grad_()
    assert gt.autograd.gradcheck(CHANGES[name], (x,))


@pytest.mark.parametrize("name", CHANGES)
def test_a_batch_is_its_images(name: str) -> None:
    change = CHANGES[name]
    np.testing.assert_allclose(change(BATCH)[1].numpy(), change(BATCH[1]).numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", CHANGES)
def test_views(name: str) -> None:
    change, view = (
        CHANGES[name],
        gt.from_numpy(np.ascontiguousarray(BATCH.numpy().transpose(3, 0, 2, 1))).permute(1, 3, 2, 0),
    )
    assert not view.is_contiguous()
    np.testing.assert_allclose(change(view).numpy(), change(BATCH).numpy(), rtol=1e-6, atol=1e-6)


# ---- draws ----------------------------------------------------------------------------------------

RANDOM = {
    "crop": T.RandomCrop(6, padding=2), "resized": T.RandomResizedCrop((5, 6)), "flip": T.RandomHorizontalFlip(),
    "jitter": T.ColorJitter(0.5, 0.5, 0.5, 0.2), "gray": T.RandomGrayscale(0.5), "rotation": T.RandomRotation(40),
    "affine": T.RandomAffine(20, (0.2, 0.3), (0.5, 1.5), (1, 9, 2, 8)), "perspective": T.RandomPerspective(p=0.8),
    "apply": T.RandomApply([T.Pad(1), T.Pad(2)]), "choice": T.RandomChoice([T.Pad(1), T.Pad(2)], [1, 2]),
    "order": T.RandomOrder([T.Pad(1, fill=5), T.Pad(2, fill=3)]), "blur": T.GaussianBlur(3),
}  # fmt: skip


def shown(image: Any) -> tuple[Any, bytes]:
    array = np.asarray(image)
    return array.shape, array.tobytes()


@pytest.mark.parametrize("image", [PICTURE, RGB8], ids=["picture", "tensor"])
@pytest.mark.parametrize("name", RANDOM)
def test_seeds_repeat(name: str, image: Any) -> None:
    found = []
    for seed in (1, 1, *range(2, 12)):
        gt.manual_seed(seed)
        found.append(shown(RANDOM[name](image)))
    assert found[0] == found[1] and len(set(found)) > 1


def test_numbers_are_those_of_the_generator() -> None:
    compiled = gt.compile(lambda: gt.rand(3))
    found = []
    for draw in (gt.default_generator.number, lambda: gt.rand((), dtype=gt.float64).item()):
        gt.manual_seed(2**63 + 5)
        found.append([draw(), *compiled().tolist(), draw(), *gt.rand(2).tolist(), draw()])
    assert found[0] == found[1] and len(set(found[0])) == 8
    gt.set_rng_state(gt.tensor([4, 2**63 - 1]))
    gt.default_generator.number()
    assert gt.get_rng_state().tolist() == [4, -(2**63)]


def test_probabilities() -> None:
    gt.manual_seed(0)
    x = gt.tensor([[[1.0, 2.0]]])
    for change, p in (
        (T.RandomHorizontalFlip(0.3), 0.3),
        (T.RandomHorizontalFlip(0), 0),
        (T.RandomHorizontalFlip(1), 1),
    ):
        share = sum(change(x)[0, 0, 0].item() == 2 for _ in range(400)) / 400
        assert abs(share - p) < 0.1 and (share == p or 0 < p < 1)
    chosen = Counter(T.RandomChoice([T.Pad(0), T.Pad(1), T.Pad(2)], [1, 0, 3])(x).shape[1] for _ in range(400))
    assert set(chosen) == {1, 5} and 0.65 < chosen[5] / 400 < 0.85
    orders = Counter(T.RandomOrder([lambda v: v + 1, lambda v: v * 2])(x)[0, 0, 0].item() for _ in range(200))
    assert set(orders) == {3, 4} and 60 < orders[3] < 140


def test_crops_lie_everywhere() -> None:
    gt.manual_seed(0)
    found = {T.RandomCrop.get_params(gt.zeros(1, 5, 7), (4, 4)) for _ in range(200)}
    assert found == {(top, left, 4, 4) for top in (0, 1) for left in range(4)}
    assert T.RandomCrop.get_params(gt.zeros(1, 5, 7), (5, 7)) == (0, 0, 5, 7)
    assert T.RandomCrop((9, 12), pad_if_needed=True)(PICTURE.crop((0, 0, 5, 6))).size == (12, 9)
    with pytest.raises(ShapeError, match="pad_if_needed"):
        T.RandomCrop(30)(PICTURE)


def test_resized_crops_have_the_area_and_the_proportions() -> None:
    gt.manual_seed(0)
    image = gt.zeros(3, 200, 300)
    for _ in range(100):
        top, left, height, width = T.RandomResizedCrop.get_params(image, (0.2, 0.6), (0.5, 2))
        assert 0 <= top <= 200 - height and 0 <= left <= 300 - width
        assert 0.19 < height * width / 60000 < 0.61 and 0.49 < width / height < 2.05
    # what cannot be had is the largest part in the middle
    assert T.RandomResizedCrop.get_params(gt.zeros(1, 10, 100), (1, 1), (0.5, 2)) == (0, 40, 10, 20)
    assert T.RandomResizedCrop.get_params(gt.zeros(1, 100, 10), (1, 1), (0.5, 2)) == (40, 0, 20, 10)
    assert T.RandomResizedCrop.get_params(gt.zeros(1, 10, 10), (4, 4), (0.5, 2)) == (0, 0, 10, 10)


def test_parameters_lie_in_their_ranges() -> None:
    gt.manual_seed(0)
    orders = set()
    for _ in range(50):
        order, *factors = T.ColorJitter.get_params((0.5, 1.5), None, (1, 1.2), (-0.1, 0.1))
        orders.add(tuple(order))
        assert 0.5 <= factors[0] <= 1.5 and factors[1] is None and 1 <= factors[2] <= 1.2 and -0.1 <= factors[3] <= 0.1
        assert 5 <= T.RandomRotation.get_params([5, 9]) <= 9 and 0.1 <= T.GaussianBlur.get_params(0.1, 2.0) <= 2
        angle, move, scale, shear = T.RandomAffine.get_params([-5, 5], (0.1, 0.2), (0.5, 2), [1, 2, 3, 4], [100, 50])
        assert abs(angle) <= 5 and abs(move[0]) <= 10 and abs(move[1]) <= 10 and 0.5 <= scale <= 2
        assert 1 <= shear[0] <= 2 and 3 <= shear[1] <= 4
        start, end = T.RandomPerspective.get_params(20, 10, 0.5)
        assert start == [[0, 0], [19, 0], [19, 9], [0, 9]]
        assert 0 <= end[0][0] <= 5 and 14 <= end[1][0] <= 19 and 7 <= end[2][1] <= 9 and 0 <= end[0][1] <= 2
    assert len(orders) > 10 and sorted(next(iter(orders))) == [0, 1, 2, 3]
    assert T.RandomAffine.get_params([0, 0], None, None, None, [9, 9]) == (0, (0, 0), 1.0, (0.0, 0.0))


def test_erasing() -> None:
    gt.manual_seed(0)
    x = gt.full((3, 40, 50), 0.5)
    for value in (0, [0.1, 0.2, 0.3], "random"):
        out = T.RandomErasing(1.0, (0.1, 0.2), (0.5, 2), value)(x)
        changed = (out != x).numpy()
        share = changed[0].mean()
        assert 0.08 < share < 0.23 and changed.all(0).sum() == changed[0].sum()
        rows, columns = np.flatnonzero(changed[0].any(1)), np.flatnonzero(changed[0].any(0))
        assert changed[0].sum() == len(rows) * len(columns)  # a rectangle
    assert T.RandomErasing(0.0)(x) is x
    np.testing.assert_array_equal(T.RandomErasing(1.0, (1, 1), (1, 1))(x).numpy(), x.numpy())  # nothing fits
    with pytest.raises(ArgumentError, match="value"):
        T.RandomErasing(1.0, value=(1, 2))(x)


def test_a_program_cannot_draw_them() -> None:
    with pytest.raises(TraceError):
        gt.compile(T.RandomHorizontalFlip())(BATCH)


# ---- what is refused ------------------------------------------------------------------------------


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
