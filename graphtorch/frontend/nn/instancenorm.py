"""Instance normalisation layers."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.batchnorm import _BatchNorm
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.ops.common import aval_of
from graphtorch.ir.types import DType


class _InstanceNorm(_BatchNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, for each channel of each sample.

    D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization: the missing ingredient for fast stylization", 2016.
    With ``track_running_stats`` the statistics that training saw are used in evaluation. An input may lack the
    batch. ArgumentError GT304 for numbers out of range.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_dims(input)
        alone = aval_of(input).ndim == self.dims[0]
        x = input.unsqueeze(0) if alone else input
        out = F.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats, self.momentum, self.eps,
        )  # fmt: skip
        return out.squeeze(0) if alone else out  # type: ignore[no-any-return]


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of [n, c, l] or [c, l]; see `_InstanceNorm`."""

    dims = (2, 3)
    form = "[n, c, l] or [c, l]"


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of [n, c, h, w] or [c, h, w]; see `_InstanceNorm`."""

    dims = (3, 4)
    form = "[n, c, h, w] or [c, h, w]"


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of [n, c, d, h, w] or [c, d, h, w]; see `_InstanceNorm`."""

    dims = (4, 5)
    form = "[n, c, d, h, w] or [c, d, h, w]"
