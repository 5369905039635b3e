"""Types and constants of LLVM IR, as text."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

# ---- types: one object for each, compared by identity ----------------------------------------------


@dataclass(frozen=True, eq=False, slots=True)
class Type:
    """``kind``: "int", "float", "void", "pointer", "vector" or "array". ``element``: what a pointer points to, too."""

    kind: str
    text: str
    element: Any = None
    count: int = 1


HALF, FLOAT, DOUBLE = Type("float", "half"), Type("float", "float"), Type("float", "double")
VOID = Type("void", "void")


@cache
def integer(bits: int) -> Type:
    return Type("int", f"i{bits}")


@cache
def pointer(to: Type) -> Type:
    return Type("pointer", "ptr", to)


@cache
def vector(of: Type, count: int) -> Type:
    return Type("vector", f"<{count} x {of.text}>", of, count)


@cache
def array(of: Type, count: int) -> Type:
    return Type("array", f"[{count} x {of.text}]", of, count)


# ---- values ---------------------------------------------------------------------------------------


class Value:
    """``ref`` is how instructions name it."""

    __slots__ = ("ref", "type")

    def __init__(self, type: Type, ref: str) -> None:
        self.type, self.ref = type, ref


class Constant(Value):
    """A number, or a list of constants for the elements of a vector or an array."""

    __slots__ = ()

    def __init__(self, type: Type, value: Any) -> None:
        super().__init__(type, _rows(type, value) if isinstance(value, list) else _number(type, value))


def poison(type: Type) -> Value:
    """A vector whose lanes are yet to be set."""
    return Value(type, "poison")


def _number(type: Type, value: Any) -> str:
    if type.kind != "float":
        return str(int(value)) if type.text != "i1" else "true" if value else "false"
    # written as the bits of a double, which LLVM wants to be a value of the type
    rounded = struct.unpack("<f", struct.pack("<f", value))[0] if type is FLOAT else float(value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016x}"


def _rows(type: Type, items: list[Constant]) -> str:
    first = items[0].ref if items else ""
    if type.kind == "vector" and all(x.ref == first for x in items):
        return f"splat ({type.element.text} {first})"
    text = ", ".join(f"{x.type.text} {x.ref}" for x in items)
    return f"<{text}>" if type.kind == "vector" else f"[{text}]"


I1 = integer(1)
