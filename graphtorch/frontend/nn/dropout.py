"""Dropout layers."""

from __future__ import annotations

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import flag, number
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor


class Dropout(Module):
    """In training mode zero each element with probability ``p`` and scale the others by 1 / (1 - p).

    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15
    (2014). ArgumentError GT304 for p outside of [0, 1].
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = number(p, "p", 0, 1)
        self.inplace = flag(inplace, "inplace")

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
