"""Loops cut into boxes: several loops that count as one, in blocks of equal shape.

A box takes whole runs of the inner loops and a part of one loop; outside of that it has one index, or as many as have
to stay together. A part that does not divide its loop leaves the last block ragged: it reaches beyond the loop's end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from graphtorch.codegen.kernel_ir import For, Stmt, replace_vars
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.ir.dim import divides, example, is_dynamic, surely
from graphtorch.ir.expr import Expr, Var, const, flat_index, unflatten_index
from graphtorch.ir.types import int64

Index = dict[Var, Expr]
ZERO = const(0, int64)
#: a block that divides its loop is taken if it is at least this share of the size asked for
EXACT = 0.5
#: blocks of a loop whose extent is not known have a multiple of so many indices, unless the cache holds fewer
ROUND = 8
NO_STEPS: Mapping[Var, int] = MappingProxyType({})


def ceil_div(a: int, b: int) -> int:
    return (a + b - 1) // b


def round_up(n: int, to: int) -> int:
    return ceil_div(n, to) * to


def extent_of(v: Var) -> int:
    return v.size


@dataclass(frozen=True)
class Box:
    """``sizes[d]`` indices of ``vars[d]`` per block, ``counts[d]`` blocks along it."""

    vars: tuple[Var, ...]
    sizes: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(ceil_div(extent_of(v), s) for v, s in zip(self.vars, self.sizes, strict=True))

    @property
    def size(self) -> int:
        """Positions in a block."""
        return math.prod(self.sizes)

    @property
    def blocks(self) -> int:
        return math.prod(self.counts)

    @property
    def ragged(self) -> tuple[Var, ...]:
        """Loops whose last block reaches beyond the end: one at most, unless indices have to stay together."""
        return tuple(v for v, s in zip(self.vars, self.sizes, strict=True) if not divides(s, extent_of(v)))

    def origin(self, block: Expr) -> Index:
        """The first index of a block, by loop."""
        at = unflatten_index(self.counts, block)
        return {v: i * s for v, i, s in zip(self.vars, at, self.sizes, strict=True)}

    def locals(self) -> tuple[Var, ...]:
        """Loops over a block."""
        return tuple(Var(f"{v.name}b", int64, s) for v, s in zip(self.vars, self.sizes, strict=True))

    def at(self, position: Expr) -> Index:
        """The indices inside of a block at a flat position."""
        return dict(zip(self.vars, unflatten_index(self.sizes, position), strict=True))

    def position(self, local: Index) -> Expr:
        return flat_index(self.sizes, [local.get(v, ZERO) for v in self.vars])


def whole(vars: Sequence[Var]) -> Box:
    """One block of everything."""
    return Box(tuple(vars), tuple(map(extent_of, vars)))


def block(vars: Sequence[Var], target: int, steps: Mapping[Var, int] = NO_STEPS) -> Box:
    """Blocks of about ``target`` positions at most: an exact divisor where there is a good one, else equal parts.

    ``steps``: of a loop in parts, each has a multiple of so many indices.
    """
    sizes: list[int] = []
    room = max(1, target)
    for v in reversed(vars):
        size = _part(extent_of(v), room, steps.get(v, 1))
        sizes.insert(0, size)
        room = max(1, room // size) if surely("==", size, extent_of(v)) else 1
    return Box(tuple(vars), tuple(sizes))


def _part(extent: int, room: int, step: int) -> int:
    if is_dynamic(extent):
        return min(max(step, room // step * step), round_up(example(extent), math.lcm(step, ROUND)))
    if extent <= room:
        return max(1, extent)
    exact = max((d for d in range(step, room + 1, step) if extent % d == 0), default=0)
    return exact if exact >= EXACT * room else round_up(ceil_div(extent, ceil_div(extent, room)), step)


@dataclass(frozen=True)
class Tiles:
    """A box in tiles of rows, of at most two heights: ``cuts`` of one loop, with all loops inside of it, and with
    ``times`` neighbours of the outermost loop."""

    box: Box
    cut: int  # the loop that is cut
    cuts: tuple[tuple[int, int], ...]  # (tiles, indices of the loop in each)
    times: int = 1  # divides the outermost loop, which is not the one that is cut

    @property
    def chunk(self) -> int:
        """Rows that stay together: the loops inside of the one that is cut."""
        return math.prod(self.box.sizes[self.cut + 1 :])

    @property
    def heights(self) -> list[tuple[int, int]]:
        """(how many tiles, rows in each)"""
        outer = math.prod(self.box.sizes[: self.cut]) // self.times
        return [(count * outer, size * self.chunk * self.times) for count, size in self.cuts]

    @property
    def together(self) -> tuple[Var, ...]:
        """The loops that differ inside of a tile."""
        first = self.cut + all(size == 1 for _, size in self.cuts)
        return (*self.box.vars[: 1 if self.times > 1 else 0], *self.box.vars[first:])

    def run(self, body: Callable[[Callable[[Expr], Index], int], Sequence[Stmt]]) -> list[Stmt]:
        """``body(index of a row in the box, rows)`` for every tile."""
        outer = self.box.locals()[: self.cut]
        if self.times > 1:
            outer = (Var(outer[0].name, int64, extent_of(outer[0]) // self.times), *outer[1:])
        stmts: list[Stmt] = []
        start = 0
        for count, size in self.cuts:
            number = Var("mt", int64, count)
            row = self._row(outer, number * size + start, size)
            stmts += loops([number], body(row, size * self.chunk * self.times))
            start += count * size
        return loops(outer, stmts)

    def _row(self, outer: Sequence[Var], first: Expr, size: int) -> Callable[[Expr], Index]:
        """The indices of a tile's rows; ``first`` is the tile's first index of the loop that is cut."""
        vars, cut = self.box.vars, self.cut

        def row(i: Expr) -> Index:
            group, inside = i // (size * self.chunk), i % (size * self.chunk) if self.times > 1 else i
            at: Index = dict(zip(vars, outer, strict=False))
            if self.times > 1:
                at[vars[0]] = outer[0] * self.times + group
            at[vars[cut]] = first + inside // self.chunk
            rest = unflatten_index(self.box.sizes[cut + 1 :], inside % self.chunk)
            return at | dict(zip(vars[cut + 1 :], rest, strict=True))

        return row


def tiles(box: Box, most: int, cycles: Callable[[int], float] = lambda height: height) -> Tiles:
    """Tiles of at most ``most`` rows: the cheapest, where ``cycles`` are those of a height, and then the simplest."""
    found = [_tiles(box, most // times, times) for times in range(1, most + 1) if divides(times, box.sizes[0])]
    allowed = [t for t in found if t.times == 1 or t.cut > 0]
    return min(allowed, key=lambda t: sum(example(count) * cycles(height) for count, height in t.heights))


def _tiles(box: Box, most: int, times: int) -> Tiles:
    """As equal as they can be; of a length that is not known full ones, and single rows."""
    cut, chunk = len(box.sizes) - 1, 1
    while cut > 0 and surely("<=", chunk * box.sizes[cut], most):
        chunk *= box.sizes[cut]
        cut -= 1
    length = box.sizes[cut]
    if is_dynamic(length):
        tall = max(1, most // chunk)
        return Tiles(box, cut, ((length // tall, tall), *([(length % tall, 1)] if not divides(tall, length) else [])))
    count = ceil_div(length, max(1, most // chunk))
    tall = ceil_div(length, count)
    high = length - count * (tall - 1)
    pieces = ((high, tall), (count - high, tall - 1))
    return Tiles(box, cut, tuple((n, size) for n, size in pieces if n and size), times)


def loops(vars: Sequence[Var], body: Sequence[Stmt]) -> list[Stmt]:
    """``body`` in loops over ``vars``; a loop of one index is not a loop."""
    stmts = list(body)
    for v in reversed(vars):
        if v.single:
            stmts = list(replace_vars(stmts, {v: ZERO}))
        else:
            stmts = [For(v, const(extent_of(v), int64), "for", tuple(stmts))]
    return stmts


def vector_loops(vars: Sequence[Var], lanes: int, body: Callable[[Index], Sequence[Stmt]]) -> list[Stmt]:
    """``body(indices)`` for all of ``vars``, the last of them in vectors."""
    still: Index = dict.fromkeys((v for v in vars if v.single), ZERO)
    wide = [v for v in vars if not v.single]
    if not wide:
        return list(body(still))
    *outer, last = wide
    return loops(outer, vector_loop(last, lanes, lambda i: body({**still, **{v: v for v in outer}, last: i})))


def unflatten(vars: Sequence[Var], position: Expr) -> Index:
    """The indices of a flat position. One beyond the end is beyond the end of the first loop."""
    out: Index = {}
    stride = math.prod(extent_of(v) for v in vars)
    first = next((v for v in vars if not v.single), None)
    for v in vars:
        stride //= extent_of(v)
        index = position // stride
        out[v] = ZERO if v.single else index if v is first else index % extent_of(v)
    return out


def shifted(start: Index, local: Index) -> Index:
    """Indices that count from ``start``."""
    return start | {v: start[v] + i if v in start else i for v, i in local.items()}
