"""Dropout layers."""

from __future__ import annotations

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import flag, number
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor


class _Dropout(Module):
    """``p`` is the probability of what is dropped. ArgumentError GT304 for p outside of [0, 1]."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = number(p, "p", 0, 1)
        self.inplace = flag(inplace, "inplace")

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training mode zero each element with probability ``p`` and scale the others by 1 / (1 - p).

    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15
    (2014). ArgumentError GT304 for p outside of [0, 1].
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Whole channels of [n, c, l] or [c, l]; see `dropout1d`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)  # type: ignore[no-any-return]


class Dropout2d(_Dropout):
    """Whole channels of [n, c, h, w]; see `dropout2d`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)  # type: ignore[no-any-return]


class Dropout3d(_Dropout):
    """Whole channels of [n, c, d, h, w] or [c, d, h, w]; see `dropout3d`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)  # type: ignore[no-any-return]


class AlphaDropout(_Dropout):
    """Each element, so that mean 0 and variance 1 stay; see `alpha_dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)  # type: ignore[no-any-return]


class FeatureAlphaDropout(_Dropout):
    """Whole channels, so that mean 0 and variance 1 stay; see `feature_alpha_dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)  # type: ignore[no-any-return]
