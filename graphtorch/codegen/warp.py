"""Statements of a warp, and what they do lane by lane: which element of a matrix is in which register of which lane.

The layouts are those of PTX (ISA 8.0, "Matrix fragments for mma.m16n8k8 / m16n8k16" and "ldmatrix"): with g = lane // 4
and t = lane % 4, a register of ``c`` has row g or g + 8, and columns 2t and 2t + 1. Schedules, the interpreter and the
emulator of the tests all read this table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from graphtorch.ir.expr import Buffer, Expr, Load

Precision = Literal["tf32", "bf16", "f16"]
Element = tuple[Buffer, tuple[Expr, ...]]

WARP = 32
#: the tile of an `mma`: rows and columns of its results
ROWS, COLUMNS = 16, 8
#: the terms of each sum
DEPTH: dict[Precision, int] = {"tf32": 8, "bf16": 16, "f16": 16}
#: a lane's registers of each side, and its results
A_REGISTERS, B_REGISTERS, C_VALUES = 4, 2, 4


def c_place(value: int, lane: int) -> tuple[int, int]:
    """(row, column) of the ``value``-th of a lane's 4 results."""
    return lane // 4 + 8 * (value // 2), 2 * (lane % 4) + value % 2


def a_place(kind: Precision, register: int, half: int, lane: int) -> tuple[int, int]:
    """(row, depth) of a register of the left side; of a 16-bit float, the lower (0) or upper ``half``."""
    row, block = lane // 4 + 8 * (register % 2), register // 2
    return row, _depth(kind, block, half, lane)


def b_place(kind: Precision, register: int, half: int, lane: int) -> tuple[int, int]:
    """(depth, column) of a register of the right side."""
    return _depth(kind, register, half, lane), lane // 4


def _depth(kind: Precision, block: int, half: int, lane: int) -> int:
    return 4 * block + lane % 4 if kind == "tf32" else 8 * block + 2 * (lane % 4) + half


# ---- statements ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True)
class Copy:
    """A store to shared memory that is there after a `Wait`."""

    buffer: Buffer
    indices: tuple[Expr, ...]
    value: Load


@dataclass(frozen=True, eq=False, slots=True)
class Commit:
    pass


@dataclass(frozen=True, eq=False, slots=True)
class Wait:
    count: int


@dataclass(frozen=True, eq=False, slots=True)
class Fragment:
    """Lane l has the address of 16 bytes: row l % 8 of matrix l // 8, of 8 elements of 16 bits or of 4 of 32. It gets
    two neighbours of each matrix, or one; transposed are 16-bit ones alone."""

    to: Element
    source: Element
    transposed: bool


@dataclass(frozen=True, eq=False, slots=True)
class Mma:
    """Of 16 x 8 results the lane has 4 in ``c``; ``a`` and ``b`` are 4 and 2 registers. For tf32 they are rounded."""

    kind: Precision
    c: Element
    a: Element
    b: Element


def elements_of(stmt: Fragment | Mma) -> tuple[Element, ...]:
    """Where a statement of a warp writes, and then where it reads."""
    return (stmt.to, stmt.source) if isinstance(stmt, Fragment) else (stmt.c, stmt.a, stmt.b)


def with_elements(stmt: Fragment | Mma, found: Sequence[Element]) -> Fragment | Mma:
    """The same statement over other places."""
    if isinstance(stmt, Fragment):
        return Fragment(found[0], found[1], stmt.transposed)
    return Mma(stmt.kind, found[0], found[1], found[2])
