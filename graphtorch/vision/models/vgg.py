"""VGG: K. Simonyan, A. Zisserman, "Very deep convolutional networks...", arXiv:1409.1556."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import graphtorch as gt
from graphtorch import nn
from graphtorch.nn import init
from graphtorch.vision.models.weights import Source, build

#: columns A, B, D and E of the paper's table 1: (channels, 3 x 3 convolutions) between one pooling and the next
_COLUMNS = {
    11: ((64, 1), (128, 1), (256, 2), (512, 2), (512, 2)),
    13: ((64, 2), (128, 2), (256, 2), (512, 2), (512, 2)),
    16: ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)),
    19: ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)),
}


class VGG(nn.Module):
    """``features`` [n, 3, h, w] -> [n, 512, h / 32, w / 32], then three linear layers: scores [n, num_classes].

    Images have at least 32 x 32 pixels (made for 224 x 224). With ``init_weights`` convolutions start as K. He et al.
    (2015) say, by fan out, linear layers normal with deviation 0.01, biases at 0.
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )  # fmt: skip
        if init_weights:
            self.apply(_initialize)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _initialize(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if layer.bias is not None:
            init.zeros_(layer.bias)
    elif isinstance(layer, nn.Linear):
        init.normal_(layer.weight, 0, 0.01)
        init.zeros_(layer.bias)


def _features(column: Sequence[tuple[int, int]], batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for width, count in column:
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            layers += [nn.BatchNorm2d(width)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(2, stride=2))
    return nn.Sequential(*layers)


def _vgg(layers: int, batch_norm: bool, weights: Source, progress: bool, kwargs: Any) -> VGG:
    def make(**options: Any) -> VGG:
        return VGG(_features(_COLUMNS[layers], batch_norm), **options)

    return build(f"vgg{layers}{'_bn' if batch_norm else ''}", make, weights, progress, **kwargs)


def vgg11(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` with 8 convolutions; for ``weights`` see `weights.build`."""
    return _vgg(11, False, weights, progress, kwargs)


def vgg11_bn(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` with 8 convolutions, each followed by a batch norm; for ``weights`` see `weights.build`."""
    return _vgg(11, True, weights, progress, kwargs)


def vgg13(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` with 10 convolutions; for ``weights`` see `weights.build`."""
    return _vgg(13, False, weights, progress, kwargs)


def vgg13_bn(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` with 10 convolutions, each followed by a batch norm; for ``weights`` see `weights.build`."""
    return _vgg(13, True, weights, progress, kwargs)


def vgg16(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` with 13 convolutions; for ``weights`` see `weights.build`."""
    return _vgg(16, False, weights, progress, kwargs)


def vgg16_bn(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` with 13 convolutions, each followed by a batch norm; for ``weights`` see `weights.build`."""
    return _vgg(16, True, weights, progress, kwargs)


def vgg19(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` with 16 convolutions; for ``weights`` see `weights.build`."""
    return _vgg(19, False, weights, progress, kwargs)


def vgg19_bn(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` with 16 convolutions, each followed by a batch norm; for ``weights`` see `weights.build`."""
    return _vgg(19, True, weights, progress, kwargs)
