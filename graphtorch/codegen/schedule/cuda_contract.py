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
from graphtorch.codegen.schedule.cuda_stage import Env, Staging
from graphtorch.codegen.schedule.reduction import Reduction, size_of
from graphtorch.ir.expr import Binary, Buffer, Expr, Load, Var, const, free_vars
from graphtorch.ir.types import int64

Vars = tuple[Var, ...]


@dataclass(frozen=True)
class Tile:
    """A block computes ``rows`` x ``columns`` in steps of ``depth``; a thread ``side`` x ``side`` of them.

    After ``steps`` of them a sum is added to that of the steps before, see blocks.py.
    """

    rows: int
    columns: int
    depth: int
    side: int
    steps: int = 16

    @property
    def grid(self) -> tuple[int, int]:
        """Threads along rows and columns."""
        return self.rows // self.side, self.columns // self.side

    @property
    def threads(self) -> int:
        return self.grid[0] * self.grid[1]

    def blocks(self, rows: int, columns: int) -> tuple[int, int]:
        """Blocks along columns and rows."""
        return -(-columns // self.columns), -(-rows // self.rows)

    def offset(self, axis: int, thread: Expr, i: Expr) -> Expr:
        """Where the i-th of a thread's rows (axis 0) or columns is in the tile: fours of neighbours, which are read
        together, and between them those of the other threads, so that threads read from different banks."""
        run = min(self.side, RUN)
        return i // run * (run * self.grid[axis]) + thread * run + i % run


#: neighbouring rows or columns of a thread
RUN = 4
#: a second set of accumulators would take the registers of a second block: sums of 4096 terms have one
HUGE, WIDE, TALL = Tile(128, 128, 16, 8, 256), Tile(64, 128, 16, 8, 256), Tile(128, 64, 16, 8, 256)
LARGE = Tile(64, 64, 16, 4)
#: for sides of up to so many rows, or columns
FLAT, NARROW = Tile(32, 128, 16, 4), Tile(128, 32, 16, 4)
SMALL = Tile(16, 16, 16, 1)
#: matrices with both sides up to this are tiled by SMALL, with one of them by FLAT or NARROW
SMALL_SIDE = 32
#: HUGE, WIDE and TALL are for matrices of so many blocks: one for each multiprocessor of a large device
MANY_BLOCKS = 128


def tile_of(rows: int, columns: int, batch: int) -> Tile:
    """The greatest tile that its matrix fills, and of which there are enough."""
    if max(rows, columns) <= SMALL_SIDE:
        return SMALL
    if min(rows, columns) <= SMALL_SIDE:
        return FLAT if rows < columns else NARROW
    for tile in (HUGE, WIDE if rows < columns else TALL):
        filled = rows > tile.rows // 2 and columns > tile.columns // 2
        if filled and batch * math.prod(tile.blocks(rows, columns)) >= MANY_BLOCKS:
            return tile
    return LARGE


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
    tile = tile_of(size_of(rows), size_of(columns), size_of(batch))
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
        a = Staging.of("a", self.left, self.rows, self.plan.red_vars, t.rows, t.depth, t.threads)
        b = Staging.of("b", self.right, self.columns, self.plan.red_vars, t.columns, t.depth, t.threads)
        allocs: list[Stmt] = [Alloc(a.shared, "shared"), Alloc(b.shared, "shared")]

        def blocks(z: Expr, y: Expr, x: Expr) -> list[Stmt]:
            lets, env = split_index(self.batch, z)
            threads = _nest("thread", t.grid, lambda ty, tx: self.thread((a, b), env, (x, y), (ty, tx)))
            return [*lets, *allocs, *threads]

        return tuple(_nest("block", self.grid, blocks))

    @property
    def grid(self) -> tuple[int, int, int]:
        """Blocks along z, y and x: the batch, columns and rows."""
        return size_of(self.batch), *self.tile.blocks(size_of(self.rows), size_of(self.columns))

    def thread(
        self, sides: tuple[Staging, Staging], env: Env, block: tuple[Expr, Expr], at: tuple[Expr, Expr]
    ) -> list[Stmt]:
        """What one thread does: its share of the staging, its square of the products, its outputs."""
        t, (ty, tx) = self.tile, at
        lets, slot = named("slot", ty * t.grid[1] + tx)
        steps = self.steps()
        total = math.prod(steps)

        def fetch(k: Expr) -> list[Stmt]:
            return [s for side, b in zip(sides, block, strict=True) for s in side.fetch(b, k, slot, env)]

        def put(half: Expr) -> list[Stmt]:
            return [s for side in sides for s in side.put(half, slot)]

        def step(acc: Buffer, k: Expr) -> list[Stmt]:
            products = self.multiply(sides, k % 2, acc, at)
            if total == 1:
                return products
            following = Var("next", int64, total)
            ahead = guarded(k + 1 < total, [Let(following, k + 1), *fetch(following)])
            return [*ahead, *products, *guarded(k + 1 < total, put((k + 1) % 2)), Barrier()]

        acc, sums = self.sum_blocks(steps, step)

        def finish(i: Expr, j: Expr) -> list[Stmt]:
            row, column = block[0] * t.rows + t.offset(0, ty, i), block[1] * t.columns + t.offset(1, tx, j)
            return self.finish(acc, i, j, row, column, env)

        zero = const(0, int64)
        first = [*sides[0].start(), *sides[1].start(), *fetch(zero), *put(zero), Barrier()]
        return [*lets, *first, *sums, *self.square(finish)]

    def steps(self) -> tuple[int, int]:
        """Blocks of the sum, and steps of each."""
        steps = -(-self.plan.domain // self.tile.depth)
        size = _block_of(steps, self.tile.steps)
        return -(-steps // size), size

    def sum_blocks(
        self, steps: tuple[int, int], step: Callable[[Buffer, Expr], Sequence[Stmt]]
    ) -> tuple[Buffer, list[Stmt]]:
        """Where the sums over all steps stand, and how they come there: a long sum in blocks (see blocks.py)."""
        total, (count, size) = self.accumulators("acc"), steps
        if count == 1:
            return total, [*self.start(total), *repeat("ko", size, partial(step, total), "for")]

        def block(q: Expr) -> list[Stmt]:
            own = self.accumulators("part")
            products = repeat("ko", size, lambda k: step(own, q * size + k), "for")
            merge = self.square(lambda i, j: self.plan.step([total], (i, j), (Load(own, (i, j)),)))
            return [*self.start(own), *products, *merge]

        return total, [*self.start(total), *repeat("kq", count, block, "for")]

    def accumulators(self, name: str) -> Buffer:
        return Buffer(name, (self.tile.side, self.tile.side), self.plan.init[0].dtype)

    def start(self, acc: Buffer) -> list[Stmt]:
        return [Alloc(acc, "local"), *self.square(lambda i, j: self.plan.reset([acc], (i, j)))]

    def square(self, body: Callable[[Expr, Expr], Sequence[Stmt]]) -> list[Stmt]:
        side = self.tile.side
        return repeat("i", side, lambda i: repeat("j", side, lambda j: body(i, j)))

    def multiply(self, sides: tuple[Staging, Staging], half: Expr, acc: Buffer, at: tuple[Expr, Expr]) -> list[Stmt]:
        """acc += the product of two staged tiles, a step of depth at a time, from registers."""
        t, (ty, tx), (a, b) = self.tile, at, (s.shared for s in sides)
        x, y = Buffer("x", (t.side,), a.dtype), Buffer("y", (t.side,), b.dtype)

        def depth(k: Expr) -> list[Stmt]:
            return [
                Alloc(x, "local"),
                Alloc(y, "local"),
                *repeat("i", t.side, lambda i: [store(x, (i,), Load(a, (half, k, t.offset(0, ty, i))))]),
                *repeat("j", t.side, lambda j: [store(y, (j,), Load(b, (half, k, t.offset(1, tx, j))))]),
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


def _block_of(steps: int, most: int) -> int:
    """Steps per block: a divisor of them all if there is one, since a step beyond them only adds zeros."""
    if steps <= most:
        return steps
    exact = [n for n in range(most // 2, most + 1) if steps % n == 0]
    return exact[-1] if exact else -(-steps // -(-steps // most))
