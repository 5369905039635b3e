"""A row of known length as vectors: full ones, then halves of one (28 = 16 + 8 + 4). No masks, no scalar tail.

Where an element may be met twice, the last vector may overlap the one before it: 28 = 16 + 16.

A row of a length that is not known has full vectors, then quarters of one, and single elements at its end. How many
there are of each is a number that the machine code works out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from graphtorch.codegen.kernel_ir import Kind, Stmt, loop
from graphtorch.ir.dim import is_dynamic, surely
from graphtorch.ir.expr import Expr, Var, const
from graphtorch.ir.types import int64


def segments(extent: int, lanes: int, twice: bool = False) -> Iterator[tuple[int, int, int]]:
    """(start, count, width): ``count`` vectors of ``width`` from ``start``, covering 0..extent-1.

    ``twice``: elements may be met again, so one vector that ends with the row stands for all the smaller ones.
    """
    start = 0
    if is_dynamic(extent):
        yield from _unknown(extent, lanes)
        return
    if twice and extent:
        lanes = min(lanes, 1 << (extent.bit_length() - 1))
        yield 0, extent // lanes, lanes
        if extent % lanes:
            yield extent - lanes, 1, lanes
        return
    while lanes >= 1:
        count = (extent - start) // lanes
        if count:
            yield start, count, lanes
            start += count * lanes
        lanes //= 2


def _unknown(extent: int, lanes: int) -> Iterator[tuple[int, int, int]]:
    start, left = 0, extent
    for width in dict.fromkeys((lanes, max(1, lanes // 4), 1)):
        count = left // width
        if not surely("==", count, 0):
            yield start, count, width
        start, left = start + count * width, left % width


def longest(rows: Sequence[tuple[int, int, int]]) -> int:
    """The greatest count of vectors of one width: that of full ones, if the length is not known."""
    counts = [count for _, count, _ in rows]
    return counts[0] if any(map(is_dynamic, counts)) else max(counts)


def vector_loop(
    var: Var, lanes: int, body: Callable[[Expr], Sequence[Stmt]], outer: Kind = "for", twice: bool = False
) -> list[Stmt]:
    """``body(index)`` over the extent of ``var``; the loop over full vectors is of kind ``outer``. See `segments`."""
    out: list[Stmt] = []
    for start, count, width in segments(var.size, lanes, twice):
        vector = partial(_vector, var, width, start, body)
        if surely("==", count, 1):
            out += vector(const(0, int64))
        else:
            out.append(loop(f"{var.name}v", count, vector, outer if width == lanes else "for"))
    return out


def _vector(var: Var, width: int, start: int, body: Callable[[Expr], Sequence[Stmt]], number: Expr) -> list[Stmt]:
    """``body`` over vector ``number`` of those from ``start``."""
    base = number * width + start
    if width == 1:
        return list(body(base))
    return [loop(f"{var.name}l", width, lambda lane: body(base + lane), "vec")]


def square_loops(a: Var, b: Var, lanes: int, body: Callable[[Expr, Expr], Stmt]) -> list[Stmt]:
    """``body(index of a, index of b)``, a copy that is dense along a on one side and along b on the other.

    It runs in squares of vectors, which `legalize` transposes in registers.
    """
    out: list[Stmt] = []
    for a_start, a_count, a_width in segments(a.size, lanes):
        for b_start, b_count, b_width in segments(b.size, lanes):
            side = min(a_width, b_width)
            square = partial(_squares, a.name, b.name, side, a_start, b_start, body)
            rows, columns = a_count * (a_width // side), b_count * (b_width // side)
            out.append(loop(f"{a.name}v", rows, partial(_row_of_squares, f"{b.name}v", columns, square)))
    return out


def _row_of_squares(name: str, count: int, square: Callable[[Expr, Expr], Stmt], i: Expr) -> Stmt:
    return loop(name, count, lambda j: square(i, j))


def _squares(
    a: str, b: str, side: int, a_start: int, b_start: int, body: Callable[[Expr, Expr], Stmt], i: Expr, j: Expr
) -> Stmt:
    """``body`` over the square in row ``i`` and column ``j`` of squares."""
    row, column = i * side + a_start, j * side + b_start
    if side == 1:
        return body(row, column)
    return loop(f"{a}l", side, lambda r: loop(f"{b}l", side, lambda c: body(row + r, column + c), "vec"), "vec")
