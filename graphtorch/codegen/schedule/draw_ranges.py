"""Which random words loops want: draws whose positions move evenly with loops have stretches of a stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphtorch.codegen.kernel_ir import For, Let, Stmt, buffers_written, exprs_of, walk
from graphtorch.ir.dim import is_dynamic, surely
from graphtorch.ir.expr import (
    Binary,
    Buffer,
    Const,
    Draw,
    Expr,
    Load,
    Memo,
    Var,
    const,
    free_vars,
    same,
    slopes,
    substitute,
    whole,
)
from graphtorch.ir.expr import walk as walk_expr
from graphtorch.ir.types import int64

#: words that are made at a time, at most
MOST = 2048
#: so many times more words may be made than there are places that want one
SPARE = 2
_ZERO = const(0, int64)


@dataclass(frozen=True, eq=False)
class Range:
    """The words that a draw wants in some loops: at ``start + first + offset``, of which these move the offset alone.

    It takes values below ``span``, at ``places`` indices of the loops.
    """

    draw: Draw
    seed: Expr
    stream: Expr
    start: Expr
    first: int
    offset: Expr
    span: int
    places: int


@dataclass(eq=False)
class Words:
    """A stretch of one stream: the words of draws that begin a known number apart."""

    ranges: list[Range] = field(default_factory=list)

    @property
    def first(self) -> int:
        return min(r.first for r in self.ranges)

    @property
    def span(self) -> int:
        return max(r.first + r.span for r in self.ranges) - self.first

    def fits(self, step: int = 0, times: int = 1) -> bool:
        """Whether words of so many stretches, each ``step`` further on than the one before, are few and dense."""
        span = self.span + step * (times - 1)
        return span <= min(MOST, SPARE * times * sum(r.places for r in self.ranges))


def draws_in(body: Sequence[Stmt]) -> list[Draw]:
    """Those in the statements, each once."""
    found: list[Draw] = []
    seen: set[int] = set()
    for s in walk(body):
        for e in exprs_of(s):
            walk_expr(e, lambda x: found.append(x) if isinstance(x, Draw) else None, seen)
    return found


def stretches(stmts: Sequence[Stmt]) -> list[Words]:
    """The words that the loops in ``stmts`` have of each stream; none of draws that do not move evenly with loops."""
    lets: dict[Var, Expr] = {}
    for s in walk(stmts):
        if isinstance(s, Let):
            lets[s.var] = substitute(s.value, lets)
    written = buffers_written(stmts)
    extents = {s.var: s.extent for s in walk(stmts) if isinstance(s, For)}
    out: list[Words] = []
    for draw in draws_in(stmts):
        found = _range(draw, lets, extents, written)
        if found is None:
            continue
        words = next((w for w in out if _is_near(w.ranges[0], found)), None)
        if words is None:
            out.append(words := Words())
        words.ranges.append(found)
    return out


def _is_near(a: Range, b: Range) -> bool:
    """Whether both have words of one stream, a known number apart."""
    if not (same(a.seed, b.seed) and same(a.stream, b.stream) and same(a.start, b.start)):
        return False
    return abs(a.first - b.first) <= MOST


def _range(draw: Draw, lets: dict[Var, Expr], extents: dict[Var, Expr], written: set[Buffer]) -> Range | None:
    """None where the statements around decide on the stream, or move the position unevenly or down."""
    memo: Memo = {}
    seed, stream, position = (substitute(e, lets, memo) for e in (draw.seed, draw.stream, draw.position))
    fixed = free_vars(seed) | free_vars(stream)
    moves = slopes(position, extents.keys())
    if moves is None or not fixed.isdisjoint(extents.keys()) or not _is_settled((seed, stream, position), written):
        return None
    moves = {v: c for v, c in moves.items() if not surely("==", c, 0)}
    sizes = {v: whole(n.value) for v in moves if isinstance(n := extents[v], Const)}
    if len(sizes) < len(moves) or any(is_dynamic(c) or c < 0 for c in moves.values()):
        return None
    if any(map(is_dynamic, sizes.values())):
        return None  # how many words there are has to be known
    start, first = _constant(substitute(position, dict.fromkeys(moves, _ZERO)))
    offset: Expr = _ZERO
    for v, c in moves.items():
        offset = offset + v * c
    span = 1 + sum(c * (sizes[v] - 1) for v, c in moves.items())
    return Range(draw, seed, stream, start, first, offset, span, math.prod(sizes.values()))


def _is_settled(exprs: Sequence[Expr], written: set[Buffer]) -> bool:
    """Whether they draw nothing, and read nothing that the statements write."""
    found: list[Expr] = []
    for e in exprs:
        walk_expr(e, found.append)
    return not any(isinstance(x, Draw) or (isinstance(x, Load) and x.buffer in written) for x in found)


def _constant(position: Expr) -> tuple[Expr, int]:
    """A sum's constant by itself: simplification leaves it outermost."""
    match position:
        case Const(value=value) if not is_dynamic(value):
            return _ZERO, int(value)
        case Binary(fn="add", b=Const(value=value)) if not is_dynamic(value):
            return position.a, int(value)
    return position, 0
