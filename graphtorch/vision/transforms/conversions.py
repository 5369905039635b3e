"""Transforms between images, arrays and tensors, and normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch import nn
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.types import DType
from graphtorch.vision.transforms import functional as F
from graphtorch.vision.transforms.functional.images import is_number, refused, wrong_type


class ToTensor:
    """An image of Pillow, or an array [H, W, C], as a tensor [C, H, W], bytes as 0 to 1 (`functional.to_tensor`)."""

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """An image of Pillow as a tensor [C, H, W] of its own elements (`functional.pil_to_tensor`)."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """A tensor [C, H, W], or an array [H, W, C], as an image of Pillow (`functional.to_pil_image`)."""

    def __init__(self, mode: str | None = None) -> None:
        if mode is not None and not isinstance(mode, str):
            raise wrong_type("mode", mode, "the name of a mode of Pillow")
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(nn.Module):
    """A tensor with another dtype, and its white there (`functional.convert_image_dtype`)."""

    def __init__(self, dtype: DType) -> None:
        super().__init__()
        if not isinstance(dtype, DType):
            raise wrong_type("dtype", dtype, "a dtype")
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(nn.Module):
    """(tensor - mean) / std for each channel (`functional.normalize`).

    ``mean`` and ``std`` are a number for each channel, or one for all. ArgumentError GT304 for a deviation of 0.
    """

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            _check_numbers(name, values)
        self.mean, self.std, self.inplace = mean, std, inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


def _check_numbers(name: str, values: Any) -> None:
    if isinstance(values, Tensor):
        return
    several = isinstance(values, list | tuple | np.ndarray)
    if not several and not is_number(values):
        raise wrong_type(name, values, "a number for each channel")
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "iuf" or numbers.ndim > 1 or not numbers.size:
        raise wrong_type(name, values, "a number for each channel")
    if name == "std" and not numbers.all():
        raise refused("std", values, "deviations that are not 0")
