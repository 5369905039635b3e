"""A row of known length as vectors: full ones, then halves of one (28 = 16 + 8 + 4). No masks, no scalar tail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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

        def vector(base: Expr, width: int = width) -> list[Stmt]:
            if width == 1:
                return list(body(base))
            return [loop(f"{var.name}l", width, lambda lane: body(base + lane), "vec")]

        if count == 1:
            out += vector(const(start, int64))
            continue
        kind = outer if width == lanes else "for"
        out.append(loop(f"{var.name}v", count, lambda v, s=start, w=width: vector(v * w + s, w), kind))  # type: ignore[misc]
    return out
