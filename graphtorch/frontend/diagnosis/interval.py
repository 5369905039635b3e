"""What is known of the numbers of a tensor: an interval that holds them all, and a few facts beside it.

An operation on intervals gives bounds of what the operation gives in the dtype of the result: they are rounded
outwards to that dtype, and beyond its greatest number they are infinite. Correct rounding is monotone, so that a bound
of a sum or a product is the sum or the product of bounds (R. E. Moore, "Interval Analysis", 1966).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from graphtorch.ir.types import DType, greatest, greatest_finite, least

#: binary digits of a number, and the exponent of the least normal one
_DIGITS = {"float64": (53, -1022), "float32": (24, -126), "float16": (11, -14), "bfloat16": (8, -126)}


@dataclass(frozen=True, slots=True)
class Interval:
    """Every number is nan or in [low, high]; infinite bounds hold infinities too.

    ``nan``: some may be nan. ``nonzero``: none is 0. ``vanishing``: the function that gave them is never 0, but its
    result may be rounded to 0, as exp(-200) is. ``whole``: they have no fraction.
    """

    low: float
    high: float
    nan: bool = False
    nonzero: bool = False
    vanishing: bool = False
    whole: bool = False

    @property
    def may_be_zero(self) -> bool:
        return self.low <= 0 <= self.high and not self.nonzero

    @property
    def positive(self) -> bool:
        """More than 0, but for rounding."""
        return self.low > 0 or (self.low == 0 and (self.nonzero or self.vanishing))

    @property
    def bounded(self) -> bool:
        return self.low > -math.inf and self.high < math.inf

    @property
    def most(self) -> float:
        """The greatest absolute value."""
        return max(-self.low, self.high)

    def __str__(self) -> str:
        left = "(" if self.low == -math.inf or (self.low == 0 and self.nonzero) else "["
        right = ")" if self.high == math.inf or (self.high == 0 and self.nonzero) else "]"
        return f"{left}{self.low + 0:g}, {self.high + 0:g}{right}"  # no -0


def full(dtype: DType) -> Interval:
    """What is known of a tensor of which nothing else is."""
    if dtype.kind == "f":
        return Interval(-math.inf, math.inf, nan=True)
    return Interval(least(dtype), greatest(dtype), whole=True)


def says_something(x: Interval, dtype: DType) -> bool:
    """Whether an interval says more than its dtype does."""
    everything = full(dtype)
    return x.low > everything.low or x.high < everything.high


def hull(*parts: Interval) -> Interval:
    """What is in any of the parts."""
    return Interval(
        min(p.low for p in parts),
        max(p.high for p in parts),
        any(p.nan for p in parts),
        all(not p.may_be_zero for p in parts),
        all(p.positive for p in parts),
        all(p.whole for p in parts),
    )


def fitted(x: Interval, dtype: DType) -> Interval:
    """What ``x`` becomes as numbers of ``dtype``: rounded outwards, or, of integers that do not fit, wrapped."""
    if dtype.kind != "f":
        return replace(x, nan=False, whole=True) if least(dtype) <= x.low and x.high <= greatest(dtype) else full(dtype)
    low, high = _down(x.low, dtype), -_down(-x.high, dtype)
    if low == x.low and high == x.high:
        return x
    nonzero = x.nonzero and (low > 0 or high < 0)
    return Interval(low, high, x.nan, nonzero, x.vanishing or (x.low > 0 and low == 0), x.whole)


def _down(value: float, dtype: DType) -> float:
    """The greatest number of a floating-point dtype that is not above ``value``; what is subnormal counts as 0."""
    if value == 0 or math.isinf(value):
        return value
    most = greatest_finite(dtype)
    if abs(value) > most:
        return most if value > 0 else -math.inf
    digits, least_exponent = _DIGITS[dtype.name]
    fraction, exponent = math.frexp(value)
    if exponent <= least_exponent:
        return 0.0 if value > 0 else -math.ldexp(1.0, least_exponent)
    if isinstance(value, int) and value.bit_length() > digits:  # float64 may not hold it
        last = 1 << value.bit_length() - digits
        return float(value // last * last)
    return math.ldexp(math.floor(math.ldexp(fraction, digits)), exponent - digits)


def unit(dtype: DType) -> float:
    """The relative error of one rounding."""
    return math.ldexp(1.0, -_DIGITS[dtype.name][0]) if dtype.kind == "f" else 0.0


def widened(x: Interval, error: float) -> Interval:
    """With a relative error of each number."""
    return replace(x, low=x.low - abs(x.low) * error, high=x.high + abs(x.high) * error)


def number(value: float) -> Interval:
    """One number."""
    if value != value:
        return Interval(-math.inf, math.inf, nan=True)
    return Interval(value, value, nonzero=value != 0, whole=math.isfinite(value) and value == math.floor(value))


def truth() -> Interval:
    return Interval(0, 1, whole=True)


def over(values: Iterable[float], nan: bool) -> Interval:
    """From the least to the greatest of ``values``."""
    listed = list(values)
    return Interval(min(listed), max(listed), nan)


# ---- arithmetic -----------------------------------------------------------------------------------


def add(a: Interval, b: Interval) -> Interval:
    opposite = (a.low == -math.inf and b.high == math.inf) or (a.high == math.inf and b.low == -math.inf)
    low, high = (_sum(x, y, end) for x, y, end in ((a.low, b.low, -math.inf), (a.high, b.high, math.inf)))
    vanishing = a.low >= 0 and b.low >= 0 and (a.positive or b.positive)
    return Interval(low, high, a.nan or b.nan or opposite, vanishing=vanishing, whole=a.whole and b.whole)


def _sum(a: float, b: float, of_opposites: float) -> float:
    return of_opposites if math.isinf(a) and math.isinf(b) and a != b else a + b


def neg(a: Interval) -> Interval:
    return replace(a, low=-a.high, high=-a.low)


def sub(a: Interval, b: Interval) -> Interval:
    return add(a, neg(b))


def mul(a: Interval, b: Interval) -> Interval:
    corners = [_product(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    endless = (a.may_be_zero and math.isinf(b.most)) or (b.may_be_zero and math.isinf(a.most))
    out = over(corners, a.nan or b.nan or endless)
    return replace(out, vanishing=a.positive and b.positive, whole=a.whole and b.whole)


def _product(a: float, b: float) -> float:
    return 0 if a == 0 or b == 0 else a * b


def square(a: Interval) -> Interval:
    """a * a of one and the same number."""
    ends = sorted((abs(a.low), abs(a.high)))
    least_ = 0 if a.low <= 0 <= a.high else ends[0]
    return Interval(least_ * least_, ends[1] * ends[1], a.nan, vanishing=a.positive or not a.may_be_zero, whole=a.whole)


def div(a: Interval, b: Interval) -> Interval:
    nan = a.nan or b.nan or (a.may_be_zero and b.may_be_zero) or (math.isinf(a.most) and math.isinf(b.most))
    if b.low > 0 or b.high < 0:
        corners = [_quotient(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
        return replace(over(corners, nan), vanishing=a.positive and b.positive)
    if b.low == 0 and b.nonzero and a.low >= 0:
        return Interval(_quotient(a.low, b.high), math.inf, nan, vanishing=a.positive)
    return Interval(-math.inf, math.inf, nan)  # a 0 may be -0


def _quotient(a: float, b: float) -> float:
    return 0.0 if math.isinf(b) else a / b  # of two infinite ones it is nan, and of a finite one it is 0
