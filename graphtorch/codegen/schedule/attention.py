"""Attention on the CPU: a task has a block of rows in scratch memory, and goes through the keys block by block.

The scores of a block of rows and one of columns are a product in registers, as are the sums of values; between the
two a pass through each row keeps its maximum and the sum of its exponentials (an online softmax). With ``causal``
blocks of which no row sees a key are left out. Blocks follow from sizes and from the target, and each is summed by
itself, so results are the same on any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Body, If, Kind, Stmt, loop, store
from graphtorch.codegen.loops import AttentionNest, Pass, RowsNest
from graphtorch.codegen.schedule.attention_blocks import Blocks, Cut, Staged, columns_loop, fill, product
from graphtorch.codegen.schedule.outer_plan import PARALLEL_MACS
from graphtorch.codegen.schedule.rows import rows_loops
from graphtorch.codegen.target import Target
from graphtorch.ir.expr import (
    Attention,
    AttentionGrad,
    Buffer,
    Expr,
    Load,
    Values,
    Var,
    binary,
    const,
    maximum,
    select,
    unary,
    unflatten_index,
)
from graphtorch.ir.types import DType, int64

#: leading indices that are tasks enough for the threads; with fewer of them tasks are blocks
TASKS = 16
ZERO = const(0, int64)


def attention_body(nest: AttentionNest, target: Target, flat: Flatten) -> Body:
    """The statements of the kernel."""
    match nest.body:
        case Attention():
            stmts = _Forward(nest, nest.body, target, flat).body()
        case AttentionGrad():
            stmts = _Backward(nest, nest.body.forward, target, flat, nest.body).body()
    return flat.body(stmts)


@dataclass(frozen=True, eq=False)
class _Schedule:
    """What both directions share."""

    nest: AttentionNest
    a: Attention
    target: Target
    flat: Flatten

    @property
    def dtype(self) -> DType:
        return self.a.dtype

    @property
    def low(self) -> Expr:
        return const(-math.inf, self.dtype)

    @property
    def zero(self) -> Expr:
        return const(0, self.dtype)

    @cached_property
    def blocks(self) -> Blocks:
        return Blocks(self.target, self.dtype)

    @cached_property
    def row_cuts(self) -> list[Cut]:
        return self.blocks.cuts(self.a.rows)

    @cached_property
    def column_cuts(self) -> list[Cut]:
        return self.blocks.cuts(self.a.columns)

    @property
    def count(self) -> int:
        return math.prod(self.a.lead)

    @cached_property
    def kind(self) -> Kind:
        a = self.a
        return "par" if self.count * a.rows * a.columns * (a.depth + a.width) >= PARALLEL_MACS else "for"

    def buffer(self, name: str, *shape: int) -> Buffer:
        return Buffer(name, shape, self.dtype)

    def at(self, number: Expr) -> Values:
        """Leading indices."""
        return unflatten_index(self.a.lead, number)

    def each_block(self, cuts: list[Cut], name: str, body: Callable[[Expr, int], list[Stmt]]) -> list[Stmt]:
        """``body(first index, size)`` for every block, one after the other."""
        return [s for cut in cuts for s in cut.loop(name, body)]

    def tasks(self, cuts: list[Cut], body: Callable[[Values, Expr, int], list[Stmt]]) -> list[Stmt]:
        """``body(leading indices, first index, size)``, blocks of all leading indices side by side."""
        out: list[Stmt] = []
        for cut in cuts:

            def task(t: Expr, cut: Cut = cut) -> list[Stmt]:
                number, block = unflatten_index((self.count, cut.count), t)
                return body(self.at(number), block * cut.size + cut.first, cut.size)

            out.append(loop("t", self.count * cut.count, task, self.kind))
        return out

    def visible(self, t0: Expr, rows: int, s0: Expr, body: list[Stmt]) -> list[Stmt]:
        """``body`` if any of the rows sees any of the columns."""
        return [If(s0 <= t0 + (rows - 1), tuple(body))] if self.a.causal else body


@dataclass(frozen=True, eq=False)
class _Forward(_Schedule):
    def body(self) -> list[Stmt]:
        """Tasks are blocks of rows, or where there are many leading indices all rows of one, for which keys are staged
        once."""
        if self.count < TASKS or not self.blocks.all_fit(self.a.columns, self.a.depth + self.a.width):
            return self.tasks(self.row_cuts, lambda at, t0, size: self.rows(at, t0, size, None))

        def task(t: Expr) -> list[Stmt]:
            at, a = self.at(t), self.a
            keys = self.keys(a.columns)
            rows = self.each_block(self.row_cuts, "tb", lambda t0, size: self.rows(at, t0, size, keys))
            return [*keys.alloc(), *keys.fill(at, ZERO), *rows]

        return [loop("t", self.count, task, self.kind)]

    def keys(self, columns: int) -> Staged:
        a = self.a
        turned = self.buffer("kt", a.depth, self.blocks.padded(columns))
        value = self.buffer("v", columns, self.blocks.padded(a.width))
        return Staged(self.blocks.lanes, columns, ((turned, a.key, True), (value, a.value, False)))

    def rows(self, at: Values, t0: Expr, size: int, keys: Staged | None) -> list[Stmt]:
        """The output of ``size`` rows from ``t0``."""
        a, padded = self.a, self.blocks.padded
        q = Staged(self.blocks.lanes, size, ((self.buffer("q", size, a.depth), a.query, False),))
        out = self.buffer("o", size, padded(a.width))
        state = [self.buffer(name, size) for name in ("high", "total", "factor")]
        start = [*fill(out, self.zero, self.blocks.lanes), *fill(state[0], self.low, 1), *fill(state[1], self.zero, 1)]

        def columns(s0: Expr, count: int) -> list[Stmt]:
            own = keys or self.keys(count)
            stage = [] if keys else [*own.alloc(), *own.fill(at, s0)]
            first = s0 if keys else ZERO
            steps = self.block(at, t0, size, s0, count, (q.buffers[0], *own.buffers, out), state, first)
            return self.visible(t0, size, s0, [*stage, *steps])

        return [
            *q.alloc(),
            *(Alloc(b, "thread") for b in (out, *state)),
            *q.fill(at, t0),
            *start,
            *self.each_block(self.column_cuts, "sb", columns),
            *self.finish(at, t0, size, out, state),
        ]

    def block(
        self, at: Values, t0: Expr, rows: int, s0: Expr, columns: int, buffers: tuple[Buffer, ...],
        state: list[Buffer], first: Expr,
    ) -> list[Stmt]:  # fmt: skip
        """A block of columns: scores, their exponentials, and the sum of values; ``first`` is where it is staged."""
        a = self.a
        q, turned, value, out = buffers
        high, total, factor = state
        s = self.buffer("s", rows, self.blocks.padded(columns))
        scores = product(
            self.blocks, (rows, columns, a.depth),
            lambda r, e: Load(q, (r, e)), lambda e, c: Load(turned, (e, first + c)),
            lambda r, c, x: store(s, (r, c), x),
        )  # fmt: skip
        sums = product(
            self.blocks, (rows, a.width, columns),
            lambda r, c: Load(s, (r, c)), lambda c, d: Load(value, (first + c, d)),
            lambda r, d, x: store(out, (r, d), Load(out, (r, d)) * Load(factor, (r,)) + x),
        )  # fmt: skip
        return [Alloc(s, "thread"), *scores, *self.softmax(at, (t0, s0), s, columns, high, total, factor), *sums]

    def softmax(
        self, at: Values, start: tuple[Expr, Expr], s: Buffer, columns: int, high: Buffer, total: Buffer, factor: Buffer
    ) -> list[Stmt]:
        """Scores become exponentials; each row's maximum and sum move on, and ``factor`` is what the sums so far are
        now to be multiplied by."""
        r, c = Var("r", int64, s.shape[0]), Var("c", int64, columns)
        score = self.a.score(at, start[0] + r, start[1] + c, Load(s, (r, c)))
        found, added = Var("m", self.dtype), Var("l", self.dtype)
        new, shift, scale = (Var(name, self.dtype) for name in ("high_now", "shift", "scale"))
        lets = (
            (new, maximum(Load(high, (r,)), found)),
            (shift, select(new.eq(self.low), self.zero, new)),  # a row that has seen no key yet
            (scale, unary("exp", Load(high, (r,)) - shift)),
        )
        highest = Pass(
            (((s), (r, c), score),), (const(-math.inf, self.dtype),), (score,),
            lambda x, y: (maximum(x[0], y[0]),), "max", (found,), lets,
        )  # fmt: skip
        e = unary("exp", Load(s, (r, c)) - shift)
        sums = Pass(
            ((s, (r, c), e),), (const(0, self.dtype),), (e,), lambda x, y: (x[0] + y[0],), "add", (added,), ()
        )
        outputs = ((high, new), (total, Load(total, (r,)) * scale + added), (factor, scale))
        nest = RowsNest("softmax", (), (s.shape[0],), (r,), (columns,), (c,), (highest, sums), outputs, ())
        return rows_loops(nest, self.flat, self.target)

    def finish(self, at: Values, t0: Expr, size: int, out: Buffer, state: list[Buffer]) -> list[Stmt]:
        """Sums over the sums of exponentials, and the logarithms of those."""
        high, total, _ = state
        output, logsumexp = self.nest.outputs

        def row(r: Expr) -> list[Stmt]:
            sum_ = Load(total, (r,))
            empty = sum_.eq(self.zero)
            stmts: list[Stmt] = []
            if output:
                value = lambda d: select(empty, self.zero, Load(out, (r, d)) / sum_)
                put = lambda d: store(output, (*at, t0 + r, d), value(d))
                stmts += columns_loop(self.a.width, self.blocks.lanes, put)
            if logsumexp:
                log = select(empty, self.low, Load(high, (r,)) + unary("log", sum_))
                stmts.append(store(logsumexp, (*at, t0 + r), log))
            return stmts

        return [loop("r", size, row)]


@dataclass(frozen=True, eq=False)
class _Backward(_Schedule):
    g: AttentionGrad

    def body(self) -> list[Stmt]:
        """One task for each leading index, where there are enough; else tasks for blocks of columns, and then for blocks
        of rows, which compute scores once more."""
        a = self.a
        if self.count >= TASKS:
            return [loop("t", self.count, lambda t: self.whole(self.at(t)), self.kind)]
        down_query, down_key, down_value = self.nest.outputs
        out: list[Stmt] = []
        if down_key or down_value:
            out += self.tasks(self.column_cuts, lambda at, s0, size: self.columns(at, s0, size, None, None))
        if down_query:
            dq = lambda size: self.buffer("dq", size, self.blocks.padded(a.depth))
            out += self.tasks(self.row_cuts, lambda at, t0, size: self.for_query(at, t0, size, dq(size)))
        return out

    # ---- tasks ----

    def whole(self, at: Values) -> list[Stmt]:
        """All gradients of one leading index: block after block of columns, and in each all rows."""
        a = self.a
        dq = self.buffer("dq", a.rows, self.blocks.padded(a.depth)) if self.nest.outputs[0] else None
        rows = self.rows(a.rows) if self.blocks.all_fit(a.rows, a.depth + a.width) else None
        blocks = self.each_block(self.column_cuts, "sb", lambda s0, size: self.columns(at, s0, size, rows, dq))
        stage = [*rows.alloc(), *self.fill_rows(rows, at, ZERO)] if rows else []
        zero = [Alloc(dq, "thread"), *fill(dq, self.zero, self.blocks.lanes)] if dq else []
        return [*stage, *zero, *blocks, *(self.put(0, at, ZERO, dq, a.rows) if dq else [])]

    def columns(self, at: Values, s0: Expr, size: int, rows: Staged | None, dq: Buffer | None) -> list[Stmt]:
        """The gradients of a block of keys and values, and what it adds to those of queries."""
        a, padded = self.a, self.blocks.padded
        keys = self.keys(size, natural=dq is not None)
        dk = self.buffer("dk", size, padded(a.depth)) if self.nest.outputs[1] else None
        dv = self.buffer("dv", size, padded(a.width)) if self.nest.outputs[2] else None
        sums = [b for b in (dk, dv) if b]

        def block(t0: Expr, count: int) -> list[Stmt]:
            own = rows or self.rows(count)
            stage = [] if rows else [*own.alloc(), *self.fill_rows(own, at, t0)]
            first = t0 if rows else ZERO
            steps = self.block(at, (t0, count), (s0, size), own, keys, first, (dq, t0, dk, dv))
            return self.visible(t0, count, s0, [*stage, *steps])

        return [
            *keys.alloc(),
            *(Alloc(b, "thread") for b in sums),
            *keys.fill(at, s0),
            *(s for b in sums for s in fill(b, self.zero, self.blocks.lanes)),
            *self.each_block(self.row_cuts, "tb", block),
            *(self.put(1, at, s0, dk, size) if dk else []),
            *(self.put(2, at, s0, dv, size) if dv else []),
        ]

    def for_query(self, at: Values, t0: Expr, size: int, dq: Buffer) -> list[Stmt]:
        """The gradient of a block of queries."""
        rows = self.rows(size)

        def block(s0: Expr, count: int) -> list[Stmt]:
            keys = self.keys(count, natural=True)
            steps = self.block(at, (t0, size), (s0, count), rows, keys, ZERO, (dq, ZERO, None, None))
            return self.visible(t0, size, s0, [*keys.alloc(), *keys.fill(at, s0), *steps])

        return [
            *rows.alloc(),
            Alloc(dq, "thread"),
            *self.fill_rows(rows, at, t0),
            *fill(dq, self.zero, self.blocks.lanes),
            *self.each_block(self.column_cuts, "sb", block),
            *self.put(0, at, t0, dq, size),
        ]

    # ---- what they are made of ----

    def rows(self, count: int) -> Staged:
        """Queries and gradients of so many rows, and what is known of each row."""
        a, padded = self.a, self.blocks.padded
        q = self.buffer("q", count, padded(a.depth))
        g = self.buffer("g", count, padded(a.width))
        facts = (self.buffer("log", count), self.buffer("delta", count))
        return Staged(self.blocks.lanes, count, ((q, a.query, False), (g, self.g.grad, False)), facts)

    def fill_rows(self, rows: Staged, at: Values, t0: Expr) -> list[Stmt]:
        log, delta = rows.extra

        def row(r: Expr) -> list[Stmt]:
            found = self.g.logsumexp[(*at, t0 + r)]
            unseen = found.eq(self.low)
            sum_ = select(unseen, const(math.inf, self.dtype), found)  # exp(score - inf) is 0
            return [store(log, (r,), sum_), store(delta, (r,), self.g.delta[(*at, t0 + r)])]

        return [*rows.fill(at, t0), loop("r", rows.count, row)]

    def keys(self, count: int, natural: bool) -> Staged:
        """Keys and values of so many columns, turned; and keys as they are, which gradients of queries are made of."""
        a, padded = self.a, self.blocks.padded
        kt = self.buffer("kt", a.depth, padded(count))
        vt = self.buffer("vt", a.width, padded(count))
        k = ((self.buffer("k", count, padded(a.depth)), a.key, False),) if natural else ()
        return Staged(self.blocks.lanes, count, ((kt, a.key, True), (vt, a.value, True), *k))

    def block(
        self, at: Values, rows: tuple[Expr, int], columns: tuple[Expr, int], own: Staged, keys: Staged, first: Expr,
        sums: tuple[Buffer | None, Expr, Buffer | None, Buffer | None],
    ) -> list[Stmt]:  # fmt: skip
        """One of rows by one of columns: ``first`` is where its rows are staged, ``sums`` the gradients that get a share:
        of queries, from a row, of keys, and of values."""
        a, (_, n), (_, m) = self.a, rows, columns
        q, g = own.buffers
        p, ds = (self.buffer(name, n, self.blocks.padded(m)) for name in ("p", "ds"))
        dq, dq_row, dk, dv = sums
        kt, vt = keys.buffers[:2]

        def onto(total: Buffer, start: Expr) -> Callable[[Expr, Expr, Expr], Stmt]:
            return lambda i, j, x: store(total, (start + i, j), Load(total, (start + i, j)) + x)

        out: list[Stmt] = [Alloc(p, "thread"), Alloc(ds, "thread")]
        for made, left, right, depth in ((p, q, kt, a.depth), (ds, g, vt, a.width)):
            out += product(
                self.blocks, (n, m, depth),
                lambda r, e, left=left: Load(left, (first + r, e)), lambda e, c, right=right: Load(right, (e, c)),
                lambda r, c, x, made=made: store(made, (r, c), x),
            )  # fmt: skip
        out += self.softmax(at, (rows[0], columns[0]), p, ds, m, own, first)
        for total, left, right, width in ((dv, p, g, a.width), (dk, ds, q, a.depth)):
            if total:
                out += product(
                    self.blocks, (m, width, n),
                    lambda c, r, left=left: Load(left, (r, c)), lambda r, d, right=right: Load(right, (first + r, d)),
                    onto(total, ZERO),
                )  # fmt: skip
        if dq:
            k = keys.buffers[2]
            out += product(
                self.blocks, (n, a.depth, m),
                lambda r, c: Load(ds, (r, c)), lambda c, e: Load(k, (c, e)), onto(dq, dq_row),
            )  # fmt: skip
        return out

    def softmax(
        self, at: Values, start: tuple[Expr, Expr], p: Buffer, ds: Buffer, columns: int, own: Staged, first: Expr
    ) -> list[Stmt]:
        """Products become the softmax, and the gradients of scores."""
        log, delta = own.extra
        r, c = Var("r", int64, p.shape[0]), Var("c", int64, columns)
        score = self.a.score(at, start[0] + r, start[1] + c, Load(p, (r, c)))
        weight = unary("exp", score - Load(log, (first + r,)))
        down = weight * (Load(ds, (r, c)) - Load(delta, (first + r,)))
        both = Pass(((p, (r, c), weight), (ds, (r, c), down)), (), (), lambda _x, _y: (), "add", (), ())
        nest = RowsNest("softmax", (), (p.shape[0],), (r,), (columns,), (c,), (both,), (), ())
        return rows_loops(nest, self.flat, self.target)

    def put(self, number: int, at: Values, start: Expr, sums: Buffer, count: int) -> list[Stmt]:
        """Store a gradient, scaled as scores are, but for that of values."""
        output = self.nest.outputs[number]
        width, factor = (self.a.width, 1.0) if number == 2 else (self.a.depth, self.a.scale)
        assert output  # it is summed only where it is wanted

        def row(r: Expr) -> list[Stmt]:
            put = lambda d: store(output, (*at, start + r, d), binary("mul", Load(sums, (r, d)), factor))
            return columns_loop(width, self.blocks.lanes, put)

        return [loop("r", count, row)]
