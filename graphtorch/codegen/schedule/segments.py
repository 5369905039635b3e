"""A row of known length as vectors: full ones, then halves of one (28 = 16 + 8 + 4). No masks, no scalar tail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from graphtorch.codegen.kernel_ir import Kind, Stmt, loop
from graphtorch.ir.expr import Expr, Var, const
from graphtorch.ir.types import int64


def segments(extent: int, lanes: int) -> Iterator[tuple[int, int, int]]:
    """(start, count, width): ``count`` vectors of ``width`` from ``start``, covering 0..extent-1."""
    start = 0
    while lanes >= 1:
        count = (extent - start) // lanes
        if count:
            yield start, count, lanes
            start += count * lanes
        lanes //= 2


def vector_loop(var: Var, lanes: int, body: Callable[[Expr], Sequence[Stmt]], outer: Kind = "for") -> list[Stmt]:
    """``body(index)`` over the extent of ``var``; the loop over full vectors is of kind ``outer``."""
    out: list[Stmt] = []
    for start, count, width in segments(var.extent or 0, lanes):
        vector = partial(_vector, var, width, start, body)
        if count == 1:
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
