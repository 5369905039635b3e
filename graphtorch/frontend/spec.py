"""TensorSpec: the type of a tensor, in the place of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.ops.common import check_sizes, sizes
from graphtorch.ir.types import DType, TensorType, defaults


@dataclass(frozen=True)
class TensorSpec:
    """A shape and a dtype without data, in the place of a tensor: ``TensorSpec((64, 3, 32, 32))``, of the
    default dtype.

    ``range`` is (low, high), between which all its numbers lie, the ends among them: ``range=(0, 1)`` for images.
    `gt.check` then looks for logarithms, roots and divisions that cannot take what comes of such numbers. It is a
    promise, which nothing checks; a tensor in the place of a spec promises nothing, for it is one batch of many.

    ArgumentTypeError GT301 for a shape that is no sequence of ints, or a range that is not two numbers; ArgumentError
    GT304 for negative sizes, or a range whose low is not <= its high.
    """

    shape: tuple[int, ...]
    dtype: DType = field(default_factory=lambda: defaults.dtype)
    requires_grad: bool = False
    range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name, kind, what in (("shape", Sequence, "a sequence of ints"), ("dtype", DType, "a dtype")):
            given = getattr(self, name)
            if not isinstance(given, kind):
                raise ArgumentTypeError("GT301", f"{name} must be {what}, got {type(given).__name__} {given!r}")
        object.__setattr__(self, "shape", sizes((self.shape,), "shape"))
        check_sizes(self.shape, "shape")
        if self.range is not None:
            object.__setattr__(self, "range", _two_numbers(self.range))

    @property
    def type(self) -> TensorType:
        return TensorType(self.shape, self.dtype)


def _two_numbers(given: Any) -> tuple[float, float]:
    """A range that was given."""
    pair = tuple(given) if isinstance(given, Sequence) else ()
    if len(pair) != 2 or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in pair):
        got = f"{type(given).__name__} {given!r}"
        raise ArgumentTypeError("GT301", f"range must be two numbers, (low, high), got {got}")
    low, high = (int(v) if isinstance(v, int) else float(v) for v in pair)
    check(low <= high, "GT304", f"range={given!r} is not allowed", "expected low <= high", kind=ArgumentError)
    return low, high
