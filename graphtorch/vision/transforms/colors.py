"""Colours changed at random, and taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphtorch import nn
from graphtorch.vision.transforms import draws
from graphtorch.vision.transforms import functional as F
from graphtorch.vision.transforms.functional.images import (
    as_probability,
    as_range,
    get_dimensions,
    is_number,
    refused,
)

Range = tuple[float, float] | None


class ColorJitter(nn.Module):
    """Brightness, contrast, saturation and hue changed by random factors, in a random order.

    A number x stands for factors from max(0, 1 - x) to 1 + x, of ``hue`` from -x to x (x at most 0.5); or a pair
    gives the smallest and the largest factor. 0 leaves the image as it is.
    """

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        super().__init__()
        self.brightness = _around(brightness, "brightness")
        self.contrast = _around(contrast, "contrast")
        self.saturation = _around(saturation, "saturation")
        self.hue = _around(hue, "hue", 0.0, -0.5, 0.5)

    @staticmethod
    def get_params(
        brightness: Range, contrast: Range, saturation: Range, hue: Range
    ) -> tuple[list[int], float | None, float | None, float | None, float | None]:
        """(the order of the four, the factor of each); a factor is None where its range is."""
        factors = [None if r is None else draws.uniform(*r) for r in (brightness, contrast, saturation, hue)]
        return draws.order(4), factors[0], factors[1], factors[2], factors[3]

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue
        for number in order:
            factor = factors[number]
            img = img if factor is None else changes[number](img, factor)
        return img

    def __repr__(self) -> str:
        names = "brightness", "contrast", "saturation", "hue"
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in names)})"


def _around(value: Any, name: str, center: float = 1.0, least: float = 0.0, most: float = float("inf")) -> Range:
    """The range of factors that an argument stands for; None for that which changes nothing."""
    if is_number(value):
        if not value >= 0:
            raise refused(name, value, "at least 0")
        value = (max(center - value, 0.0) if name != "hue" else center - value, center + value)
    low, high = (float(v) for v in as_range(value, name, least, most))
    return None if low == high == center else (low, high)


class Grayscale(nn.Module):
    """The brightness of each pixel, in 1 or 3 channels (`functional.rgb_to_grayscale`)."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        if num_output_channels not in (1, 3):
            raise refused("num_output_channels", num_output_channels, "1 or 3")
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class _Sometimes(nn.Module):
    """The base of changes that are made with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = as_probability(p)

    def change(self, img: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.change")

    def forward(self, img: Any) -> Any:
        return self.change(img) if draws.chance(self.p) else img

    def _facts(self) -> Sequence[str]:
        return ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({','.join([*self._facts(), f'p={self.p}'])})"


class RandomGrayscale(_Sometimes):
    """Grays in as many channels as the image has, with probability ``p``."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, get_dimensions(img)[0])


class RandomInvert(_Sometimes):
    """White minus the image, with probability ``p``."""

    def change(self, img: Any) -> Any:
        return F.invert(img)


class RandomPosterize(_Sometimes):
    """The upper ``bits`` of each byte alone, with probability ``p``."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        if not isinstance(bits, int) or not 0 <= bits <= 8:
            raise refused("bits", bits, "an int from 0 to 8")
        self.bits = bits

    def change(self, img: Any) -> Any:
        return F.posterize(img, self.bits)

    def _facts(self) -> Sequence[str]:
        return (f"bits={self.bits}",)


class RandomSolarize(_Sometimes):
    """What is ``threshold`` or more inverted, with probability ``p``."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        if not is_number(threshold):
            raise refused("threshold", threshold, "a number")
        self.threshold = threshold

    def change(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)

    def _facts(self) -> Sequence[str]:
        return (f"threshold={self.threshold}",)


class RandomAdjustSharpness(_Sometimes):
    """`functional.adjust_sharpness` by ``sharpness_factor``, with probability ``p``."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        if not is_number(sharpness_factor) or not sharpness_factor >= 0:
            raise refused("sharpness_factor", sharpness_factor, "a number, at least 0")
        self.sharpness_factor = sharpness_factor

    def change(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)

    def _facts(self) -> Sequence[str]:
        return (f"sharpness_factor={self.sharpness_factor}",)


class RandomAutocontrast(_Sometimes):
    """`functional.autocontrast`, with probability ``p``."""

    def change(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_Sometimes):
    """`functional.equalize`, with probability ``p``."""

    def change(self, img: Any) -> Any:
        return F.equalize(img)
