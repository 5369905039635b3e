"""MobileNetV2: M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks" (arXiv:1801.04381)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.nn import init
from graphtorch.vision.models.blocks import Conv2dNormActivation, Norm
from graphtorch.vision.models.weights import Source, build

#: the paper's table 2: expansion, channels, blocks, stride of the first block
_SETTING = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class InvertedResidual(nn.Module):
    """``conv`` expands [n, inp, h, w], filters each channel, projects: [n, oup, h / stride, w / stride].

    The input is added where both shapes are the same. ArgumentError GT304 unless ``stride`` is 1 or 2.
    """

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Norm | None = None) -> None:
        super().__init__()
        allowed = stride in (1, 2)
        check(allowed, "GT304", f"stride={stride!r} is not allowed", "expected 1 or 2", kind=ArgumentError)
        norm = norm_layer or nn.BatchNorm2d
        width = round(inp * expand_ratio)
        options: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.ReLU6}
        layers = [] if expand_ratio == 1 else [Conv2dNormActivation(inp, width, 1, **options)]
        depthwise = Conv2dNormActivation(width, width, 3, stride, groups=width, **options)
        self.conv = nn.Sequential(*layers, depthwise, nn.Conv2d(width, oup, 1, bias=False), norm(oup))
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        self.out_channels = oup

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Images [n, 3, h, w] (made for 224 x 224) to scores [n, num_classes].

    Channels are multiplied by ``width_mult``, and rounded to multiples of ``round_nearest``.
    ``inverted_residual_setting`` has four numbers for each stage (`_SETTING`); ArgumentError GT304 for another number.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block, norm = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        setting = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        check(
            len(setting) > 0 and all(len(row) == 4 for row in setting),
            "GT304",
            f"inverted_residual_setting={setting!r} is not allowed",
            "expected rows of 4 numbers: expansion, channels, blocks, stride",
            kind=ArgumentError,
        )
        options: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.ReLU6}
        channels = _rounded(32 * width_mult, round_nearest)
        self.last_channel = _rounded(1280 * max(1.0, width_mult), round_nearest)
        layers: list[nn.Module] = [Conv2dNormActivation(3, channels, stride=2, **options)]
        for expansion, base, blocks, stride in setting:
            width = _rounded(base * width_mult, round_nearest)
            for i in range(blocks):
                first = stride if i == 0 else 1
                layers.append(block(channels, width, first, expand_ratio=expansion, norm_layer=norm))
                channels = width
        self.features = nn.Sequential(*layers, Conv2dNormActivation(channels, self.last_channel, 1, **options))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        self.apply(_initialize)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


def _rounded(channels: float, divisor: int) -> int:
    """The multiple of ``divisor`` nearest to ``channels`` that is not below 90 % of it."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


def _initialize(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        init.kaiming_normal_(layer.weight, mode="fan_out")
    elif isinstance(layer, nn.Linear):
        init.normal_(layer.weight, 0, 0.01)
    else:
        return
    if layer.bias is not None:
        init.zeros_(layer.bias)


def mobilenet_v2(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> MobileNetV2:
    """`MobileNetV2`; for ``weights`` see `weights.build`."""
    return build("mobilenet_v2", MobileNetV2, weights, progress, **kwargs)
