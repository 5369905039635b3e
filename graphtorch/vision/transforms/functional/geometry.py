"""Parts of images, frames around them, and mirror images."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphtorch as gt
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import check
from graphtorch.nn import functional as F
from graphtorch.vision.pillow import is_pil, pillow
from graphtorch.vision.transforms.functional.conversions import image_of
from graphtorch.vision.transforms.functional.images import (
    as_pair,
    as_tensor_image,
    fill_of_pil,
    get_dimensions,
    is_number,
    refused,
    wrong_type,
)

#: names of torchvision -> those of numpy
_PADDINGS = {"constant": "constant", "edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    if is_pil(img):
        return img.transpose(pillow().Transpose.FLIP_LEFT_RIGHT)
    return as_tensor_image(img).flip(-1)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    if is_pil(img):
        return img.transpose(pillow().Transpose.FLIP_TOP_BOTTOM)
    return as_tensor_image(img).flip(-2)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """``height`` x ``width`` pixels from row ``top`` and column ``left``; what lies outside is 0."""
    if is_pil(img):
        return img.crop((left, top, left + width, top + height))
    rows, columns = as_tensor_image(img).shape[-2:]
    bottom, right = top + height, left + width
    # what is cut may lie wholly outside, so that a part of the frame alone is wanted
    before = max(-top + min(0, bottom), 0), max(-left + min(0, right), 0)
    after = max(bottom - max(rows, top), 0), max(right - max(columns, left), 0)
    inside = img[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if not any((*before, *after)):
        return inside
    return F.pad(inside, (before[1], after[1], before[0], after[0]))


def center_crop(img: Any, output_size: Any) -> Any:
    """The middle ``output_size`` (an int, or height and width) pixels; what an image lacks is 0 on both sides."""
    height, width = as_pair(output_size, "output_size")
    _, rows, columns = get_dimensions(img)
    if height > rows or width > columns:
        more = [max(height - rows, 0), max(width - columns, 0)]
        img = pad(img, [more[1] // 2, more[0] // 2, (more[1] + 1) // 2, (more[0] + 1) // 2])
        _, rows, columns = get_dimensions(img)
    return crop(img, round((rows - height) / 2), round((columns - width) / 2), height, width)


def five_crop(img: Any, size: Any) -> tuple[Any, ...]:
    """The four corners (top left, top right, bottom left, bottom right) and the middle, each of ``size`` pixels."""
    height, width = as_pair(size, "size")
    _, rows, columns = get_dimensions(img)
    if height > rows or width > columns:
        raise refused("size", size, f"no more than the image has, {rows} x {columns}")
    corners = [(top, left) for top in (0, rows - height) for left in (0, columns - width)]
    return (*(crop(img, *corner, height, width) for corner in corners), center_crop(img, [height, width]))


def ten_crop(img: Any, size: Any, vertical_flip: bool = False) -> tuple[Any, ...]:
    """`five_crop` of the image, then of its mirror image."""
    return (*five_crop(img, size), *five_crop((vflip if vertical_flip else hflip)(img), size))


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """A tensor with ``v``, which broadcasts, in its ``h`` x ``w`` pixels from row ``i`` and column ``j``."""
    if not isinstance(img, Tensor):
        raise wrong_type("img", img, "a tensor")
    out = as_tensor_image(img) if inplace else img.clone()
    out[..., i : i + h, j : j + w] = v
    return out


# ---- frames ---------------------------------------------------------------------------------------


def as_padding(padding: Any) -> list[int]:
    """[left, top, right, bottom] of one int, of [left and right, top and bottom], or of all four."""
    each = [padding] if isinstance(padding, int) and not isinstance(padding, bool) else padding
    if not isinstance(each, list | tuple) or not all(isinstance(n, int) and not isinstance(n, bool) for n in each):
        raise wrong_type("padding", padding, "an int, or 1, 2 or 4 of them")
    if len(each) not in (1, 2, 4):
        raise refused("padding", padding, "an int, or 1, 2 or 4 of them")
    return list(each) * (4 // len(each))


def check_padding(padding: Any, fill: Any, padding_mode: Any) -> list[int]:
    """The arguments of `pad`, checked; [left, top, right, bottom]."""
    if not (is_number(fill) or isinstance(fill, list | tuple)):
        raise wrong_type("fill", fill, "a number, or one for each channel")
    if padding_mode not in _PADDINGS:
        raise refused("padding_mode", padding_mode, f"one of {', '.join(_PADDINGS)}")
    return as_padding(padding)


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """``img`` with a frame: ``padding`` is a width for all sides, [left and right, top and bottom], or [l, t, r, b].

    ``padding_mode`` is "constant" (``fill``: a number, or one for each band of an image of Pillow), "edge" (the
    nearest pixel), "reflect" (mirrored at the outermost pixel) or "symmetric" (mirrored at the edge). A negative width
    cuts. ArgumentError GT304 and ArgumentTypeError GT301 for other arguments.
    """
    left, top, right, bottom = check_padding(padding, fill, padding_mode)
    if is_pil(img):
        return _pad_pil(img, (left, top, right, bottom), fill, padding_mode)
    as_tensor_image(img)
    if padding_mode == "constant":
        return F.pad(img, (left, right, top, bottom), value=_one_number(fill))
    for dim, before, after in ((-1, left, right), (-2, top, bottom)):
        if before or after:
            img = img.index_select(dim, gt.from_numpy(_places(img.shape[dim], before, after, padding_mode)))
    return img


def _one_number(fill: Any) -> Any:
    if is_number(fill):
        return fill
    if len(fill) != 1:
        raise refused("fill", fill, "one number for a tensor")
    return fill[0]


def _places(size: int, before: int, after: int, mode: str) -> Any:
    """Which old row stands at each new one."""
    check(size > 0, "GT107", "img has no pixels", f"expected some, to go on from with padding_mode={mode!r}")
    kept = np.arange(size)[max(-before, 0) : size - max(-after, 0)]
    check(len(kept) > 0, "GT107", "nothing is left of img", f"{size} pixels less {-before} and {-after}")
    if mode == "reflect" and len(kept) == 1:
        mode = "edge"  # numpy has no mirror image of a single one
    return np.pad(kept, (max(before, 0), max(after, 0)), mode=_PADDINGS[mode])  # type: ignore[call-overload]


def _pad_pil(img: Any, widths: tuple[int, int, int, int], fill: Any, mode: str) -> Any:
    if mode == "constant":
        out = pillow("ImageOps").expand(img, border=widths, fill=fill_of_pil(fill, img))
        if img.mode == "P":
            out.putpalette(img.getpalette())
        return out
    left, top, right, bottom = widths
    values = np.asarray(img)
    rows, columns = _places(values.shape[0], top, bottom, mode), _places(values.shape[1], left, right, mode)
    return image_of(values[rows][:, columns], img)


__all__ = ["center_crop", "crop", "erase", "five_crop", "hflip", "pad", "ten_crop", "vflip"]
