"""DenseNet: G. Huang et al., "Densely connected convolutional networks" (arXiv:1608.06993), the variant BC."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import graphtorch as gt
from graphtorch import nn
from graphtorch.nn import init
from graphtorch.vision.models.weights import Source, build, renamed


class _DenseLayer(nn.Module):
    """All that came before, [n, num_input_features, h, w], to ``growth_rate`` new features."""

    def __init__(self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float) -> None:
        super().__init__()
        width = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)

    def forward(self, features: Sequence[gt.Tensor]) -> gt.Tensor:
        x = self.conv1(self.relu1(self.norm1(gt.cat(features, 1))))
        x = self.conv2(self.relu2(self.norm2(x)))
        return nn.functional.dropout(x, self.drop_rate, self.training) if self.drop_rate > 0 else x


class _DenseBlock(nn.ModuleDict):
    """Layers that each read the input and what all layers before them gave: all of it side by side."""

    def __init__(
        self, num_layers: int, num_input_features: int, bn_size: int, growth_rate: int, drop_rate: float
    ) -> None:
        super().__init__()
        for i in range(num_layers):
            before = num_input_features + i * growth_rate
            self.add_module(f"denselayer{i + 1}", _DenseLayer(before, growth_rate, bn_size, drop_rate))

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return gt.cat(features, 1)


class _Transition(nn.Sequential):
    """Other channels, half of the resolution: to [n, num_output_features, h / 2, w / 2]."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)


class DenseNet(nn.Module):
    """Images [n, 3, h, w] of at least 29 x 29 (made for 224 x 224) to scores [n, num_classes].

    ``growth_rate`` is k in the paper, ``block_config`` the layers in each block, ``bn_size`` the width of a layer's
    1 x 1 convolution in multiples of k. ``memory_efficient`` is accepted, and changes nothing: a compiled program
    computes again what is cheap (ADR 15).
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, num_init_features, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(num_init_features),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        channels = num_init_features
        for i, count in enumerate(block_config, 1):
            layers[f"denseblock{i}"] = _DenseBlock(count, channels, bn_size, growth_rate, drop_rate)
            channels += count * growth_rate
            if i < len(block_config):
                layers[f"transition{i}"] = _Transition(channels, channels // 2)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels, num_classes)
        self.apply(_initialize)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As of any module; the older names of published files (``norm.1`` for ``norm1``) are known, too."""
        older = r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)"
        return super().load_state_dict(renamed(state_dict, older, r"\1\2"), strict, assign)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        x = nn.functional.relu(self.features(x))
        return self.classifier(nn.functional.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


def _initialize(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        init.kaiming_normal_(layer.weight)
    elif isinstance(layer, nn.Linear):
        init.zeros_(layer.bias)


def _densenet(
    name: str, growth: int, blocks: Sequence[int], first: int, weights: Source, progress: bool, kwargs: Any
) -> DenseNet:
    options = {"growth_rate": growth, "block_config": blocks, "num_init_features": first, **kwargs}
    return build(name, DenseNet, weights, progress, **options)


def densenet121(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """`DenseNet` of 121 layers; for ``weights`` see `weights.build`."""
    return _densenet("densenet121", 32, (6, 12, 24, 16), 64, weights, progress, kwargs)


def densenet161(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """`DenseNet` of 161 layers, that grow by 48; for ``weights`` see `weights.build`."""
    return _densenet("densenet161", 48, (6, 12, 36, 24), 96, weights, progress, kwargs)


def densenet169(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """`DenseNet` of 169 layers; for ``weights`` see `weights.build`."""
    return _densenet("densenet169", 32, (6, 12, 32, 32), 64, weights, progress, kwargs)


def densenet201(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """`DenseNet` of 201 layers; for ``weights`` see `weights.build`."""
    return _densenet("densenet201", 32, (6, 12, 48, 32), 64, weights, progress, kwargs)
