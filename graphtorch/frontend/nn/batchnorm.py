"""Batch normalisation layers."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.construction import tensor
from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.arguments import flag, number, positive
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import aval_of
from graphtorch.ir.types import DType, int64


class _BatchNorm(Module):
    """(x - mean) / sqrt(variance + eps) * weight + bias, per channel.

    S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift", ICML 2015. In training mode, or without running statistics, the batch's mean and
    biased variance are used, and the running ones move by ``momentum`` towards the batch's mean and
    unbiased variance; momentum=None averages over all batches. ArgumentError GT304 for numbers out of range.
    """

    #: how many dimensions an input may have, and how errors write it
    dims: tuple[int, ...]
    form: str

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_device(device)
        self.num_features = positive(num_features, "num_features")
        self.eps = number(eps, "eps", 0)
        self.momentum = None if momentum is None else number(momentum, "momentum", 0, 1)
        self.affine = flag(affine, "affine")
        self.track_running_stats = flag(track_running_stats, "track_running_stats")
        self._make_parameters(flag(bias, "bias"), dtype)
        self._make_statistics(dtype)
        self.reset_parameters()

    def _make_parameters(self, bias: bool, dtype: DType | None) -> None:
        for name, wanted in (("weight", self.affine), ("bias", self.affine and bias)):
            made = Parameter(PUBLIC["gt"]["empty"](self.num_features, dtype=dtype)) if wanted else None
            self.register_parameter(name, made)

    def _make_statistics(self, dtype: DType | None) -> None:
        tracked = self.track_running_stats
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, PUBLIC["gt"]["empty"](self.num_features, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", tensor(0, dtype=int64) if tracked else None)

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batches seen."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and `reset_running_stats`."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_dims(input)
        if self.training and self.num_batches_tracked is not None:
            return self._track(input)
        statistics = (None, None) if self.training else (self.running_mean, self.running_var)
        return F.batch_norm(  # type: ignore[no-any-return]
            input, *statistics, self.weight, self.bias, training=statistics[0] is None, eps=self.eps
        )

    def _track(self, input: Tensor) -> Tensor:
        """The count moves last: an input that does not fit changes no state."""
        count = self.num_batches_tracked + 1
        momentum = 1 / count.to(self.running_mean.dtype) if self.momentum is None else self.momentum
        out = F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, True, momentum, self.eps)
        self.num_batches_tracked.copy_(count)
        return out  # type: ignore[no-any-return]

    def _check_dims(self, input: Tensor) -> None:
        ndim = aval_of(input).ndim
        check(
            ndim in self.dims,
            "GT107",
            f"input must be {self.form}",
            f"expected {' or '.join(map(str, self.dims))} dimensions, got {ndim}",
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of [n, c] or [n, c, l] over all but the channels c; see `_BatchNorm`."""

    dims = (2, 3)
    form = "[n, c] or [n, c, l]"


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of [n, c, h, w] over all but the channels c; see `_BatchNorm`."""

    dims = (4,)
    form = "[n, c, h, w]"


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of [n, c, d, h, w] over all but the channels c; see `_BatchNorm`."""

    dims = (5,)
    form = "[n, c, d, h, w]"


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation of [n, c, ...] over the batches of all processes; there is one, so it is `_BatchNorm`."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_dims(self, input: Tensor) -> None:
        ndim = aval_of(input).ndim
        check(ndim >= 2, "GT107", "input must be [n, c, ...]", f"expected at least 2 dimensions, got {ndim}")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """``module`` with a SyncBatchNorm over the same tensors in the place of every `BatchNorm1d` to 3d."""
        out = module
        if isinstance(module, BatchNorm1d | BatchNorm2d | BatchNorm3d):
            out = cls(
                module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats,
                process_group, bias=module.bias is not None,
            )  # fmt: skip
            out._parameters.update(module._parameters)
            out._buffers.update(module._buffers)
            out.training = module.training
        for name, child in module.named_children():
            out.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return out
