"""Tones of an image replaced by others: inverted, coarser, spread over the whole range."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphtorch as gt
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.types import float32, uint8
from graphtorch.vision.pillow import is_pil, pillow
from graphtorch.vision.transforms.functional.images import (
    as_number,
    as_tensor_image,
    bound,
    refused,
    require_channels,
)


def invert(img: Any) -> Any:
    """White minus the image."""
    if is_pil(img):
        return pillow("ImageOps").invert(img)
    require_channels(as_tensor_image(img), (1, 3))
    return bound(img.dtype) - img


def posterize(img: Any, bits: int) -> Any:
    """The image with the upper ``bits`` of each byte alone. ArgumentError GT304 for other than 0 to 8 of them."""
    if not isinstance(bits, int) or not 0 <= bits <= 8:
        raise refused("bits", bits, "an int from 0 to 8")
    if is_pil(img):
        return pillow("ImageOps").posterize(img, bits)
    _require_bytes(img, "posterize")
    step = 2 ** (8 - bits)
    return (img // step * step if bits else gt.zeros_like(img)).to(uint8)


def solarize(img: Any, threshold: float) -> Any:
    """The image with what is ``threshold`` or more inverted. ArgumentError GT304 for one above white."""
    as_number(threshold, "threshold")
    if is_pil(img):
        return pillow("ImageOps").solarize(img, threshold)
    require_channels(as_tensor_image(img), (1, 3))
    if threshold > bound(img.dtype):
        raise refused("threshold", threshold, f"at most {bound(img.dtype)}, the white of {img.dtype!r}")
    return gt.where(img >= threshold, invert(img), img)


def autocontrast(img: Any) -> Any:
    """The image with each channel spread so that it goes from black to white; a channel of one tone stays."""
    if is_pil(img):
        return pillow("ImageOps").autocontrast(img)
    require_channels(as_tensor_image(img), (1, 3))
    values = img.to(float32) if img.dtype.kind != "f" else img
    least, most = values.amin((-2, -1), keepdim=True), values.amax((-2, -1), keepdim=True)
    flat = ~(bound(img.dtype) / (most - least)).isfinite()
    scale = gt.where(flat, 1.0, bound(img.dtype) / gt.where(flat, 1.0, most - least))
    return ((values - gt.where(flat, 0.0, least)) * scale).clamp(0, bound(img.dtype)).to(img.dtype)


def equalize(img: Any) -> Any:
    """The image with the tones of each channel about equally frequent. Bytes alone; none of this has a gradient."""
    if is_pil(img):
        return pillow("ImageOps").equalize(img)
    _require_bytes(img, "equalize")
    planes = img.numpy().reshape(-1, *img.shape[-2:])
    out = np.stack([_equalized(plane) for plane in planes]) if len(planes) else planes
    return gt.from_numpy(out.reshape(img.shape))


def _equalized(plane: Any) -> Any:
    counts = np.bincount(plane.reshape(-1), minlength=256)
    step = int(counts[counts != 0][:-1].sum()) // 255
    if step == 0:
        return plane
    below = np.concatenate([[0], (np.cumsum(counts) + step // 2) // step])[:256]
    return below.clip(0, 255).astype(np.uint8)[plane]


def _require_bytes(img: Any, what: str) -> Tensor:
    require_channels(as_tensor_image(img), (1, 3))
    check(img.dtype == uint8, "GT202", f"{what} does not take {img.dtype!r}", "expected uint8", kind=DTypeError)
    return img  # type: ignore[no-any-return]


__all__ = ["autocontrast", "equalize", "invert", "posterize", "solarize"]
