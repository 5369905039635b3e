"""Transforms as functions, of images of Pillow and of tensors [..., C, H, W]."""

from graphtorch.vision.transforms.functional.blurring import gaussian_blur
from graphtorch.vision.transforms.functional.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    rgb_to_grayscale,
    to_grayscale,
)
from graphtorch.vision.transforms.functional.conversions import (
    convert_image_dtype,
    normalize,
    pil_to_tensor,
    to_pil_image,
    to_tensor,
)
from graphtorch.vision.transforms.functional.geometry import (
    center_crop,
    crop,
    erase,
    five_crop,
    hflip,
    pad,
    ten_crop,
    vflip,
)
from graphtorch.vision.transforms.functional.images import get_dimensions, get_image_num_channels, get_image_size
from graphtorch.vision.transforms.functional.interpolation import InterpolationMode
from graphtorch.vision.transforms.functional.resizing import resize, resized_crop
from graphtorch.vision.transforms.functional.tones import autocontrast, equalize, invert, posterize, solarize
from graphtorch.vision.transforms.functional.warping import affine, perspective, rotate

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation",
    "adjust_sharpness", "affine", "autocontrast", "center_crop", "convert_image_dtype", "crop", "equalize", "erase",
    "five_crop", "gaussian_blur", "get_dimensions", "get_image_num_channels", "get_image_size", "hflip", "invert",
    "normalize", "pad", "perspective", "pil_to_tensor", "posterize", "resize", "resized_crop", "rgb_to_grayscale",
    "rotate", "solarize", "ten_crop", "to_grayscale", "to_pil_image", "to_tensor", "vflip",
]  # fmt: skip
