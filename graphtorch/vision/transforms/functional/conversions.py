"""Between images of Pillow, arrays and tensors; between dtypes; normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import graphtorch as gt
from graphtorch.frontend.tensor import Tensor, as_tensor_of
from graphtorch.frontend.tensors.base import interpreter
from graphtorch.ir.errors import ArgumentTypeError, DTypeError, check
from graphtorch.ir.types import DType, float32, float64, int32, int64
from graphtorch.vision.pillow import is_pil, pillow
from graphtorch.vision.transforms.functional.images import bound, refused, require_float_image, wrong_type

Array = Any

#: modes of Pillow whose elements are no bytes -> the dtype of torchvision's `to_tensor`
_WIDE = {"I": np.int32, "I;16": np.int16, "I;16L": np.int16, "I;16B": np.int16, "F": np.float32}
#: channels -> the mode of bytes by default, and those that may be asked for
_MODES = {1: ("L",), 2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}
#: dtype -> the mode of one channel
_ONE_CHANNEL = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}


def to_tensor(pic: Any) -> Tensor:
    """An image of Pillow, or an array [H, W] or [H, W, C], as a tensor [C, H, W] with memory of its own.

    Bytes become numbers from 0 to 1 of the default dtype, and so does mode "1". "I" becomes int32, "I;16" int16, "F"
    float32, as they are; other arrays keep their dtype. ArgumentTypeError GT301 for anything else, ShapeError GT107 for
    an array of other dimensions.
    """
    if not is_pil(pic):
        channels_first = np.ascontiguousarray(_array_image(pic).transpose(2, 0, 1))
        return _of_bytes(channels_first) if channels_first.dtype == np.uint8 else gt.from_numpy(channels_first.copy())
    values = np.array(pic)
    if pic.mode in _WIDE:
        wide = values.astype(_WIDE[pic.mode], casting="unsafe")
        return gt.from_numpy(wide[None])
    if pic.mode == "1":
        values = values.astype(np.uint8) * np.uint8(255)
    return _of_bytes(_channels_first(values))


def _of_bytes(values: Array) -> Tensor:
    dtype = gt.get_default_dtype()
    shares = as_tensor_of(np.divide(values, 255, dtype=np.float64 if dtype == float64 else np.float32))
    return shares if dtype in (float32, float64) else shares.to(dtype)


def _channels_first(values: Array) -> Array:
    """[H, W] or [H, W, C] as [C, H, W], dense."""
    return np.ascontiguousarray(np.atleast_3d(values).transpose(2, 0, 1))


def _array_image(pic: Any) -> Array:
    """An array [H, W] or [H, W, C] as [H, W, C]."""
    if not isinstance(pic, np.ndarray):
        raise wrong_type("pic", pic, "a PIL image or a numpy array")
    facts = [f"expected [H, W] or [H, W, C], got {list(pic.shape)}"]
    check(pic.ndim in (2, 3), "GT107", "pic is no image", *facts)
    return pic.reshape(*pic.shape[:2], -1) if pic.ndim == 2 else pic


def pil_to_tensor(pic: Any) -> Tensor:
    """An image of Pillow as a tensor [C, H, W] of its own elements.

    uint8 mostly; bool for mode "1", int32 for "I" and "I;16" (whose uint16 there is not), float32 for "F".
    ArgumentTypeError GT301 for what is no image of Pillow.
    """
    if not is_pil(pic):
        raise wrong_type("pic", pic, "a PIL image")
    values = _channels_first(np.array(pic))
    return gt.from_numpy(values.astype(np.int32) if values.dtype.kind == "u" and values.itemsize == 2 else values)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor [C, H, W] or [H, W], or an array [H, W, C] or [H, W], as an image of Pillow.

    Floats are taken to be from 0 to 1, unless the mode is "F". Without ``mode`` bytes become "L", "LA",
    "RGB" or "RGBA" by their channels; int16 of one channel becomes "I;16", int32 "I", float32 "F".
    ArgumentTypeError GT301 and DTypeError GT202 for other types, ShapeError GT107 for other dimensions, ArgumentError
    GT304 for a mode that does not fit.
    """
    values = _pixels_of_tensor(pic) if isinstance(pic, Tensor) else _array_image(pic)
    if values.dtype.kind == "f" and mode != "F":
        with np.errstate(invalid="ignore"):  # of nan and of what is far outside
            values = (values * 255).astype(np.int64).astype(np.uint8)
    channels = values.shape[2]
    check(channels in _MODES, "GT107", f"pic has {channels} channels", "expected 1 to 4")
    if channels == 1:
        return _one_channel(values[:, :, 0], mode)
    facts = ["expected uint8"]
    check(values.dtype == np.uint8, "GT202", f"pic is {values.dtype} of {channels} channels", *facts, kind=DTypeError)
    return _of_mode(values, _chosen(mode, _MODES[channels], f"{channels} channels"))


def _pixels_of_tensor(pic: Tensor) -> Array:
    facts = [f"expected [C, H, W] or [H, W], got {list(pic.shape)}"]
    check(pic.ndim in (2, 3), "GT107", "pic is no image", *facts)
    values = (pic.to(float32) if pic.dtype.kind == "f" and pic.dtype != float64 else pic).detach().numpy()
    return np.ascontiguousarray((values[None] if values.ndim == 2 else values).transpose(1, 2, 0))


def _one_channel(values: Array, mode: str | None) -> Any:
    name = _ONE_CHANNEL.get(values.dtype.name)
    if name is None:
        facts = [f"expected one of {', '.join(_ONE_CHANNEL)}"]
        raise DTypeError("GT202", f"pic is {values.dtype} of one channel", facts)
    _chosen(mode, (name,), f"{values.dtype} of one channel")
    # the sign is a bit of I;16, which has none
    return pillow(wanted_by="to_pil_image").fromarray(values.view(np.uint16) if name == "I;16" else values)


def _chosen(mode: Any, allowed: Sequence[str], what: str) -> str:
    if mode is not None and mode not in allowed:
        raise refused("mode", mode, f"{' or '.join(map(repr, allowed))} for {what}")
    return mode or allowed[0]


def _of_mode(values: Array, mode: str) -> Any:
    height, width = values.shape[:2]
    return pillow(wanted_by="to_pil_image").frombytes(mode, (width, height), values.tobytes())


def image_of(values: Array, like: Any) -> Any:
    """An image of Pillow of these elements, with the mode and the palette of ``like``."""
    if like.mode in ("1", "L", "I", "F", "I;16"):
        return pillow().fromarray(np.ascontiguousarray(values))
    out = _of_mode(np.ascontiguousarray(values), like.mode)
    if like.mode == "P":
        out.putpalette(like.getpalette())
    return out


# ---- dtypes ---------------------------------------------------------------------------------------


def convert_image_dtype(image: Tensor, dtype: DType | None = None) -> Tensor:
    """``image`` with another dtype (the default one unless given), and values of the range that means white there.

    1 is white of floats, the largest number of integers. Integers to larger ones and back are the same; floats become
    integers by ranges of one size each. DTypeError GT202 where a float has too few digits for the integer.
    """
    dtype = dtype or gt.get_default_dtype()
    if not isinstance(image, Tensor):
        raise wrong_type("image", image, "a tensor")
    if image.dtype == dtype:
        return image
    if image.dtype.kind == "f":
        return _from_float(image, dtype)
    most = bound(image.dtype)
    if dtype.kind == "f":
        return image.to(dtype) / most  # type: ignore[no-any-return]
    if most > bound(dtype):
        factor = (most + 1) // (bound(dtype) + 1)
        return gt.div(image, factor, rounding_mode="floor").to(dtype)  # type: ignore[no-any-return]
    return image.to(dtype) * ((bound(dtype) + 1) // (most + 1))  # type: ignore[no-any-return]


def _from_float(image: Tensor, dtype: DType) -> Tensor:
    if dtype.kind == "f":
        return image.to(dtype)
    lossy = (image.dtype == float32 and dtype in (int32, int64)) or (image.dtype == float64 and dtype == int64)
    check(
        not lossy,
        "GT202",
        f"{image.dtype!r} has too few digits for {dtype!r}",
        "expected an integer dtype with fewer bits than the float's digits",
        kind=DTypeError,
    )
    # a little less than one more than the largest, so that each integer has a range of one size
    return (image * (bound(dtype) + 1.0 - 1e-3)).to(dtype)  # type: ignore[no-any-return]


def normalize(tensor: Tensor, mean: Any, std: Any, inplace: bool = False) -> Tensor:
    """(tensor - mean) / std for each channel of [..., C, H, W]; ``mean`` and ``std`` hold C numbers, or one.

    ArgumentTypeError GT301 for what is no tensor, DTypeError GT203 for integers, ShapeError GT107 for fewer than 3
    dimensions, ArgumentError GT304 for a deviation of 0 and for other numbers of channels.
    """
    if not isinstance(tensor, Tensor):
        fix = ["transforms.ToTensor() before it makes one of an image"]
        raise ArgumentTypeError("GT301", f"tensor must be a tensor, got {type(tensor).__name__}", fix)
    require_float_image(tensor, "what is normalised")
    check(tensor.ndim >= 3, "GT107", "tensor is no image", f"expected [..., C, H, W], got {tensor.ndim} dimensions")
    center, spread = _per_channel(mean, "mean", tensor), _per_channel(std, "std", tensor)
    if not inplace and _is_array(tensor) and isinstance(center, np.ndarray) and isinstance(spread, np.ndarray):
        with np.errstate(all="ignore"):
            return as_tensor_of((tensor._array - center) / spread)
    center, spread = (gt.from_numpy(v) if isinstance(v, np.ndarray) else v for v in (center, spread))
    out = (tensor - center) / spread
    return tensor.copy_(out) if inplace else out


def _is_array(tensor: Tensor) -> bool:
    """Whether nothing but numbers is wanted of it: two ops take 0.1 ms each, and data sets have many small images."""
    return not (interpreter().tracing or tensor.requires_grad or tensor.dtype not in (float32, float64))


def _per_channel(values: Any, name: str, tensor: Tensor) -> Any:
    """The numbers as [C, 1, 1] of the tensor's dtype, an array unless they are a tensor; deviations are not 0 in it."""
    if isinstance(values, Tensor):
        flat: Any = values.to(tensor.dtype).reshape(-1)
    else:
        flat = np.asarray(values, np.float64).reshape(-1).astype(tensor.dtype.np)
        if name == "std" and not flat.all():
            raise refused("std", values, f"deviations that are not 0 in {tensor.dtype!r}")
    if len(flat) not in (1, tensor.shape[-3]):
        raise refused(name, values, f"{tensor.shape[-3]} numbers, one for each channel of {tensor.aval}")
    return flat.reshape(-1, 1, 1)


__all__ = ["convert_image_dtype", "normalize", "pil_to_tensor", "to_pil_image", "to_tensor"]
