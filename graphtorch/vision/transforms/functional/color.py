"""Brightness, contrast, saturation, hue and the like. A mix of two images is clipped to the range of their dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphtorch as gt
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.types import float32
from graphtorch.vision.pillow import is_pil, pillow
from graphtorch.vision.transforms.functional.conversions import convert_image_dtype
from graphtorch.vision.transforms.functional.images import (
    as_number,
    as_tensor_image,
    bound,
    refused,
    require_channels,
)

#: the share of each channel in the gray of a tensor (ITU-R BT.601)
_GRAY = 0.2989, 0.587, 0.114
#: modes of Pillow that have no hue
_NO_HUE = ("L", "1", "I", "F")


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The brightness of each pixel, in 1 channel or the same in 3. ArgumentError GT304 for another number of them."""
    if num_output_channels not in (1, 3):
        raise refused("num_output_channels", num_output_channels, "1 or 3")
    if is_pil(img):
        gray = img.convert("L")
        return gray if num_output_channels == 1 else pillow().merge("RGB", [gray] * 3)
    channels = require_channels(as_tensor_image(img), (1, 3))
    img = img.reshape(1, *img.shape) if img.ndim == 2 else img
    gray = _gray(img) if channels == 3 else img.clone()
    return gray if num_output_channels == 1 else gray.expand(*gray.shape[:-3], 3, *gray.shape[-2:])


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """`rgb_to_grayscale`, of an image of Pillow."""
    return rgb_to_grayscale(img, num_output_channels)


def _gray(img: Tensor) -> Tensor:
    r, g, b = img.unbind(-3)
    return (_GRAY[0] * r + _GRAY[1] * g + _GRAY[2] * b).to(img.dtype).unsqueeze(-3)  # type: ignore[no-any-return]


def _mixed(img: Tensor, other: Tensor | float, share: float) -> Tensor:
    """``share`` of the image, the rest of the other one."""
    return (share * img + (1 - share) * other).clamp(0, bound(img.dtype)).to(img.dtype)  # type: ignore[no-any-return]


def _enhanced(img: Any, kind: str, factor: float) -> Any:
    return getattr(pillow("ImageEnhance"), kind)(img).enhance(factor)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 gives black, 1 the image, 2 twice its brightness. ArgumentError GT304 for a factor below 0."""
    factor = as_number(brightness_factor, "brightness_factor", 0)
    if is_pil(img):
        return _enhanced(img, "Brightness", factor)
    require_channels(as_tensor_image(img), (1, 3))
    return _mixed(img, 0.0, factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 gives the gray of the mean, 1 the image, 2 twice its contrast. ArgumentError GT304 for a factor below 0."""
    factor = as_number(contrast_factor, "contrast_factor", 0)
    if is_pil(img):
        return _enhanced(img, "Contrast", factor)
    channels = require_channels(as_tensor_image(img), (1, 3))
    gray = _gray(img) if channels == 3 else img
    plane = gray.to(float32) if gray.dtype.kind != "f" else gray
    return _mixed(img, plane.mean((-3, -2, -1) if img.ndim > 2 else (-2, -1), keepdim=True), factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 gives grays, 1 the image, 2 twice its saturation. ArgumentError GT304 for a factor below 0."""
    factor = as_number(saturation_factor, "saturation_factor", 0)
    if is_pil(img):
        return _enhanced(img, "Color", factor)
    if require_channels(as_tensor_image(img), (1, 3)) == 1:
        return img
    return _mixed(img, _gray(img), factor)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 gives a blurred image, 1 the image, 2 twice its sharpness; the outermost pixels stay.

    ArgumentError GT304 for a factor below 0.
    """
    factor = as_number(sharpness_factor, "sharpness_factor", 0)
    if is_pil(img):
        return _enhanced(img, "Sharpness", factor)
    require_channels(as_tensor_image(img), (1, 3))
    rows, columns = img.shape[-2:]
    if rows <= 2 or columns <= 2:
        return img
    values = img.to(float32) if img.dtype.kind != "f" else img
    around = [values[..., y : y + rows - 2, x : x + columns - 2] for y in range(3) for x in range(3)]
    total = sum((5 if i == 4 else 1) / 13 * part for i, part in enumerate(around))
    blurred = img.clone()
    blurred[..., 1:-1, 1:-1] = (total.round() if img.dtype.kind != "f" else total).to(img.dtype)
    return _mixed(img, blurred, factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """``gain`` times the image to the power of ``gamma``, with 1 as white. ArgumentError GT304 for a gamma below 0."""
    power, gain = as_number(gamma, "gamma", 0), as_number(gain, "gain")
    if is_pil(img):
        table = [int((256 - 1e-3) * gain * (value / 255) ** power) for value in range(256)]
        return img.convert("RGB").point(table * 3).convert(img.mode)
    as_tensor_image(img)
    values = img if img.dtype.kind == "f" else convert_image_dtype(img, float32)
    return convert_image_dtype((gain * values**power).clamp(0, 1), img.dtype)


# ---- hue ------------------------------------------------------------------------------------------


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Hues moved around their circle by ``hue_factor`` of it, from -0.5 to 0.5; images without colours stay.

    ArgumentError GT304 for a factor outside of that.
    """
    factor = as_number(hue_factor, "hue_factor")
    if not -0.5 <= factor <= 0.5:
        raise refused("hue_factor", hue_factor, "a number from -0.5 to 0.5")
    if is_pil(img):
        return img if img.mode in _NO_HUE else _hue_of_pil(img, factor)
    if require_channels(as_tensor_image(img), (1, 3)) == 1:
        return img
    hue, saturation, value = _to_hsv(convert_image_dtype(img, float32) if img.dtype.kind != "f" else img)
    return convert_image_dtype(_to_rgb((hue + factor) % 1.0, saturation, value), img.dtype)


def _hue_of_pil(img: Any, factor: float) -> Any:
    hue, saturation, value = img.convert("HSV").split()
    moved = np.asarray(hue) + np.uint8(int(factor * 255) % 256)  # which wraps
    return pillow().merge("HSV", (pillow().fromarray(moved), saturation, value)).convert(img.mode)


def _to_hsv(img: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue, saturation and value, all from 0 to 1, as Pillow counts them: A. R. Smith, "Color gamut transform pairs",
    SIGGRAPH 1978."""
    r, g, b = img.unbind(-3)
    most, least = img.amax(-3), img.amin(-3)
    gray = most == least
    spread = most - least
    saturation = spread / gt.where(gray, 1.0, most)
    width = gt.where(gray, 1.0, spread)
    red, green, blue = ((most - c) / width for c in (r, g, b))
    sixth = gt.where(most == r, blue - green, gt.where(most == g, 2.0 + red - blue, 4.0 + green - red))
    return gt.fmod(sixth / 6.0 + 1.0, 1.0), saturation, most


def _to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    sixth = (hue * 6.0).floor()
    part = hue * 6.0 - sixth
    low = (value * (1.0 - saturation)).clamp(0.0, 1.0)
    falling = (value * (1.0 - saturation * part)).clamp(0.0, 1.0)
    rising = (value * (1.0 - saturation * (1.0 - part))).clamp(0.0, 1.0)
    number = sixth.to(gt.int32) % 6

    def of_sixths(*choices: Tensor) -> Tensor:
        found = choices[0]
        for i, choice in enumerate(choices[1:], 1):
            found = gt.where(number == i, choice, found)
        return found

    r = of_sixths(value, falling, low, low, rising, value)
    g = of_sixths(rising, value, value, falling, low, low)
    b = of_sixths(low, low, rising, value, value, falling)
    return gt.stack([r, g, b], -3)  # type: ignore[no-any-return]


__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "adjust_sharpness",
    "rgb_to_grayscale", "to_grayscale",
]  # fmt: skip
