"""Mirror images, with some probability."""

from __future__ import annotations

from typing import Any

from graphtorch import nn
from graphtorch.vision.transforms import draws
from graphtorch.vision.transforms import functional as F
from graphtorch.vision.transforms.functional.images import as_probability


class RandomHorizontalFlip(nn.Module):
    """Left and right exchanged with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = as_probability(p)

    def forward(self, img: Any) -> Any:
        return F.hflip(img) if draws.chance(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(nn.Module):
    """Top and bottom exchanged with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = as_probability(p)

    def forward(self, img: Any) -> Any:
        return F.vflip(img) if draws.chance(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"
