"""Rows sorted on the CPU, each by one task in scratch memory: keys, and where each stood, move together.

Short runs are sorted by counting, in vectors, how many elements come before each. Runs are then merged in pairs from
both ends at once, two chains of comparisons that do not wait for each other: neither run can end before the middle of
the result, so nothing but keys is compared and nothing branches (I. van den Hoven, "quadsort", 2021, who calls it a
parity merge). Where few of many are wanted they are kept in order, and nearly every element is only compared with the
last of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Body, If, Let, Stmt, loop, store
from graphtorch.codegen.loops import SortNest
from graphtorch.codegen.schedule.base import join_loops
from graphtorch.codegen.schedule.cpu_base import PARALLEL_WORK, nested
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.codegen.target import Target
from graphtorch.ir.expr import (
    Buffer,
    Expr,
    ExprLike,
    Load,
    Var,
    as_expr,
    cast,
    const,
    flat_index,
    minimum,
    select,
    substitute,
    unary,
)
from graphtorch.ir.types import DType, int32, int64

#: elements of a run that is sorted by counting; a row of no more than the second is one
RUN, SHORT_ROW = 16, 32
#: of so many, and so many times fewer than there are, elements are kept in order
FEW, TIMES = 32, 4
#: operations that an element costs in a level of merges
MERGE_COST = 8


@dataclass(frozen=True, eq=False)
class _Run:
    """Memory for keys, and for where each stood in its row."""

    keys: Buffer
    places: Buffer

    def key(self, at: ExprLike) -> Expr:
        return Load(self.keys, (as_expr(at, int64),))

    def place(self, at: ExprLike) -> Expr:
        return Load(self.places, (as_expr(at, int64),))

    def put(self, at: ExprLike, key: Expr, place: Expr) -> list[Stmt]:
        return [store(self.keys, (at,), key), store(self.places, (at,), place)]

    def copy(self, to: ExprLike, source: _Run, at: ExprLike) -> list[Stmt]:
        return self.put(to, source.key(at), source.place(at))


def _memory(name: str, size: int, dtype: DType) -> _Run:
    return _Run(Buffer(f"{name}_keys", (size,), dtype), Buffer(f"{name}_places", (size,), int32))


@dataclass(frozen=True, eq=False)
class _Sorter:
    """``n`` elements, of which the first ``k`` in order are wanted."""

    n: int
    k: int
    descending: bool
    dtype: DType
    lanes: int

    def before(self, a: Expr, b: Expr) -> Expr:
        """Whether ``a`` has to stand before ``b``: not if they are equal. nan is the greatest."""
        if self.descending:
            a, b = b, a
        if self.dtype.kind != "f":
            return a < b
        return unary("not", b <= a) & a.eq(a)

    # ---- runs ----

    def counted(self, source: _Run, to: _Run, start: Expr, count: int) -> list[Stmt]:
        """``count`` elements from ``start``, each put where those before it end."""

        def element(at: Expr) -> list[Stmt]:
            own, rank = source.key(start + at), const(0, int32) + const(0, int32)
            for j in range(count):
                other = source.key(start + j)
                earlier, later = unary("not", self.before(own, other)), self.before(other, own)
                rank = rank + cast(select(at > j, earlier, later), int32)
            place = Var("rank", int64)
            return [Let(place, cast(rank, int64)), *to.copy(start + place, source, start + at)]

        return vector_loop(Var("e", int64, count), self.lanes, element)

    def runs(self, source: _Run, to: _Run, size: int) -> list[Stmt]:
        """Runs of ``size``, and one of what is left."""
        whole, rest = divmod(self.n, size)
        out: list[Stmt] = []
        if whole:
            out.append(loop("run", whole, lambda r: self.counted(source, to, r * size, size)))
        return [*out, *(self.counted(source, to, const(whole * size, int64), rest) if rest else ())]

    # ---- merges ----

    def level(self, source: _Run, to: _Run, size: int) -> list[Stmt]:
        """Pairs of runs of ``size`` made one."""
        pairs, rest = divmod(self.n, 2 * size)
        out: list[Stmt] = []
        if pairs:
            out.append(loop("pair", pairs, lambda p: self._whole(source, to, p * (2 * size), size)))
        start = pairs * 2 * size
        if rest > size:
            out += self._uneven(source, to, start, size, rest - size)
        elif rest:
            out += vector_loop(Var("left", int64, rest), self.lanes, lambda at: to.copy(at + start, source, at + start))
        return out

    def _whole(self, source: _Run, to: _Run, start: Expr, size: int) -> list[Stmt]:
        """The first half of the result from the heads of both runs, the second from their ends."""
        names, first = ("a", "b", "c", "d"), (start, start + size, start + (size - 1), start + (2 * size - 1))
        cells = [Buffer(f"at_{name}", (1,), int64) for name in names]
        lets = [Var(name, int64) for name in names]
        a, b, c, d = lets

        def step(t: Expr) -> list[Stmt]:
            right, last = Var("right", self._bool), Var("last", self._bool)
            one, zero = const(1, int64), const(0, int64)
            return [
                *(Let(v, Load(cell, (zero,))) for v, cell in zip(lets, cells, strict=True)),
                Let(right, self.before(source.key(b), source.key(a))),
                *self._chosen(to, start + t, right, source, b, a),
                store(cells[0], (0,), a + select(right, zero, one)),
                store(cells[1], (0,), b + select(right, one, zero)),
                Let(last, unary("not", self.before(source.key(d), source.key(c)))),
                *self._chosen(to, start + (2 * size - 1) - t, last, source, d, c),
                store(cells[2], (0,), c - select(last, zero, one)),
                store(cells[3], (0,), d - select(last, one, zero)),
            ]

        return [
            *(Alloc(cell, "local") for cell in cells),
            *(store(cell, (0,), v) for cell, v in zip(cells, first, strict=True)),
            loop("t", size, step),
        ]

    def _uneven(self, source: _Run, to: _Run, start: int, size: int, rest: int) -> list[Stmt]:
        """Runs of ``size`` and of ``rest``, fewer, elements: either may end first."""
        cells = [Buffer(f"at_{name}", (1,), int64) for name in ("a", "b")]
        a, b = Var("a", int64), Var("b", int64)
        middle, end = start + size, start + size + rest

        def step(t: Expr) -> list[Stmt]:
            right, one, zero = Var("right", self._bool), const(1, int64), const(0, int64)
            here, there = minimum(a, middle - 1), minimum(b, end - 1)
            wanted = (a >= middle) | self.before(source.key(there), source.key(here))
            return [
                Let(a, Load(cells[0], (zero,))),
                Let(b, Load(cells[1], (zero,))),
                Let(right, (b < end) & wanted),
                *self._chosen(to, t + start, right, source, there, here),
                store(cells[0], (0,), a + select(right, zero, one)),
                store(cells[1], (0,), b + select(right, one, zero)),
            ]

        first = [store(cells[0], (0,), start), store(cells[1], (0,), middle)]
        return [*(Alloc(cell, "local") for cell in cells), *first, loop("t", size + rest, step)]

    @property
    def _bool(self) -> DType:
        return const(True).dtype

    def _chosen(self, to: _Run, at: Expr, which: Expr, source: _Run, a: Expr, b: Expr) -> list[Stmt]:
        key, place = select(which, source.key(a), source.key(b)), select(which, source.place(a), source.place(b))
        return to.put(at, key, place)

    # ---- rows ----

    def sorted(self, memory: Sequence[_Run]) -> tuple[list[Stmt], _Run]:
        """Statements, and where the row lies in order after them."""
        source, to = memory
        size = self.n if self.n <= SHORT_ROW else RUN
        out, source, to = self.runs(source, to, size), to, source
        while size < self.n:
            out += self.level(source, to, size)
            source, to, size = to, source, 2 * size
        return out, source

    def selected(self, key: Callable[[Expr], Expr], memory: Sequence[_Run]) -> tuple[list[Stmt], _Run]:
        """The first ``k`` in ``memory``, of which none is moved but where one comes that stands before the last."""
        first, best = memory
        k = self.k

        def load(at: Expr) -> list[Stmt]:
            return first.put(at, key(at), cast(at, int32))

        def other(at: Expr) -> list[Stmt]:
            new, place = Var("new", self.dtype), Var("place", int64)
            number = at + k
            smaller = [cast(unary("not", self.before(new, best.key(s))), int64) for s in range(k - 1)]
            rank = sum(smaller[1:], smaller[0]) if smaller else const(0, int64)

            def shift(s: Expr) -> list[Stmt]:
                return best.copy(const(k - 1, int64) - s, best, const(k - 2, int64) - s)

            insert = [
                Let(place, rank),
                loop("s", const(k - 1, int64) - place, shift),
                *best.put(place, new, cast(number, int32)),
            ]
            return [Let(new, key(number)), If(self.before(new, best.key(k - 1)), tuple(insert))]

        out = [*vector_loop(Var("j", int64, k), self.lanes, load), *self.counted(first, best, const(0, int64), k)]
        return [*out, loop("j", self.n - k, other)], best


def sort_body(nest: SortNest, flat: Flatten, target: Target) -> Body:
    """Threads share the rows."""
    n, dtype = nest.shape[nest.dim], nest.source.dtype
    source = flat.expr(nest.source)
    at = [v for d, v in enumerate(nest.vars) if d != nest.dim]
    line = nest.vars[nest.dim]
    kept = tuple(nest.k if d == nest.dim else m for d, m in enumerate(nest.shape))
    position = flat_index(kept, nest.vars)
    outer, env = join_loops(at, [source, position])
    source, position = substitute(source, env), substitute(position, env)
    sorter = _Sorter(n, nest.k, nest.descending, dtype, target.lanes(max(4, dtype.itemsize)))
    few = nest.k <= FEW and n >= TIMES * nest.k
    size = nest.k if few else n
    memory = [_memory(name, size, dtype) for name in ("one", "two")]

    def key(index: Expr) -> Expr:
        return substitute(source, {line: index})

    def row() -> list[Stmt]:
        if few:
            steps, found = sorter.selected(key, memory)
        else:
            load = vector_loop(line, sorter.lanes, lambda i: memory[0].put(i, key(i), cast(i, int32)))
            steps, found = sorter.sorted(memory)
            steps = [*load, *steps]

        def out(i: Expr) -> list[Stmt]:
            here = (substitute(position, {line: i}),)
            values = [] if nest.values is None else [store(flat.buffer(nest.values), here, found.key(i))]
            places = cast(found.place(i), int64)
            return [*values, *([] if nest.places is None else [store(flat.buffer(nest.places), here, places)])]

        allocated = [Alloc(b, "thread") for m in memory for b in (m.keys, m.places)]
        return [*allocated, *steps, *vector_loop(Var("o", int64, nest.k), sorter.lanes, out)]

    levels = 1 if few else max(1, math.ceil(math.log2(max(n, 2) / RUN)) + 2)
    return nested(outer, row, size_of(outer) * n * levels * MERGE_COST >= PARALLEL_WORK)
