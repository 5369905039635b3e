"""Products by multiply-adds of threads: each has a square of the results in registers (cuda_product.py has what is
multiplied, cuda_stage.py how it comes into shared memory; cuda_mma.py is the same with tensor cores)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, Let, Stmt, store
from graphtorch.codegen.schedule.cuda_base import guarded, named, repeat, split_index
from graphtorch.codegen.schedule.cuda_product import Outputs, Product, fits_grid, nest
from graphtorch.codegen.schedule.cuda_stage import Env, Staging, Vars
from graphtorch.codegen.schedule.reduction import Reduction
from graphtorch.ir.expr import Buffer, Expr, Load, Var, const
from graphtorch.ir.expr.rounding import widened
from graphtorch.ir.types import LOW_PRECISION, float32, int64


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
#: keeps the columns of a tile that a thread writes in different banks, and rows aligned to 16 bytes
PADDING = 4
#: a second set of accumulators would take the registers of a second block: sums of 4096 terms have one
HUGE, WIDE, TALL = Tile(128, 128, 16, 8, 256), Tile(64, 128, 16, 8, 256), Tile(128, 64, 16, 8, 256)
LARGE = Tile(64, 64, 16, 4)
#: for sides of up to so many rows, or columns
FLAT, NARROW = Tile(32, 128, 16, 4), Tile(128, 32, 16, 4)
SMALL = Tile(16, 16, 16, 1)
#: matrices with both sides up to this are tiled by SMALL, with one of them by FLAT or NARROW
SMALL_SIDE = 32
#: terms of a sum that are worth a block of their own
LEAST_PART = 256
#: HUGE, WIDE and TALL are for matrices of so many blocks: one for each multiprocessor of a large device
MANY_BLOCKS = 128


def tile_of(rows: int, columns: int, batch: int) -> Tile:
    """The greatest tile that its matrix fills, and of which there are enough. ``batch`` is how many matrices there are,
    or parts that sums may be split into."""
    if max(rows, columns) <= SMALL_SIDE:
        return SMALL
    if min(rows, columns) <= SMALL_SIDE:
        return FLAT if rows < columns else NARROW
    for tile in (HUGE, WIDE if rows < columns else TALL):
        filled = rows > tile.rows // 2 and columns > tile.columns // 2
        if filled and batch * math.prod(tile.blocks(rows, columns)) >= MANY_BLOCKS:
            return tile
    return LARGE


def product_body(product: Product) -> Body | None:
    """The tiled body of multiply-adds; None where the grid would be too large."""
    found = _contraction(product)
    return found.body() if found else None


def product_grid(product: Product) -> tuple[int, int, int] | None:
    """Blocks of that along the batch, columns and rows; None where there is none."""
    found = _contraction(product)
    return found.grid if found else None


def _contraction(product: Product) -> _Contraction | None:
    rows, columns, batch = product.sizes
    parts = max(1, product.plan.domain // LEAST_PART)
    tile = tile_of(rows, columns, batch * parts)
    found = _Contraction(product, tile)
    return found if fits_grid(found.grid) else None


@dataclass(frozen=True, eq=False)
class _Contraction:
    product: Product
    tile: Tile

    @property
    def plan(self) -> Reduction:
        return self.product.plan

    def body(self) -> Body:
        t, p = self.tile, self.product

        def side(name: str, load: Load, vars: Vars, length: int) -> Staging:
            padding = (PADDING, PADDING)
            return Staging.of(name, load, vars, p.depth, length, t.depth, t.threads, 2, "depth first", padding)

        a, b = side("a", p.left, p.rows, t.rows), side("b", p.right, p.columns, t.columns)
        allocs: list[Stmt] = [Alloc(a.shared, "shared"), Alloc(b.shared, "shared")]

        def blocks(z: Expr, y: Expr, x: Expr) -> list[Stmt]:
            lets, env = split_index(p.batch, z)
            threads = nest("thread", t.grid, lambda ty, tx: self.thread((a, b), env, (x, y), (ty, tx)))
            return [*lets, *allocs, *threads]

        return tuple(nest("block", self.grid, blocks))

    @property
    def grid(self) -> tuple[int, int, int]:
        """Blocks along z, y and x: the batch, columns and rows."""
        rows, columns, batch = self.product.sizes
        return batch, *self.tile.blocks(rows, columns)

    def thread(
        self, sides: tuple[Staging, Staging], env: Env, block: tuple[Expr, Expr], at: tuple[Expr, Expr]
    ) -> list[Stmt]:
        """What one thread does: its share of the staging, its square of the products, its outputs."""
        t, (ty, tx) = self.tile, at
        lets, slot = named("slot", ty * t.grid[1] + tx)
        steps = self.steps()
        total = math.prod(steps)

        walks = [side.begin(b, slot, env) for side, b in zip(sides, block, strict=True)]

        def fetch(k: Expr) -> list[Stmt]:
            return [s for walk in walks for s in walk.fetch(k)]

        def put(half: Expr) -> list[Stmt]:
            return [s for walk in walks for s in walk.put(half)]

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
            return outputs.store(row, column, [Load(acc, (i, j))])

        outputs = Outputs(self.product, env)
        zero = const(0, int64)
        start = [s for walk in walks for s in (*walk.start(), *walk.alloc())]
        first = [*start, *fetch(zero), *put(zero), Barrier()]
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
        dtype = float32 if a.dtype in LOW_PRECISION else a.dtype  # registers are wide, and the tiles as in memory
        x, y = Buffer("x", (t.side,), dtype), Buffer("y", (t.side,), dtype)

        def depth(k: Expr) -> list[Stmt]:
            return [
                Alloc(x, "local"),
                Alloc(y, "local"),
                *repeat("i", t.side, lambda i: [store(x, (i,), widened(Load(a, (half, k, t.offset(0, ty, i)))))]),
                *repeat("j", t.side, lambda j: [store(y, (j,), widened(Load(b, (half, k, t.offset(1, tx, j)))))]),
                *self.square(lambda i, j: self.plan.step([acc], (i, j), (Load(x, (i,)) * Load(y, (j,)),))),
            ]

        return repeat("k", t.depth, depth)


def _block_of(steps: int, most: int) -> int:
    """Steps per block: a divisor of them all, since a step beyond them would read the first one again; all, where there
    is none that is worth it."""
    if steps <= most:
        return steps
    exact = [n for n in range(most // 4, most + 1) if steps % n == 0]
    return exact[-1] if exact else steps
