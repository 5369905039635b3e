"""Convolution layers."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.arguments import flag, one_of, positive
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import require_cpu
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import pair
from graphtorch.ir.types import DType


class Conv2d(Module):
    """2-d convolution of [n, in_channels, h, w] or [in_channels, h, w], as in torch a cross-correlation.

    kernel_size, stride, padding and dilation are ints or pairs (height, width); padding may also be
    "valid" or "same" (which keeps h and w, with stride 1). weight [out_channels, in_channels / groups,
    kh, kw] and bias [out_channels] start uniform within 1 / sqrt(in_channels / groups * kh * kw).
    ArgumentError GT304 for numbers out of range and for groups that do not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        require_cpu(device)
        self.in_channels = positive(in_channels, "in_channels")
        self.out_channels = positive(out_channels, "out_channels")
        self.kernel_size = pair(kernel_size, "kernel_size", 1)
        self.stride = pair(stride, "stride", 1)
        self.dilation = pair(dilation, "dilation", 1)
        self.padding = _padding(padding, self.stride)
        self.groups = _groups(groups, self.in_channels, self.out_channels)
        self.padding_mode = one_of(padding_mode, "padding_mode", "zeros")
        self._make_parameters(flag(bias, "bias"), dtype)
        self.reset_parameters()

    def _make_parameters(self, bias: bool, dtype: DType | None) -> None:
        empty = PUBLIC["gt"]["empty"]
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.weight = Parameter(empty(shape, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(self.out_channels, dtype=dtype)) if bias else None)

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.weight_and_bias_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(  # type: ignore[no-any-return]
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        parts += [f"padding={self.padding}"] if self.padding != (0, 0) else []
        parts += [f"dilation={self.dilation}"] if self.dilation != (1, 1) else []
        parts += [f"groups={self.groups}"] if self.groups != 1 else []
        parts += ["bias=False"] if self.bias is None else []
        return ", ".join(parts)


def _padding(padding: Any, stride: tuple[int, int]) -> tuple[int, int] | str:
    """The padding as a pair, or "same" or "valid" as they are."""
    if not isinstance(padding, str):
        return pair(padding, "padding", 0)
    one_of(padding, "padding", "same", "valid")
    check(
        padding == "valid" or stride == (1, 1),
        "GT304",
        f'padding="same" is not allowed with stride={stride}',
        "expected stride=1, or padding in numbers",
        kind=ArgumentError,
    )
    return padding


def _groups(groups: Any, in_channels: int, out_channels: int) -> int:
    count = positive(groups, "groups")
    check(
        in_channels % count == 0 and out_channels % count == 0,
        "GT304",
        f"groups={groups} is not allowed",
        f"expected a divisor of in_channels={in_channels} and of out_channels={out_channels}",
        kind=ArgumentError,
    )
    return count
