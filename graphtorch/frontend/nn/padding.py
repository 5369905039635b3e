"""Padding layers: ``padding`` is an int, or pairs (before, after) from the last dimension backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.ops.common import as_int


def _pairs(padding: Any, count: int) -> tuple[int, ...]:
    given = tuple(padding) if isinstance(padding, Sequence) else (padding,) * count
    check(
        len(given) == count,
        "GT304",
        f"padding={padding!r} is not allowed",
        f"expected an int, or {count} of them",
        kind=ArgumentError,
    )
    return tuple(as_int(p, "padding") for p in given)


class _Pad(Module):
    mode: ClassVar[str]
    rank: ClassVar[int]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = _pairs(padding, 2 * self.rank)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad1d(_ConstantPad):
    """``value`` around [n, c, l] or [c, l]."""

    rank = 1


class ConstantPad2d(_ConstantPad):
    """``value`` around [n, c, h, w] or [c, h, w]."""

    rank = 2


class ConstantPad3d(_ConstantPad):
    """``value`` around [n, c, d, h, w] or [c, d, h, w]."""

    rank = 3


class ZeroPad1d(_ZeroPad):
    """Zeros around [n, c, l] or [c, l]."""

    rank = 1


class ZeroPad2d(_ZeroPad):
    """Zeros around [n, c, h, w] or [c, h, w]."""

    rank = 2


class ZeroPad3d(_ZeroPad):
    """Zeros around [n, c, d, h, w] or [c, d, h, w]."""

    rank = 3


class ReflectionPad1d(_Pad):
    """The elements mirrored around [n, c, l] or [c, l]."""

    mode = "reflect"
    rank = 1


class ReflectionPad2d(_Pad):
    """The elements mirrored around [n, c, h, w] or [c, h, w]."""

    mode = "reflect"
    rank = 2


class ReflectionPad3d(_Pad):
    """The elements mirrored around [n, c, d, h, w] or [c, d, h, w]."""

    mode = "reflect"
    rank = 3


class ReplicationPad1d(_Pad):
    """The border repeated around [n, c, l] or [c, l]."""

    mode = "replicate"
    rank = 1


class ReplicationPad2d(_Pad):
    """The border repeated around [n, c, h, w] or [c, h, w]."""

    mode = "replicate"
    rank = 2


class ReplicationPad3d(_Pad):
    """The border repeated around [n, c, d, h, w] or [c, d, h, w]."""

    mode = "replicate"
    rank = 3


class CircularPad1d(_Pad):
    """The other end around [n, c, l] or [c, l]."""

    mode = "circular"
    rank = 1


class CircularPad2d(_Pad):
    """The other end around [n, c, h, w] or [c, h, w]."""

    mode = "circular"
    rank = 2


class CircularPad3d(_Pad):
    """The other end around [n, c, d, h, w] or [c, d, h, w]."""

    mode = "circular"
    rank = 3
