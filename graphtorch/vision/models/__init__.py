"""Networks for images under torchvision's names, with its arguments, parts, `repr` and state_dict keys.

``resnet18(num_classes=10)`` is drawn anew, ``resnet18(weights="resnet18-f37072fd.pth")`` read from a file; see
`graphtorch.vision.models.weights`. ``progress`` shows a bar where weights are downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphtorch import nn
from graphtorch.ir.errors import ArgumentError
from graphtorch.vision.models.alexnet import AlexNet, alexnet
from graphtorch.vision.models.densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from graphtorch.vision.models.googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from graphtorch.vision.models.lenet import LeNet, lenet
from graphtorch.vision.models.mobilenet import MobileNetV2, mobilenet_v2
from graphtorch.vision.models.published import WEIGHTS as _WEIGHTS
from graphtorch.vision.models.published import (
    AlexNet_Weights,
    DenseNet121_Weights,
    DenseNet161_Weights,
    DenseNet169_Weights,
    DenseNet201_Weights,
    GoogLeNet_Weights,
    MobileNet_V2_Weights,
    ResNet18_Weights,
    ResNet34_Weights,
    ResNet50_Weights,
    ResNet101_Weights,
    ResNet152_Weights,
    ResNeXt50_32X4D_Weights,
    ResNeXt101_32X8D_Weights,
    ResNeXt101_64X4D_Weights,
    SqueezeNet1_0_Weights,
    SqueezeNet1_1_Weights,
    VGG11_BN_Weights,
    VGG11_Weights,
    VGG13_BN_Weights,
    VGG13_Weights,
    VGG16_BN_Weights,
    VGG16_Weights,
    VGG19_BN_Weights,
    VGG19_Weights,
    ViT_B_16_Weights,
    ViT_B_32_Weights,
    ViT_H_14_Weights,
    ViT_L_16_Weights,
    ViT_L_32_Weights,
    WeightsEnum,
    Wide_ResNet50_2_Weights,
    Wide_ResNet101_2_Weights,
)
from graphtorch.vision.models.resnet import (
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    resnext101_64x4d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from graphtorch.vision.models.squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from graphtorch.vision.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from graphtorch.vision.models.vision_transformer import (
    VisionTransformer,
    vit_b_16,
    vit_b_32,
    vit_h_14,
    vit_l_16,
    vit_l_32,
)

_CONSTRUCTORS: dict[str, Callable[..., nn.Module]] = {
    made.__name__: made
    for made in (
        alexnet,
        densenet121,
        densenet161,
        densenet169,
        densenet201,
        googlenet,
        lenet,
        mobilenet_v2,
        resnet101,
        resnet152,
        resnet18,
        resnet34,
        resnet50,
        resnext101_32x8d,
        resnext101_64x4d,
        resnext50_32x4d,
        squeezenet1_0,
        squeezenet1_1,
        vgg11,
        vgg11_bn,
        vgg13,
        vgg13_bn,
        vgg16,
        vgg16_bn,
        vgg19,
        vgg19_bn,
        vit_b_16,
        vit_b_32,
        vit_h_14,
        vit_l_16,
        vit_l_32,
        wide_resnet101_2,
        wide_resnet50_2,
    )
}


def list_models() -> list[str]:
    """The names that `get_model` knows, in order of the alphabet."""
    return sorted(_CONSTRUCTORS)


def get_model(name: str, **config: Any) -> nn.Module:
    """``resnet18(**config)`` for the name "resnet18"; ArgumentError GT304 for a name that is not in `list_models`."""
    return _known(name, _CONSTRUCTORS)(**config)


def get_model_weights(name: str | Callable[..., nn.Module]) -> type[WeightsEnum]:
    """The enumeration of the published weights of a constructor, or of its name; ArgumentError GT304 for others."""
    return _known(name if isinstance(name, str) else name.__name__, _WEIGHTS)


def _known(name: str, table: Any) -> Any:
    if name.lower() not in table:
        raise ArgumentError("GT304", f"name={name!r} is not allowed", [f"expected one of {', '.join(sorted(table))}"])
    return table[name.lower()]


__all__ = [
    "VGG",
    "AlexNet",
    "AlexNet_Weights",
    "DenseNet",
    "DenseNet121_Weights",
    "DenseNet161_Weights",
    "DenseNet169_Weights",
    "DenseNet201_Weights",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "GoogLeNet_Weights",
    "LeNet",
    "MobileNetV2",
    "MobileNet_V2_Weights",
    "ResNeXt50_32X4D_Weights",
    "ResNeXt101_32X8D_Weights",
    "ResNeXt101_64X4D_Weights",
    "ResNet",
    "ResNet18_Weights",
    "ResNet34_Weights",
    "ResNet50_Weights",
    "ResNet101_Weights",
    "ResNet152_Weights",
    "SqueezeNet",
    "SqueezeNet1_0_Weights",
    "SqueezeNet1_1_Weights",
    "VGG11_BN_Weights",
    "VGG11_Weights",
    "VGG13_BN_Weights",
    "VGG13_Weights",
    "VGG16_BN_Weights",
    "VGG16_Weights",
    "VGG19_BN_Weights",
    "VGG19_Weights",
    "ViT_B_16_Weights",
    "ViT_B_32_Weights",
    "ViT_H_14_Weights",
    "ViT_L_16_Weights",
    "ViT_L_32_Weights",
    "VisionTransformer",
    "WeightsEnum",
    "Wide_ResNet50_2_Weights",
    "Wide_ResNet101_2_Weights",
    "alexnet",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "get_model",
    "get_model_weights",
    "googlenet",
    "lenet",
    "list_models",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "vit_b_16",
    "vit_b_32",
    "vit_h_14",
    "vit_l_16",
    "vit_l_32",
    "wide_resnet50_2",
    "wide_resnet101_2",
]
