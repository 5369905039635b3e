"""The lazy layers: torch's, with the arguments of the layers that they become less the size of the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphtorch.frontend.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d, _BatchNorm
from graphtorch.frontend.nn.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Ints,
    _Conv,
)
from graphtorch.frontend.nn.instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from graphtorch.frontend.nn.lazy import Lazy
from graphtorch.frontend.nn.linear import Linear
from graphtorch.ir.errors import check
from graphtorch.ir.types import DType, TensorType


class LazyLinear(Lazy, Linear):
    """`Linear`, whose in_features is the last size of the first input."""

    _becomes, _size = Linear, "in_features"

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: DType | None = None) -> None:
        self._begin(1, out_features=out_features, bias=bias, device=device, dtype=dtype)

    def _inputs_of(self, type_: TensorType) -> int:
        check(type_.ndim > 0, "GT107", "input must be [..., in_features]", f"got {type_}")
        return int(type_.shape[-1])


class _LazyConv(Lazy, _Conv):
    _size = "in_channels"

    def _inputs_of(self, type_: TensorType) -> int:
        rank = self._rank
        form = "[n, in_channels, " + ", ".join("dhw"[3 - rank :]) + "]"
        check(
            type_.ndim in (rank + 1, rank + 2),
            "GT107",
            f"input must be {form}, or without n",
            f"expected {rank + 2} or {rank + 1} dimensions, got {type_.ndim}",
        )
        return int(type_.shape[-rank - 1])


class _LazyPlain(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | Ints,
        stride: int | Ints = 1,
        padding: int | Ints | str = 0,
        dilation: int | Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        self._begin(
            groups, out_channels=out_channels, kernel_size=kernel_size, stride=stride, padding=padding,
            dilation=dilation, groups=groups, bias=bias, padding_mode=padding_mode, device=device, dtype=dtype,
        )  # fmt: skip

    def _inputs_in(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        return shapes["weight"][1] * self.groups


class LazyConv1d(_LazyPlain, Conv1d):
    """`Conv1d`, whose in_channels is that of the first input."""

    _becomes = Conv1d


class LazyConv2d(_LazyPlain, Conv2d):
    """`Conv2d`, whose in_channels is that of the first input."""

    _becomes = Conv2d


class LazyConv3d(_LazyPlain, Conv3d):
    """`Conv3d`, whose in_channels is that of the first input."""

    _becomes = Conv3d


class _LazyTransposed(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | Ints,
        stride: int | Ints = 1,
        padding: int | Ints = 0,
        output_padding: int | Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Ints = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        self._begin(
            groups, out_channels=out_channels, kernel_size=kernel_size, stride=stride, padding=padding,
            output_padding=output_padding, groups=groups, bias=bias, dilation=dilation, padding_mode=padding_mode,
            device=device, dtype=dtype,
        )  # fmt: skip

    def _inputs_in(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        return shapes["weight"][0]


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """`ConvTranspose1d`, whose in_channels is that of the first input."""

    _becomes = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """`ConvTranspose2d`, whose in_channels is that of the first input."""

    _becomes = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """`ConvTranspose3d`, whose in_channels is that of the first input."""

    _becomes = ConvTranspose3d


class _LazyNorm(Lazy, _BatchNorm):
    _size = "num_features"

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        self._begin(
            1, eps=eps, momentum=momentum, affine=affine, track_running_stats=track_running_stats, device=device,
            dtype=dtype, bias=bias,
        )  # fmt: skip

    def _inputs_of(self, type_: TensorType) -> int:
        check(
            type_.ndim in self.dims,
            "GT107",
            f"input must be {self.form}",
            f"expected {' or '.join(map(str, self.dims))} dimensions, got {type_.ndim}",
        )
        return int(type_.shape[self._channels(type_)])

    def _channels(self, _: TensorType) -> int:
        """The dimension of the channels."""
        return 1

    def _inputs_in(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        return next(shape[0] for shape in shapes.values() if shape)


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """`BatchNorm1d`, whose num_features is that of the first input."""

    _becomes = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """`BatchNorm2d`, whose num_features is that of the first input."""

    _becomes = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """`BatchNorm3d`, whose num_features is that of the first input."""

    _becomes = BatchNorm3d


class _LazyInstanceNorm(_LazyNorm):
    def _channels(self, type_: TensorType) -> int:
        return 1 if type_.ndim == self.dims[-1] else 0


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """`InstanceNorm1d`, whose num_features is that of the first input."""

    _becomes = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """`InstanceNorm2d`, whose num_features is that of the first input."""

    _becomes = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """`InstanceNorm3d`, whose num_features is that of the first input."""

    _becomes = InstanceNorm3d
