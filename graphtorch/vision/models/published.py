"""The files of weights that torchvision publishes, under its names: ``VGG16_Weights.IMAGENET1K_V1``.

They are no part of graphtorch: `graphtorch.vision.models.weights` downloads them when they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import graphtorch as gt

HOST = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class File:
    """A file, and how images are made ready for its model: sizes in pixels, ``mean`` and ``std`` of [0, 1]."""

    name: str
    crop_size: int = 224
    resize_size: int = 256
    bicubic: bool = False
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


class WeightsEnum(Enum):
    """The published weights of one model; ``DEFAULT`` are the best of them. Each value is a `File`."""

    @property
    def url(self) -> str:
        """Where torchvision publishes the file."""
        return HOST + str(self.value.name)

    def transforms(self) -> Any:
        """What makes of an image of Pillow, or of u8[3,h,w], what the model was trained with: f32[3,crop,crop]."""
        from graphtorch.vision import transforms  # which most of those who use a model have imported, or do not need

        file: File = self.value
        how = transforms.InterpolationMode.BICUBIC if file.bicubic else transforms.InterpolationMode.BILINEAR
        return transforms.Compose(
            [
                transforms.Resize(file.resize_size, how),
                transforms.CenterCrop(file.crop_size),
                transforms.Lambda(_as_float),
                transforms.Normalize(file.mean, file.std),
            ]
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self._name_}"


def _as_float(image: Any) -> Any:
    from graphtorch.vision.transforms import functional as F

    return F.convert_image_dtype(image if isinstance(image, gt.Tensor) else F.pil_to_tensor(image), gt.float32)


def _enum(name: str, default: str, **files: str | File) -> Any:
    values = {member: File(f) if isinstance(f, str) else f for member, f in files.items()}
    return WeightsEnum(name, {**values, "DEFAULT": values[default]})  # type: ignore[call-arg]


def _v1(name: str, file: str) -> Any:
    return _enum(name, "IMAGENET1K_V1", IMAGENET1K_V1=file)


def _v2(name: str, first: str, second: str) -> Any:
    """Those of a longer training (V2) are for images that were made 232 pixels high."""
    return _enum(name, "IMAGENET1K_V2", IMAGENET1K_V1=first, IMAGENET1K_V2=File(second, resize_size=232))


def _swag(file: str, size: int) -> File:
    return File(file, size, size, bicubic=True)


AlexNet_Weights = _v1("AlexNet_Weights", "alexnet-owt-7be5be79.pth")
VGG11_Weights = _v1("VGG11_Weights", "vgg11-8a719046.pth")
VGG11_BN_Weights = _v1("VGG11_BN_Weights", "vgg11_bn-6002323d.pth")
VGG13_Weights = _v1("VGG13_Weights", "vgg13-19584684.pth")
VGG13_BN_Weights = _v1("VGG13_BN_Weights", "vgg13_bn-abd245e5.pth")
VGG16_Weights = _enum(
    "VGG16_Weights",
    "IMAGENET1K_V1",
    IMAGENET1K_V1="vgg16-397923af.pth",
    IMAGENET1K_FEATURES=File(
        "vgg16_features-amdegroot-88682ab5.pth", mean=(0.48235, 0.45882, 0.40784), std=(1 / 255, 1 / 255, 1 / 255)
    ),
)
VGG16_BN_Weights = _v1("VGG16_BN_Weights", "vgg16_bn-6c64b313.pth")
VGG19_Weights = _v1("VGG19_Weights", "vgg19-dcbb9e9d.pth")
VGG19_BN_Weights = _v1("VGG19_BN_Weights", "vgg19_bn-c79401a0.pth")
ResNet18_Weights = _v1("ResNet18_Weights", "resnet18-f37072fd.pth")
ResNet34_Weights = _v1("ResNet34_Weights", "resnet34-b627a593.pth")
ResNet50_Weights = _v2("ResNet50_Weights", "resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth")
ResNet101_Weights = _v2("ResNet101_Weights", "resnet101-63fe2227.pth", "resnet101-cd907fc2.pth")
ResNet152_Weights = _v2("ResNet152_Weights", "resnet152-394f9c45.pth", "resnet152-f82ba261.pth")
ResNeXt50_32X4D_Weights = _v2("ResNeXt50_32X4D_Weights", "resnext50_32x4d-7cdf4587.pth", "resnext50_32x4d-1a0047aa.pth")
ResNeXt101_32X8D_Weights = _v2(
    "ResNeXt101_32X8D_Weights", "resnext101_32x8d-8ba56ff5.pth", "resnext101_32x8d-110c445d.pth"
)
ResNeXt101_64X4D_Weights = _enum(
    "ResNeXt101_64X4D_Weights",
    "IMAGENET1K_V1",
    IMAGENET1K_V1=File("resnext101_64x4d-173b62eb.pth", resize_size=232),
)
Wide_ResNet50_2_Weights = _v2("Wide_ResNet50_2_Weights", "wide_resnet50_2-95faca4d.pth", "wide_resnet50_2-9ba9bcbe.pth")
Wide_ResNet101_2_Weights = _v2(
    "Wide_ResNet101_2_Weights", "wide_resnet101_2-32ee1156.pth", "wide_resnet101_2-d733dc28.pth"
)
MobileNet_V2_Weights = _v2("MobileNet_V2_Weights", "mobilenet_v2-b0353104.pth", "mobilenet_v2-7ebf99e0.pth")
SqueezeNet1_0_Weights = _v1("SqueezeNet1_0_Weights", "squeezenet1_0-b66bff10.pth")
SqueezeNet1_1_Weights = _v1("SqueezeNet1_1_Weights", "squeezenet1_1-b8a52dc0.pth")
DenseNet121_Weights = _v1("DenseNet121_Weights", "densenet121-a639ec97.pth")
DenseNet161_Weights = _v1("DenseNet161_Weights", "densenet161-8d451a50.pth")
DenseNet169_Weights = _v1("DenseNet169_Weights", "densenet169-b2777c0a.pth")
DenseNet201_Weights = _v1("DenseNet201_Weights", "densenet201-c1103571.pth")
GoogLeNet_Weights = _v1("GoogLeNet_Weights", "googlenet-1378be20.pth")
ViT_B_16_Weights = _enum(
    "ViT_B_16_Weights",
    "IMAGENET1K_V1",
    IMAGENET1K_V1="vit_b_16-c867db91.pth",
    IMAGENET1K_SWAG_E2E_V1=_swag("vit_b_16_swag-9ac1b537.pth", 384),
    IMAGENET1K_SWAG_LINEAR_V1=_swag("vit_b_16_lc_swag-4e70ced5.pth", 224),
)
ViT_B_32_Weights = _v1("ViT_B_32_Weights", "vit_b_32-d86f8d99.pth")
ViT_L_16_Weights = _enum(
    "ViT_L_16_Weights",
    "IMAGENET1K_V1",
    IMAGENET1K_V1=File("vit_l_16-852ce7e3.pth", resize_size=242),
    IMAGENET1K_SWAG_E2E_V1=_swag("vit_l_16_swag-4f3808c9.pth", 512),
    IMAGENET1K_SWAG_LINEAR_V1=_swag("vit_l_16_lc_swag-4d563306.pth", 224),
)
ViT_L_32_Weights = _v1("ViT_L_32_Weights", "vit_l_32-c7638314.pth")
ViT_H_14_Weights = _enum(
    "ViT_H_14_Weights",
    "IMAGENET1K_SWAG_E2E_V1",
    IMAGENET1K_SWAG_E2E_V1=_swag("vit_h_14_swag-80465313.pth", 518),
    IMAGENET1K_SWAG_LINEAR_V1=_swag("vit_h_14_lc_swag-c1eb923e.pth", 224),
)

#: all of them, by the name of the constructor
WEIGHTS: dict[str, type[WeightsEnum]] = {
    name.removesuffix("_Weights").lower(): kind for name, kind in list(globals().items()) if name.endswith("_Weights")
}
