"""What formulas are written in: lanes of numbers, with Python's operators for LLVM's instructions.

There are no fast-math flags: LLVM keeps every rounding where it is written. `fma` is one instruction where the target
has it, and a product and a sum elsewhere (LLVM would call libm); `two_product` is exact on both.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.codegen import llvm_text as ll

I1 = ll.integer(1)


@dataclass(frozen=True)
class Format:
    """An IEEE format: ``bits`` in all, ``mantissa`` of them stored."""

    bits: int
    mantissa: int
    bias: int
    kind: Any
    whole: Any

    @property
    def magic(self) -> float:
        """Added to a number below 2**(mantissa - 1), it leaves the nearest integer in the lowest bits of the sum."""
        return 1.5 * 2.0**self.mantissa

    @property
    def sign(self) -> int:
        return -(1 << (self.bits - 1))

    @property
    def least(self) -> float:
        """The least normal number."""
        return 2.0 ** (1 - self.bias)

    def pattern(self, x: float) -> int:
        """The bits of a number, as a signed integer."""
        whole, real = ("<i", "<f") if self.bits == 32 else ("<q", "<d")
        return int(struct.unpack(whole, struct.pack(real, x))[0])


F32 = Format(32, 23, 127, ll.FLOAT, ll.integer(32))
F64 = Format(64, 52, 1023, ll.DOUBLE, ll.integer(64))


@dataclass(frozen=True)
class Place:
    """Where instructions go: a builder, so many lanes, and whether the target has fused multiply-add."""

    module: ll.Module
    b: ll.Builder
    lanes: int
    fused: bool

    def type_of(self, kind: Any) -> Any:
        return ll.vector(kind, self.lanes) if self.lanes > 1 else kind

    def constant(self, kind: Any, x: float) -> Any:
        one = ll.Constant(kind, x)
        return one if self.lanes == 1 else self.b.splat(one, self.lanes)

    def call(self, name: str, kind: Any, *args: Any) -> Any:
        """The intrinsic ``name`` for lanes of ``kind``."""
        short = {F32.kind: "f32", F64.kind: "f64"}[kind]
        full = f"llvm.{name}.{f'v{self.lanes}' if self.lanes > 1 else ''}{short}"
        types = [self.type_of(kind)] * len(args)
        return self.b.call(self.module.declare(full, types[0], types), args)


class Lanes:
    """Lanes of one kind: float, double, integers of their sizes, or conditions."""

    __slots__ = ("kind", "place", "value")

    def __init__(self, place: Place, kind: Any, value: Any) -> None:
        self.place, self.kind, self.value = place, kind, value

    # ---- kinds and constants

    @property
    def format(self) -> Format:
        return F32 if self.kind in (F32.kind, F32.whole) else F64

    def like(self, x: Lanes | float) -> Lanes:
        """``x``, where it is a Python number in every lane, of this kind."""
        return x if isinstance(x, Lanes) else Lanes(self.place, self.kind, self.place.constant(self.kind, x))

    def _made(self, value: Any, kind: Any = None) -> Lanes:
        return Lanes(self.place, kind or self.kind, value)

    @property
    def bits(self) -> Lanes:
        """The pattern, as integers."""
        kind = self.format.whole
        return self._made(self.place.b.convert("bitcast", self.value, self.place.type_of(kind)), kind)

    @property
    def floats(self) -> Lanes:
        """The numbers that have this pattern."""
        kind = self.format.kind
        return self._made(self.place.b.convert("bitcast", self.value, self.place.type_of(kind)), kind)

    def to(self, format: Format) -> Lanes:
        """In the other format."""
        if format is self.format:
            return self
        name = "fpext" if format is F64 else "fptrunc"
        return self._made(self.place.b.convert(name, self.value, self.place.type_of(format.kind)), format.kind)

    # ---- arithmetic, of floats or of integers

    def _both(self, of_floats: str, of_integers: str, other: Lanes | float, swap: bool = False) -> Lanes:
        a, b = (self.like(other), self) if swap else (self, self.like(other))
        name = of_integers if self.kind.kind == "int" else of_floats
        return self._made(self.place.b.binary(name, a.value, b.value))

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._both("fadd", "add", other)

    def __radd__(self, other: float) -> Lanes:
        return self._both("fadd", "add", other, swap=True)

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._both("fsub", "sub", other)

    def __rsub__(self, other: float) -> Lanes:
        return self._both("fsub", "sub", other, swap=True)

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._both("fmul", "mul", other)

    def __rmul__(self, other: float) -> Lanes:
        return self._both("fmul", "mul", other, swap=True)

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._both("fdiv", "", other)

    def __rtruediv__(self, other: float) -> Lanes:
        return self._both("fdiv", "", other, swap=True)

    def __neg__(self) -> Lanes:
        return self._made(self.place.b.negative(self.value))

    # ---- bits

    def __and__(self, other: Lanes | int) -> Lanes:
        return self._both("", "and", other)

    def __or__(self, other: Lanes | int) -> Lanes:
        return self._both("", "or", other)

    def __xor__(self, other: Lanes | int) -> Lanes:
        return self._both("", "xor", other)

    def __lshift__(self, other: Lanes | int) -> Lanes:
        return self._both("", "shl", other)

    def __rshift__(self, other: Lanes | int) -> Lanes:
        """Zeros come in."""
        return self._both("", "lshr", other)

    def __invert__(self) -> Lanes:
        return self._made(self.place.b.complement(self.value))

    # ---- comparisons: false where an operand is nan, but for `ne`

    def _compare(self, order: str, other: Lanes | float) -> Lanes:
        if self.kind.kind == "int":
            order = order if order == "eq" else f"s{order}"
        name = f"icmp {order}" if self.kind.kind == "int" else f"fcmp o{order}"
        return self._made(self.place.b.compare(name, self.value, self.like(other).value), I1)

    def __lt__(self, other: Lanes | float) -> Lanes:
        return self._compare("lt", other)

    def __le__(self, other: Lanes | float) -> Lanes:
        return self._compare("le", other)

    def __gt__(self, other: Lanes | float) -> Lanes:
        return self._compare("gt", other)

    def __ge__(self, other: Lanes | float) -> Lanes:
        return self._compare("ge", other)

    def eq(self, other: Lanes | float) -> Lanes:
        return self._compare("eq", other)

    def nonzero(self) -> Lanes:
        """False where it is nan."""
        return self._compare("ne", 0.0)

    def ne(self, other: Lanes | float) -> Lanes:
        """True where an operand is nan."""
        return self._made(self.place.b.compare("fcmp une", self.value, self.like(other).value), I1)


def select(condition: Lanes, a: Lanes | float, b: Lanes | float) -> Lanes:
    if not isinstance(a, Lanes):
        assert isinstance(b, Lanes)
        a = b.like(a)
    b = a.like(b)
    return Lanes(a.place, a.kind, a.place.b.select(condition.value, a.value, b.value))


def fma(a: Lanes, b: Lanes | float, c: Lanes | float) -> Lanes:
    """a * b + c, rounded once where that is one instruction."""
    b, c = a.like(b), a.like(c)
    if not a.place.fused:
        return a * b + c
    return Lanes(a.place, a.kind, a.place.call("fma", a.kind, a.value, b.value, c.value))


def at_most(x: Lanes, limit: float) -> Lanes:
    """The smaller of the two; nan stays nan. One instruction on x86."""
    return select(x.like(limit) < x, limit, x)


def at_least(x: Lanes, limit: float) -> Lanes:
    return select(x.like(limit) > x, limit, x)


def absolute(x: Lanes) -> Lanes:
    return Lanes(x.place, x.kind, x.place.call("fabs", x.kind, x.value))


def sqrt(x: Lanes) -> Lanes:
    return Lanes(x.place, x.kind, x.place.call("sqrt", x.kind, x.value))


def truncated(x: Lanes) -> Lanes:
    """Towards zero."""
    return Lanes(x.place, x.kind, x.place.call("trunc", x.kind, x.value))


def signed(x: Lanes, like: Lanes) -> Lanes:
    """``x``, whose sign bit is 0 (or whose sign is to change where it is not), with the sign of ``like``."""
    return (x.bits ^ (like.bits & x.format.sign)).floats


def polynomial(x: Lanes, coefficients: Sequence[float]) -> Lanes:
    """c[0] + c[1] x + c[2] x**2 + ..., by Horner's rule."""
    total = x.like(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = fma(total, x, c)
    return total


def polynomial_in_pairs(x: Lanes, square: Lanes, coefficients: Sequence[float]) -> Lanes:
    """The same as (c[0] + c[1] x) + (c[2] + c[3] x) x**2 + ..., by Horner's rule on the pairs; ``square`` is x**2.

    No more instructions than `polynomial`'s, in chains of half the length (G. Estrin, 1960).
    """
    pairs = [fma(x, c, b) for b, c in zip(coefficients[:-1:2], coefficients[1::2], strict=True)]
    total = pairs.pop()
    if len(coefficients) % 2:
        total = fma(square, coefficients[-1], total)
    for pair in reversed(pairs):
        total = fma(total, square, pair)
    return total
