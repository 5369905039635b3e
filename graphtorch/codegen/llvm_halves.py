"""16-bit floats to float32 and back as instructions on their bits, rounded to the nearest, ties to even.

LLVM's own conversions of bfloat, and of half on a CPU without them, are calls of functions that no library of this
process has. Those of half are used where they are instructions. F. Giesen, "Half to float done quick" and "float->half
variants" (2012), has the ideas of the others. nan stays nan; its payload does not.
"""

from __future__ import annotations

from typing import Any

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.llvm_types import HALF
from graphtorch.ir.types import DType, bfloat16

_I16, _I32 = ll.integer(16), ll.integer(32)
#: bits of float32: infinity, 2^16 (twice float16's largest power of two), and 2^-14 (its smallest normal number)
_INFINITY, _TOO_LARGE, _NORMAL = 0x7F800000, 0x47800000, 0x38800000
#: 0.5: the last bit of a float32 of this size is float16's smallest number
_HALF_BITS = 0x3F000000


class _Bits:
    """Instructions on the bits of one float32, or of a vector of them."""

    def __init__(self, b: ll.Builder, count: int) -> None:
        self.b, self.count = b, count

    def kind(self, of: Any) -> Any:
        return ll.vector(of, self.count) if self.count > 1 else of

    def number(self, value: float, of: Any = _I32) -> Any:
        one = ll.Constant(of, value)
        return one if self.count == 1 else self.b.splat(one, self.count)

    def op(self, name: str, x: Any, value: int) -> Any:
        return self.b.binary(name, x, self.number(value))

    def choose(self, condition: Any, x: Any, value: int) -> Any:
        """``value`` where the condition holds."""
        return self.b.select(condition, self.number(value), x)

    def bits(self, x: Any) -> Any:
        return self.b.convert("bitcast", x, self.kind(_I32))

    def floats(self, x: Any) -> Any:
        return self.b.convert("bitcast", x, self.kind(ll.FLOAT))

    def rounded(self, x: Any, drop: int) -> Any:
        """``x`` rounded at bit ``drop``, ties to even; lower bits are for shifting out. A carry enters the exponent."""
        last = self.op("and", self.op("lshr", x, drop), 1)
        return self.b.binary("add", self.op("add", x, 2 ** (drop - 1) - 1), last)


def widen(b: ll.Builder, dtype: DType, x: Any, halves: bool) -> Any:
    """The float32 numbers of 16-bit floats of ``dtype``; ``halves``: the CPU has instructions for float16."""
    on = _Bits(b, x.type.count if x.type.kind == "vector" else 1)
    if dtype == bfloat16:
        return on.floats(on.op("shl", b.convert("zext", x, on.kind(_I32)), 16))
    if halves:
        return b.convert("fpext", b.convert("bitcast", x, on.kind(HALF)), on.kind(ll.FLOAT))
    wide = b.convert("zext", x, on.kind(_I32))
    sign = on.op("shl", on.op("and", wide, 0x8000), 16)
    size = on.op("and", wide, 0x7FFF)
    shifted = on.op("shl", size, 13)
    # a product, because that makes numbers of float16's subnormal ones, too
    scaled = on.bits(b.binary("fmul", on.floats(shifted), on.number(2.0**112, ll.FLOAT)))
    special = b.compare("icmp uge", size, on.number(0x7C00))
    found = b.select(special, on.op("or", shifted, _INFINITY), scaled)
    return on.floats(b.binary("or", found, sign))


def narrow(b: ll.Builder, dtype: DType, x: Any, halves: bool) -> Any:
    """float32 numbers rounded to 16-bit floats of ``dtype``; ``halves``: the CPU has instructions for float16."""
    on = _Bits(b, x.type.count if x.type.kind == "vector" else 1)
    if dtype == bfloat16:
        nan = b.convert("sext", b.compare("fcmp uno", x, x), on.kind(_I32))  # all bits, which are nan
        found = on.op("lshr", b.binary("or", on.rounded(on.bits(x), 16), nan), 16)
    elif halves:
        return b.convert("bitcast", b.convert("fptrunc", x, on.kind(HALF)), on.kind(_I16))
    else:
        found = _half(on, on.bits(x))
    return b.convert("trunc", found, on.kind(_I16))


def _half(on: _Bits, bits: Any) -> Any:
    """The bits of float16 in the lower halves of integers."""
    b = on.b
    sign = on.op("and", on.op("lshr", bits, 16), 0x8000)
    size = on.op("and", bits, 0x7FFFFFFF)
    # the sum with 0.5 rounds to the steps of float16's subnormal numbers
    added = on.bits(b.binary("fadd", on.floats(size), on.number(0.5, ll.FLOAT)))
    subnormal = on.op("sub", added, _HALF_BITS)
    normal = on.op("lshr", on.rounded(on.op("sub", size, 112 << 23), 13), 13)
    found = b.select(b.compare("icmp ult", size, on.number(_NORMAL)), subnormal, normal)
    found = on.choose(b.compare("icmp uge", size, on.number(_TOO_LARGE)), found, 0x7C00)
    found = on.choose(b.compare("icmp ugt", size, on.number(_INFINITY)), found, 0x7E00)
    return b.binary("or", found, sign)
