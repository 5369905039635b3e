"""GoogLeNet: C. Szegedy et al., "Going deeper with convolutions" (arXiv:1409.4842), with batch norms.

As in torchvision, the branch that has 5 x 5 filters in the paper has 3 x 3 ones: weights that are published need that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.nn import init
from graphtorch.vision.models.weights import Source, build, published


class GoogLeNetOutputs(NamedTuple):
    """Scores [n, num_classes] of the net and of its two heads in the middle, which help to train it."""

    logits: gt.Tensor
    aux_logits2: gt.Tensor
    aux_logits1: gt.Tensor


class BasicConv2d(nn.Module):
    """Convolution, batch norm, ReLU: [n, in_channels, h, w] to [n, out_channels, ., .]; the rest is `Conv2d`'s."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return nn.functional.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four ways to look at [n, in_channels, h, w], side by side: [n, ch1x1 + ch3x3 + ch5x5 + pool_proj, h, w]."""

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        conv_block: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, kernel_size=1), conv(ch3x3red, ch3x3, kernel_size=3, padding=1)
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, kernel_size=1), conv(ch5x5red, ch5x5, kernel_size=3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), conv(in_channels, pool_proj, kernel_size=1)
        )

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return gt.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """A head in the middle: [n, in_channels, h, w] to scores [n, num_classes]."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        conv_block: Callable[..., nn.Module] | None = None,
        dropout: float = 0.7,
    ) -> None:
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        x = self.conv(nn.functional.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(nn.functional.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """Images [n, 3, h, w] of at least 15 x 15 (made for 224 x 224) to scores [n, num_classes].

    In training with ``aux_logits`` the result is `GoogLeNetOutputs`; the paper adds the losses of both heads times 0.3.
    ``transform_input`` turns images normalized as for other models into those that the published weights know.
    ``blocks`` replaces `BasicConv2d`, `Inception`, `InceptionAux`; ArgumentError GT304 for another number.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: Sequence[Callable[..., nn.Module]] | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        parts = blocks or (BasicConv2d, Inception, InceptionAux)
        check(
            len(parts) == 3,
            "GT304",
            f"blocks of {len(parts)} elements are not allowed",
            "expected 3: a convolution, an inception, a head",
            kind=ArgumentError,
        )
        conv, inception, head = parts
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1: Any = head(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2: Any = head(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights is not False:
            self.apply(_initialize)

    def forward(self, x: gt.Tensor) -> gt.Tensor | GoogLeNetOutputs:
        x = self._transform_input(x)
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = middle1 = self.inception4a(x)
        x = middle2 = self.inception4d(self.inception4c(self.inception4b(x)))
        x = self.maxpool4(self.inception4e(x))
        x = self.avgpool(self.inception5b(self.inception5a(x)))
        scores = self.fc(self.dropout(x.flatten(1)))
        if not (self.training and self.aux_logits):
            return scores
        return GoogLeNetOutputs(scores, self.aux2(middle2), self.aux1(middle1))

    def _transform_input(self, x: gt.Tensor) -> gt.Tensor:
        """From (image - mean) / std of ImageNet's channels to (image - 0.5) / 0.5."""
        if not self.transform_input:
            return x
        mean, std = (gt.tensor(v).reshape(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        return x * (std / 0.5) + (mean - 0.5) / 0.5


def _initialize(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        init.trunc_normal_(layer.weight, std=0.01)


def googlenet(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> GoogLeNet:
    """`GoogLeNet`; for ``weights`` see `weights.build`.

    With published weights ``transform_input`` is True unless given, and ``aux_logits`` False: the heads are dropped.
    """
    if published("googlenet", weights) is None:
        return build("googlenet", GoogLeNet, weights, progress, **kwargs)
    wanted = kwargs.pop("aux_logits", False)
    model = build("googlenet", GoogLeNet, weights, progress, **{"transform_input": True, **kwargs})
    if not wanted:
        model.aux_logits, model.aux1, model.aux2 = False, None, None
    return model
