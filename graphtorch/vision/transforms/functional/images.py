"""What an image is: one of Pillow's, or a tensor [..., H, W]; its sizes, and what is refused in its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, DTypeError, check
from graphtorch.ir.types import DType, greatest
from graphtorch.vision.pillow import is_pil


def as_tensor_image(img: Any) -> Tensor:
    """``img`` itself, a tensor [..., H, W]; what is neither that nor one of Pillow's images is refused.

    ArgumentTypeError GT301 for another type, ShapeError GT107 for fewer than 2 dimensions.
    """
    if not isinstance(img, Tensor):
        facts = ["an array [H, W, C] becomes a tensor by to_tensor, an image by to_pil_image"]
        raise ArgumentTypeError("GT301", f"img must be a PIL image or a tensor, got {type(img).__name__}", facts)
    check(img.ndim >= 2, "GT107", "img is no image", f"expected [..., H, W], got {img.ndim} dimensions")
    return img


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width]; a tensor of 2 dimensions has one channel."""
    if is_pil(img):
        width, height = img.size
        return [len(img.getbands()), height, width]
    shape = as_tensor_image(img).shape
    return [1 if len(shape) == 2 else shape[-3], *shape[-2:]]


def get_image_size(img: Any) -> list[int]:
    """[width, height]."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Any) -> int:
    """The number of channels; a tensor of 2 dimensions has one."""
    return get_dimensions(img)[0]


def bound(dtype: DType) -> int:
    """The number that stands for white: 1 of floats and bools, the largest one of integers."""
    return 1 if dtype.kind == "f" else greatest(dtype)


def require_channels(img: Tensor, allowed: Sequence[int]) -> int:
    """The number of channels of a tensor, which must be one of ``allowed``: else ShapeError GT107."""
    channels = get_dimensions(img)[0]
    names = " or ".join(map(str, allowed))
    check(channels in allowed, "GT107", f"img has {channels} channels", f"expected {names}, in [..., C, H, W]")
    return channels


def require_float_image(img: Tensor, what: str) -> None:
    """DTypeError GT203 unless ``img`` is of floating-point numbers."""
    facts = ["expected floating-point numbers; convert_image_dtype(img, gt.float32) makes them, from 0 to 1"]
    check(img.dtype.kind == "f", "GT203", f"{what} is {img.dtype!r}", *facts, kind=DTypeError)


# ---- arguments ------------------------------------------------------------------------------------


def refused(name: str, value: Any, expected: str) -> ArgumentError:
    """The error for a value that is not allowed."""
    return ArgumentError("GT304", f"{name}={value!r} is not allowed", [f"expected {expected}"])


def wrong_type(name: str, value: Any, expected: str) -> ArgumentTypeError:
    """The error for a value of a wrong Python type."""
    return ArgumentTypeError("GT301", f"{name} must be {expected}, got {type(value).__name__} {value!r}")


def is_number(value: Any) -> bool:
    """Whether this is an int or a float, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_number(value: Any, name: str, least: float | None = None) -> float:
    """A number of Python, at least ``least``."""
    if not is_number(value):
        raise wrong_type(name, value, "a number")
    if least is not None and not value >= least:
        raise refused(name, value, f"at least {least}")
    return float(value)


def as_probability(p: Any, name: str = "p") -> float:
    """A number from 0 to 1."""
    if not 0 <= as_number(p, name) <= 1:
        raise refused(name, p, "a number from 0 to 1")
    return p  # type: ignore[no-any-return]


def as_range(value: Any, name: str, least: float = -math.inf, most: float = math.inf) -> tuple[float, float]:
    """(smallest, largest) of a range, both between ``least`` and ``most``."""
    low, high = as_numbers(value, name, [2])
    if not least <= low <= high <= most:
        raise refused(name, value, f"(smallest, largest), from {least} to {most}")
    return low, high


def as_numbers(value: Any, name: str, counts: Sequence[int]) -> list[Any]:
    """A list or tuple of as many numbers as one of ``counts`` says."""
    expected = f"a sequence of {' or '.join(map(str, counts))} numbers"
    if not isinstance(value, list | tuple) or not all(map(is_number, value)):
        raise wrong_type(name, value, expected)
    if len(value) not in counts:
        raise refused(name, value, expected)
    return list(value)


def as_pair(value: Any, name: str, least: int = 1) -> list[int]:
    """Height and width, each at least ``least``: two ints, or one for both."""
    each = [value] if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(each, list | tuple) or not all(isinstance(n, int) and not isinstance(n, bool) for n in each):
        raise wrong_type(name, value, "an int, or 1 or 2 of them")
    if len(each) not in (1, 2) or min(each) < least:
        raise refused(name, value, f"1 or 2 ints, each at least {least}")
    return [each[0], each[-1]]


def two_sizes(size: Any) -> Sequence[int]:
    """Height and width as a transform shows them: a sequence of two stays what it is."""
    pair = as_pair(size, "size")
    return size if isinstance(size, Sequence) and len(size) == 2 else tuple(pair)


def fill_of_pil(fill: Any, img: Any, name: str = "fill") -> Any:
    """What Pillow takes as a colour of ``img``: a number, or one for each band."""
    bands = len(img.getbands())
    if fill is None:
        fill = 0
    whole = (lambda v: v) if img.mode == "F" else int
    if is_number(fill):
        return (whole(fill),) * bands if bands > 1 else whole(fill)
    values = as_numbers(fill, name, sorted({1, bands}))
    colour = tuple(whole(v) for v in (values * bands if len(values) == 1 else values))
    return colour if bands > 1 else colour[0]


__all__ = ["get_dimensions", "get_image_num_channels", "get_image_size"]
