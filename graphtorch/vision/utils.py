"""Batches of images as one image, and as a file."""

from __future__ import annotations

import math
from typing import Any

import graphtorch as gt
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import check
from graphtorch.ir.types import uint8
from graphtorch.vision.pillow import pillow
from graphtorch.vision.transforms.functional.images import refused, wrong_type


def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """A batch [N, C, H, W], or a list of images [C, H, W], as one image of ``nrow`` columns, [C, rows, columns].

    Images are ``padding`` pixels of ``pad_value`` apart; one alone stays as it is. One channel becomes three. With
    ``normalize`` the smallest number becomes 0 and the largest 1: those of the batch, or of each image with
    ``scale_each``, or of ``value_range``. ShapeError GT107 for other shapes, ArgumentTypeError GT301 for other types.
    """
    batch = _batch(tensor)
    if not isinstance(nrow, int) or nrow < 1:
        raise refused("nrow", nrow, "an int, at least 1")
    if normalize:
        batch = _spread(batch, value_range, scale_each)
    if len(batch) == 1:
        return batch[0]
    count, channels, height, width = batch.shape
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    size = channels, (height + padding) * rows + padding, (width + padding) * columns + padding
    grid = gt.full(size, pad_value, dtype=batch.dtype)
    for number in range(count):
        top = number // columns * (height + padding) + padding
        left = number % columns * (width + padding) + padding
        grid[:, top : top + height, left : left + width] = batch[number]
    return grid  # type: ignore[no-any-return]


def _batch(tensor: Any) -> Tensor:
    """[N, C, H, W] of at least three channels."""
    if isinstance(tensor, list | tuple) and tensor and all(isinstance(t, Tensor) for t in tensor):
        tensor = gt.stack(list(tensor))
    if not isinstance(tensor, Tensor):
        raise wrong_type("tensor", tensor, "a tensor, or a list of tensors")
    facts = [f"expected [N, C, H, W], [C, H, W] or [H, W], got {list(tensor.shape)}"]
    check(tensor.ndim in (2, 3, 4) and len(tensor) > 0, "GT107", "tensor is no batch of images", *facts)
    batch = tensor.reshape(*(1 for _ in range(4 - tensor.ndim)), *tensor.shape)
    return gt.cat([batch] * 3, 1) if batch.shape[1] == 1 else batch  # type: ignore[no-any-return]


def _spread(batch: Tensor, value_range: tuple[float, float] | None, scale_each: bool) -> Tensor:
    if value_range is not None and not (isinstance(value_range, tuple) and len(value_range) == 2):
        raise refused("value_range", value_range, "a tuple, (smallest, largest)")
    dims = (1, 2, 3) if scale_each else (0, 1, 2, 3)
    low, high = value_range or (batch.amin(dims, keepdim=True), batch.amax(dims, keepdim=True))
    width = gt.as_tensor(high - low).clamp(min=1e-5)
    return (batch.clamp(low, high) - low) / width  # type: ignore[no-any-return]


def save_image(tensor: Any, fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """`make_grid` of a tensor of floats from 0 to 1, written to a file: ``fp`` is a path, or a file with ``format``."""
    grid = make_grid(tensor, **kwargs)
    pixels = (grid * 255 + 0.5).clamp(0, 255).permute(1, 2, 0).to(uint8).numpy()
    pillow(wanted_by="save_image").fromarray(pixels).save(fp, format=format)


__all__ = ["make_grid", "save_image"]
