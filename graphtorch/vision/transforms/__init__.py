"""Transforms of images of Pillow and of tensors [..., C, H, W], under torchvision's names: docs/vision.md."""

from graphtorch.vision.transforms import functional
from graphtorch.vision.transforms.colors import (
    ColorJitter,
    Grayscale,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomGrayscale,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from graphtorch.vision.transforms.containers import (
    Compose,
    Lambda,
    RandomApply,
    RandomChoice,
    RandomOrder,
    RandomTransforms,
)
from graphtorch.vision.transforms.conversions import ConvertImageDtype, Normalize, PILToTensor, ToPILImage, ToTensor
from graphtorch.vision.transforms.cropping import RandomCrop, RandomResizedCrop
from graphtorch.vision.transforms.erasing import GaussianBlur, RandomErasing
from graphtorch.vision.transforms.flips import RandomHorizontalFlip, RandomVerticalFlip
from graphtorch.vision.transforms.functional.interpolation import InterpolationMode
from graphtorch.vision.transforms.sizing import CenterCrop, FiveCrop, Pad, Resize, TenCrop
from graphtorch.vision.transforms.warps import RandomAffine, RandomPerspective, RandomRotation

__all__ = [
    "CenterCrop", "ColorJitter", "Compose", "ConvertImageDtype", "FiveCrop", "GaussianBlur", "Grayscale",
    "InterpolationMode", "Lambda", "Normalize", "PILToTensor", "Pad", "RandomAdjustSharpness", "RandomAffine",
    "RandomApply", "RandomAutocontrast", "RandomChoice", "RandomCrop", "RandomEqualize", "RandomErasing",
    "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert", "RandomOrder", "RandomPerspective", "RandomPosterize",
    "RandomResizedCrop", "RandomRotation", "RandomSolarize", "RandomTransforms", "RandomVerticalFlip", "Resize",
    "TenCrop", "ToPILImage", "ToTensor", "functional",
]  # fmt: skip
