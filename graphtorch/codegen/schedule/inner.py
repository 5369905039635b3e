"""Contractions by inner products: x and y are dense along k, and vectors run along it; lanes are added at the end.

Nothing is packed: each vector of y is read once for every few rows, so this is for few rows (x @ w.t()), where packing
y would cost more than the products. Each block of k is summed by itself (see blocks.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Alloc, Kind, Stmt, loop, store
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.boxes import ZERO, Index, extent_of, shifted, tiles, unflatten, whole
from graphtorch.codegen.schedule.outer_outputs import store_outputs
from graphtorch.codegen.schedule.outer_plan import PARALLEL_MACS, Operands, size
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import example, surely
from graphtorch.ir.expr import Buffer, Expr, Load, Var, const
from graphtorch.ir.expr.lowered import guard
from graphtorch.ir.types import DType, int64

#: vectors of k that are summed by themselves
BLOCK_VECTORS = 64


def inner_products(nest: ReduceNest, o: Operands, target: Target) -> list[Stmt]:
    """The statements of the whole contraction; ``o`` has one loop of columns and one of k."""
    work = example(size(o.batch) * size(o.m) * size(o.n) * size(o.k))
    kind: Kind = "par" if work >= PARALLEL_MACS else "for"
    inner = _Inner(nest, o, target)
    columns, rows = tiles(whole(o.n), inner.side), tiles(whole(o.m), inner.side)
    stmts: list[Stmt] = []
    first = 0
    for count, width in columns.cuts:

        def task(t: Var, count: int = count, width: int = width, first: int = first) -> list[Stmt]:
            start = unflatten(o.batch, t // count) | {o.n[0]: t % count * width + first}
            column = lambda j: {o.n[0]: j}
            return rows.run(lambda row, height: inner.tile(start, row, height, column, width))

        stmts.append(loop("t", size(o.batch) * count, task, kind))
        first += count * width
    return stmts


@dataclass(frozen=True, eq=False)
class _Inner:
    nest: ReduceNest
    o: Operands
    target: Target

    @property
    def dtype(self) -> DType:
        return self.o.x.value.dtype

    @property
    def lanes(self) -> int:
        return self.target.lanes(self.dtype.itemsize)

    @property
    def side(self) -> int:
        """Rows and columns of a tile: their products, and a vector of each, are in registers."""
        return 4 if self.target.registers == 32 else 3

    def tile(
        self, start: Index, row: Callable[[Expr], Index], height: int, column: Callable[[Expr], Index], width: int
    ) -> list[Stmt]:
        """``height`` rows by ``width`` columns over all of k, stored."""
        lanes, (k,) = self.lanes, self.o.k
        shape = (height, width, lanes)
        total, acc = Buffer("sums", shape, self.dtype), Buffer("acc", shape, self.dtype)
        full, rest = divmod(extent_of(k), lanes)

        def each(body: Callable[[Expr, Expr, Expr], Stmt]) -> Stmt:
            def rows(l: Var) -> Stmt:
                return loop("i", height, lambda i: loop("j", width, lambda j: body(i, j, l), "unroll"), "unroll")

            return loop("l", lanes, rows, "vec")

        def zero(buffer: Buffer) -> Stmt:
            return each(lambda i, j, l: store(buffer, (i, j, l), const(0, self.dtype)))

        def step(first: Expr, inside: Callable[[Expr], Expr] | None = None) -> Stmt:
            def multiply_add(i: Expr, j: Expr, l: Expr) -> Stmt:
                at = first * lanes + l
                x = self.o.x.read(shifted(start, row(i) | {k: at}))
                y = self.o.y.read(shifted(start, column(j) | {k: at}))
                if inside is not None:
                    x, y = guard(x, inside(at)), guard(y, inside(at))
                return store(acc, (i, j, l), Load(acc, (i, j, l)) + x * y)

            return each(multiply_add)

        def end(at: Expr) -> list[Stmt]:
            return [each(lambda i, j, l: store(total, (i, j, l), Load(total, (i, j, l)) + Load(acc, (i, j, l))))]

        def piece(first: Expr, count: int) -> list[Stmt]:
            return [zero(acc), loop("k", count, lambda v: step(first + v)), *end(first)]

        blocks, left = divmod(full, BLOCK_VECTORS)
        stmts: list[Stmt] = [Alloc(total, "local"), Alloc(acc, "local"), zero(total)]
        if not surely("==", blocks, 0):
            stmts.append(loop("q", blocks, lambda q: piece(q * BLOCK_VECTORS, BLOCK_VECTORS)))
        if not surely("==", left, 0):
            stmts += piece(const(blocks * BLOCK_VECTORS, int64), left)
        if not surely("==", rest, 0):
            stmts += [zero(acc), step(const(full, int64), lambda at: at < extent_of(k)), *end(ZERO)]
        return [*stmts, *self.store_all(start, row, height, column, width, total)]

    def store_all(
        self,
        start: Index,
        row: Callable[[Expr], Index],
        height: int,
        column: Callable[[Expr], Index],
        width: int,
        total: Buffer,
    ) -> list[Stmt]:
        """Lanes are added by halves, and the outputs stored."""
        half = self.lanes // 2
        stmts: list[Stmt] = []
        while half:

            def fold(l: Expr, half: int = half) -> list[Stmt]:
                def one(i: Expr, j: Expr) -> Stmt:
                    return store(total, (i, j, l), Load(total, (i, j, l)) + Load(total, (i, j, l + half)))

                return [loop("i", height, lambda i: loop("j", width, lambda j: one(i, j), "unroll"), "unroll")]

            stmts += vector_loop(Var("h", int64, half), half, fold)
            half //= 2

        def element(i: Expr, j: Expr) -> Sequence[Stmt]:
            sums = (Load(total, (i, j, ZERO)),)
            return store_outputs(self.nest, self.o.index, shifted(start, row(i) | column(j)), sums)

        return [*stmts, loop("i", height, lambda i: loop("j", width, lambda j: element(i, j), "unroll"), "unroll")]
