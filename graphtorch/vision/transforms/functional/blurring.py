"""Gaussian blur."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphtorch as gt
from graphtorch.ir.errors import check
from graphtorch.ir.types import float32
from graphtorch.nn import functional as F
from graphtorch.vision.pillow import is_pil
from graphtorch.vision.transforms.functional.conversions import pil_to_tensor, to_pil_image
from graphtorch.vision.transforms.functional.images import (
    as_numbers,
    as_pair,
    as_tensor_image,
    get_dimensions,
    is_number,
    refused,
)

Array = Any


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """``img`` blurred by a Gaussian of ``sigma`` pixels, cut off to ``kernel_size`` of them and mirrored at the border.

    Each is one number, or those for x and y. Without ``sigma`` it is 0.15 kernel_size + 0.35. ArgumentError GT304 for
    a kernel_size that is even, or larger than twice the image, and for a sigma that is not above 0.
    """
    sizes = kernel_sizes(kernel_size)
    given = [0.15 * k + 0.35 for k in sizes] if sigma is None else [sigma] if is_number(sigma) else sigma
    sigmas = as_numbers(given, "sigma", [1, 2])
    if min(sigmas) <= 0:
        raise refused("sigma", sigma, "more than 0")
    if is_pil(img):
        blurred = gaussian_blur(pil_to_tensor(img), sizes, sigmas)
        return to_pil_image(blurred, None if img.mode in ("L", "RGB", "RGBA", "LA") else img.mode)
    channels, rows, columns = get_dimensions(as_tensor_image(img))
    facts = [f"expected more than {sizes[1] // 2} rows and {sizes[0] // 2} columns, got {rows} x {columns}"]
    check(rows > sizes[1] // 2 and columns > sizes[0] // 2, "GT107", "img is smaller than half the kernel", *facts)
    whole = img.dtype.kind != "f"
    values = (img.to(float32) if whole else img).reshape(-1, channels, rows, columns)
    across, down = (_bell(k, s) for k, s in zip(sizes, (sigmas[0], sigmas[-1]), strict=True))
    kernel = gt.from_numpy(np.outer(down, across)).to(values.dtype).expand(channels, 1, -1, -1)
    framed = F.pad(values, (sizes[0] // 2, sizes[0] // 2, sizes[1] // 2, sizes[1] // 2), mode="reflect")
    out = F.conv2d(framed, kernel, groups=channels).reshape(img.shape)
    return out.round().to(img.dtype) if whole else out


def kernel_sizes(kernel_size: Any) -> list[int]:
    """Sizes for x and y, which are odd."""
    sizes = as_pair(kernel_size, "kernel_size")
    if not all(k % 2 for k in sizes):
        raise refused("kernel_size", kernel_size, "odd numbers")
    return sizes


def _bell(size: int, sigma: float) -> Array:
    half = np.float32((size - 1) * 0.5)
    density = np.exp(-0.5 * (np.linspace(-half, half, size, dtype=np.float32) / np.float32(sigma)) ** 2)
    return density / density.sum()


__all__ = ["gaussian_blur"]
