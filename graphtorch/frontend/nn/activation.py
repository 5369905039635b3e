"""Activation layers."""

from __future__ import annotations

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import number, one_of
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.rectifiers import InPlace
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import check
from graphtorch.ir.ops.common import as_int, aval_of


class ReLU(InPlace):
    """max(x, 0) of each element; ``inplace`` writes the result into the input."""

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)


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


class SiLU(InPlace):
    """x * sigmoid(x) of each element; ``inplace`` writes the result into the input."""

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, self.inplace)


class Mish(InPlace):
    """x * tanh(softplus(x)) of each element; ``inplace`` writes the result into the input."""

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, self.inplace)  # type: ignore[no-any-return]


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta; x itself where beta * x is greater than ``threshold``."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = number(beta, "beta"), number(threshold, "threshold")

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class LogSigmoid(Module):
    """log(sigmoid(x)) of each element."""

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)  # type: ignore[no-any-return]


class Softsign(Module):
    """x / (1 + |x|) of each element."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)  # type: ignore[no-any-return]


class Tanhshrink(Module):
    """x - tanh(x) of each element."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)  # type: ignore[no-any-return]


class GLU(Module):
    """The first half along ``dim`` times the sigmoid of the second."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = as_int(dim, "dim")

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class _AlongDim(Module):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else as_int(dim, "dim")

    def _dim(self, input: Tensor) -> int:
        return F.chosen_dim(self.dim, input, self._get_name())

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """exp(x) over its sum along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self._dim(input))


class LogSoftmax(_AlongDim):
    """log(softmax(x)) along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self._dim(input))


class Softmin(_AlongDim):
    """softmax(-x) along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self._dim(input))


class Softmax2d(Module):
    """Softmax over the channels of [n, c, h, w] or [c, h, w]; ShapeError GT107 for others."""

    def forward(self, input: Tensor) -> Tensor:
        ndim = aval_of(input).ndim
        check(ndim in (3, 4), "GT107", "input must be [n, c, h, w]", f"expected 3 or 4 dimensions, got {ndim}")
        return F.softmax(input, ndim - 3)
