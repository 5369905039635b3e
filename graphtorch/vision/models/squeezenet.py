"""SqueezeNet: F. N. Iandola et al., "AlexNet-level accuracy with 50x fewer parameters..." (arXiv:1602.07360)."""

from __future__ import annotations

from typing import Any

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.nn import init
from graphtorch.vision.models.weights import Source, build


class Fire(nn.Module):
    """[n, inplanes, h, w] squeezed to few channels, and expanded by 1 x 1 and 3 x 3 filters side by side:
    [n, expand1x1_planes + expand3x3_planes, h, w]."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        narrow = self.expand1x1_activation(self.expand1x1(x))
        return gt.cat([narrow, self.expand3x3_activation(self.expand3x3(x))], 1)


#: (channels and size of the first filters, then squeezed planes of the eight `Fire`, "M" for a pooling)
_VERSIONS: dict[str, tuple[int, int, tuple[int | str, ...]]] = {
    "1_0": (96, 7, ("M", 16, 16, 32, "M", 32, 48, 48, 64, "M", 64)),
    "1_1": (64, 3, ("M", 16, 16, "M", 32, 32, "M", 48, 48, 64, 64)),
}


class SqueezeNet(nn.Module):
    """Images [n, 3, h, w] (made for 224 x 224) to scores [n, num_classes], which are >= 0, as means of a ReLU.

    Version "1_1" needs 2.4 times less work than "1_0". ArgumentError GT304 for another one.
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        check(
            version in _VERSIONS,
            "GT304",
            f"version={version!r} is not allowed",
            "expected 1_0 or 1_1",
            kind=ArgumentError,
        )
        self.num_classes = num_classes
        channels, size, plan = _VERSIONS[version]
        layers: list[nn.Module] = [nn.Conv2d(3, channels, size, stride=2), nn.ReLU(inplace=True)]
        for planes in plan:
            if isinstance(planes, str):
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
                continue
            layers.append(Fire(channels, planes, 4 * planes, 4 * planes))
            channels = 8 * planes
        self.features = nn.Sequential(*layers)
        scores = nn.Conv2d(channels, num_classes, 1)
        pool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), scores, nn.ReLU(inplace=True), pool)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                init.normal_(layer.weight, std=0.01) if layer is scores else init.kaiming_uniform_(layer.weight)
                init.zeros_(layer.bias)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.classifier(self.features(x)).flatten(1)


def _squeezenet(version: str, weights: Source, progress: bool, kwargs: Any) -> SqueezeNet:
    return build(f"squeezenet{version}", SqueezeNet, weights, progress, version=version, **kwargs)


def squeezenet1_0(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> SqueezeNet:
    """`SqueezeNet` as in the paper; for ``weights`` see `weights.build`."""
    return _squeezenet("1_0", weights, progress, kwargs)


def squeezenet1_1(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> SqueezeNet:
    """`SqueezeNet` with poolings moved to the front; for ``weights`` see `weights.build`."""
    return _squeezenet("1_1", weights, progress, kwargs)
