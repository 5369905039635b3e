"""Transforms to given sizes: resized, cut out, framed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphtorch import nn
from graphtorch.vision.transforms import functional as F
from graphtorch.vision.transforms.functional.geometry import check_padding
from graphtorch.vision.transforms.functional.images import two_sizes
from graphtorch.vision.transforms.functional.interpolation import InterpolationMode, as_mode
from graphtorch.vision.transforms.functional.resizing import check_size


class Resize(nn.Module):
    """An image with another size: [height, width], or an int for its smaller edge (`functional.resize`)."""

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: Any = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        check_size(size, max_size)
        self.size, self.max_size, self.antialias = size, max_size, antialias
        self.interpolation = as_mode(interpolation)

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        how = f"interpolation={self.interpolation.value}, max_size={self.max_size}, antialias={self.antialias}"
        return f"{type(self).__name__}(size={self.size}, {how})"


class CenterCrop(nn.Module):
    """The middle of an image: ``size`` is an int, or height and width (`functional.center_crop`)."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = two_sizes(size)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(nn.Module):
    """An image with a frame (`functional.pad`)."""

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        check_padding(padding, fill, padding_mode)
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class FiveCrop(nn.Module):
    """The corners and the middle of an image, a tuple of 5 (`functional.five_crop`)."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = two_sizes(size)

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(nn.Module):
    """The corners and the middle of an image and of its mirror image, a tuple of 10 (`functional.ten_crop`)."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size, self.vertical_flip = two_sizes(size), vertical_flip

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"
