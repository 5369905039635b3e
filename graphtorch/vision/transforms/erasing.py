"""Random rectangles erased; random blur."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import graphtorch as gt
from graphtorch import nn
from graphtorch.frontend.tensor import Tensor
from graphtorch.vision.transforms import draws
from graphtorch.vision.transforms import functional as F
from graphtorch.vision.transforms.cropping import TRIES
from graphtorch.vision.transforms.functional.blurring import kernel_sizes
from graphtorch.vision.transforms.functional.images import (
    as_numbers,
    as_probability,
    as_range,
    get_dimensions,
    is_number,
    refused,
    wrong_type,
)

_SMALLEST = math.ulp(0)


class RandomErasing(nn.Module):
    """A random rectangle of a tensor [..., C, H, W] erased with probability ``p``.

    It has a share of the area between those in ``scale`` and a proportion of height to width between those in
    ``ratio``. ``value`` is a number, one for each channel, or "random" for normally distributed ones. Where none of 10
    draws fits, the image stays. Z. Zhong et al., "Random erasing data augmentation", AAAI 2020.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        self.p = as_probability(p)
        as_range(scale, "scale", 0, 1)
        as_range(ratio, "ratio", _SMALLEST)
        if isinstance(value, str) and value != "random":
            raise refused("value", value, 'a number, one for each channel, or "random"')
        if not isinstance(value, str) and not is_number(value):
            if not isinstance(value, list | tuple):
                raise wrong_type("value", value, 'a number, one for each channel, or "random"')
            as_numbers(value, "value", [len(value)])
        self.scale, self.ratio, self.value, self.inplace = scale, ratio, value, inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Tensor]:
        """(top, left, height, width, what stands there) of a random rectangle; None is for normal numbers."""
        channels, rows, columns = get_dimensions(img)
        for _ in range(TRIES):
            area = rows * columns * draws.uniform(*scale)
            proportion = math.exp(draws.uniform(math.log(ratio[0]), math.log(ratio[1])))
            height, width = round(math.sqrt(area * proportion)), round(math.sqrt(area / proportion))
            if height < rows and width < columns:
                colour = gt.randn(channels, height, width) if value is None else gt.tensor(value)[:, None, None]
                top, left = draws.integer(0, rows - height + 1), draws.integer(0, columns - width + 1)
                return top, left, height, width, colour
        return 0, 0, rows, columns, img

    def forward(self, img: Tensor) -> Tensor:
        if not draws.chance(self.p):
            return img
        channels = get_dimensions(img)[0]
        value = None if self.value == "random" else [self.value] if is_number(self.value) else list(self.value)
        if value is not None and len(value) not in (1, channels):
            raise refused("value", self.value, f"one number, or {channels}, one for each channel")
        part = self.get_params(img, self.scale, self.ratio, None if value is None else [float(v) for v in value])
        return F.erase(img, *part, inplace=self.inplace)

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={getattr(self, name)}" for name in ("p", "scale", "ratio", "value", "inplace"))
        return f"{type(self).__name__}({facts})"


class GaussianBlur(nn.Module):
    """`functional.gaussian_blur` by a random ``sigma``: between the two of a pair, or always that of a number."""

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        super().__init__()
        sizes = kernel_sizes(kernel_size)
        self.kernel_size = (sizes[0], sizes[1])
        self.sigma = as_range((sigma, sigma) if is_number(sigma) else sigma, "sigma", _SMALLEST)

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """A random sigma between the two."""
        return draws.uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(*self.sigma)
        return F.gaussian_blur(img, list(self.kernel_size), [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"
