"""Layers that only change the shape, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
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


class Unflatten(Module):
    """Dimension ``dim`` as several, of ``unflattened_size``; one of these may be -1.

    ArgumentTypeError GT301 for names in the place of numbers: dimensions have no names here.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, Sequence):
            kind = type(unflattened_size).__name__
            raise ArgumentTypeError(
                "GT301", f"unflattened_size must be a tuple of ints, got {kind} {unflattened_size!r}"
            )
        if isinstance(dim, str) or not all(isinstance(n, int) for n in unflattened_size):
            raise ArgumentTypeError(
                "GT301",
                f"Unflatten does not take named dimensions, got dim={dim!r}, unflattened_size={unflattened_size!r}",
                ["expected a number and a tuple of ints: Unflatten(1, (2, 5))"],
            )
        self.dim = as_int(dim, "dim")
        self.unflattened_size = tuple(as_int(n, "unflattened_size") for n in unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        return PUBLIC["gt"]["unflatten"](input, self.dim, self.unflattened_size)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """Its input; any arguments of the constructor are ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input
