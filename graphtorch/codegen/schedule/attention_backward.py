"""The gradients of attention: scores are computed again, from the logarithms of their rows' sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Alloc, Stmt, loop, store
from graphtorch.codegen.loops import Pass, RowsNest
from graphtorch.codegen.schedule.attention_base import Schedule
from graphtorch.codegen.schedule.attention_blocks import Span, Staged, each_block, fill, in_vectors, product
from graphtorch.codegen.schedule.boxes import ZERO
from graphtorch.codegen.schedule.rows import rows_loops
from graphtorch.ir.expr import AttentionGrad, Buffer, Expr, Load, Values, Var, const, select, unary
from graphtorch.ir.types import int64

#: the gradients, in the order of the results
QUERY, KEY, VALUE = range(3)


@dataclass(frozen=True, eq=False)
class _Side:
    """Rows, or columns: those of a block, where they are staged, and the sums of gradients that get its share.

    ``sums`` are by number of the result; row ``first`` of a sum is that of the block's first row.
    """

    span: Span
    staged: Staged
    first: Expr
    sums: dict[int, Buffer]
    sum_first: Expr = ZERO


@dataclass(frozen=True, eq=False)
class Backward(Schedule):
    g: AttentionGrad

    def body(self) -> list[Stmt]:
        """One task for each leading index, where there are enough; else tasks for blocks of columns, and then for
        blocks of rows, which compute scores once more."""
        if self.many:
            return self.each_lead(self.whole)
        query, key, value = self.nest.outputs
        columns = self.each_task(self.column_cuts, lambda at, span: self.columns(at, span, None, {}))
        rows = self.each_task(self.row_cuts, self.rows)
        return [*(columns if key or value else []), *(rows if query else [])]

    # ---- tasks ----

    def whole(self, at: Values) -> list[Stmt]:
        """All gradients of one leading index: block after block of columns, and in each all rows."""
        a = self.a
        sums = self.sums(a.rows, QUERY)
        staged = self.staged_rows(a.rows) if self.blocks.all_fit(a.rows, a.depth + a.width) else None
        stage = [*staged.alloc(), *self.fill_rows(staged, at, ZERO)] if staged else []
        columns = each_block(self.column_cuts, "sb", lambda span: self.columns(at, span, staged, sums))
        return [*stage, *self.start(sums), *columns, *self.finish(at, Span(ZERO, a.rows), sums)]

    def columns(self, at: Values, span: Span, rows: Staged | None, of_rows: dict[int, Buffer]) -> list[Stmt]:
        """The gradients of a block of keys and values, and what it adds to those ``of_rows``. All ``rows`` may be
        staged already."""
        sums = self.sums(span.size, KEY, VALUE)
        columns = _Side(span, self.staged_columns(span.size, natural=bool(of_rows)), ZERO, sums)

        def block(row_span: Span) -> list[Stmt]:
            own = rows or self.staged_rows(row_span.size)
            stage = [] if rows else [*own.alloc(), *self.fill_rows(own, at, row_span.first)]
            first = row_span.first if rows else ZERO
            steps = self.block(at, _Side(row_span, own, first, of_rows, row_span.first), columns)
            return self.visible(row_span, span, [*stage, *steps])

        stage = [*columns.staged.alloc(), *columns.staged.fill(at, span.first)]
        return [*stage, *self.start(sums), *each_block(self.row_cuts, "tb", block), *self.finish(at, span, sums)]

    def rows(self, at: Values, span: Span) -> list[Stmt]:
        """The gradient of a block of queries."""
        sums = self.sums(span.size, QUERY)
        rows = _Side(span, self.staged_rows(span.size), ZERO, sums)

        def block(column_span: Span) -> list[Stmt]:
            staged = self.staged_columns(column_span.size, natural=True)
            steps = self.block(at, rows, _Side(column_span, staged, ZERO, {}))
            return self.visible(span, column_span, [*staged.alloc(), *staged.fill(at, column_span.first), *steps])

        stage = [*rows.staged.alloc(), *self.fill_rows(rows.staged, at, span.first)]
        return [*stage, *self.start(sums), *each_block(self.column_cuts, "sb", block), *self.finish(at, span, sums)]

    # ---- what they stage and sum ----

    def staged_rows(self, count: int) -> Staged:
        """Queries and gradients of so many rows, and what is known of each row."""
        a, padded = self.a, self.blocks.padded
        q, g = self.buffer("q", count, padded(a.depth)), self.buffer("g", count, padded(a.width))
        facts = self.buffer("log", count), self.buffer("delta", count)
        return Staged(self.blocks.lanes, count, ((q, a.query, False), (g, self.g.grad, False)), facts)

    def fill_rows(self, rows: Staged, at: Values, first: Expr) -> list[Stmt]:
        log, delta = rows.extra

        def row(r: Expr) -> list[Stmt]:
            found = self.g.logsumexp[(*at, first + r)]
            whole = select(found.eq(self.low), const(math.inf, self.dtype), found)  # exp(score - inf) is 0
            return [store(log, (r,), whole), store(delta, (r,), self.g.delta[(*at, first + r)])]

        return [*rows.fill(at, first), loop("r", rows.count, row)]

    def staged_columns(self, count: int, natural: bool) -> Staged:
        """Keys and values, turned; and keys as they are, of which the gradients of queries are made."""
        a, padded = self.a, self.blocks.padded
        kt, vt = self.buffer("kt", a.depth, padded(count)), self.buffer("vt", a.width, padded(count))
        k = ((self.buffer("k", count, padded(a.depth)), a.key, False),) if natural else ()
        return Staged(self.blocks.lanes, count, ((kt, a.key, True), (vt, a.value, True), *k))

    def size(self, number: int) -> int:
        """The last of a result's sizes."""
        return self.a.width if number == VALUE else self.a.depth

    def sums(self, count: int, *numbers: int) -> dict[int, Buffer]:
        """Of the results that somebody reads."""
        wanted = [n for n in numbers if self.nest.outputs[n]]
        return {n: self.buffer(f"d{'qkv'[n]}", count, self.blocks.padded(self.size(n))) for n in wanted}

    def start(self, sums: dict[int, Buffer]) -> list[Stmt]:
        zeros = [s for b in sums.values() for s in fill(b, self.zero, self.blocks.lanes)]
        return [*(Alloc(b, "thread") for b in sums.values()), *zeros]

    def finish(self, at: Values, span: Span, sums: dict[int, Buffer]) -> list[Stmt]:
        """Store the sums, scaled as scores are; those of values have no scores as factors."""
        return [self._stored(at, span, number, total) for number, total in sums.items()]

    def _stored(self, at: Values, span: Span, number: int, total: Buffer) -> Stmt:
        output, factor = self.nest.outputs[number], const(self.a.scale, self.dtype)
        assert output  # see `sums`

        def element(r: Expr, d: Expr) -> Stmt:
            found = Load(total, (r, d))
            return store(output, (*at, span.first + r, d), found if number == VALUE else found * factor)

        def row(r: Expr) -> list[Stmt]:
            return in_vectors(self.size(number), self.blocks.lanes, lambda d: element(r, d))

        return loop("r", span.size, row)

    # ---- a block of rows by a block of columns ----

    def block(self, at: Values, rows: _Side, columns: _Side) -> list[Stmt]:
        """The softmax and the gradients of scores, and what they add to the sums."""
        a, n, m, first = self.a, rows.span.size, columns.span.size, rows.first
        q, g = rows.staged.buffers
        kt, vt, *natural = columns.staged.buffers
        p, ds = (self.buffer(name, n, self.blocks.padded(m)) for name in ("p", "ds"))

        def score(made: Buffer, left: Buffer, right: Buffer, depth: int) -> list[Stmt]:
            return product(
                self.blocks, (n, m, depth),
                lambda r, e: Load(left, (first + r, e)), lambda e, c: Load(right, (e, c)),
                lambda r, c, x: store(made, (r, c), x),
            )  # fmt: skip

        def of_columns(total: Buffer, left: Buffer, right: Buffer, width: int) -> list[Stmt]:
            return product(
                self.blocks, (m, width, n),
                lambda c, r: Load(left, (r, c)), lambda r, d: Load(right, (first + r, d)), _onto(total, ZERO),
            )  # fmt: skip

        def of_rows(total: Buffer, k: Buffer) -> list[Stmt]:
            return product(
                self.blocks, (n, a.depth, m),
                lambda r, c: Load(ds, (r, c)), lambda c, e: Load(k, (c, e)), _onto(total, rows.sum_first),
            )  # fmt: skip

        sums = columns.sums
        return [
            Alloc(p, "thread"),
            Alloc(ds, "thread"),
            *score(p, q, kt, a.depth),
            *score(ds, g, vt, a.width),
            *self.softmax(at, rows, columns.span, p, ds),
            *(of_columns(sums[VALUE], p, g, a.width) if VALUE in sums else []),
            *(of_columns(sums[KEY], ds, q, a.depth) if KEY in sums else []),
            *(of_rows(rows.sums[QUERY], natural[0]) if QUERY in rows.sums else []),
        ]

    def softmax(self, at: Values, rows: _Side, columns: Span, p: Buffer, ds: Buffer) -> list[Stmt]:
        """Products become the softmax, and the gradients of scores."""
        log, delta = rows.staged.extra
        r, c = Var("r", int64, rows.span.size), Var("c", int64, columns.size)
        score = self.a.score(at, rows.span.first + r, columns.first + c, Load(p, (r, c)))
        weight = unary("exp", score - Load(log, (rows.first + r,)))
        down = weight * (Load(ds, (r, c)) - Load(delta, (rows.first + r,)))
        both = Pass(((p, (r, c), weight), (ds, (r, c), down)), (), (), lambda _a, _b: (), "add", (), ())
        nest = RowsNest("softmax", (), (rows.span.size,), (r,), (columns.size,), (c,), (both,), (), ())
        return rows_loops(nest, self.flat, self.target)


def _onto(total: Buffer, first: Expr) -> Callable[[Expr, Expr, Expr], Stmt]:
    """Adds to row ``first + i``."""
    return lambda i, j, x: store(total, (first + i, j), Load(total, (first + i, j)) + x)
