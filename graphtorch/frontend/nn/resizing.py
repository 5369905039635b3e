"""Layers that change the size of images, or take them apart into blocks."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import above, one_of, positive
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.ops.arguments import ints
from graphtorch.ir.ops.interpolate import RANKS, SMOOTH


class Upsample(Module):
    """`interpolate` to ``size``, or by ``scale_factor``."""

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        _check_resizing(size, scale_factor, mode, align_corners)
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor: Any = tuple(map(float, scale_factor))
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode, self.align_corners = mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(  # type: ignore[no-any-return]
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


def _check_resizing(size: Any, scale_factor: Any, mode: Any, align_corners: Any) -> None:
    """ArgumentError GT304 for what fits no input."""
    one_of(mode, "mode", *RANKS)
    check(
        (size is None) != (scale_factor is None),
        "GT304",
        f"size={size!r} with scale_factor={scale_factor!r} is not allowed",
        "expected one of them, and None for the other",
        kind=ArgumentError,
    )
    for n in size if isinstance(size, tuple | list) else [] if size is None else [size]:
        positive(n, "size")
    for s in scale_factor if isinstance(scale_factor, tuple | list) else [] if size is not None else [scale_factor]:
        above(s, "scale_factor", 0)
    check(
        align_corners is None or mode in SMOOTH,
        "GT304",
        f"align_corners={align_corners} is not allowed with mode={mode!r}",
        f"expected mode to be one of {', '.join(SMOOTH)}",
        kind=ArgumentError,
    )


class UpsamplingNearest2d(Upsample):
    """`Upsample` with mode="nearest"."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` with mode="bilinear" and align_corners=True."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", True)


class _Shown(Module):
    """Its attributes, in order, are what it shows."""

    shown: tuple[str, ...]

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)


class PixelShuffle(_Shown):
    """Channels become pixels; see `pixel_shuffle`."""

    shown = ("upscale_factor",)

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = positive(upscale_factor, "upscale_factor")

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)  # type: ignore[no-any-return]


class PixelUnshuffle(_Shown):
    """Pixels become channels; see `pixel_unshuffle`."""

    shown = ("downscale_factor",)

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = positive(downscale_factor, "downscale_factor")

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)  # type: ignore[no-any-return]


class ChannelShuffle(_Shown):
    """Channels of ``groups`` groups in turn; see `channel_shuffle`."""

    shown = ("groups",)

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = positive(groups, "groups")

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)  # type: ignore[no-any-return]


def _check_window(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> None:
    """ArgumentTypeError GT301 or ArgumentError GT304 for what is no int, or two, in range."""
    for name, value, least in (("kernel_size", kernel_size, 1), ("dilation", dilation, 1), ("stride", stride, 1)):
        ints(value, name, 2, least)
    ints(padding, "padding", 2, 0)


class Unfold(_Shown):
    """Blocks of images as columns; see `unfold`."""

    shown = ("kernel_size", "dilation", "padding", "stride")

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        _check_window(kernel_size, dilation, padding, stride)
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(  # type: ignore[no-any-return]
            input, self.kernel_size, self.dilation, self.padding, self.stride
        )


class Fold(_Shown):
    """Columns as blocks of images, added where they meet; see `fold`."""

    shown = ("output_size", "kernel_size", "dilation", "padding", "stride")

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        _check_window(kernel_size, dilation, padding, stride)
        ints(output_size, "output_size", 2, 1)
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(  # type: ignore[no-any-return]
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )
