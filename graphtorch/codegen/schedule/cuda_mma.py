"""Products by tensor cores: TF32, bfloat16 and float16, with sums in float32.

A block's warps divide its tile among them; a warp multiplies fragments, which it reads from shared memory, by
`mma`. Tiles come by copies that pass by registers, several steps ahead, where elements lie so that they can (the
pipeline of NVIDIA's CUTLASS, "Efficient GEMM in CUDA": one barrier a step).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, Let, Stmt, store
from graphtorch.codegen.schedule.cuda_base import guarded, named, repeat, split_index
from graphtorch.codegen.schedule.cuda_product import Outputs, Product, fits_grid, nest
from graphtorch.codegen.schedule.cuda_stage import Env, Staging, Vars, Walk
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.codegen.warp import COLUMNS, DEPTH, ROWS, WARP, Commit, Fragment, Mma, Precision, Wait
from graphtorch.ir.expr import Buffer, Expr, Load, Var, const
from graphtorch.ir.types import float32, int64, uint32

_ZERO = const(0, int64)
#: elements of 16 bits in a row of one of the matrices of a `fragment`
_ROW = 8


@dataclass(frozen=True)
class MmaTile:
    """A block computes ``rows`` x ``columns`` by ``warps`` (along rows, along columns), with ``stages`` tiles of
    ``depth`` in shared memory."""

    rows: int
    columns: int
    warps: tuple[int, int]
    depth: int = 32
    stages: int = 3

    @property
    def threads(self) -> int:
        return WARP * self.warps[0] * self.warps[1]

    @property
    def mmas(self) -> tuple[int, int]:
        """Of a warp, along rows and columns."""
        return self.rows // self.warps[0] // ROWS, self.columns // self.warps[1] // COLUMNS

    def blocks(self, rows: int, columns: int) -> tuple[int, int]:
        """Blocks along columns and rows."""
        return -(-columns // self.columns), -(-rows // self.rows)


#: the first that a matrix fills, and of which there are enough, is taken
TILES = (
    MmaTile(128, 128, (2, 2)), MmaTile(64, 128, (1, 4)), MmaTile(128, 64, (4, 1)), MmaTile(64, 64, (2, 2)),
    MmaTile(32, 128, (1, 4)), MmaTile(128, 32, (4, 1)),
)  # fmt: skip
#: one block for each multiprocessor of a large device
MANY_BLOCKS = 128
#: sides, and sums, that are worth a tensor core
LEAST_SIDE, LEAST_DEPTH = 16, 16
#: terms of a sum that are worth a block of their own
LEAST_PART = 256


def tile_of(rows: int, columns: int, batch: int, parts: int) -> MmaTile:
    """The first of `TILES` that the matrix fills, and of which there are enough blocks; else the first of which there
    are enough if sums are split into up to ``parts``; else the smallest."""

    def waste(t: MmaTile) -> float:
        return math.prod(t.blocks(rows, columns)) * t.rows * t.columns / (rows * columns)

    filled = [t for t in TILES if waste(t) < 1.35] or [min(TILES, key=waste)]
    blocks = [batch * math.prod(t.blocks(rows, columns)) for t in filled]
    whole = [t for t, n in zip(filled, blocks, strict=True) if n >= MANY_BLOCKS]
    split = [t for t, n in zip(filled, blocks, strict=True) if n * parts >= MANY_BLOCKS]
    return (whole or split or [filled[blocks.index(max(blocks))]])[0]


def mma_product(product: Product, precision: Precision, tile: MmaTile | None = None) -> MmaProduct | None:
    """The product by tensor cores; None where it is too small for them, or the grid would be too large."""
    rows, columns, batch = product.sizes
    if min(rows, columns) < LEAST_SIDE or product.plan.domain < LEAST_DEPTH:
        return None
    parts = max(1, product.plan.domain // LEAST_PART)
    found = MmaProduct(product, precision, tile or tile_of(rows, columns, batch, parts))
    return found if fits_grid(found.grid) else None


@dataclass(frozen=True, eq=False)
class MmaProduct:
    product: Product
    precision: Precision
    tile: MmaTile

    @property
    def grid(self) -> tuple[int, int, int]:
        """Blocks along z, y and x: the batch, rows and columns."""
        rows, columns, batch = self.product.sizes
        x, y = self.tile.blocks(rows, columns)
        return batch, y, x

    def body(self) -> Body:
        t, p = self.tile, self.product
        a = self._staging("a", p.left, p.rows, t.rows)
        b = self._staging("b", p.right, p.columns, t.columns)
        allocs: list[Stmt] = [Alloc(a.shared, "shared"), Alloc(b.shared, "shared")]

        def blocks(z: Expr, y: Expr, x: Expr) -> list[Stmt]:
            lets, env = split_index(p.batch, z)
            threads = nest("thread", (t.threads,), lambda slot: self._thread((a, b), env, (y, x), slot))
            return [*lets, *allocs, *threads]

        return tuple(nest("block", self.grid, blocks))

    def _staging(self, name: str, side: Load, vars: Vars, length: int) -> Staging:
        t = self.tile
        # lanes of a fragment read from different banks
        padding = (8, 4) if self.precision == "tf32" else (8, 8)
        return Staging.of(
            name, side, vars, self.product.depth, length, t.depth, t.threads, t.stages, "as read", padding
        )

    def _thread(self, sides: tuple[Staging, Staging], env: Env, block: tuple[Expr, Expr], slot: Expr) -> list[Stmt]:
        walks = [s.begin(b, slot, env) for s, b in zip(sides, block, strict=True)]
        warp = _Warp.of(self, sides, slot)
        acc = Buffer("acc", (*self.tile.mmas, 4), float32)
        start = [s for w in walks for s in (*w.start(), *(() if w.s.copies else w.alloc()))]
        return [
            *start,
            *warp.lets,
            *warp.reset(acc),
            *self._steps(walks, warp, acc),
            *self._finish(acc, warp, block, env),
        ]

    def _steps(self, walks: list[Walk], warp: _Warp, acc: Buffer) -> list[Stmt]:
        """All steps of the sum, each with the copies of one that is ``stages`` - 1 further on."""
        stages, total = self.tile.stages, -(-size_of(self.product.depth) // self.tile.depth)
        copied, fetched = [w for w in walks if w.s.copies], [w for w in walks if not w.s.copies]

        def step(k: Expr) -> list[Stmt]:
            ahead = k + (stages - 1)
            lets, now = named("now", k % stages)
            more_lets, stage = named("stage", ahead % stages)
            following = Var("next", int64, total)
            more = ahead < total
            issue = [Let(following, ahead), *(s for w in copied for s in w.copy(following, stage))]
            fetch = [Let(following, ahead), *(s for w in fetched for s in w.fetch(following))]
            put = [s for w in fetched for s in w.put(stage)]
            return [
                *lets, *more_lets, Wait(stages - 2), Barrier(), *(guarded(more, issue) if copied else ()), Commit(),
                *(guarded(more, fetch) if fetched else ()), *warp.multiply(acc, now),
                *(guarded(more, put) if fetched else ()),
            ]  # fmt: skip

        first: list[Stmt] = []
        for n in range(stages - 1):
            at = const(n, int64)
            if n < total:
                first += [s for w in copied for s in w.copy(at, at)]
                first += [s for w in fetched for s in (*w.fetch(at), *w.put(at))]
            first.append(Commit())
        return [*first, *repeat("ko", total, step, "for")]

    def _finish(self, acc: Buffer, warp: _Warp, block: tuple[Expr, Expr], env: Env) -> list[Stmt]:
        outputs = Outputs(self.product, env)
        base = block[0] * self.tile.rows, block[1] * self.tile.columns

        def result(i: Expr, j: Expr, h: Expr, e: Expr) -> list[Stmt]:
            row = base[0] + (warp.rows + i * ROWS + warp.group + h * 8)
            column = base[1] + (warp.columns + j * COLUMNS + warp.place * 2 + e)
            return outputs.store(row, column, Load(acc, (i, j, h * 2 + e)))

        down, across = self.tile.mmas
        return repeat(
            "i", down, lambda i: repeat("h", 2, lambda h: repeat(
                "j", across, lambda j: repeat("e", 2, lambda e: result(i, j, h, e)))))  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Warp:
    """A lane of a warp: where the warp's part of the tile begins, and its place among the lanes."""

    of_product: MmaProduct
    sides: tuple[Staging, Staging]
    lets: list[Stmt]
    rows: Expr
    columns: Expr
    lane: Expr
    group: Expr
    place: Expr

    @classmethod
    def of(cls, product: MmaProduct, sides: tuple[Staging, Staging], slot: Expr) -> _Warp:
        t = product.tile
        first, warp = named("warp", slot // WARP)
        second, lane = named("lane", slot % WARP)
        third, group = named("group", lane // 4)
        fourth, place = named("place", lane % 4)
        fifth, rows = named("wr", warp // t.warps[1] * (t.rows // t.warps[0]))
        sixth, columns = named("wc", warp % t.warps[1] * (t.columns // t.warps[1]))
        lets = [*first, *second, *third, *fourth, *fifth, *sixth]
        return cls(product, sides, lets, rows, columns, lane, group, place)

    def reset(self, acc: Buffer) -> list[Stmt]:
        plan, (down, across) = self.of_product.product.plan, self.of_product.tile.mmas
        values = repeat("i", down, lambda i: repeat("j", across, lambda j: repeat(
            "v", 4, lambda v: plan.reset([acc], (i, j, v)))))  # fmt: skip
        return [Alloc(acc, "local"), *values]

    def multiply(self, acc: Buffer, stage: Expr) -> list[Stmt]:
        """acc += the product of two staged tiles."""
        t, kind = self.of_product.tile, self.of_product.precision
        down, across = t.mmas
        dtype = float32 if kind == "tf32" else uint32
        x, y = Buffer("x", (down, 4), dtype), Buffer("y", (across, 2), dtype)

        def depth(k: Expr) -> list[Stmt]:
            at = k * DEPTH[kind]
            load = self._load_tf32 if kind == "tf32" else self._load_16
            multiply = repeat("i", down, lambda i: repeat("j", across, lambda j: [
                Mma(kind, (acc, (i, j, _ZERO)), (x, (i, _ZERO)), (y, (j, _ZERO)))]))  # fmt: skip
            return [Alloc(x, "local"), Alloc(y, "local"), *load(x, y, stage, at), *multiply]

        return repeat("k", t.depth // DEPTH[kind], depth)

    def _load_tf32(self, x: Buffer, y: Buffer, stage: Expr, at: Expr) -> list[Stmt]:
        """A lane's elements, one by one."""
        a, b = self.sides

        def left(i: Expr, v: Expr) -> list[Stmt]:
            row, k = self.rows + i * ROWS + self.group + v % 2 * 8, at + self.place + v // 2 * 4
            return [store(x, (i, v), Load(a.shared, (stage, *_ordered(a, row, k))))]

        def right(j: Expr, v: Expr) -> list[Stmt]:
            column, k = self.columns + j * COLUMNS + self.group, at + self.place + v * 4
            return [store(y, (j, v), Load(b.shared, (stage, *_ordered(b, column, k))))]

        return [
            *repeat("i", x.shape[0], lambda i: repeat("v", 4, lambda v: left(i, v))),
            *repeat("j", y.shape[0], lambda j: repeat("v", 2, lambda v: right(j, v))),
        ]

    def _load_16(self, x: Buffer, y: Buffer, stage: Expr, at: Expr) -> list[Stmt]:
        """Four matrices of 8 x 8 at a time: of the left side two of rows at each half of the depth, of the right side
        both halves of the depth for each of two of columns."""
        a, b = self.sides
        number, row = self.lane // _ROW, self.lane % _ROW

        def left(i: Expr) -> list[Stmt]:
            first, second = (number % 2, number // 2)
            return [_fragment(a, (x, (i, _ZERO)), stage, self.rows + i * ROWS + first * _ROW, at + second * _ROW, row)]

        def right(j: Expr) -> list[Stmt]:
            first, second = (number // 2, number % 2)
            column = self.columns + j * (2 * COLUMNS) + first * _ROW
            return [_fragment(b, (y, (j * 2, _ZERO)), stage, column, at + second * _ROW, row)]

        return [*repeat("i", x.shape[0], left), *repeat("j", y.shape[0] // 2, right)]


def _fragment(
    side: Staging, to: tuple[Buffer, tuple[Expr, ...]], stage: Expr, along: Expr, deep: Expr, row: Expr
) -> Fragment:
    """Of the matrix that begins at ``along`` and ``deep`` the row of a lane, as it lies in shared memory."""
    if side.rows_along_depth:
        return Fragment(to, (side.shared, (stage, along + row, deep)), False)
    return Fragment(to, (side.shared, (stage, deep + row, along)), True)


def _ordered(side: Staging, along: Expr, deep: Expr) -> tuple[Expr, Expr]:
    return (along, deep) if side.rows_along_depth else (deep, along)
