"""Images turned, moved, sheared and seen at an angle: each new pixel is looked up at a place of the old image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import graphtorch as gt
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.types import float32, float64
from graphtorch.nn import functional as F
from graphtorch.vision.pillow import is_pil, pillow
from graphtorch.vision.transforms.functional.images import (
    as_number,
    as_numbers,
    as_tensor_image,
    fill_of_pil,
    get_dimensions,
    is_number,
    refused,
)
from graphtorch.vision.transforms.functional.interpolation import (
    SAMPLED,
    InterpolationMode,
    as_mode,
    of_pil,
    of_tensor,
)

Array = Any
_NEAREST = InterpolationMode.NEAREST


def rotate(
    img: Any, angle: float, interpolation: Any = _NEAREST, expand: bool = False, center: Any = None, fill: Any = None
) -> Any:
    """``img`` turned by ``angle`` degrees, counter-clockwise, around its middle or the pixel ``center`` (x, y).

    With ``expand`` the result is as large as the turned image (about the middle). What lies outside becomes ``fill``, a
    number or one for each channel; 0 unless given. Tensors take "nearest" and "bilinear".
    """
    mode, turn = as_mode(interpolation), as_number(angle, "angle")
    middle = None if center is None else as_numbers(center, "center", [2])
    if is_pil(img):
        return img.rotate(turn, of_pil(mode), expand, middle, fillcolor=fill_of_pil(fill, img))
    _, rows, columns = get_dimensions(img)
    offset = [0.0, 0.0] if middle is None else [middle[0] - columns * 0.5, middle[1] - rows * 0.5]
    matrix = inverse_matrix(offset, -turn, [0.0, 0.0], 1.0, [0.0, 0.0])
    width, height = _extent(matrix, columns, rows) if expand else (columns, rows)
    return _sampled(img, _affine_grid(matrix, (columns, rows), (width, height), _real(img)), mode, fill)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Any,
    interpolation: Any = _NEAREST,
    fill: Any = None,
    center: Any = None,
) -> Any:
    """``img`` turned by ``angle`` degrees clockwise, ``scale``d, sheared and moved.

    ``shear`` is an angle along x, or a sequence of those along x and y (one for both). All around the middle, or the
    pixel ``center`` (x, y); ``translate`` is (right, down) in pixels. The size stays, and what lies outside becomes
    ``fill``. Tensors take "nearest" and "bilinear".
    ArgumentError GT304 for a scale that is not above 0, ArgumentTypeError GT301 for what are no numbers.
    """
    mode, turn, size = as_mode(interpolation), as_number(angle, "angle"), as_number(scale, "scale")
    move = [float(n) for n in as_numbers(translate, "translate", [2])]
    if size <= 0:
        raise refused("scale", scale, "more than 0")
    shears = [as_number(shear, "shear"), 0.0] if is_number(shear) else as_numbers(shear, "shear", [1, 2])
    shears = [shears[0], shears[-1]]
    _, rows, columns = get_dimensions(img)
    middle = None if center is None else as_numbers(center, "center", [2])
    if is_pil(img):
        matrix = inverse_matrix(middle or [columns * 0.5, rows * 0.5], turn, move, size, shears)
        transform = pillow().Transform.AFFINE
        return img.transform(img.size, transform, matrix, of_pil(mode), fillcolor=fill_of_pil(fill, img))
    offset = [0.0, 0.0] if middle is None else [middle[0] - columns * 0.5, middle[1] - rows * 0.5]
    matrix = inverse_matrix(offset, turn, move, size, shears)
    return _sampled(img, _affine_grid(matrix, (columns, rows), (columns, rows), _real(img)), mode, fill)


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[float]],
    endpoints: Sequence[Sequence[float]],
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """``img`` seen at an angle: its corners ``startpoints`` come to ``endpoints``.

    Each holds (x, y) of the top left, top right, bottom right and bottom left corner. The size stays, and what lies
    outside becomes ``fill``. Tensors take "nearest" and "bilinear".
    """
    mode = as_mode(interpolation)
    start, end = (_corners(v, n) for v, n in ((startpoints, "startpoints"), (endpoints, "endpoints")))
    coefficients = _perspective(start, end)
    if is_pil(img):
        transform = pillow().Transform.PERSPECTIVE
        return img.transform(img.size, transform, coefficients, of_pil(mode), fillcolor=fill_of_pil(fill, img))
    _, rows, columns = get_dimensions(img)
    return _sampled(img, _perspective_grid(coefficients, columns, rows, _real(img)), mode, fill)


# ---- which place a pixel comes from ---------------------------------------------------------------


def inverse_matrix(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """[a, b, c, d, e, f]: the new pixel (x, y) is the old one (a x + b y + c, d x + e y + f).

    The way there moves ``center`` to the origin, shears along y and x, turns, scales, and moves back and by
    ``translate``; this is the inverse of it: C^-1 (R S)^-1 T^-1, with R S the rotation times the shears.
    """
    turn, shear_x, shear_y = (math.radians(v) for v in (angle, *shear))
    lean = turn - shear_y
    a, c = math.cos(lean) / math.cos(shear_y), math.sin(lean) / math.cos(shear_y)
    b, d = -a * math.tan(shear_x) - math.sin(turn), -c * math.tan(shear_x) + math.cos(turn)
    # the determinant of [[a, b], [c, d]] is 1
    x, y = center[0] + translate[0], center[1] + translate[1]
    inverse = [d / scale, -b / scale, -c / scale, a / scale]
    return [
        *inverse[:2], center[0] - inverse[0] * x - inverse[1] * y,
        *inverse[2:], center[1] - inverse[2] * x - inverse[3] * y,
    ]  # fmt: skip


def _extent(matrix: Sequence[float], width: int, height: int) -> tuple[int, int]:
    """Width and height of what a turned image covers: as Pillow counts them, whole pixels that it touches."""
    theta = np.array(matrix, np.float32).reshape(2, 3)
    corners = np.array([[x * width, y * height, 1] for x in (-0.5, 0.5) for y in (-0.5, 0.5)], np.float32)
    # corners of the image are taken for those of the result: for a rotation the two ways cover the same
    places = corners @ theta.T + np.array([width, height], np.float32) / 2
    fine = np.float32(1e-4)  # what is less is rounding
    least, most = (np.trunc(edge / fine) * fine for edge in (places.min(0), places.max(0)))
    size = np.ceil(most) - np.floor(least)
    return int(size[0]), int(size[1])


def _real(img: Any) -> Any:
    """The dtype of places in ``img``: float32 unless it is float64."""
    return np.float64 if as_tensor_image(img).dtype == float64 else np.float32


def _middles(width: int, height: int, origin: tuple[float, float], real: Any) -> Array:
    """(x, y, 1) of the middle of each pixel, [height * width, 3]."""
    points = np.ones((height, width, 3), real)
    points[..., 0] = np.arange(width) + (0.5 - origin[0])
    points[..., 1] = (np.arange(height) + (0.5 - origin[1]))[:, None]
    return points.reshape(-1, 3)


def _affine_grid(matrix: Sequence[float], old: tuple[int, int], new: tuple[int, int], real: Any) -> Array:
    """Places from -1 to 1 for `grid_sample`, [1, height, width, 2], of an image of (width, height) ``new``."""
    half = np.array([old[0] * 0.5, old[1] * 0.5], real)
    theta = np.array(matrix, real).reshape(2, 3).T / half
    return (_middles(*new, (new[0] * 0.5, new[1] * 0.5), real) @ theta).reshape(1, new[1], new[0], 2)


def _perspective_grid(c: Sequence[float], width: int, height: int, real: Any) -> Array:
    half = np.array([width * 0.5, height * 0.5], real)
    points = _middles(width, height, (0.0, 0.0), real)
    above = points @ (np.array([c[:3], c[3:6]], real).T / half)
    below = points @ np.array([[*c[6:], 1.0]] * 2, real).T
    return (above / below - 1).reshape(1, height, width, 2)


def _perspective(start: Array, end: Array) -> list[float]:
    """The 8 coefficients with (x, y) = ((a x' + b y' + c) / (g x' + h y' + 1), (d x' + e y' + f) / (same))."""
    rows, values = [], []
    for (x, y), (u, v) in zip(start, end, strict=True):
        rows += [[u, v, 1, 0, 0, 0, -x * u, -x * v], [0, 0, 0, u, v, 1, -y * u, -y * v]]
        values += [x, y]
    solved = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    return [float(n) for n in solved.astype(np.float32)]


def _corners(points: Any, name: str) -> Array:
    if not isinstance(points, list | tuple) or len(points) != 4:
        raise refused(name, points, "4 points (x, y)")
    return np.array([as_numbers(point, f"{name}[{i}]", [2]) for i, point in enumerate(points)], np.float64)


# ---- the pixels there -----------------------------------------------------------------------------


def _sampled(img: Any, grid: Array, mode: InterpolationMode, fill: Any) -> Tensor:
    name, img = of_tensor(mode, SAMPLED), as_tensor_image(img)
    whole, narrow = img.dtype.kind != "f", img.dtype.itemsize < 4
    values = (img.to(float32) if whole or narrow else img).reshape(-1, get_dimensions(img)[0], *img.shape[-2:])
    places = gt.from_numpy(grid).to(values.dtype).expand(len(values), -1, -1, -1)

    def sample(x: Tensor) -> Tensor:
        return F.grid_sample(x, places, name, "zeros", False)  # type: ignore[no-any-return]

    out = sample(values)
    if fill is not None:
        colour = gt.tensor(_colours(fill, values.shape[1]), dtype=values.dtype).reshape(1, -1, 1, 1)
        share = sample(gt.ones_like(values[:, :1]))
        out = gt.where(share < 0.5, colour, out) if name == "nearest" else out * share + (1 - share) * colour
    out = out.reshape(*img.shape[:-2], *out.shape[-2:])
    return (out.round() if whole else out).to(img.dtype)  # type: ignore[no-any-return]


def _colours(fill: Any, channels: int) -> list[float]:
    if is_number(fill):
        return [float(fill)]
    return [float(v) for v in as_numbers(fill, "fill", sorted({1, channels}))]


__all__ = ["affine", "perspective", "rotate"]
