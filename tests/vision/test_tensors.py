"""Transforms of tensors are ops: programs, gradients, batches and views."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PIL")

import graphtorch as gt
from graphtorch.vision.transforms import InterpolationMode
from graphtorch.vision.transforms import functional as F
from tests.vision.cases import pictures, tensors

RGB8, BATCH, DOUBLE = (gt.from_numpy(tensors()[name]) for name in ("rgb8", "batch", "double"))
PICTURE = pictures()["RGB"]


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


@pytest.mark.parametrize("dtype", [gt.float16, gt.bfloat16])
@pytest.mark.parametrize("name", CHANGES)
def test_numbers_of_16_bits(name: str, dtype: gt.DType) -> None:
    """Near what float32 gives: three roundings of the largest number."""
    change, narrow = CHANGES[name], BATCH.to(dtype)
    got, expected = change(narrow), change(narrow.float()).numpy()
    assert got.dtype == dtype and got.shape == expected.shape
    step = {gt.float16: 2.0**-10, gt.bfloat16: 2.0**-7}[dtype]
    np.testing.assert_allclose(got.float().numpy(), expected, atol=8 * step * max(1, abs(expected).max()))


@pytest.mark.parametrize("dtype", [gt.float16, gt.bfloat16])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_places_in_16_bits(mode: str, dtype: gt.DType) -> None:
    rng = np.random.default_rng(5)
    x, grid = (
        gt.from_numpy(rng.random((2, 3, 7, 5))).to(dtype),
        gt.from_numpy(rng.random((2, 4, 6, 2)) * 3 - 1.5).to(dtype),
    )
    sample = lambda x, grid: gt.nn.functional.grid_sample(x, grid, mode, "reflection", False)
    got = sample(x, grid)
    assert got.dtype == dtype and got.tolist() == sample(x.float(), grid.float()).to(dtype).tolist()
    assert gt.compile(sample)(x, grid).dtype == dtype


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "1"])
def test_images_without_pixels(mode: str) -> None:
    from PIL import Image

    channels = len(Image.new(mode, (1, 1)).getbands())
    assert F.to_tensor(Image.new(mode, (0, 5))).shape == (channels, 5, 0)
    assert F.pil_to_tensor(Image.new(mode, (3, 0))).shape == (channels, 0, 3)
