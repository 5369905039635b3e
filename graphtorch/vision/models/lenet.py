"""LeNet-5: Y. LeCun et al., "Gradient-based learning applied to document recognition" (Proc. IEEE 86, 1998)."""

from __future__ import annotations

from typing import Any

import graphtorch as gt
from graphtorch import nn
from graphtorch.vision.models.weights import Source, build


class LeNet(nn.Module):
    """Images [n, 1, 28, 28] to scores [n, num_classes].

    As it is taught today: ReLU, maxima of windows and a linear last layer, where the paper has scaled tangents, trained
    means and radial basis functions. torchvision has no LeNet; the names of the parts are those of its AlexNet.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Linear(16 * 5 * 5, 120), nn.ReLU(inplace=True),
            nn.Linear(120, 84), nn.ReLU(inplace=True),
            nn.Linear(84, num_classes),
        )  # fmt: skip

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.classifier(self.features(x).flatten(1))


def lenet(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> LeNet:
    """`LeNet`; ``weights`` is the path of a file, as nobody publishes any."""
    return build("lenet", LeNet, weights, progress, **kwargs)
