"""Calls of transforms that are compared with torchvision's results, and the images they get.

This file imports numpy and Pillow alone: `tools/vision_facts.py` makes the same calls of torchvision, where that is
installed, and writes down what comes out (tests/vision/facts/). Names of interpolations and dtypes stand for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

Array = Any


class Case(NamedTuple):
    """A call ``function(image, **options)``; ``image`` is a key of `tensors` or of `pictures`."""

    function: str
    image: str
    options: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.function}({self.image}{''.join(f', {k}={v}' for k, v in self.options.items())})"


def _waves(*shape: int, seed: int) -> Array:
    """Numbers from 0 to 1: waves, so that neighbours are alike, in noise; a few are at the ends."""
    rng = np.random.default_rng(seed)
    *lead, height, width = shape
    y, x = np.mgrid[:height, :width]
    phase = rng.uniform(0, 6, (*lead, 1, 1))
    values = 0.5 + 0.4 * np.sin(0.7 * x + 0.4 * y + phase) + rng.normal(0, 0.15, shape)
    return values.clip(0, 1)


def tensors() -> dict[str, Array]:
    """Images as arrays [..., C, H, W]; no size comes twice in one."""
    rgb = _waves(3, 11, 17, seed=0)
    return {
        "rgb8": np.round(rgb * 255).astype(np.uint8),
        "rgb": rgb.astype(np.float32),
        "double": _waves(3, 8, 13, seed=1),
        "batch8": np.round(_waves(2, 3, 9, 14, seed=2) * 255).astype(np.uint8),
        "batch": _waves(2, 3, 9, 14, seed=3).astype(np.float32),
        "gray8": np.round(_waves(1, 10, 7, seed=4) * 255).astype(np.uint8),
        "gray": _waves(1, 10, 7, seed=5).astype(np.float32),
        "wide16": np.round(_waves(1, 6, 9, seed=6) * 30000 - 9000).astype(np.int16),
        "large8": np.round(_waves(3, 43, 61, seed=7) * 255).astype(np.uint8),
    }


def pictures() -> dict[str, Image.Image]:
    """Images of Pillow, one of each mode."""
    rgb = Image.fromarray(np.round(_waves(11, 17, seed=8)[..., None] * [250, 180, 90] + [0, 20, 60]).astype(np.uint8))
    rgba = np.round(_waves(4, 9, 13, seed=9).transpose(1, 2, 0) * 255).astype(np.uint8)
    gray = Image.fromarray(np.round(_waves(10, 7, seed=10) * 255).astype(np.uint8))
    numbers = np.round(_waves(8, 12, seed=11) * 60000)
    return {
        "RGB": rgb, "L": gray, "1": gray.convert("1"), "RGBA": Image.fromarray(rgba), "CMYK": rgb.convert("CMYK"),
        "LA": Image.fromarray(np.ascontiguousarray(rgba[..., :2])), "YCbCr": rgb.convert("YCbCr"),
        "P": rgb.quantize(16), "I": Image.fromarray((numbers * 900 - 1000).astype(np.int32)),
        "I;16": Image.fromarray(numbers.astype(np.uint16)), "F": Image.fromarray((numbers / 7 - 99).astype(np.float32)),
    }  # fmt: skip


BYTES = ("RGB", "L", "RGBA", "LA", "CMYK", "YCbCr")
SIZES: tuple[Any, ...] = (6, [23], [5, 8], [19, 7])
FACTORS = (0.0, 0.4, 1.0, 1.7)


def cases() -> Iterator[Case]:
    """All of them."""
    for function in (_sizes, _parts, _frames, _colors, _tones, _warps, _conversions):
        yield from (Case(*case) for case in function())


Found = Iterator[tuple[str, str, dict[str, Any]]]


def _sizes() -> Found:
    modes = "nearest", "nearest-exact", "bilinear", "bicubic"
    for image, size, mode, smooth in product(("rgb8", "batch", "gray"), SIZES, modes, (True, False)):
        yield "resize", image, {"size": size, "interpolation": mode, "antialias": smooth}
    for image, mode in product(("double", "wide16", "batch8", "large8"), modes):
        yield "resize", image, {"size": [7, 10], "interpolation": mode}
    for image, size in product((*BYTES, "1", "P", "I", "F"), (6, [19, 7])):
        yield "resize", image, {"size": size}
    for mode in ("nearest", "bicubic", "box", "hamming", "lanczos"):
        yield "resize", "RGB", {"size": [5, 8], "interpolation": mode}
    for image in ("rgb8", "RGB"):
        yield "resize", image, {"size": 9, "max_size": 12}
        yield "resize", image, {"size": 13, "max_size": 40}
        part = {"top": 2, "left": 3, "height": 7, "width": 9, "size": [4, 12]}
        yield "resized_crop", image, part


def _parts() -> Found:
    for image in ("rgb8", "batch", "RGB", "L", "F", "1"):
        yield "hflip", image, {}
        yield "vflip", image, {}
        for top, left, height, width in ((1, 2, 4, 3), (-2, -3, 6, 7), (5, 4, 9, 20), (30, 2, 3, 4)):
            yield "crop", image, {"top": top, "left": left, "height": height, "width": width}
        for size in (4, [5, 6], [24, 3], [3, 21], [23, 28]):
            yield "center_crop", image, {"output_size": size}
        yield "five_crop", image, {"size": [4, 5]}
        yield "ten_crop", image, {"size": 3, "vertical_flip": True}


def _frames() -> Found:
    for image, padding in product(("rgb8", "batch", "RGB", "L", "P", "LA"), (2, [1, 3], [1, 2, 3, 4], [3])):
        yield "pad", image, {"padding": padding, "fill": 7}
        for mode in ("edge", "reflect", "symmetric"):
            yield "pad", image, {"padding": padding, "padding_mode": mode}
    for image in ("rgb8", "RGB"):
        yield "pad", image, {"padding": [-1, 2, 3, -2]}
        yield "pad", image, {"padding": [-1, 2, 3, -2], "padding_mode": "symmetric"}
    yield "pad", "RGB", {"padding": 2, "fill": [9, 8, 7]}


def _colors() -> Found:
    kinds = "brightness", "contrast", "saturation", "sharpness"
    for image, kind, factor in product(("rgb8", "rgb", "batch8", "gray8", "gray", "RGB", "L"), kinds, FACTORS):
        yield f"adjust_{kind}", image, {f"{kind}_factor": factor}
    for image, factor in product(
        ("rgb8", "rgb", "batch", "double", "gray8", "RGB", "L", "YCbCr"), (-0.5, -0.1, 0.0, 0.3)
    ):
        yield "adjust_hue", image, {"hue_factor": factor}
    for image, gamma, gain in product(("rgb8", "rgb", "gray", "RGB", "L"), (0.4, 1, 2.2), (1, 1.5)):
        yield "adjust_gamma", image, {"gamma": gamma, "gain": gain}
    for image, count in product(("rgb8", "rgb", "batch8", "double", "RGB", "L", "CMYK"), (1, 3)):
        yield "rgb_to_grayscale", image, {"num_output_channels": count}
    for image, kernel, sigma in product(
        ("rgb8", "batch", "double", "gray", "RGB", "L"), (3, [5, 7]), (None, 0.7, [0.5, 2.0])
    ):
        yield "gaussian_blur", image, {"kernel_size": kernel, "sigma": sigma}


def _tones() -> Found:
    for image in ("rgb8", "batch8", "gray8", "RGB", "L"):
        yield "equalize", image, {}
        for bits in (1, 3, 8):
            yield "posterize", image, {"bits": bits}
    for image in ("rgb8", "rgb", "batch", "gray8", "RGB", "L"):
        yield "invert", image, {}
        yield "autocontrast", image, {}
        yield "solarize", image, {"threshold": 0.4 if image in ("rgb", "batch") else 120}


def _warps() -> Found:
    images = "rgb8", "batch", "double", "RGB", "L", "F"
    modes = "nearest", "bilinear"
    for image, mode, angle, expand in product(images, modes, (-31.7, 90, 180, 211.3), (False, True)):
        yield "rotate", image, {"angle": angle, "interpolation": mode, "expand": expand}
    for image, mode in product(images, modes):
        several = image not in ("L", "F")
        fill = [0.3, 0.2, 0.9] if image in ("batch", "double") else [9, 200, 30] if several else 50
        yield "rotate", image, {"angle": 21.9, "interpolation": mode, "center": [3, 4], "fill": fill}
        yield "affine", image, {
            "angle": 17.3, "translate": [2, -1], "scale": 1.3, "shear": [11.0, -5.5], "interpolation": mode, "fill": fill,
        }  # fmt: skip
        yield "affine", image, {
            "angle": 0, "translate": [1, 2], "scale": 0.7, "shear": [8.0], "interpolation": mode, "center": [2, 6],
        }  # fmt: skip
        ends = [[2, 1], [15, 0], [13, 8], [1, 10]]
        start = [[0, 0], [16, 0], [16, 10], [0, 10]]
        yield "perspective", image, {"startpoints": start, "endpoints": ends, "interpolation": mode, "fill": fill}


def _conversions() -> Found:
    for image in pictures():
        yield "to_tensor", image, {}
        if image != "I;16":  # uint16, which gt has not
            yield "pil_to_tensor", image, {}
    for image, dtype in product(("rgb8", "rgb", "double", "wide16"), ("uint8", "int16", "int32", "float32", "float64")):
        if (image, dtype) != ("rgb", "int32"):  # refused
            yield "convert_image_dtype", image, {"dtype": dtype}
    for image in ("rgb8", "rgb", "gray8", "gray", "double", "wide16"):
        yield "to_pil_image", image, {}
    yield "to_pil_image", "gray", {"mode": "F"}
    for mode in ("YCbCr", "HSV"):
        yield "to_pil_image", "rgb8", {"mode": mode}
    for image in ("rgb", "batch", "double"):
        yield "normalize", image, {"mean": [0.4, 0.5, 0.3], "std": [0.2, 0.3, 0.25]}
        yield "normalize", image, {"mean": 0.4, "std": 0.3}


#: transforms whose ranges leave no choice, for images of each kind
FIXED = (
    "ColorJitter(brightness=(1.3, 1.3))", "ColorJitter(contrast=(0.7, 0.7))", "ColorJitter(saturation=(1.6, 1.6))",
    "ColorJitter(hue=(0.2, 0.2))", "RandomRotation((33, 33), fill=7)", "RandomRotation((-20, -20), expand=True)",
    "RandomRotation((33, 33), InterpolationMode.BILINEAR, center=(2, 3))",
    "RandomAffine((12, 12), scale=(1.2, 1.2), shear=(7, 7))", "RandomAffine((12, 12), shear=(7, 7, 3, 3), fill=(9, 8, 7))",
    "RandomResizedCrop(6, (9, 9), (2, 2.5))", "RandomResizedCrop((5, 8), (9, 9), (0.2, 0.5))", "GaussianBlur((3, 5), (0.8, 0.8))",
    "RandomCrop((11, 17))", "RandomCrop((15, 19), padding=(1, 2), fill=3)", "RandomGrayscale(1)", "RandomInvert(1)",
    "RandomPosterize(2, 1)", "RandomSolarize(90, 1)", "RandomAdjustSharpness(1.7, 1)", "RandomAutocontrast(1)",
    "RandomEqualize(1)", "RandomHorizontalFlip(1)", "RandomVerticalFlip(1)", "RandomApply([Pad(2, 5), CenterCrop(9)], 1)",
    "Grayscale(3)", "FiveCrop((4, 5))", "TenCrop(4, True)", "Pad((1, 2), 3, 'reflect')", "Resize(6, max_size=8)",
    "CenterCrop((20, 5))", "Compose([Resize(9), CenterCrop(7), Pad(1)])",
)  # fmt: skip

#: constructors of transforms, whose reprs are facts
REPRS = (
    "Compose([Resize(256), CenterCrop(224), ToTensor()])", "ToTensor()", "PILToTensor()", "ToPILImage()",
    "ToPILImage('L')", "ConvertImageDtype('float32')", "Normalize([0.5], [0.2])",
    "Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))", "Resize(224)", "Resize([8, 9], antialias=None)",
    "Resize((4, 5), interpolation=InterpolationMode.BICUBIC)", "Resize(5, max_size=9, antialias=False)", "CenterCrop(7)",
    "CenterCrop([4, 9])", "Pad(3)", "Pad((1, 2), fill=4, padding_mode='edge')", "RandomCrop(32, padding=4)",
    "RandomCrop((3, 4), None, True)", "RandomResizedCrop(224)",
    "RandomResizedCrop((9, 8), scale=(0.2, 0.9), ratio=(0.5, 2), interpolation=InterpolationMode.NEAREST)",
    "RandomHorizontalFlip()", "RandomVerticalFlip(0.25)", "FiveCrop(4)", "TenCrop((4, 3), vertical_flip=True)",
    "ColorJitter()", "ColorJitter(0.5, 1.5, (0.2, 3), 0.1)", "ColorJitter(hue=(-0.2, 0.3), contrast=0.3)", "Grayscale()",
    "Grayscale(3)", "RandomGrayscale()", "RandomRotation(30)",
    "RandomRotation((5, 9), InterpolationMode.BILINEAR, True, fill=3)", "RandomRotation(9, center=(3, 4))",
    "RandomAffine(10)", "RandomAffine((-5, 9), (0.1, 0.2), (0.5, 2), 7, fill=4)",
    "RandomAffine(0, shear=(1, 2, 3, 4), interpolation=InterpolationMode.BILINEAR, center=(1, 2))",
    "RandomPerspective()", "RandomErasing()", "RandomErasing(0.2, (0.1, 0.2), (0.5, 2), 'random', True)",
    "GaussianBlur(3)", "GaussianBlur((5, 9), sigma=(0.5, 1))", "GaussianBlur(5, 0.8)", "RandomInvert()",
    "RandomPosterize(3)", "RandomSolarize(0.5, 0.1)", "RandomAdjustSharpness(2)", "RandomAutocontrast()",
    "RandomEqualize(0.9)", "RandomApply([RandomInvert(), ToTensor()], 0.3)", "RandomChoice([ToTensor()])",
    "RandomChoice([ToTensor(), ToPILImage()], p=[1, 3])", "RandomOrder([ToTensor(), Pad(1)])", "Lambda(len)",
)  # fmt: skip

#: images -> arguments of `make_grid`
GRIDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("batch", {}), ("batch", {"nrow": 1, "padding": 3, "pad_value": 0.7}), ("gray", {}), ("batch8", {"padding": 0}),
    ("batch", {"normalize": True}), ("batch", {"normalize": True, "scale_each": True}),
    ("batch", {"normalize": True, "value_range": (0.2, 0.6)}), ("rgb", {"normalize": True}),
)  # fmt: skip
