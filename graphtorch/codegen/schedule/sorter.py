"""Elements of a row put in order, in scratch memory: keys, and where each stood, move together.

Short runs are sorted by counting, in vectors, how many elements come before each. Runs are then merged in pairs from
both ends at once, two chains of comparisons that do not wait for each other: neither run can end before the middle of
the result, so nothing but keys is compared and nothing branches (I. van den Hoven, "quadsort", 2021, who calls it a
parity merge). Where only some of many are wanted, nearly every element is only compared with the last of those: a few
are kept in order, more are sorted whenever there are twice as many as wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from graphtorch.codegen.kernel_ir import Alloc, If, Let, Stmt, loop, store
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.ir.expr import (
    Buffer,
    Expr,
    ExprLike,
    Load,
    Var,
    as_expr,
    cast,
    const,
    minimum,
    select,
    unary,
)
from graphtorch.ir.types import DType, int32, int64

#: elements of a run that is sorted by counting; a row of no more than the second is one
RUN, SHORT_ROW = 16, 32


@dataclass(frozen=True, eq=False)
class Run:
    """Memory for keys, and for where each stood in its row."""

    keys: Buffer
    places: Buffer

    def key(self, at: ExprLike) -> Expr:
        return Load(self.keys, (as_expr(at, int64),))

    def place(self, at: ExprLike) -> Expr:
        return Load(self.places, (as_expr(at, int64),))

    def put(self, at: ExprLike, key: Expr, place: Expr) -> list[Stmt]:
        return [store(self.keys, (at,), key), store(self.places, (at,), place)]

    def copy(self, to: ExprLike, source: Run, at: ExprLike) -> list[Stmt]:
        return self.put(to, source.key(at), source.place(at))


def memory_for(name: str, size: int, dtype: DType) -> Run:
    return Run(Buffer(f"{name}_keys", (size,), dtype), Buffer(f"{name}_places", (size,), int32))


class Cell:
    """A number that a loop changes, in a register."""

    def __init__(self, name: str) -> None:
        self.buffer, self.at = Buffer(f"at_{name}", (1,), int64), Var(name, int64)

    def begin(self, value: Expr) -> list[Stmt]:
        return [Alloc(self.buffer, "local"), store(self.buffer, (0,), value)]

    def read(self) -> Stmt:
        """``at`` is what it holds."""
        return Let(self.at, Load(self.buffer, (const(0, int64),)))

    def move(self, by: Expr) -> Stmt:
        return store(self.buffer, (0,), self.at + by)


@dataclass(frozen=True, eq=False)
class Sorter:
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

    def counted(self, source: Run, to: Run, start: Expr, count: int) -> list[Stmt]:
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

    def runs(self, source: Run, to: Run, size: int) -> list[Stmt]:
        """Runs of ``size``, and one of what is left."""
        whole, rest = divmod(self.n, size)
        out: list[Stmt] = []
        if whole:
            out.append(loop("run", whole, lambda r: self.counted(source, to, r * size, size)))
        return [*out, *(self.counted(source, to, const(whole * size, int64), rest) if rest else ())]

    # ---- merges ----

    def level(self, source: Run, to: Run, size: int) -> list[Stmt]:
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

    def _whole(self, source: Run, to: Run, start: Expr, size: int) -> list[Stmt]:
        """The first half of the result from the heads of both runs, the second from their ends.

        Both candidates are stored, and the one that is not wanted where the next one will be: a choice would be a
        branch, which is guessed wrong half of the time. In the middle, where the halves meet, it is one.
        """
        a, b, c, d = (Cell(name) for name in "abcd")
        end = start + (2 * size - 1)

        def step(t: Expr) -> list[Stmt]:
            left, last = Var("left", int64), Var("last", int64)
            return [
                *(cell.read() for cell in (a, b, c, d)),
                Let(left, cast(unary("not", self.before(source.key(b.at), source.key(a.at))), int64)),
                Let(last, cast(unary("not", self.before(source.key(d.at), source.key(c.at))), int64)),
                *to.copy(start + t, source, a.at),
                *to.copy(start + t + left, source, b.at),
                *to.copy(end - t, source, d.at),
                *to.copy(end - t - last, source, c.at),
                *(a.move(left), b.move(const(1, int64) - left), c.move(last - 1), d.move(const(0, int64) - last)),
            ]

        first = (a.begin(start), b.begin(start + size), c.begin(start + (size - 1)), d.begin(end))
        middle = [
            *(cell.read() for cell in (a, b, c, d)),
            *self._chosen(to, start + (size - 1), self.before(source.key(b.at), source.key(a.at)), source, b, a),
            *self._chosen(to, start + size, self.before(source.key(d.at), source.key(c.at)), source, c, d),
        ]
        return [*(s for stmts in first for s in stmts), loop("t", size - 1, step), *middle]

    @staticmethod
    def _chosen(to: Run, at: Expr, which: Expr, source: Run, a: Cell, b: Cell) -> list[Stmt]:
        found = Var("from", int64)
        return [Let(found, select(which, a.at, b.at)), *to.copy(at, source, found)]

    def _uneven(self, source: Run, to: Run, start: int, size: int, rest: int) -> list[Stmt]:
        """Runs of ``size`` and of ``rest``, fewer, elements, the last ones: either may end first."""
        a, b = Cell("a"), Cell("b")
        middle, end = start + size, start + size + rest

        def step(t: Expr) -> list[Stmt]:
            left, here, there = Var("left", int64), Var("here", int64), Var("there", int64)
            wanted = (a.at >= middle) | self.before(source.key(there), source.key(here))
            return [
                *(a.read(), b.read()),
                *(Let(here, minimum(a.at, middle - 1)), Let(there, minimum(b.at, end - 1))),
                Let(left, cast(unary("not", (b.at < end) & wanted), int64)),
                *to.copy(t + start, source, here),
                *to.copy(t + start + left, source, there),
                *(a.move(left), b.move(const(1, int64) - left)),
            ]

        return [*a.begin(const(start, int64)), *b.begin(const(middle, int64)), loop("t", size + rest, step)]

    # ---- rows ----

    def sorted(self, memory: Sequence[Run]) -> tuple[list[Stmt], Run]:
        """Statements, and where the row lies in order after them."""
        source, to = memory
        size = self.n if self.n <= SHORT_ROW else RUN
        out, source, to = self.runs(source, to, size), to, source
        while size < self.n:
            out += self.level(source, to, size)
            source, to, size = to, source, 2 * size
        return out, source

    def selected(self, key: Callable[[Expr], Expr], memory: Sequence[Run]) -> tuple[list[Stmt], Run]:
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

    def collected(self, key: Callable[[Expr], Expr], memory: Sequence[Run]) -> tuple[list[Stmt], Run]:
        """The first ``k``, where that is more than a few: what stands before the last of them is put behind them, until
        there are twice as many, which are sorted."""
        k, room = self.k, replace(self, n=2 * self.k)
        line, count = memory[0], Cell("count")
        worst, begun = Buffer("worst", (1,), self.dtype), Cell("begun")
        zero, last = const(0, int64), Load(worst, (const(0, int64),))

        def back() -> list[Stmt]:
            """The row of ``room`` in order, and its first half in ``line``."""
            out, found = room.sorted(memory)
            moved = Var("m", int64, k)
            copies = [] if found is line else vector_loop(moved, self.lanes, lambda at: line.copy(at, found, at))
            return [*out, *copies, store(worst, (0,), line.key(k - 1))]

        def element(j: Expr) -> list[Stmt]:
            new, full = Var("new", self.dtype), (count.at + 1).eq(2 * k)
            put = [
                count.read(),
                *line.put(count.at, new, cast(j, int32)),
                count.move(const(1, int64)),
                If(full, (*back(), *count.begin(const(k, int64))[1:], *begun.begin(const(1, int64))[1:])),
            ]
            return [Let(new, key(j)), begun.read(), If(begun.at.eq(0) | self.before(new, last), tuple(put))]

        def rest(at: Expr) -> list[Stmt]:
            """What is as good as the last one, and after it, fills up what is left."""
            return line.copy(count.at + at, line, k - 1)

        start = [Alloc(worst, "local"), store(worst, (0,), key(zero)), *count.begin(zero), *begun.begin(zero)]
        fill = [count.read(), loop("rest", const(2 * k, int64) - count.at, rest)]
        return [*start, loop("j", self.n, element), *fill, *back()], line
