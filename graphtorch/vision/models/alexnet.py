"""AlexNet: A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (arXiv:1404.5997)."""

from __future__ import annotations

from typing import Any

import graphtorch as gt
from graphtorch import nn
from graphtorch.vision.models.weights import Source, build


class AlexNet(nn.Module):
    """Images [n, 3, h, w] of at least 63 x 63 (made for 224 x 224) to scores [n, num_classes]."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(inplace=True),
            nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )  # fmt: skip

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def alexnet(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> AlexNet:
    """`AlexNet`; for ``weights`` see `weights.build`."""
    return build("alexnet", AlexNet, weights, progress, **kwargs)
