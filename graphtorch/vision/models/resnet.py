"""ResNet: K. He et al., "Deep residual learning for image recognition" (arXiv:1512.03385), and two of its kin.

ResNeXt: S. Xie et al. (arXiv:1611.05431). Wide ResNet: S. Zagoruyko, N. Komodakis (arXiv:1605.07146).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.nn import init
from graphtorch.vision.models.blocks import Norm
from graphtorch.vision.models.weights import Source, build


def _conv3x3(inplanes: int, planes: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """As torch has it since 2016, the stride of a bottleneck is that of its 3 x 3 convolution ("ResNet V1.5")."""
    return nn.Conv2d(inplanes, planes, 3, stride=stride, padding=dilation, groups=groups, dilation=dilation, bias=False)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut: [n, inplanes, h, w] to [n, planes, h / stride, w / stride]."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        check(
            groups == 1 and base_width == 64 and dilation == 1,
            "GT304",
            f"groups={groups}, base_width={base_width}, dilation={dilation} are not allowed in BasicBlock",
            "expected groups=1, base_width=64, dilation=1; Bottleneck takes others",
            kind=ArgumentError,
        )
        self.conv1 = _conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + shortcut)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions and a shortcut: to [n, 4 * planes, h / stride, w / stride].

    ``groups`` and ``base_width`` make ResNeXt and Wide ResNet of it: the 3 x 3 convolution has
    planes * base_width / 64 * groups channels.
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = nn.Conv2d(inplanes, width, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = _conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, planes * self.expansion, 1, bias=False)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + shortcut)


Block = type[BasicBlock] | type[Bottleneck]


class ResNet(nn.Module):
    """Images [n, 3, h, w] (made for 224 x 224) to scores [n, num_classes], by four stages of ``layers`` blocks.

    ``zero_init_residual`` starts every block as its shortcut (P. Goyal et al., arXiv:1706.02677).
    ``replace_stride_with_dilation`` says of each of the last three stages whether it keeps its resolution, and dilates
    instead. ArgumentError GT304 unless that has 3 elements.
    """

    def __init__(
        self,
        block: Block,
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        dilate = replace_stride_with_dilation or (False, False, False)
        check(
            len(dilate) == 3,
            "GT304",
            f"replace_stride_with_dilation={dilate!r} is not allowed",
            "expected None or 3 elements, one for each of the last three stages",
            kind=ArgumentError,
        )
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, norm, 64, layers[0])
        self.layer2 = self._make_layer(block, norm, 128, layers[1], 2, dilate[0])
        self.layer3 = self._make_layer(block, norm, 256, layers[2], 2, dilate[1])
        self.layer4 = self._make_layer(block, norm, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self.apply(_initialize)
        if zero_init_residual:
            self.apply(_start_as_shortcut)

    def _make_layer(
        self, block: Block, norm: Norm, planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        """A stage: its first block changes the resolution and the channels, the others keep both."""
        before = self.dilation
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        width, shortcut = planes * block.expansion, None
        if stride != 1 or self.inplanes != width:
            project = nn.Conv2d(self.inplanes, width, 1, stride=stride, bias=False)
            shortcut = nn.Sequential(project, norm(width))
        kind = (self.groups, self.base_width)
        stage = [block(self.inplanes, planes, stride, shortcut, *kind, before, norm)]
        self.inplanes = width
        stage += [block(width, planes, 1, None, *kind, self.dilation, norm) for _ in range(1, blocks)]
        return nn.Sequential(*stage)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _initialize(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def _start_as_shortcut(block: nn.Module) -> None:
    last = {BasicBlock: "bn2", Bottleneck: "bn3"}.get(type(block))
    weight = getattr(getattr(block, last), "weight", None) if last else None
    if weight is not None:
        init.zeros_(weight)


def _resnet(name: str, block: Any, layers: Sequence[int], weights: Source, progress: bool, kwargs: Any) -> ResNet:
    return build(name, ResNet, weights, progress, block=block, layers=layers, **kwargs)


def resnet18(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """`ResNet` of 18 layers; for ``weights`` see `weights.build`."""
    return _resnet("resnet18", BasicBlock, (2, 2, 2, 2), weights, progress, kwargs)


def resnet34(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """`ResNet` of 34 layers; for ``weights`` see `weights.build`."""
    return _resnet("resnet34", BasicBlock, (3, 4, 6, 3), weights, progress, kwargs)


def resnet50(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """`ResNet` of 50 layers; for ``weights`` see `weights.build`."""
    return _resnet("resnet50", Bottleneck, (3, 4, 6, 3), weights, progress, kwargs)


def resnet101(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """`ResNet` of 101 layers; for ``weights`` see `weights.build`."""
    return _resnet("resnet101", Bottleneck, (3, 4, 23, 3), weights, progress, kwargs)


def resnet152(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """`ResNet` of 152 layers; for ``weights`` see `weights.build`."""
    return _resnet("resnet152", Bottleneck, (3, 8, 36, 3), weights, progress, kwargs)


def resnext50_32x4d(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """`ResNet` of 50 layers with 32 groups of 4 channels; for ``weights`` see `weights.build`."""
    return _resnet(
        "resnext50_32x4d", Bottleneck, (3, 4, 6, 3), weights, progress, {"groups": 32, "width_per_group": 4, **kwargs}
    )


def resnext101_32x8d(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """`ResNet` of 101 layers with 32 groups of 8 channels; for ``weights`` see `weights.build`."""
    return _resnet(
        "resnext101_32x8d", Bottleneck, (3, 4, 23, 3), weights, progress, {"groups": 32, "width_per_group": 8, **kwargs}
    )


def resnext101_64x4d(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """`ResNet` of 101 layers with 64 groups of 4 channels; for ``weights`` see `weights.build`."""
    return _resnet(
        "resnext101_64x4d", Bottleneck, (3, 4, 23, 3), weights, progress, {"groups": 64, "width_per_group": 4, **kwargs}
    )


def wide_resnet50_2(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """`ResNet` of 50 layers, twice as wide in the middle; for ``weights`` see `weights.build`."""
    return _resnet("wide_resnet50_2", Bottleneck, (3, 4, 6, 3), weights, progress, {"width_per_group": 128, **kwargs})


def wide_resnet101_2(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """`ResNet` of 101 layers, twice as wide in the middle; for ``weights`` see `weights.build`."""
    return _resnet("wide_resnet101_2", Bottleneck, (3, 4, 23, 3), weights, progress, {"width_per_group": 128, **kwargs})
