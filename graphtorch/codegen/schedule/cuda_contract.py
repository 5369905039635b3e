"""The contraction template for CUDA: matrix products and convolutions as products of staged tiles.

The output's loops are those of rows (read by the left side alone), of columns (the right side alone)
and of the batch (both); rows, columns and the reduced loops are each taken as one dimension. For a
convolution this is the implicit-GEMM form: no matrix of patches is ever in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, Kind, Let, Stmt, store
from graphtorch.codegen.launch import MAX_GRID
from graphtorch.codegen.schedule.cuda_base import guarded, named, repeat, split_index
from graphtorch.codegen.schedule.reduction import Reduction, size_of
from graphtorch.ir.expr import Binary, Buffer, Const, Expr, Load, Memo, Var, free_vars, linear, substitute
from graphtorch.ir.types import int64

Vars = tuple[Var, ...]
#: keeps the columns of a tile that a thread writes in different banks, and rows aligned to 16 bytes
PADDING = 4


@dataclass(frozen=True)
class Tile:
    """A block computes ``rows`` x ``columns`` in steps of ``depth``; a thread ``side`` x ``side`` of them."""

    rows: int
    columns: int
    depth: int
    side: int

    @property
    def grid(self) -> tuple[int, int]:
        """Threads along rows and columns."""
        return self.rows // self.side, self.columns // self.side

    @property
    def threads(self) -> int:
        return self.grid[0] * self.grid[1]


LARGE = Tile(64, 64, 16, 4)
SMALL = Tile(16, 16, 16, 1)
#: matrices with both sides up to this are tiled by SMALL
SMALL_SIDE = 32
#: steps of a tile's depth in a block that is summed by itself
BLOCK_STEPS = 16


def contraction_body(plan: Reduction) -> Body | None:
    """The tiled body; None where a side has but one row or column, or the grid would be too large."""
    found = _contraction(plan)
    return found.body() if found else None


def contraction_blocks(plan: Reduction) -> int:
    """How many blocks that has; 0 where there is none."""
    found = _contraction(plan)
    return math.prod(found.grid) if found else 0


def _contraction(plan: Reduction) -> _Contraction | None:
    product = plan.body[0]
    if not (isinstance(product, Binary) and isinstance(product.a, Load) and isinstance(product.b, Load)):
        return None
    left, right = free_vars(product.a), free_vars(product.b)
    rows = tuple(v for v in plan.vars if v in left and v not in right)
    columns = tuple(v for v in plan.vars if v in right and v not in left)
    batch = tuple(v for v in plan.vars if v not in rows and v not in columns)
    if min(size_of(rows), size_of(columns), plan.domain) < 2:
        return None
    tile = SMALL if max(size_of(rows), size_of(columns)) <= SMALL_SIDE else LARGE
    found = _Contraction(plan, tile, product.a, product.b, rows, columns, batch)
    return found if all(n <= most for n, most in zip(found.grid, MAX_GRID[::-1], strict=True)) else None


@dataclass(frozen=True, eq=False)
class _Contraction:
    plan: Reduction
    tile: Tile
    left: Load
    right: Load
    rows: Vars
    columns: Vars
    batch: Vars

    def body(self) -> Body:
        t = self.tile
        a = Buffer("a", (t.depth, t.rows + PADDING), self.left.dtype)
        b = Buffer("b", (t.depth, t.columns + PADDING), self.right.dtype)
        allocs: list[Stmt] = [Alloc(a, "shared"), Alloc(b, "shared")]

        def blocks(z: Expr, y: Expr, x: Expr) -> list[Stmt]:
            lets, env = split_index(self.batch, z)
            threads = _nest("thread", t.grid, lambda ty, tx: self.thread(a, b, env, (x, y), (ty, tx)))
            return [*lets, *allocs, *threads]

        return tuple(_nest("block", self.grid, blocks))

    @property
    def grid(self) -> tuple[int, int, int]:
        """Blocks along z, y and x: the batch, columns and rows."""
        t = self.tile
        return size_of(self.batch), -(-size_of(self.columns) // t.columns), -(-size_of(self.rows) // t.rows)

    def thread(
        self, a: Buffer, b: Buffer, env: dict[Var, Expr], block: tuple[Expr, Expr], at: tuple[Expr, Expr]
    ) -> list[Stmt]:
        """What one thread does: its share of the staging, its square of the products, its outputs."""
        t, (ty, tx) = self.tile, at
        lets, slot = named("slot", ty * t.grid[1] + tx)
        first_row, first_column = block[0] * t.rows, block[1] * t.columns

        def step(acc: Buffer, k: Expr) -> list[Stmt]:
            return [
                *self.stage(a, self.left, self.rows, first_row, k, slot, env),
                *self.stage(b, self.right, self.columns, first_column, k, slot, env),
                Barrier(),
                *self.multiply(a, b, acc, at),
                Barrier(),
            ]

        total, sums = self.sum_blocks(step)

        def finish(i: Expr, j: Expr) -> list[Stmt]:
            return self.finish(total, i, j, first_row + ty * t.side + i, first_column + tx * t.side + j, env)

        return [*lets, *sums, *self.square(finish)]

    def sum_blocks(self, step: Callable[[Buffer, Expr], Sequence[Stmt]]) -> tuple[Buffer, list[Stmt]]:
        """Where the sums over all steps stand, and how they come there: a long sum in blocks (see blocks.py)."""
        steps = -(-self.plan.domain // self.tile.depth)
        total, size = self.accumulators("acc"), _block_of(steps)
        if size >= steps:
            return total, [*self.start(total), *repeat("ko", steps, partial(step, total), "for")]

        def block(q: Expr) -> list[Stmt]:
            own = self.accumulators("part")
            products = repeat("ko", size, lambda k: step(own, q * size + k), "for")
            merge = self.square(lambda i, j: self.plan.step([total], (i, j), (Load(own, (i, j)),)))
            return [*self.start(own), *products, *merge]

        return total, [*self.start(total), *repeat("kq", -(-steps // size), block, "for")]

    def accumulators(self, name: str) -> Buffer:
        return Buffer(name, (self.tile.side, self.tile.side), self.plan.init[0].dtype)

    def start(self, acc: Buffer) -> list[Stmt]:
        return [Alloc(acc, "local"), *self.square(lambda i, j: self.plan.reset([acc], (i, j)))]

    def square(self, body: Callable[[Expr, Expr], Sequence[Stmt]]) -> list[Stmt]:
        side = self.tile.side
        return repeat("i", side, lambda i: repeat("j", side, lambda j: body(i, j)))

    def stage(
        self, shared: Buffer, side: Load, vars: Vars, first: Expr, k: Expr, slot: Expr, env: dict[Var, Expr]
    ) -> list[Stmt]:
        """Copy a tile of ``side`` to shared[depth, length]; 0 beyond the edges."""
        t = self.tile
        length = shared.shape[1] - PADDING
        along_depth = _stride(side, self.plan.red_vars[-1]) == 1

        def copy(r: Expr) -> list[Stmt]:
            place = r * t.threads + slot
            row, column = (place % t.depth, place // t.depth) if along_depth else (place // length, place % length)
            lets, index = named("m", first + column)
            more, depth = named("k", k * t.depth + row)
            outer, outer_env = split_index(vars, index)
            inner, inner_env = split_index(self.plan.red_vars, depth)
            inside = (index < size_of(vars)) & (depth < self.plan.domain)
            value = _guarded_load(side, env | outer_env | inner_env, inside)
            return [*lets, *more, *outer, *inner, store(shared, (row, column), value)]

        return repeat("r", length * t.depth // t.threads, copy)

    def multiply(self, a: Buffer, b: Buffer, acc: Buffer, at: tuple[Expr, Expr]) -> list[Stmt]:
        """acc += the product of two staged tiles, a step of depth at a time, from registers."""
        t, (ty, tx) = self.tile, at
        x, y = Buffer("x", (t.side,), a.dtype), Buffer("y", (t.side,), b.dtype)

        def depth(k: Expr) -> list[Stmt]:
            return [
                Alloc(x, "local"),
                Alloc(y, "local"),
                *repeat("i", t.side, lambda i: [store(x, (i,), Load(a, (k, ty * t.side + i)))]),
                *repeat("j", t.side, lambda j: [store(y, (j,), Load(b, (k, tx * t.side + j)))]),
                *self.square(lambda i, j: self.plan.step([acc], (i, j), (Load(x, (i,)) * Load(y, (j,)),))),
            ]

        return repeat("k", t.depth, depth)

    def finish(self, acc: Buffer, i: Expr, j: Expr, row: Expr, column: Expr, env: dict[Var, Expr]) -> list[Stmt]:
        """The epilogue of one output, where there is one."""
        m, n = Var("m", int64, size_of(self.rows)), Var("n", int64, size_of(self.columns))
        outer, row_env = split_index(self.rows, m)
        inner, column_env = split_index(self.columns, n)
        stores = self.plan.finish((env | row_env | column_env, (Load(acc, (i, j)),)))
        inside = (row < size_of(self.rows)) & (column < size_of(self.columns))
        return guarded(inside, [Let(m, row), Let(n, column), *outer, *inner, *stores])


def _nest(kind: str, extents: Sequence[int], body: Callable[..., list[Stmt]]) -> list[Stmt]:
    """Loops over the last axes of the grid, x innermost."""
    axes = "zyx"[-len(extents) :]

    def level(depth: int, vars: tuple[Expr, ...]) -> list[Stmt]:
        if depth == len(extents):
            return body(*vars)
        kind_here: Kind = f"{kind}.{axes[depth]}"  # type: ignore[assignment]
        name = f"{kind[0]}{axes[depth]}"
        return repeat(name, extents[depth], lambda v: level(depth + 1, (*vars, v)), kind_here)

    return level(0, ())


def _block_of(steps: int) -> int:
    """Steps per block: a divisor of them all if there is one, since a step beyond them only adds zeros."""
    exact = [n for n in range(BLOCK_STEPS // 2, BLOCK_STEPS + 1) if steps % n == 0]
    return exact[-1] if exact else -(-steps // -(-steps // BLOCK_STEPS))


def _stride(load: Load, var: Var) -> int | None:
    form = linear(load.indices[0])
    return None if form is None else form[0].get(var)


def _guarded_load(load: Load, env: dict[Var, Expr], inside: Expr) -> Expr:
    memo: Memo = {}
    where = inside if load.where is None else inside & substitute(load.where, env, memo)
    index = tuple(substitute(i, env, memo) for i in load.indices)
    return Load(load.buffer, index, None if isinstance(where, Const) and where.value else where)
