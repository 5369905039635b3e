"""Images turned, moved and seen at an angle, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphtorch import nn
from graphtorch.frontend.tensor import Tensor
from graphtorch.vision.transforms import draws
from graphtorch.vision.transforms import functional as F
from graphtorch.vision.transforms.functional.images import (
    as_numbers,
    as_probability,
    as_range,
    get_dimensions,
    is_number,
    refused,
    wrong_type,
)
from graphtorch.vision.transforms.functional.interpolation import InterpolationMode, as_mode

Point = list[int]


def _angles(value: Any, name: str, counts: Sequence[int] = (2,)) -> list[float]:
    """The range of angles that an argument stands for: -x to x, or what a sequence says."""
    if is_number(value):
        if not value >= 0:
            raise refused(name, value, f"at least 0, or a sequence of {' or '.join(map(str, counts))}")
        return [float(-value), float(value)]
    return [float(v) for v in as_numbers(value, name, counts)]


def _check_fill(fill: Any) -> Any:
    if fill is None:
        return 0
    if not is_number(fill) and not isinstance(fill, list | tuple):
        raise wrong_type("fill", fill, "a number, or one for each channel")
    return fill


def _fill_for(img: Any, fill: Any) -> Any:
    """A number for each channel of a tensor: a given one is blended in at the border, as torchvision does it."""
    if not isinstance(img, Tensor):
        return fill
    return [float(fill)] * get_dimensions(img)[0] if is_number(fill) else [float(v) for v in fill]


class RandomRotation(nn.Module):
    """The image turned by an angle between those in ``degrees`` (-x to x for a number x): `functional.rotate`."""

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees, self.interpolation = _angles(degrees, "degrees"), as_mode(interpolation)
        if center is not None:
            as_numbers(center, "center", [2])
        self.expand, self.center, self.fill = expand, center, _check_fill(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """A random angle between the two."""
        return draws.uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, _fill_for(img, self.fill))

    def __repr__(self) -> str:
        facts = [f"degrees={self.degrees}", f"interpolation={self.interpolation.value}", f"expand={self.expand}"]
        facts += [f"center={self.center}"] if self.center is not None else []
        return f"{type(self).__name__}({', '.join([*facts, f'fill={self.fill}'])})"


class RandomAffine(nn.Module):
    """The image turned, moved, scaled and sheared at random: `functional.affine`.

    ``degrees`` and ``shear`` are ranges of angles: -x to x for a number x; ``shear`` is a range along x, or of four
    numbers those along x and y. ``translate`` holds the largest shares of width and height by which it moves, ``scale``
    a range of factors. None of these three: it does not.
    """

    def __init__(
        self,
        degrees: Any,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: Any = None,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees, self.interpolation = _angles(degrees, "degrees"), as_mode(interpolation)
        for share in () if translate is None else as_numbers(translate, "translate", [2]):
            if not 0 <= share <= 1:
                raise refused("translate", translate, "shares from 0 to 1")
        if scale is not None and not as_range(scale, "scale", 0)[0] > 0:
            raise refused("scale", scale, "factors above 0")
        self.shear = None if shear is None else _angles(shear, "shear", (2, 4))
        if center is not None:
            as_numbers(center, "center", [2])
        self.translate, self.scale, self.center, self.fill = translate, scale, center, _check_fill(fill)

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """(angle, (right, down) in pixels, factor, (x, y) angles) for an image of (width, height) ``img_size``."""
        angle = draws.uniform(degrees[0], degrees[1])
        most = [share * size for share, size in zip(translate or (0, 0), img_size, strict=True)]
        right, down = (round(draws.uniform(-m, m)) if translate is not None else 0 for m in most)
        factor = 1.0 if scale_ranges is None else draws.uniform(scale_ranges[0], scale_ranges[1])
        pairs = [] if shears is None else [shears[i : i + 2] for i in range(0, len(shears), 2)]
        across, along, *_ = [*(draws.uniform(low, high) for low, high in pairs), 0.0, 0.0]
        return angle, (right, down), factor, (across, along)

    def forward(self, img: Any) -> Any:
        _, rows, columns = get_dimensions(img)
        angle, move, factor, shear = self.get_params(
            self.degrees, self.translate, self.scale, self.shear, [columns, rows]
        )
        fill = _fill_for(img, self.fill)
        return F.affine(img, angle, move, factor, shear, self.interpolation, fill, self.center)

    def __repr__(self) -> str:
        facts = [f"degrees={self.degrees}"]
        facts += [f"{n}={getattr(self, n)}" for n in ("translate", "scale", "shear") if getattr(self, n) is not None]
        if self.interpolation is not InterpolationMode.NEAREST:
            facts.append(f"interpolation={self.interpolation.value}")
        facts += [f"fill={self.fill}"] if self.fill != 0 else []
        facts += [f"center={self.center}"] if self.center is not None else []
        return f"{type(self).__name__}({', '.join(facts)})"


class RandomPerspective(nn.Module):
    """The image seen at an angle, with probability ``p``: `functional.perspective`.

    Each corner moves inwards, by up to ``distortion_scale`` (0 to 1) of half of the image.
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.distortion_scale = as_probability(distortion_scale, "distortion_scale")
        self.p, self.interpolation, self.fill = as_probability(p), as_mode(interpolation), _check_fill(fill)

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[Point], list[Point]]:
        """The corners (x, y), top left first and clockwise, and where they come to."""
        across, down = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        left, top = (0, across + 1), (0, down + 1)
        right, bottom = (width - across - 1, width), (height - down - 1, height)
        ends = [(left, top), (right, top), (right, bottom), (left, bottom)]
        start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return start, [[draws.integer(*x), draws.integer(*y)] for x, y in ends]

    def forward(self, img: Any) -> Any:
        if not draws.chance(self.p):
            return img
        _, rows, columns = get_dimensions(img)
        start, end = self.get_params(columns, rows, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, _fill_for(img, self.fill))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"
