"""Contractions by outer products: vectors along n, each element of x in all lanes.

Rows of x are staged as the region that a block reads (regions.py), y as panels [k][width of a tile]; a register tile
runs over k. K. Goto and R. A. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34
(2008), with x in its own layout instead of packed, so that windows need no copy for each of their positions.

Each block of k is summed by itself (see blocks.py), in one order. Where rows and columns are few and k is
long, tasks take parts of k, and a second pass adds the parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, If, Kind, Stmt, loop, store
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.boxes import (
    ZERO,
    Index,
    ceil_div,
    extent_of,
    unflatten,
)
from graphtorch.codegen.schedule.outer_operands import Panels, Rows, block_loops
from graphtorch.codegen.schedule.outer_outputs import Outputs, Place, outermost
from graphtorch.codegen.schedule.outer_plan import PARALLEL_MACS, Operands, OuterPlan, size
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.codegen.schedule.tail import Tail
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import example, surely
from graphtorch.ir.expr import Buffer, Expr, Load, Var, const, unflatten_index
from graphtorch.ir.types import DType, int64


def outer_products(
    nest: ReduceNest, o: Operands, plan: OuterPlan, target: Target, flat: Flatten, tail: Tail | None = None
) -> list[Stmt]:
    """The statements of the whole contraction, and of the reduction of its results, if there is one."""
    work = example(size(o.batch) * size(o.m) * size(o.n) * size(o.k))
    kind: Kind = "par" if work >= PARALLEL_MACS else "for"
    return _Outer(nest, o, plan, target, kind, flat, tail).body()


@dataclass(frozen=True, eq=False)
class _Outer:
    nest: ReduceNest
    o: Operands
    plan: OuterPlan
    target: Target
    kind: Kind
    flat: Flatten
    tail: Tail | None

    @property
    def dtype(self) -> DType:
        return self.o.x.value.dtype

    @property
    def blocks(self) -> int:
        """Blocks of columns."""
        return ceil_div(size(self.o.n), self.plan.columns)

    def body(self) -> list[Stmt]:
        p = self.plan
        y = Panels(self.o, p, self.target, self.flat)
        batch = size(self.o.batch)
        grid = (batch, p.m.blocks, self.blocks, p.parts)
        x = Rows(self.o, p, self.target)
        pack = [*y.pack_all(self.kind), *x.stage_all(self.kind)]
        if p.parts > 1:
            return [*pack, *self.in_parts(x, y, grid)]

        def task(t: Var) -> list[Stmt]:
            b, mb, nb, _ = unflatten_index(grid, t)
            ct = Buffer("ct", (p.m.size, p.columns), self.dtype)
            sums = self.accumulate(x, y, (b, mb, nb), lambda r, c: (ct, (r, c)), ZERO, p.k.blocks)
            return [Alloc(ct, "thread"), *sums, *self.finish((b, mb, nb), lambda r, c: (ct, (r, c)))]

        return [*pack, loop("t", math.prod(grid), task, self.kind)]

    def in_parts(self, x: Rows, y: Panels, grid: tuple[int, ...]) -> list[Stmt]:
        """Tasks sum parts of k; then the parts are added, and the outputs stored. One block of rows and of columns."""
        p, batch = self.plan, grid[0]
        sums = Buffer("part", (p.parts, batch, p.m.size, p.columns), self.dtype)
        total = Buffer("total", sums.shape[1:], self.dtype)

        def part(t: Var) -> list[Stmt]:
            b, mb, nb, number = unflatten_index(grid, t)
            first, after = (n * p.k.blocks // p.parts for n in (number, number + 1))
            return self.accumulate(x, y, (b, mb, nb), lambda r, c: (sums, (number, b, r, c)), first, after - first)

        def add(r: Var) -> list[Stmt]:
            b, row = unflatten_index((batch, p.m.size), r)

            def columns(c: Expr) -> list[Stmt]:
                value: Expr = Load(sums, (ZERO, b, row, c))
                for number in range(1, p.parts):
                    value = value + Load(sums, (const(number, int64), b, row, c))
                return [store(total, (b, row, c), value)]

            return vector_loop(Var("c", int64, p.columns), p.lanes, columns)

        def last(b: Expr) -> list[Stmt]:
            return self.finish((b, ZERO, ZERO), lambda r, c: (total, (b, r, c)))

        stored = [loop("b", batch, last, self.kind)] if batch > 1 else outermost(last(ZERO), self.kind)
        return [
            Alloc(sums, "global"),
            loop("t", math.prod(grid), part, self.kind),
            Alloc(total, "global"),
            loop("r", batch * p.m.size, add, self.kind),
            *stored,
        ]

    def finish(self, block: tuple[Expr, Expr, Expr], place: Place) -> list[Stmt]:
        b, mb, nb = block
        o, p, flat = self.o, self.plan, self.flat
        start = self.at(b, mb)
        reduced = self.tail.finish(o, p, flat, (start, mb, nb), place) if self.tail else []
        return [*reduced, *Outputs(self.nest, o.vars, o.index, o.n, p, flat).finish(start, mb, nb, [place])]

    # ---- a block of rows and columns ----

    def at(self, b: Expr, mb: Expr) -> Index:
        """The first index of a block of rows."""
        return unflatten(self.o.batch, b) | self.plan.m.origin(mb)

    def accumulate(
        self, x: Rows, y: Panels, block: tuple[Expr, Expr, Expr], place: Place, first: Expr, count: Expr | int
    ) -> list[Stmt]:
        """Sum ``count`` blocks of k, from block ``first``, for a block of rows and one of columns."""
        b, mb, nb = block
        p = self.plan
        start = self.at(b, mb)
        several = not surely("<=", p.k.blocks, 1)

        def step(i: Expr) -> list[Stmt]:
            q = first + i
            panel = lambda nt: self.panel(x, y, (b, mb, nb), q, nt, place, several)
            return [*x.stage_block(start, q), *y.pack_block(b, nb, q), loop("nt", p.columns // p.width, panel)]

        work = step(ZERO) if isinstance(count, int) and surely("==", count, 1) else [loop("q", count, step)]
        return [*x.alloc(), *y.alloc_block(), *(self.zero(place) if several else []), *x.stage(start), *work]

    def zero(self, place: Place) -> list[Stmt]:
        p = self.plan

        def row(r: Var) -> list[Stmt]:
            def columns(c: Expr) -> list[Stmt]:
                buffer, at = place(r, c)
                return [store(buffer, at, const(0, self.dtype))]

            return vector_loop(Var("c", int64, p.columns), p.lanes, columns)

        return [loop("r", p.m.size, row)]

    def panel(
        self, x: Rows, y: Panels, block: tuple[Expr, Expr, Expr], q: Expr, nt: Expr, place: Place, add: bool
    ) -> list[Stmt]:
        """All tiles of rows over one panel of columns."""
        b, mb, nb = block
        p = self.plan
        start, k_start = self.at(b, mb), p.k.origin(q)

        def tile(row: Callable[[Expr], Index], height: int) -> list[Stmt]:
            def load_x(i: Expr, k: Index) -> Expr:
                return x.load(start, k_start, row(i), k)

            def load_y(j: Expr, k: Index) -> Expr:
                return y.load((b, nb, q), k_start, nt, j, k)

            def keep(i: Expr, j: Expr, value: Expr) -> Stmt:
                buffer, at = place(p.m.position(row(i)), nt * p.width + j)
                return store(buffer, at, Load(buffer, at) + value if add else value)

            def over_k(step: Callable[[Index], list[Stmt]]) -> list[Stmt]:
                return block_loops(p.k, k_start, step, self.flat, p.order, p.unroll(height))

            stmts = register_tile((height, p.vectors, p.lanes), self.dtype, over_k, load_x, load_y, keep)
            for v in p.m.ragged:
                stmts = [If(start[v] + row(ZERO)[v] < extent_of(v), tuple(stmts))]
            return stmts

        return p.rows.run(tile)


def register_tile(
    shape: tuple[int, int, int],
    dtype: DType,
    over_k: Callable[[Callable[[Index], list[Stmt]]], list[Stmt]],
    load_x: Callable[[Expr, Index], Expr],
    load_y: Callable[[Expr, Index], Expr],
    keep: Callable[[Expr, Expr, Expr], Stmt],
) -> list[Stmt]:
    """Rows by vectors of so many lanes (``shape``), in registers: summed ``over_k``, and then kept.

    Rows stand outside, so that the vectors of y stay in registers and x needs one more.
    """
    rows, vectors, lanes = shape
    acc = Buffer("acc", (rows, vectors * lanes), dtype)

    def each(body: Callable[[Expr, Expr], Stmt]) -> Stmt:
        def row(i: Var) -> Stmt:
            def vector(v: Var) -> Stmt:
                return loop("l", lanes, lambda l: body(i, v * lanes + l), "vec")

            return loop("v", vectors, vector, "unroll")

        return loop("i", rows, row, "unroll")

    def step(k: Index) -> list[Stmt]:
        return [each(lambda i, j: store(acc, (i, j), Load(acc, (i, j)) + load_x(i, k) * load_y(j, k)))]

    return [
        Alloc(acc, "local"),
        each(lambda i, j: store(acc, (i, j), const(0, dtype))),
        *over_k(step),
        each(lambda i, j: keep(i, j, Load(acc, (i, j)))),
    ]
