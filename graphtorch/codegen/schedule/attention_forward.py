"""Attention: the output, and the logarithm of each row's sum of exponentials."""

from __future__ import annotations

from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Alloc, Stmt, loop, store
from graphtorch.codegen.loops import Pass, RowsNest
from graphtorch.codegen.schedule.attention_base import Schedule
from graphtorch.codegen.schedule.attention_blocks import Span, Staged, each_block, fill, in_vectors, product
from graphtorch.codegen.schedule.boxes import ZERO
from graphtorch.codegen.schedule.rows import rows_loops
from graphtorch.ir.expr import Buffer, Expr, Load, Values, Var, maximum, select, unary
from graphtorch.ir.types import int64


@dataclass(frozen=True, eq=False)
class _State:
    """What a task knows of its rows so far: their greatest scores, the sums of exponentials, and in ``out`` of values;
    ``factor`` is what those sums are to be multiplied by, since the greatest score has grown."""

    high: Buffer
    total: Buffer
    factor: Buffer
    out: Buffer

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        return self.high, self.total, self.factor, self.out


@dataclass(frozen=True, eq=False)
class Forward(Schedule):
    def body(self) -> list[Stmt]:
        """Tasks are blocks of rows, or where there are many leading indices all rows of one, for which keys are staged
        once."""
        a = self.a
        if not self.many or not self.blocks.all_fit(a.columns, a.depth + a.width):
            return self.each_task(self.row_cuts, lambda at, rows: self.rows(at, rows, None))

        def task(at: Values) -> list[Stmt]:
            keys = self.keys(a.columns)
            every = each_block(self.row_cuts, "tb", lambda rows: self.rows(at, rows, keys))
            return [*keys.alloc(), *keys.fill(at, ZERO), *every]

        return self.each_lead(task)

    def keys(self, columns: int) -> Staged:
        a = self.a
        turned = self.buffer("kt", a.depth, self.blocks.padded(columns))
        value = self.buffer("v", columns, self.blocks.padded(a.width))
        return Staged(self.blocks.lanes, columns, ((turned, a.key, True), (value, a.value, False)))

    def rows(self, at: Values, rows: Span, keys: Staged | None) -> list[Stmt]:
        """The output of a block of rows. All ``keys`` may be staged already."""
        a, n = self.a, rows.size
        q = Staged(self.blocks.lanes, n, ((self.buffer("q", n, a.depth), a.query, False),))
        out = self.buffer("o", n, self.blocks.padded(a.width))
        state = _State(self.buffer("high", n), self.buffer("total", n), self.buffer("factor", n), out)

        def columns(span: Span) -> list[Stmt]:
            own = keys or self.keys(span.size)
            stage = [] if keys else [*own.alloc(), *own.fill(at, span.first)]
            staged = Span(span.first if keys else ZERO, span.size)
            steps = self.block(at, rows, span, q.buffers[0], own, staged, state)
            return self.visible(rows, span, [*stage, *steps])

        return [
            *q.alloc(),
            *(Alloc(b, "thread") for b in state.buffers),
            *q.fill(at, rows.first),
            *fill(out, self.zero, self.blocks.lanes),
            *fill(state.high, self.low, self.blocks.lanes),
            *fill(state.total, self.zero, self.blocks.lanes),
            *each_block(self.column_cuts, "sb", columns),
            *self.finish(at, rows, state),
        ]

    def block(
        self, at: Values, rows: Span, columns: Span, q: Buffer, keys: Staged, staged: Span, state: _State
    ) -> list[Stmt]:
        """Scores with a block of columns, their exponentials, and the sums of values. ``staged`` is where in ``keys``
        the columns are."""
        a, out = self.a, state.out
        turned, value = keys.buffers
        s = self.buffer("s", rows.size, self.blocks.padded(columns.size))

        def add(r: Expr, d: Expr, x: Expr) -> Stmt:
            return store(out, (r, d), Load(out, (r, d)) * Load(state.factor, (r,)) + x)

        scores = product(
            self.blocks, (rows.size, columns.size, a.depth),
            lambda r, e: Load(q, (r, e)), lambda e, c: Load(turned, (e, staged.first + c)),
            lambda r, c, x: store(s, (r, c), x),
        )  # fmt: skip
        sums = product(
            self.blocks, (rows.size, a.width, columns.size),
            lambda r, c: Load(s, (r, c)), lambda c, d: Load(value, (staged.first + c, d)), add,
        )  # fmt: skip
        return [Alloc(s, "thread"), *scores, *self.softmax(at, rows, columns, s, state), *sums]

    def softmax(self, at: Values, rows: Span, columns: Span, s: Buffer, state: _State) -> list[Stmt]:
        """Scores become exponentials, and the state moves on."""
        r, c = Var("r", int64, rows.size), Var("c", int64, columns.size)
        found, added, high, shift, factor = (Var(n, self.dtype) for n in ("m", "l", "high_now", "shift", "scale"))
        score = self.a.score(at, rows.first + r, columns.first + c, Load(s, (r, c)))
        lets = (
            (high, maximum(Load(state.high, (r,)), found)),
            (shift, select(high.eq(self.low), self.zero, high)),  # a row that has seen no key yet
            (factor, unary("exp", Load(state.high, (r,)) - shift)),
        )
        e = unary("exp", Load(s, (r, c)) - shift)
        passes = (
            Pass(((s, (r, c), score),), (self.low,), (score,), _greater, "max", (found,), lets),
            Pass(((s, (r, c), e),), (self.zero,), (e,), _sum, "add", (added,), ()),
        )
        total = Load(state.total, (r,)) * factor + added
        outputs = ((state.high, high), (state.total, total), (state.factor, factor))
        nest = RowsNest("softmax", (), (rows.size,), (r,), (columns.size,), (c,), passes, outputs, ())
        return rows_loops(nest, self.flat, self.target)

    def finish(self, at: Values, rows: Span, state: _State) -> list[Stmt]:
        """Sums over the sums of exponentials, and the logarithms of those."""
        output, logsumexp = self.nest.outputs

        def row(r: Expr) -> list[Stmt]:
            total, stmts = Load(state.total, (r,)), []
            empty = total.eq(self.zero)

            def put(d: Expr) -> Stmt:
                assert output
                value = select(empty, self.zero, Load(state.out, (r, d)) / total)
                return store(output, (*at, rows.first + r, d), value)

            if output:
                stmts += in_vectors(self.a.width, self.blocks.lanes, put)
            if logsumexp:
                log = select(empty, self.low, Load(state.high, (r,)) + unary("log", total))
                stmts.append(store(logsumexp, (*at, rows.first + r), log))
            return stmts

        return [loop("r", rows.size, row)]


def _greater(a: Values, b: Values) -> Values:
    return (maximum(a[0], b[0]),)


def _sum(a: Values, b: Values) -> Values:
    return (a[0] + b[0],)
