"""Images of other sizes."""

from __future__ import annotations

import warnings
from typing import Any

from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.types import float32, uint8
from graphtorch.nn import functional as F
from graphtorch.vision.pillow import is_pil
from graphtorch.vision.transforms.functional.geometry import crop
from graphtorch.vision.transforms.functional.images import as_tensor_image, get_dimensions, refused, wrong_type
from graphtorch.vision.transforms.functional.interpolation import (
    RESIZED,
    InterpolationMode,
    as_mode,
    of_pil,
    of_tensor,
)

_SMOOTH = (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)


def check_size(size: Any, max_size: Any) -> None:
    """The arguments of `resize`: ``size`` is an int, or 1 or 2 of them; ``max_size`` goes with one alone."""
    each = [size] if isinstance(size, int) and not isinstance(size, bool) else size
    if not isinstance(each, list | tuple) or not all(isinstance(n, int) and not isinstance(n, bool) for n in each):
        raise wrong_type("size", size, "an int, or 1 or 2 of them")
    if len(each) not in (1, 2) or min(each) < 1:
        raise refused("size", size, "1 or 2 ints, each at least 1")
    if max_size is not None and len(each) == 2:
        raise refused("max_size", max_size, f"None with size={size!r}, which gives height and width")
    if max_size is not None and (not isinstance(max_size, int) or max_size <= each[0]):
        raise refused("max_size", max_size, f"more than size={size!r}, which is that of the smaller edge")


def resized(rows: int, columns: int, size: Any, max_size: int | None) -> tuple[int, int]:
    """Height and width: those of ``size``, or the smaller edge is ``size`` and the proportions stay."""
    if not isinstance(size, int) and len(size) == 2:
        return size[0], size[1]
    short = size if isinstance(size, int) else size[0]
    long = int(short * max(rows, columns) / min(rows, columns))
    if max_size is not None and long > max_size:
        short, long = int(max_size * short / long), max_size
    return (long, short) if columns <= rows else (short, long)


def resize(
    img: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """``img`` with another ``size``: [height, width], or an int for the smaller edge, the proportions kept.

    ``max_size`` limits the longer edge then. With ``antialias`` a new pixel of a tensor is a mean of all that it covers
    ("bilinear", "bicubic"), as it always is of an image of Pillow. Integers are rounded, and uint8 clipped.
    ArgumentError GT304 and ArgumentTypeError GT301 for other arguments, and for a mode that tensors do not have.
    """
    mode = as_mode(interpolation)
    check_size(size, max_size)
    _, rows, columns = get_dimensions(img)
    if not rows or not columns:
        raise refused("size", size, f"an image that is not empty, and not one of {rows} x {columns} pixels")
    height, width = resized(rows, columns, size, max_size)
    if (height, width) == (rows, columns):
        return img
    if not is_pil(img):
        return _tensor(as_tensor_image(img), (height, width), of_tensor(mode, RESIZED), antialias is not False)
    if antialias is False and mode in _SMOOTH:
        warnings.warn("images of Pillow are resized with antialias=True always", UserWarning, stacklevel=2)
    return img.resize((width, height), of_pil(mode))


def _tensor(img: Tensor, size: tuple[int, int], mode: str, antialias: bool) -> Tensor:
    smooth = mode in ("bilinear", "bicubic")
    whole = img.dtype.kind != "f"
    values = img.to(float32) if whole and smooth else img
    flat = values.reshape(-1, 1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:])
    out = F.interpolate(flat, size, mode=mode, antialias=antialias and smooth).reshape(*img.shape[:-2], *size)
    if not whole or not smooth:
        return out  # type: ignore[no-any-return]
    if img.dtype == uint8 and mode == "bicubic":
        out = out.clamp(0, 255)
    return out.round().to(img.dtype)  # type: ignore[no-any-return]


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """`crop`, then `resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


__all__ = ["resize", "resized_crop"]
