"""Layers that normalize each sample by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.arguments import flag, number, positive
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import DType


class _Norm(Module):
    """``weight`` starts as ones and ``bias`` as zeros; either may be absent."""

    def _make(self, shape: tuple[int, ...], weight: bool, bias: bool, dtype: DType | None) -> None:
        for name, wanted in (("weight", weight), ("bias", bias)):
            self.register_parameter(name, Parameter(PUBLIC["gt"]["empty"](*shape, dtype=dtype)) if wanted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class LayerNorm(_Norm):
    """Mean 0 and variance 1 over the last dimensions, which are ``normalized_shape``; then times weight, plus bias.

    J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016. ArgumentError GT304 for numbers out of range.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        check_device(device)
        self.normalized_shape = _sizes(normalized_shape)
        self.eps = number(eps, "eps", 0)
        self.elementwise_affine = flag(elementwise_affine, "elementwise_affine")
        self._make(self.normalized_shape, elementwise_affine, elementwise_affine and flag(bias, "bias"), dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        affine = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


class RMSNorm(_Norm):
    """Mean square 1 over the last dimensions, which are ``normalized_shape``; then times weight.

    B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019. ``eps`` is the epsilon of the input's
    dtype where it is None. ArgumentError GT304 for numbers out of range.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        check_device(device)
        self.normalized_shape = _sizes(normalized_shape)
        self.eps = None if eps is None else number(eps, "eps", 0)
        self.elementwise_affine = flag(elementwise_affine, "elementwise_affine")
        self._make(self.normalized_shape, elementwise_affine, False, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(_Norm):
    """Mean 0 and variance 1 over each of ``num_groups`` groups of channels of [n, c, ...]; weight and bias are [c].

    Y. Wu, K. He, "Group normalization", ECCV 2018. ArgumentError GT304 for numbers out of range, or where
    ``num_groups`` does not divide ``num_channels``.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_device(device)
        self.num_groups = positive(num_groups, "num_groups")
        self.num_channels = positive(num_channels, "num_channels")
        check(
            num_channels % num_groups == 0,
            "GT304",
            f"num_groups={num_groups} is not allowed",
            f"expected a divisor of num_channels={num_channels}",
            kind=ArgumentError,
        )
        self.eps = number(eps, "eps", 0)
        self.affine = flag(affine, "affine")
        self._make((self.num_channels,), affine, affine and flag(bias, "bias"), dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        affine = f"affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, {affine}"


def _sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    given = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    check(bool(given), "GT304", "normalized_shape=[] is not allowed", "expected at least one size", kind=ArgumentError)
    return tuple(positive(n, "normalized_shape") for n in given)


class LocalResponseNorm(Module):
    """Each element over a power of what stands in the channels around; see `local_response_norm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = positive(size, "size"), alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """`LocalResponseNorm` of [n, c, h, w] over as many channels before as after: ``size`` or, if even, one less.

    torch's sums keep the first channel once it has been in them, and its gradient takes other channels than the sums
    do; this is the layer as it is meant.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Tensor) -> Tensor:
        width = self.size - 1 + self.size % 2
        alpha = self.alpha * width / self.size  # divided by ``size`` all the same
        return F.local_response_norm(input, width, alpha, self.beta, self.k)  # type: ignore[no-any-return]
