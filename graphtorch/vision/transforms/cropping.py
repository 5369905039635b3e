"""Random parts of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphtorch import nn
from graphtorch.ir.errors import check
from graphtorch.vision.transforms import draws
from graphtorch.vision.transforms import functional as F
from graphtorch.vision.transforms.functional.geometry import as_padding, check_padding
from graphtorch.vision.transforms.functional.images import as_pair, as_range, get_dimensions, two_sizes
from graphtorch.vision.transforms.functional.interpolation import InterpolationMode, as_mode

Box = tuple[int, int, int, int]
#: how often a rectangle is drawn that may not fit
TRIES = 10


class RandomCrop(nn.Module):
    """``size`` pixels (an int, or height and width) from a random place.

    ``padding``, ``fill`` and ``padding_mode`` frame the image before that, as `functional.pad` does. With
    ``pad_if_needed`` an image that is too small is framed until it is large enough; else it is a ShapeError GT107.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = tuple(as_pair(size, "size"))
        check_padding(0 if padding is None else padding, fill, padding_mode)
        self.padding, self.pad_if_needed, self.fill, self.padding_mode = padding, pad_if_needed, fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: Sequence[int]) -> Box:
        """(top, left, height, width) of a random part of that size; ShapeError GT107 where the image is smaller."""
        _, rows, columns = get_dimensions(img)
        height, width = output_size
        expected = f"expected at least {height} x {width}; pad_if_needed=True frames what is smaller"
        check(rows >= height and columns >= width, "GT107", f"img has {rows} x {columns} pixels", expected)
        if (rows, columns) == (height, width):
            return 0, 0, rows, columns
        return draws.integer(0, rows - height + 1), draws.integer(0, columns - width + 1), height, width

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, as_padding(self.padding), self.fill, self.padding_mode)
        _, rows, columns = get_dimensions(img)
        if self.pad_if_needed:
            lacking = [max(self.size[1] - columns, 0), max(self.size[0] - rows, 0)]
            img = F.pad(img, lacking, self.fill, self.padding_mode) if any(lacking) else img
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomResizedCrop(nn.Module):
    """A random part of the image, resized to ``size``, as the networks of Szegedy et al. (2015) are trained.

    The part has a share of the area between those in ``scale``, and a proportion of width to height between those in
    ``ratio``, equally likely in their logarithm. Where none of 10 draws fits, it is the largest part in the middle.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = two_sizes(size)
        as_range(scale, "scale", 0)
        as_range(ratio, "ratio", math.ulp(0))
        self.scale, self.ratio, self.interpolation, self.antialias = scale, ratio, as_mode(interpolation), antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> Box:
        """(top, left, height, width) of a random part."""
        _, rows, columns = get_dimensions(img)
        for _ in range(TRIES):
            area = rows * columns * draws.uniform(*scale)
            proportion = math.exp(draws.uniform(math.log(ratio[0]), math.log(ratio[1])))
            height, width = round(math.sqrt(area / proportion)), round(math.sqrt(area * proportion))
            if 0 < height <= rows and 0 < width <= columns:
                return draws.integer(0, rows - height + 1), draws.integer(0, columns - width + 1), height, width
        proportion = min(max(columns / rows, min(ratio)), max(ratio))
        height = rows if columns / rows >= min(ratio) else round(columns / proportion)
        width = columns if columns / rows <= max(ratio) else round(rows * proportion)
        return (rows - height) // 2, (columns - width) // 2, height, width

    def forward(self, img: Any) -> Any:
        part = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *part, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(v, 4) for v in pair) for pair in (self.scale, self.ratio))
        how = f"interpolation={self.interpolation.value}, antialias={self.antialias}"
        return f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, {how})"
