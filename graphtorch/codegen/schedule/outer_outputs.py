"""What becomes of a finished block of sums: epilogue and stores, in the order of the output's memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Body, For, If, Kind, Stmt, exprs_of, loop, replace_vars, store
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.base import bind_results, join_loops
from graphtorch.codegen.schedule.boxes import ZERO, Index, ceil_div, extent_of, shifted, vector_loops
from graphtorch.codegen.schedule.outer_plan import Blocks, Operands, size
from graphtorch.codegen.schedule.segments import square_loops
from graphtorch.ir.dim import divides, surely
from graphtorch.ir.expr import Buffer, Expr, Load, Memo, Values, Var, substitute, unflatten_index
from graphtorch.ir.types import int64

#: where the sum of a row and a column of the block is kept
Place = Callable[[Expr, Expr], tuple[Buffer, tuple[Expr, ...]]]
Case = tuple[list[Expr], dict[Var, int]]


#: what is to be done before a block of the given sizes, by loop, is stored from an index
Before = Callable[[Index, dict[Var, int]], list[Stmt]]


def nothing(_: Index, __: dict[Var, int]) -> list[Stmt]:
    return []


@dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs of ``nest`` for blocks of rows and of columns ``n``; ``vars`` are all loops, in the order of the output's
    memory, and ``index`` gives the nest's indices by them."""

    nest: ReduceNest
    vars: tuple[Var, ...]
    index: Index
    n: tuple[Var, ...]
    blocks: Blocks
    flat: Flatten

    @property
    def columns(self) -> int:
        """All columns."""
        return size(self.n)

    def finish(self, start: Index, mb: Expr, nb: Expr, sums: Sequence[Place], before: Before = nothing) -> list[Stmt]:
        """Store the block from ``start``, whose accumulators are ``sums``; the last block of a ragged loop has a size
        of its own."""
        if not self.nest.outputs:
            return []
        out: list[Stmt] = []
        for when, rows in self._rows(mb):
            for and_when, columns in self._columns(nb):
                sizes = rows | columns
                first = start if len(self.n) > 1 else start | {self.n[0]: nb * self.blocks.columns}
                stmts = [*before(first, sizes), *self._block(first, sizes, sums)]
                for condition in (*when, *and_when):
                    stmts = [If(condition, tuple(stmts))]
                out += stmts
        return out

    def _rows(self, mb: Expr) -> list[Case]:
        m = self.blocks.m
        numbers = dict(zip(m.vars, unflatten_index(m.counts, mb), strict=True))
        cases: list[Case] = [([], dict(zip(m.vars, m.sizes, strict=True)))]
        for v in m.ragged:
            full, count = m.sizes[m.vars.index(v)], m.counts[m.vars.index(v)]
            rest = extent_of(v) - (count - 1) * full
            last: list[Case] = [([*when, numbers[v].eq(count - 1)], sizes | {v: rest}) for when, sizes in cases]
            last = [] if surely("==", rest, 0) else last
            cases = last if surely("==", count, 1) else [([*w, numbers[v] < count - 1], s) for w, s in cases] + last
        return cases

    def _columns(self, nb: Expr) -> list[Case]:
        columns, n = self.blocks.columns, self.columns
        blocks = ceil_div(n, columns)
        if surely("==", blocks, 1):
            return [([], {v: extent_of(v) for v in self.n})]
        (v,) = self.n  # plan_outer cuts one loop only
        if divides(columns, n):
            return [([], {v: columns})]
        return [([nb < blocks - 1], {v: columns}), ([nb.eq(blocks - 1)], {v: n - (blocks - 1) * columns})]

    def _block(self, start: Index, sizes: dict[Var, int], sums: Sequence[Place]) -> list[Stmt]:
        """Columns are turned into rows, a panel at a time, where the output is dense along rows."""
        last = [v for v in self.vars if not v.single][-1:]
        if len(self.n) > 1 or last == [self.n[0]] or not last:
            return self._elements(start, sizes, sums)
        (n,) = self.n
        width, rows = self.blocks.width, self.blocks.m.size

        def panel(number: Expr, columns: int) -> list[Stmt]:
            turned: list[Place] = []
            stmts: list[Stmt] = []
            for i, place in enumerate(sums):
                buffer = Buffer(f"turned{i or ''}", (width, rows), place(ZERO, ZERO)[0].dtype)
                stmts += [Alloc(buffer, "thread"), *self._turn(place, number * width, buffer)]
                turned.append(partial(_at, buffer))
            part = start | {n: start[n] + number * width}
            return [*stmts, *self._elements(part, sizes | {n: columns}, turned)]

        full, rest = divmod(sizes[n], width)
        out: list[Stmt] = [] if surely("==", full, 0) else [loop("h", full, lambda h: panel(h, width))]
        return [*out, *([] if surely("==", rest, 0) else [loop("h", 1, lambda h: panel(h + full, rest))])]

    def _turn(self, place: Place, first: Expr, turned: Buffer) -> list[Stmt]:
        """A panel's columns as rows of ``turned``."""

        def copy(row: Expr, column: Expr) -> Stmt:
            buffer, at = place(row, first + column)
            return store(turned, (column, row), Load(buffer, at))

        width, rows = turned.shape
        return square_loops(Var("r", int64, rows), Var("c", int64, width), self.blocks.lanes, copy)

    def _elements(self, start: Index, sizes: dict[Var, int], sums: Sequence[Place]) -> list[Stmt]:
        """The outputs of ``sizes`` indices from ``start``, in the order of the output's loops."""
        inner = tuple(Var(f"{v.name}o", int64, sizes.get(v, 1)) for v in self.vars)

        def element() -> Body:
            own: Index = dict(zip(self.vars, inner, strict=True))
            column: Expr = ZERO
            for v in self.n:
                column = column * sizes[v] + own.get(v, ZERO)
            cells = [place(self.blocks.m.position(own), column) for place in sums]
            totals = tuple(Load(buffer, at) for buffer, at in cells)
            return self.flat.body(store_outputs(self.nest, self.index, shifted(start, own), totals))

        vars, env = join_loops(inner, [e for s in element() for e in exprs_of(s)])
        return vector_loops(vars, self.blocks.lanes, lambda local: replace_vars(element(), compose(env, local)))


def _at(turned: Buffer, row: Expr, column: Expr) -> tuple[Buffer, tuple[Expr, ...]]:
    return turned, (column, row)


def compose(first: Index, then: Index) -> Index:
    """The substitution ``first``, and after it ``then``."""
    return then | {v: substitute(e, then) for v, e in first.items()}


def store_outputs(nest: ReduceNest, index: Index, at: Index, totals: Values) -> list[Stmt]:
    """The outputs of one element, epilogue included."""
    memo: Memo = {}
    here = {v: substitute(e, at) for v, e in index.items()}
    values = [substitute(f(totals), here, memo) for _, f in nest.outputs]
    lets, bound = bind_results(values, "e")
    place = [here[v] for v in nest.vars]
    return [*lets, *(store(b, place, e) for (b, _), e in zip(nest.outputs, bound, strict=True))]


def outermost(stmts: Sequence[Stmt], kind: Kind) -> list[Stmt]:
    """The outermost loop of each, as one of ``kind``."""
    return [For(s.var, s.extent, kind, s.body) if isinstance(s, For) and s.kind == "for" else s for s in stmts]


def store_zeros(nest: ReduceNest, o: Operands, lanes: int) -> list[Stmt]:
    """The outputs of sums of nothing."""
    zero = nest.init[0]
    return vector_loops(o.vars, lanes, lambda local: store_outputs(nest, o.index, local, (zero,)))
