"""Convolution layers, of 1 to 3 dimensions, and transposed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.arguments import flag, one_of, positive
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.arguments import ints
from graphtorch.ir.types import DType

Ints = tuple[int, ...]


class _Conv(Module):
    """What the layers share: arguments, parameters and repr. ``_rank`` spatial dimensions."""

    _rank: ClassVar[int]

    def _set(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, dilation: Any, groups: int
    ) -> None:
        rank = self._rank
        self.in_channels = positive(in_channels, "in_channels")
        self.out_channels = positive(out_channels, "out_channels")
        self.kernel_size = ints(kernel_size, "kernel_size", rank, 1)
        self.stride = ints(stride, "stride", rank, 1)
        self.dilation = ints(dilation, "dilation", rank, 1)
        self.groups = _groups(groups, self.in_channels, self.out_channels)
        self.output_padding: Ints = (0,) * rank

    def _make_parameters(self, first: int, second: int, bias: bool, dtype: DType | None) -> None:
        empty = PUBLIC["gt"]["empty"]
        self.weight = Parameter(empty((first, second // self.groups, *self.kernel_size), dtype=dtype))
        made = Parameter(empty(self.out_channels, dtype=dtype)) if flag(bias, "bias") else None
        self.register_parameter("bias", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.weight_and_bias_(self.weight, self.bias)

    def extra_repr(self) -> str:
        none, ones = (0,) * self._rank, (1,) * self._rank
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        parts += [f"padding={self.padding}"] if self.padding != none else []
        parts += [f"dilation={self.dilation}"] if self.dilation != ones else []
        parts += [f"output_padding={self.output_padding}"] if self.output_padding != none else []
        parts += [f"groups={self.groups}"] if self.groups != 1 else []
        parts += ["bias=False"] if self.bias is None else []
        parts += [f"padding_mode={self.padding_mode}"] if self.padding_mode != "zeros" else []
        return ", ".join(parts)


class _Plain(_Conv):
    def __init__(
        self,
        in_channels: int,
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
        super().__init__()
        check_device(device)
        self._set(in_channels, out_channels, kernel_size, stride, dilation, groups)
        self.padding = _padding(padding, self.stride)
        self.padding_mode = one_of(padding_mode, "padding_mode", "zeros", "reflect", "replicate", "circular")
        self._make_parameters(self.out_channels, self.in_channels, bias, dtype)

    def forward(self, input: Tensor) -> Tensor:
        function = getattr(F, f"conv{self._rank}d")
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._around(), self.padding_mode), 0
        return function(  # type: ignore[no-any-return]
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def _around(self) -> list[int]:
        """The padding as `pad` takes it: before and after, from the last dimension backwards."""
        if self.padding == "same":
            total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        else:
            total = [0] * self._rank if self.padding == "valid" else [2 * int(p) for p in self.padding]
        return [n for t in reversed(total) for n in (t // 2, t - t // 2)]


class Conv1d(_Plain):
    """1-d convolution of [n, in_channels, l] or [in_channels, l]; arguments as in `Conv2d`."""

    _rank = 1


class Conv2d(_Plain):
    """2-d convolution of [n, in_channels, h, w] or [in_channels, h, w], as in torch a cross-correlation.

    kernel_size, stride, padding and dilation are ints or pairs (height, width); padding may also be
    "valid" or "same" (which keeps h and w, with stride 1), and is of zeros, or, by padding_mode, what `pad` makes of
    "reflect", "replicate" and "circular". weight [out_channels, in_channels / groups,
    kh, kw] and bias [out_channels] start uniform within 1 / sqrt(in_channels / groups * kh * kw).
    ArgumentError GT304 for numbers out of range and for groups that do not divide the channels.
    """

    _rank = 2


class Conv3d(_Plain):
    """3-d convolution of [n, in_channels, d, h, w] or [in_channels, d, h, w]; arguments as in `Conv2d`."""

    _rank = 3


class _Transposed(_Conv):
    def __init__(
        self,
        in_channels: int,
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
        super().__init__()
        check_device(device)
        self._set(in_channels, out_channels, kernel_size, stride, dilation, groups)
        self.padding = ints(padding, "padding", self._rank, 0)
        self.padding_mode = one_of(padding_mode, "padding_mode", "zeros")
        self.output_padding = ints(output_padding, "output_padding", self._rank, 0)
        check(
            all(o < max(s, d) for o, s, d in zip(self.output_padding, self.stride, self.dilation, strict=True)),
            "GT304",
            f"output_padding={output_padding!r} is not allowed with stride={stride!r}, dilation={dilation!r}",
            "expected less than the stride or the dilation",
            kind=ArgumentError,
        )
        self._make_parameters(self.in_channels, self.out_channels, bias, dtype)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """``output_size``, spatial or whole, chooses among the sizes that one input can stand for."""
        extra = self.output_padding if output_size is None else self._output_padding(input, output_size)
        function = getattr(F, f"conv_transpose{self._rank}d")
        return function(  # type: ignore[no-any-return]
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _output_padding(self, input: Tensor, output_size: Sequence[int]) -> Ints:
        rank = self._rank
        wanted, given = tuple(output_size)[-rank:], input.shape[-rank:]
        along = zip(given, self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in along]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        check(
            len(output_size) in (rank, rank + 1, rank + 2)
            and all(a <= n <= b for a, n, b in zip(least, wanted, most, strict=False)),
            "GT304",
            f"output_size={list(output_size)} is not allowed for an input of {list(input.shape)}",
            f"expected sizes from {least} to {most}",
            kind=ArgumentError,
        )
        return tuple(n - a for n, a in zip(wanted, least, strict=True))


class ConvTranspose1d(_Transposed):
    """Transposed 1-d convolution; arguments as in `ConvTranspose2d`."""

    _rank = 1


class ConvTranspose2d(_Transposed):
    """The gradient of `Conv2d` for its input, as a layer: a length n becomes (n - 1) * stride - 2 * padding
    + dilation * (kernel_size - 1) + output_padding + 1.

    weight [in_channels, out_channels / groups, kh, kw] and bias [out_channels] start uniform within
    1 / sqrt(out_channels / groups * kh * kw). ArgumentError GT304 for numbers out of range.
    """

    _rank = 2


class ConvTranspose3d(_Transposed):
    """Transposed 3-d convolution; arguments as in `ConvTranspose2d`."""

    _rank = 3


def _padding(padding: Any, stride: Ints) -> Ints | str:
    """The padding as numbers, or "same" or "valid" as they are."""
    if not isinstance(padding, str):
        return ints(padding, "padding", len(stride), 0)
    one_of(padding, "padding", "same", "valid")
    check(
        padding == "valid" or all(s == 1 for s in stride),
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
