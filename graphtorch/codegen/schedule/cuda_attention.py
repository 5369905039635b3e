"""Attention on CUDA: a block has 64 rows of queries, and goes through the keys 64 at a time; no scores leave it.

Of each row the greatest score and the sum of exponentials so far are known; where the greatest grows, sums of values
are scaled (the online softmax of ops/attention.py). 256 threads are 16 x 16 for both products, each with 4 rows, and
four for each row between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, For, If, Let, Stmt, loop, store
from graphtorch.codegen.loops import AttentionNest
from graphtorch.codegen.schedule.cuda_base import guarded, named, repeat
from graphtorch.ir.expr import (
    Attention,
    Buffer,
    Const,
    Expr,
    Load,
    Source,
    Values,
    Var,
    const,
    maximum,
    minimum,
    select,
    unary,
    unflatten_index,
)
from graphtorch.ir.types import int64

#: rows and columns of a block of scores
SIDE = 64
#: threads along each side of it, and rows or columns of a thread
ACROSS, EACH = 16, 4
THREADS = ACROSS * ACROSS
#: threads that share a row between the products
PARTS = THREADS // SIDE
#: elements behind each row of shared memory, which keep rows in different banks and aligned to 16 bytes
PADDING = 4
#: the longest vectors of queries, keys and values
LONGEST = 128
_ZERO = const(0, int64)


def attention_body(nest: AttentionNest, flat: Flatten) -> Body:
    """The kernel of attention, whose vectors are no longer than `LONGEST`."""
    a = nest.body
    if not isinstance(a, Attention) or max(a.depth, a.width) > LONGEST:
        raise ValueError(f"no CUDA schedule for the attention of {nest.name}: decompose writes it with other ops")
    return flat.body(_Forward(nest, a).body())


@dataclass(frozen=True, eq=False)
class _Thread:
    """Where a thread stands: rows and columns of the products, and its row and part of that between them."""

    slot: Expr
    down: Expr
    across: Expr
    row: Expr
    part: Expr


class _Forward:
    def __init__(self, nest: AttentionNest, a: Attention) -> None:
        self.nest, self.a = nest, a
        self.low, self.zero = const(-math.inf, a.dtype), const(0, a.dtype)
        #: runs of 64 columns of the output
        self.runs = -(-a.width // SIDE)
        padded = SIDE + PADDING
        self.q, self.k = self.buffer("q", a.depth, padded), self.buffer("k", a.depth, padded)
        self.v = self.buffer("v", SIDE, self.runs * SIDE + PADDING)
        #: scores, then their exponentials: by column, so that a thread's 4 rows lie side by side
        self.s = self.buffer("s", SIDE, padded)
        self.most, self.sums = self.buffer("most", PARTS, SIDE), self.buffer("sums", PARTS, SIDE)
        self.factor = self.buffer("factor", SIDE)
        self.high, self.total = self.buffer("high", 1), self.buffer("total", 1)
        self.out = self.buffer("o", EACH, self.runs * EACH)

    def buffer(self, name: str, *shape: int) -> Buffer:
        return Buffer(name, shape, self.a.dtype)

    def body(self) -> list[Stmt]:
        a = self.a
        blocks = -(-a.rows // SIDE)

        def block(b: Expr) -> list[Stmt]:
            number, first = unflatten_index((math.prod(a.lead), blocks), b)
            lets, at = [], []
            for name, e in zip("nhgf", unflatten_index(a.lead, number), strict=False):
                found, index = named(name, e)
                lets += found
                at.append(index)
            more, row = named("first", first)
            shared = (self.q, self.k, self.v, self.s, self.most, self.sums, self.factor)
            threads = repeat("t", THREADS, lambda t: self.thread(tuple(at), row, t), "thread.x")
            return [*lets, *more, *(Alloc(x, "shared") for x in shared), *threads]

        return repeat("b", math.prod(a.lead) * blocks, block, "block.x")

    def thread(self, at: Values, block: Expr, slot: Expr) -> list[Stmt]:
        lets: list[Stmt] = []
        places = []
        for name, e in (("ty", slot // ACROSS), ("tx", slot % ACROSS), ("row", slot % SIDE), ("part", slot // SIDE)):
            found, index = named(name, e)
            lets += found
            places.append(index)
        t, first = _Thread(slot, *places), block * SIDE
        start = [
            store(self.high, (_ZERO,), self.low), store(self.total, (_ZERO,), self.zero),
            *self.square(self.out.shape[1], lambda i, j: [store(self.out, (i, j), self.zero)]),
        ]  # fmt: skip
        return [
            *lets, *(Alloc(x, "local") for x in (self.high, self.total, self.out)), *start,
            *self.fill(self.q, self.a.query, at, first, self.a.rows, self.a.depth, slot, turned=True),
            self.columns(at, first, t), *self.finish(at, first, t),
        ]  # fmt: skip

    def columns(self, at: Values, first: Expr, t: _Thread) -> Stmt:
        """All blocks of keys that any row sees."""
        a, count = self.a, -(-self.a.columns // SIDE)
        cb = Var("cb", int64, count)
        column = cb * SIDE
        # of a block's rows the last sees keys up to its own number
        extent = minimum(first // SIDE + 1, const(count, int64)) if a.causal else const(count, int64)
        steps = [
            *self.fill(self.k, a.key, at, column, a.columns, a.depth, t.slot, turned=True),
            *self.fill(self.v, a.value, at, column, a.columns, a.width, t.slot, turned=False),
            Barrier(),
            *self.scores(at, first, column, t),
            Barrier(),
            *self.softmax(t),
            *self.values(t),
            Barrier(),
        ]
        return For(cb, extent, "for", tuple(steps))

    def fill(
        self, to: Buffer, source: Source, at: Values, first: Expr, most: int, length: int, slot: Expr, turned: bool
    ) -> list[Stmt]:
        """64 vectors into shared memory, or their transpose; zeros beyond the last."""
        total = SIDE * length

        def one(r: Expr) -> list[Stmt]:
            position = r * THREADS + slot
            p = Var("p", int64, total)
            lets, row = named("r", p // length)
            more, e = named("e", p % length)
            value = source.at((*at, first + row, e), first + row < most)
            place = (e, row) if turned else (row, e)
            return guarded(position < total, [Let(p, position), *lets, *more, store(to, place, value)])

        return repeat("f", -(-total // THREADS), one, "for")

    def scores(self, at: Values, first: Expr, column: Expr, t: _Thread) -> list[Stmt]:
        """Of 4 x 4 pairs of a query and a key; -inf where there is none."""
        a = self.a
        x, y, acc = self.buffer("x", EACH), self.buffer("y", EACH), self.buffer("acc", EACH, EACH)

        def term(e: Expr) -> list[Stmt]:
            return [
                Alloc(x, "local"), Alloc(y, "local"),
                *repeat("i", EACH, lambda i: [store(x, (i,), Load(self.q, (e, t.down * EACH + i)))]),
                *repeat("j", EACH, lambda j: [store(y, (j,), Load(self.k, (e, t.across * EACH + j)))]),
                *self.square(EACH, lambda i, j: [
                    store(acc, (i, j), Load(acc, (i, j)) + Load(x, (i,)) * Load(y, (j,)))]),
            ]  # fmt: skip

        def put(i: Expr, j: Expr) -> list[Stmt]:
            row, col = t.down * EACH + i, t.across * EACH + j
            query, key = Var("query", int64, a.rows), Var("key", int64, a.columns)
            score = a.score(at, query, key, Load(acc, (i, j)))
            inside = (first + row < a.rows) & (column + col < a.columns)
            found: list[Stmt] = [Let(query, first + row), Let(key, column + col), store(self.s, (col, row), score)]
            if isinstance(inside, Const) and inside.value:
                return found
            return [store(self.s, (col, row), self.low), If(inside, tuple(found))]

        zeros = self.square(EACH, lambda i, j: [store(acc, (i, j), self.zero)])
        return [Alloc(acc, "local"), *zeros, loop("e", a.depth, term), *self.square(EACH, put)]

    def softmax(self, t: _Thread) -> list[Stmt]:
        """Scores become exponentials; what is known of rows moves on."""
        dtype, each = self.a.dtype, SIDE // PARTS
        most, added = self.buffer("m", 1), self.buffer("l", 1)
        high, shift, factor, e = (Var(n, dtype) for n in ("now", "shift", "scale", "ex"))

        def column(c: Expr) -> tuple[Expr, Expr]:
            return t.part * each + c, t.row

        def greatest(c: Expr) -> list[Stmt]:
            return [store(most, (_ZERO,), maximum(Load(most, (_ZERO,)), Load(self.s, column(c))))]

        def exponential(c: Expr) -> list[Stmt]:
            value = unary("exp", Load(self.s, column(c)) - shift)
            return [Let(e, value), store(self.s, column(c), e), store(added, (_ZERO,), Load(added, (_ZERO,)) + e)]

        old = Load(self.high, (_ZERO,))
        now: Expr = old
        for p in range(PARTS):
            now = maximum(now, Load(self.most, (const(p, int64), t.row)))
        total: Expr = Load(self.total, (_ZERO,)) * factor
        for p in range(PARTS):
            total = total + Load(self.sums, (const(p, int64), t.row))
        return [
            Alloc(most, "local"), Alloc(added, "local"),
            store(most, (_ZERO,), self.low), store(added, (_ZERO,), self.zero),
            *repeat("c", each, greatest), store(self.most, (t.part, t.row), Load(most, (_ZERO,))), Barrier(),
            Let(high, now), Let(shift, select(high.eq(self.low), self.zero, high)),  # a row that has seen no key yet
            Let(factor, unary("exp", old - shift)), store(self.high, (_ZERO,), high),
            *repeat("c", each, exponential), store(self.sums, (t.part, t.row), Load(added, (_ZERO,))),
            If(t.part.eq(0), (store(self.factor, (t.row,), factor),)), Barrier(),
            store(self.total, (_ZERO,), total),
        ]  # fmt: skip

    def values(self, t: _Thread) -> list[Stmt]:
        """Sums of values, times what the exponentials before them are too large by."""
        x, y = self.buffer("x", EACH), self.buffer("y", self.out.shape[1])

        def scale(i: Expr, j: Expr) -> list[Stmt]:
            return [store(self.out, (i, j), Load(self.out, (i, j)) * Load(self.factor, (t.down * EACH + i,)))]

        def term(c: Expr) -> list[Stmt]:
            return [
                Alloc(x, "local"), Alloc(y, "local"),
                *repeat("i", EACH, lambda i: [store(x, (i,), Load(self.s, (c, t.down * EACH + i)))]),
                *repeat("j", y.shape[0], lambda j: [store(y, (j,), Load(self.v, (c, self.column(t, j))))]),
                *self.square(y.shape[0], lambda i, j: [
                    store(self.out, (i, j), Load(self.out, (i, j)) + Load(x, (i,)) * Load(y, (j,)))]),
            ]  # fmt: skip

        return [*self.square(self.out.shape[1], scale), loop("c", SIDE, term)]

    def column(self, t: _Thread, j: Expr) -> Expr:
        """Of the j-th of a thread's columns of the output: four of each run of 64."""
        return j // EACH * SIDE + t.across * EACH + j % EACH

    def finish(self, at: Values, first: Expr, t: _Thread) -> list[Stmt]:
        """Sums over the sums of exponentials, and the logarithms of those."""
        output, logsumexp = self.nest.outputs
        total, a = Load(self.total, (_ZERO,)), self.a
        row_stmts: list[Stmt] = [store(self.factor, (t.row,), total)]
        if logsumexp:
            log = select(total.eq(self.zero), self.low, Load(self.high, (_ZERO,)) + unary("log", total))
            row_stmts += guarded(first + t.row < a.rows, [store(logsumexp, (*at, first + t.row), log)])
        out: list[Stmt] = [If(t.part.eq(0), tuple(row_stmts)), Barrier()]
        if output is None:
            return out
        target = output

        def put(i: Expr, j: Expr) -> list[Stmt]:
            row, column = t.down * EACH + i, self.column(t, j)
            sums = Load(self.factor, (row,))
            value = select(sums.eq(self.zero), self.zero, Load(self.out, (i, j)) / sums)
            inside = (first + row < a.rows) & (column < a.width)
            return guarded(inside, [store(target, (*at, first + row, column), value)])

        return [*out, *self.square(self.out.shape[1], put)]

    def square(self, columns: int, body: Callable[[Expr, Expr], list[Stmt]]) -> list[Stmt]:
        """For each of a thread's rows and columns."""
        return repeat("i", EACH, lambda i: repeat("j", columns, lambda j: body(i, j)))
