"""Pooling layers. Sizes are an int, or one for each spatial dimension, and shown as they were given."""

from __future__ import annotations

from typing import Any, ClassVar

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import at_least, flag, nonzero
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.ops.arguments import ints


class _Pool(Module):
    rank: ClassVar[int]
    shown: ClassVar[tuple[str, ...]]

    def _set_window(self, kernel_size: Any, stride: Any, **more: tuple[Any, int]) -> None:
        """kernel_size, stride and what else has an entry for each dimension, with its least."""
        self.kernel_size = self._checked(kernel_size, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else self._checked(stride, "stride", 1)
        for name, (value, least) in more.items():
            setattr(self, name, self._checked(value, name, least))

    def _checked(self, value: Any, name: str, least: int) -> Any:
        ints(value, name, self.rank, least)
        return value

    def _check_half(self, dilation: Any = 1) -> None:
        pads, sizes, apart = (ints(v, "", self.rank, 0) for v in (self.padding, self.kernel_size, dilation))
        check(
            all(2 * p <= d * (k - 1) + 1 for p, k, d in zip(pads, sizes, apart, strict=True)),
            "GT304",
            f"padding={self.padding!r} is not allowed with kernel_size={self.kernel_size!r}",
            "expected padding <= kernel_size / 2",
            kind=ArgumentError,
        )

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)


class _MaxPool(_Pool):
    shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self._set_window(kernel_size, stride, padding=(padding, 0), dilation=(dilation, 1))
        self.return_indices, self.ceil_mode = flag(return_indices, "return_indices"), flag(ceil_mode, "ceil_mode")
        self._check_half(self.dilation)

    def forward(self, input: Tensor) -> Any:
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self.rank - 1]
        window = (self.kernel_size, self.stride, self.padding, self.dilation)
        return pool(input, *window, self.ceil_mode, self.return_indices)


class MaxPool1d(_MaxPool):
    """The maximum over windows of [n, c, l] or [c, l]; see `MaxPool2d`."""

    rank = 1


class MaxPool2d(_MaxPool):
    """The maximum over windows of [n, c, h, w] or [c, h, w]; stride is kernel_size unless given.

    With ``return_indices`` a pair: also where it stands in the plane. ArgumentError GT304 for numbers out of range,
    and for a padding beyond half of the window.
    """

    rank = 2


class MaxPool3d(_MaxPool):
    """The maximum over windows of [n, c, d, h, w] or [c, d, h, w]; see `MaxPool2d`."""

    rank = 3


class _AvgPool(_Pool):
    shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self._set_window(kernel_size, stride, padding=(padding, 0))
        self.ceil_mode = flag(ceil_mode, "ceil_mode")
        self.count_include_pad = flag(count_include_pad, "count_include_pad")
        self.divisor_override = divisor_override
        self._check_half()

    def forward(self, input: Tensor) -> Tensor:
        pool = (F.avg_pool2d, F.avg_pool3d)[self.rank - 2]
        return pool(  # type: ignore[no-any-return]
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip


class AvgPool1d(_AvgPool):
    """The mean over windows of [n, c, l] or [c, l]; see `AvgPool2d`."""

    rank = 1

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        for name in self.shown:  # which torch makes tuples here
            setattr(self, name, ints(getattr(self, name), name, 1, 0))

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(  # type: ignore[no-any-return]
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class AvgPool2d(_AvgPool):
    """The mean over windows of [n, c, h, w] or [c, h, w]; stride is kernel_size unless given.

    Zeros of the padding count with ``count_include_pad``; ``divisor_override`` divides instead of the count.
    ArgumentError GT304 for numbers out of range, and for a padding beyond half of the window.
    """

    rank = 2


class AvgPool3d(_AvgPool):
    """The mean over windows of [n, c, d, h, w] or [c, d, h, w]; see `AvgPool2d`."""

    rank = 3


class _LPPool(_Pool):
    shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type, self.ceil_mode = nonzero(norm_type, "norm_type"), flag(ceil_mode, "ceil_mode")
        self._set_window(kernel_size, stride)
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        pool = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)[self.rank - 1]
        return pool(  # type: ignore[no-any-return]
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool1d(_LPPool):
    """The norm of windows of [n, c, l] or [c, l]; see `lp_pool1d`."""

    rank = 1


class LPPool2d(_LPPool):
    """The norm of windows of [n, c, h, w] or [c, h, w]; see `lp_pool1d`."""

    rank = 2


class LPPool3d(_LPPool):
    """The norm of windows of [n, c, d, h, w] or [c, d, h, w]; see `lp_pool1d`."""

    rank = 3


class _Adaptive(_Pool):
    shown = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = self._sizes(output_size)

    def _sizes(self, given: Any) -> Any:
        """``given`` as it is: an int, or one for each dimension, of which several may be None to keep a size."""
        each = given if isinstance(given, tuple | list) else (given,)
        check(
            len(each) == self.rank or each is not given,
            "GT304",
            f"output_size={given!r} is not allowed",
            f"expected an int, or {self.rank} of them",
            kind=ArgumentError,
        )
        for size in each:
            if size is not None or each is not given or self.rank == 1:
                at_least(size, "output_size", 0)
        return given

    def forward(self, input: Tensor) -> Tensor:
        pool = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[self.rank - 1]
        return pool(input, self.output_size)  # type: ignore[no-any-return]


class AdaptiveAvgPool1d(_Adaptive):
    """The means of ``output_size`` windows of [n, c, l] or [c, l]."""

    rank = 1


class AdaptiveAvgPool2d(_Adaptive):
    """The means of windows of [n, c, h, w] or [c, h, w], as many as ``output_size`` says; None keeps a size."""

    rank = 2


class AdaptiveAvgPool3d(_Adaptive):
    """The means of windows of [n, c, d, h, w] or [c, d, h, w], as many as ``output_size`` says."""

    rank = 3


class _AdaptiveMax(_Adaptive):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = flag(return_indices, "return_indices")

    def forward(self, input: Tensor) -> Any:
        pool = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)[self.rank - 1]
        return pool(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMax):
    """The maxima of ``output_size`` windows of [n, c, l] or [c, l]."""

    rank = 1


class AdaptiveMaxPool2d(_AdaptiveMax):
    """The maxima of windows of [n, c, h, w] or [c, h, w], as many as ``output_size`` says; None keeps a size."""

    rank = 2


class AdaptiveMaxPool3d(_AdaptiveMax):
    """The maxima of windows of [n, c, d, h, w] or [c, d, h, w], as many as ``output_size`` says."""

    rank = 3
