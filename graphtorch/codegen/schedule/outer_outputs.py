"""What becomes of a finished block of sums: epilogue and stores, in the order of the output's memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Body, For, If, Kind, Stmt, exprs_of, loop, replace_vars, store
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.base import bind_results, join_loops
from graphtorch.codegen.schedule.boxes import ZERO, Index, ceil_div, extent_of, shifted, vector_loops
from graphtorch.codegen.schedule.outer_plan import Blocks, Operands, size
from graphtorch.codegen.schedule.segments import square_loops
from graphtorch.ir.expr import Buffer, Expr, Load, Memo, Var, substitute, unflatten_index
from graphtorch.ir.types import int64

#: where the sum of a row and a column of the block is kept
Place = Callable[[Expr, Expr], tuple[Buffer, tuple[Expr, ...]]]
Case = tuple[list[Expr], dict[Var, int]]


@dataclass(frozen=True, eq=False)
class Outputs:
    nest: ReduceNest
    o: Operands
    plan: Blocks
    flat: Flatten

    def finish(self, start: Index, mb: Expr, nb: Expr, place: Place) -> list[Stmt]:
        """Store the block from ``start``; the last block of a ragged loop has a size of its own."""
        out: list[Stmt] = []
        for when, sizes in self._rows(mb):
            for and_when, columns in self._columns(nb):
                stmts = self._block(start, nb * self.plan.columns, sizes | columns, place)
                for condition in (*when, *and_when):
                    stmts = [If(condition, tuple(stmts))]
                out += stmts
        return out

    def _rows(self, mb: Expr) -> list[Case]:
        m = self.plan.m
        numbers = dict(zip(m.vars, unflatten_index(m.counts, mb), strict=True))
        cases: list[Case] = [([], dict(zip(m.vars, m.sizes, strict=True)))]
        for v in m.ragged:
            full = m.sizes[m.vars.index(v)]
            count = ceil_div(extent_of(v), full)
            rest = extent_of(v) - (count - 1) * full
            last: list[Case] = [([*when, numbers[v].eq(count - 1)], sizes | {v: rest}) for when, sizes in cases]
            cases = last if count == 1 else [([*w, numbers[v] < count - 1], s) for w, s in cases] + last
        return cases

    def _columns(self, nb: Expr) -> list[Case]:
        columns, n = self.plan.columns, size(self.o.n)
        blocks = ceil_div(n, columns)
        if blocks == 1:
            return [([], {v: extent_of(v) for v in self.o.n})]
        (v,) = self.o.n  # plan_outer cuts one loop only
        if n % columns == 0:
            return [([], {v: columns})]
        return [([nb < blocks - 1], {v: columns}), ([nb.eq(blocks - 1)], {v: n % columns})]

    def _block(self, start: Index, first: Expr, sizes: dict[Var, int], place: Place) -> list[Stmt]:
        """Columns from ``first``: turned into rows, a panel at a time, where the output is dense along rows."""
        if len(self.o.n) > 1:
            return self._elements(start, sizes, place)
        (n,) = self.o.n
        if self.o.last is n:
            return self._elements(start | {n: first}, sizes, place)
        width = self.plan.width
        turned = Buffer("turned", (width, self.plan.m.size), self.o.x.value.dtype)

        def panel(number: Expr, columns: int) -> list[Stmt]:
            def copy(row: Expr, column: Expr) -> Stmt:
                buffer, at = place(row, number * width + column)
                return store(turned, (column, row), Load(buffer, at))

            rows = Var("r", int64, self.plan.m.size)
            return [
                Alloc(turned, "thread"),
                *square_loops(rows, Var("c", int64, width), self.plan.lanes, copy),
                *self._elements(
                    start | {n: first + number * width}, sizes | {n: columns}, lambda r, c: (turned, (c, r))
                ),
            ]

        full, rest = divmod(sizes[n], width)
        out: list[Stmt] = [loop("h", full, lambda h: panel(h, width))] if full else []
        return [*out, *([loop("h", 1, lambda h: panel(h + full, rest))] if rest else [])]

    def _elements(self, start: Index, sizes: dict[Var, int], place: Place) -> list[Stmt]:
        """The outputs of ``sizes`` indices from ``start``, in the order of the output's loops."""
        inner = tuple(Var(f"{v.name}o", int64, sizes.get(v, 1)) for v in self.o.vars)

        def element() -> Body:
            own: Index = dict(zip(self.o.vars, inner, strict=True))
            column: Expr = ZERO
            for v in self.o.n:
                column = column * sizes[v] + own.get(v, ZERO)
            buffer, at = place(self.plan.m.position(own), column)
            return self.flat.body(store_outputs(self.nest, self.o, shifted(start, own), Load(buffer, at)))

        vars, env = join_loops(inner, [e for s in element() for e in exprs_of(s)])
        return vector_loops(vars, self.plan.lanes, lambda local: replace_vars(element(), compose(env, local)))


def compose(first: Index, then: Index) -> Index:
    """The substitution ``first``, and after it ``then``."""
    return then | {v: substitute(e, then) for v, e in first.items()}


def store_outputs(nest: ReduceNest, o: Operands, at: Index, total: Expr) -> list[Stmt]:
    """The outputs of one element, epilogue included."""
    memo: Memo = {}
    index = {v: substitute(e, at) for v, e in o.index.items()}
    values = [substitute(f((total,)), index, memo) for _, f in nest.outputs]
    lets, bound = bind_results(values, "e")
    place = [index[v] for v in nest.vars]
    return [*lets, *(store(b, place, e) for (b, _), e in zip(nest.outputs, bound, strict=True))]


def outermost(stmts: Sequence[Stmt], kind: Kind) -> list[Stmt]:
    """The outermost loop of each, as one of ``kind``."""
    return [For(s.var, s.extent, kind, s.body) if isinstance(s, For) and s.kind == "for" else s for s in stmts]


def store_zeros(nest: ReduceNest, o: Operands, lanes: int) -> list[Stmt]:
    """The outputs of sums of nothing."""
    zero = nest.init[0]
    return vector_loops(o.vars, lanes, lambda local: store_outputs(nest, o, local, zero))
