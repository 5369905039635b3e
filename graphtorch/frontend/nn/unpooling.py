"""Layers that undo max pooling."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.pooling import _Pool
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.ops.arguments import ints


class _MaxUnpool(_Pool):
    shown = ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self._set_window(kernel_size, stride, padding=(padding, 0))
        for name in self.shown:  # which torch makes tuples here
            setattr(self, name, ints(getattr(self, name), name, self.rank, 0))

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        unpool = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[self.rank - 1]
        return unpool(  # type: ignore[no-any-return]
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool1d(_MaxUnpool):
    """The maxima of [n, c, l] or [c, l] back where they stood; see `max_unpool2d`."""

    rank = 1


class MaxUnpool2d(_MaxUnpool):
    """The maxima of [n, c, h, w] or [c, h, w] back where they stood; see `max_unpool2d`."""

    rank = 2


class MaxUnpool3d(_MaxUnpool):
    """The maxima of [n, c, d, h, w] or [c, d, h, w] back where they stood; see `max_unpool2d`."""

    rank = 3
