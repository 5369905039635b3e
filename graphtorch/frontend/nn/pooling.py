"""Pooling layers."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import flag
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.ops.common import pair

Size = int | tuple[int, int]


class MaxPool2d(Module):
    """The maximum over windows of [n, c, h, w] or [c, h, w]; stride is kernel_size unless given.

    ArgumentError GT304 for numbers out of range, for a padding beyond half of the window, and for
    ``return_indices``, which is not there yet.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = _checked(kernel_size, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else _checked(stride, "stride", 1)
        self.padding = _checked(padding, "padding", 0)
        self.dilation = _checked(dilation, "dilation", 1)
        self.ceil_mode = flag(ceil_mode, "ceil_mode")
        check(
            not return_indices,
            "GT304",
            f"return_indices={return_indices} is not allowed",
            "expected return_indices=False",
            kind=ArgumentError,
        )
        _check_half(self.padding, self.kernel_size)

    def forward(self, input: Tensor) -> Tensor:
        return F.max_pool2d(  # type: ignore[no-any-return]
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )

    def extra_repr(self) -> str:
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


def _checked(value: Any, name: str, least: int) -> Any:
    """``value`` as it was given, which is how torch's repr shows it."""
    pair(value, name, least)
    return value


def _check_half(padding: Size, kernel_size: Size) -> None:
    pads, sizes = pair(padding, "padding", 0), pair(kernel_size, "kernel_size", 1)
    check(
        all(2 * p <= k for p, k in zip(pads, sizes, strict=True)),
        "GT304",
        f"padding={padding!r} is not allowed with kernel_size={kernel_size!r}",
        "expected padding <= kernel_size / 2",
        kind=ArgumentError,
    )
