"""Limits of floats and of integers, under torch's names."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.ir.types import DType, bfloat16, defaults, float16, float32, float64, greatest, least

#: bits after the binary point, and the exponent of the greatest numbers
_FORMATS = {float64: (52, 1023), float32: (23, 127), float16: (10, 15), bfloat16: (7, 127)}


@dataclass(frozen=True)
class finfo:
    """Limits of a floating-point dtype, as `torch.finfo`, of the default one unless given; ArgumentTypeError GT301
    for any other.

    ``eps`` is the distance from 1 to the next number, ``tiny`` the smallest normal number, ``resolution`` the last
    decimal digit that a number near 1 is sure to have.
    """

    type: DType = field(default_factory=lambda: defaults.dtype)
    bits: int = field(init=False)
    eps: float = field(init=False)
    max: float = field(init=False)
    min: float = field(init=False)
    tiny: float = field(init=False)
    smallest_normal: float = field(init=False)
    resolution: float = field(init=False)
    dtype: str = field(init=False)

    def __post_init__(self) -> None:
        if self.type not in _FORMATS:
            raise ArgumentTypeError("GT301", f"finfo() takes a floating-point dtype, got {self.type!r}")
        digits, exponent = _FORMATS[self.type]
        greatest = (2 - 2.0**-digits) * 2.0**exponent
        tiny = 2.0 ** (1 - exponent)
        resolution = float(f"1e-{math.floor(digits * math.log10(2))}")
        _fill(
            self, bits=8 * self.type.itemsize, eps=2.0**-digits, max=greatest, min=-greatest, tiny=tiny,
            smallest_normal=tiny, resolution=resolution, dtype=self.type.name,
        )  # fmt: skip

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        numbers = ", ".join(f"{name}={getattr(self, name):g}" for name in names)
        return f"finfo({numbers}, dtype={self.dtype})"


@dataclass(frozen=True)
class iinfo:
    """Limits of an integer dtype, as `torch.iinfo`; ArgumentTypeError GT301 for any other."""

    type: DType
    bits: int = field(init=False)
    max: int = field(init=False)
    min: int = field(init=False)
    dtype: str = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.type, DType) or self.type.kind not in "iu":
            raise ArgumentTypeError("GT301", f"iinfo() takes an integer dtype, got {self.type!r}")
        low, high = least(self.type), greatest(self.type)
        _fill(self, bits=8 * self.type.itemsize, max=high, min=low, dtype=self.type.name)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"  # as torch has it


def _fill(info: object, **facts: object) -> None:
    """Set what is frozen."""
    for name, fact in facts.items():
        object.__setattr__(info, name, fact)
