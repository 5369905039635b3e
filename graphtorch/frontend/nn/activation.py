"""Activation layers."""

from __future__ import annotations

import warnings

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import flag, one_of
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.ops.common import as_int, aval_of


class ReLU(Module):
    """max(x, 0) of each element; ``inplace`` writes the result into the input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag(inplace, "inplace")

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """1 / (1 + exp(-x)) of each element."""

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)  # type: ignore[no-any-return]


class Tanh(Module):
    """tanh(x) of each element."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)  # type: ignore[no-any-return]


class GELU(Module):
    """x times the normal distribution's cumulative function at x; ``approximate`` is "none" or "tanh"."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = one_of(approximate, "approximate", "none", "tanh")

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x * sigmoid(x) of each element; ``inplace`` writes the result into the input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag(inplace, "inplace")

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class _AlongDim(Module):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else as_int(dim, "dim")

    def _dim(self, input: Tensor) -> int:
        """The dimension; torch's old choice by the number of dimensions, with its warning, when there is none."""
        if self.dim is not None:
            return self.dim
        warnings.warn(f"the dim of {self._get_name()} was not given: pass dim=", UserWarning, stacklevel=4)
        return 0 if aval_of(input).ndim in (0, 1, 3) else 1

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """exp(x) over its sum along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self._dim(input))  # type: ignore[no-any-return]


class LogSoftmax(_AlongDim):
    """log(softmax(x)) along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self._dim(input))  # type: ignore[no-any-return]
