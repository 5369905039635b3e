"""Layers that only change the shape, or nothing."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import as_int


class Flatten(Module):
    """Dimensions start_dim..end_dim as one; all but the first by default."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = as_int(start_dim, "start_dim")
        self.end_dim = as_int(end_dim, "end_dim")
        check(
            self.start_dim <= self.end_dim or (self.start_dim < 0) != (self.end_dim < 0),
            "GT304",
            f"start_dim={start_dim} comes after end_dim={end_dim}",
            kind=ArgumentError,
        )

    def forward(self, input: Tensor) -> Tensor:
        return PUBLIC["gt"]["flatten"](input, self.start_dim, self.end_dim)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Identity(Module):
    """Its input; any arguments of the constructor are ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input
