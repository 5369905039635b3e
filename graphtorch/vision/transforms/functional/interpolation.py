"""How pixels between pixels are computed."""

from __future__ import annotations

from enum import Enum
from typing import Any

from graphtorch.vision.transforms.functional.images import refused, wrong_type


class InterpolationMode(Enum):
    """Tensors take the first four; images of Pillow take all (nearest is nearest-exact there)."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_M = InterpolationMode
#: Pillow's numbers of them, which are taken in their place
NUMBERS = {0: _M.NEAREST, 2: _M.BILINEAR, 3: _M.BICUBIC, 4: _M.BOX, 5: _M.HAMMING, 1: _M.LANCZOS}
_OF_PIL = {mode: number for number, mode in NUMBERS.items()} | {_M.NEAREST_EXACT: 0}

RESIZED = (_M.NEAREST, _M.NEAREST_EXACT, _M.BILINEAR, _M.BICUBIC)
SAMPLED = (_M.NEAREST, _M.BILINEAR)


def as_mode(interpolation: Any) -> InterpolationMode:
    """An InterpolationMode, or Pillow's number of one."""
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if isinstance(interpolation, int) and not isinstance(interpolation, bool):
        if interpolation in NUMBERS:
            return NUMBERS[interpolation]
        raise refused("interpolation", interpolation, f"an InterpolationMode, or one of {', '.join(map(str, NUMBERS))}")
    raise wrong_type("interpolation", interpolation, "an InterpolationMode")


def of_pil(mode: InterpolationMode) -> int:
    """Pillow's number of a mode."""
    return _OF_PIL[mode]


def of_tensor(mode: InterpolationMode, allowed: tuple[InterpolationMode, ...]) -> str:
    """The name of a mode for a tensor; ArgumentError GT304 for one that only Pillow has."""
    if mode not in allowed:
        raise refused("interpolation", mode, "one that tensors have: " + ", ".join(m.value for m in allowed))
    return str(mode.value)


__all__ = ["InterpolationMode"]
