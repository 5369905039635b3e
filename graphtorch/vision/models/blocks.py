"""What more than one family is built of."""

from __future__ import annotations

from collections.abc import Callable

from graphtorch import nn

Norm = Callable[[int], nn.Module]


class Conv2dNormActivation(nn.Sequential):
    """A convolution that keeps the size (divided by ``stride``), a norm, an activation in place; None leaves one out.

    The convolution has a bias where there is no norm. ``padding`` is (kernel_size - 1) // 2 unless given.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        norm_layer: Norm | None = nn.BatchNorm2d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU,
    ) -> None:
        around = (kernel_size - 1) // 2 if padding is None else padding
        bias = norm_layer is None
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, around, groups=groups, bias=bias)
        ]
        layers += [] if norm_layer is None else [norm_layer(out_channels)]
        layers += [] if activation_layer is None else [activation_layer(inplace=True)]
        super().__init__(*layers)
        self.out_channels = out_channels
