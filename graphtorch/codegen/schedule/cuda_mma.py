"""Products by tensor cores: TF32, bfloat16 and float16, with sums in float32.

A block's warps divide its tile among them; a warp multiplies fragments, which it reads from shared memory, by
`mma`. Tiles come by copies that pass by registers, several steps ahead, where elements lie so that they can (the
pipeline of NVIDIA's CUTLASS, "Efficient GEMM in CUDA": one barrier a step).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, Let, Stmt
from graphtorch.codegen.schedule.cuda_base import guarded, named, repeat, split_index
from graphtorch.codegen.schedule.cuda_fragments import Warp
from graphtorch.codegen.schedule.cuda_product import Outputs, Product, fits_grid, nest
from graphtorch.codegen.schedule.cuda_stage import Env, Staging, Vars, Walk
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.codegen.warp import COLUMNS, DEPTH, ROWS, WARP, Commit, Precision, Wait
from graphtorch.ir.expr import Expr, Load, Var, const
from graphtorch.ir.types import int64


@dataclass(frozen=True)
class MmaTile:
    """A block computes ``rows`` x ``columns`` by ``warps`` (along rows, along columns), with ``stages`` tiles of
    ``depth`` in shared memory: an even number of `mma` deep, since fragments take turns in two sets of registers."""

    rows: int
    columns: int
    warps: tuple[int, int]
    depth: int = 32
    stages: int = 3

    @property
    def threads(self) -> int:
        return WARP * self.warps[0] * self.warps[1]

    @property
    def area(self) -> int:
        return self.rows * self.columns

    @property
    def mmas(self) -> tuple[int, int]:
        """Of a warp, along rows and columns."""
        return self.rows // self.warps[0] // ROWS, self.columns // self.warps[1] // COLUMNS

    def shared_bytes(self, precision: Precision) -> int:
        """At most, in any layout of the sides."""
        itemsize = 4 if precision == "tf32" else 2
        return self.stages * (self.rows + self.columns + 2 * PADDING) * (self.depth + PADDING) * itemsize

    def blocks(self, rows: int, columns: int) -> tuple[int, int]:
        """Blocks along columns and rows."""
        return -(-columns // self.columns), -(-rows // self.rows)


#: these first, where a matrix fills many of them: memory on chip, which all tiles are read from, is the bound, and a
#: large tile has more products for each element of its sides
LARGE_TILES: dict[bool, tuple[MmaTile, ...]] = {
    True: (MmaTile(128, 256, (2, 4)), MmaTile(64, 256, (1, 4), 32, 2)),
    False: (MmaTile(128, 256, (2, 4), 64, 3),),
}
#: the first that a matrix fills, and of which there are enough, is taken
TILES = (
    MmaTile(128, 128, (2, 2)), MmaTile(64, 128, (1, 4)), MmaTile(128, 64, (4, 1)), MmaTile(64, 64, (2, 2)),
    MmaTile(32, 128, (1, 4)), MmaTile(128, 32, (4, 1)),
)  # fmt: skip
#: one block for each multiprocessor of a large device
MANY_BLOCKS = 128
#: how much more than the matrix large tiles may cover
FULL = 1.15
#: how much larger a tile has to be that its sums are split for it
MUCH_LARGER = 4
#: sides, and sums, that are worth a tensor core
LEAST_SIDE, LEAST_DEPTH = 16, 16
#: terms of a sum that are worth a block of their own
LEAST_PART = 256
#: elements behind a row of shared memory, at most
PADDING = 8


def tile_of(
    rows: int, columns: int, batch: int, parts: int, precision: Precision, last: int, shared_bytes: int
) -> MmaTile:
    """One of `LARGE_TILES` where there are enough of it, and steps fill the last loop of the sum, of ``last`` (where
    each element has an index of its own, registers spill).

    Tiles take up to ``shared_bytes``: large ones are left out where they need more, others have two stages.
    Else the first of `TILES` that the matrix fills, and of which there are enough blocks; else the first of which there
    are enough if sums are split into up to ``parts``, also where that is much larger; else the smallest.
    """

    def waste(t: MmaTile) -> float:
        return math.prod(t.blocks(rows, columns)) * t.area / (rows * columns)

    for large in LARGE_TILES[precision == "tf32"]:
        fits = last % large.depth == 0 and large.shared_bytes(precision) <= shared_bytes and waste(large) < FULL
        if fits and batch * math.prod(large.blocks(rows, columns)) >= MANY_BLOCKS:
            return large
    tiles = [t if t.shared_bytes(precision) <= shared_bytes else replace(t, stages=2) for t in TILES]
    filled = [t for t in tiles if waste(t) < 1.35] or [min(tiles, key=waste)]
    blocks = [batch * math.prod(t.blocks(rows, columns)) for t in filled]
    whole = [t for t, n in zip(filled, blocks, strict=True) if n >= MANY_BLOCKS]
    split = [t for t, n in zip(filled, blocks, strict=True) if n * parts >= MANY_BLOCKS]
    if whole and split and split[0].area >= MUCH_LARGER * whole[0].area:
        return split[0]
    return (whole or split or [filled[blocks.index(max(blocks))]])[0]


def mma_product(
    product: Product, precision: Precision, shared_bytes: int, tile: MmaTile | None = None
) -> MmaProduct | None:
    """The product by tensor cores; None where it is too small for them, or the grid would be too large."""
    rows, columns, batch = product.sizes
    if min(rows, columns) < LEAST_SIDE or product.plan.domain < LEAST_DEPTH:
        return None
    parts, last = max(1, product.plan.domain // LEAST_PART), product.depth[-1].size
    tile = tile or tile_of(rows, columns, batch, parts, precision, last, shared_bytes)
    found = MmaProduct(product, precision, tile)
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
        padding = (PADDING, 4) if self.precision == "tf32" else (PADDING, PADDING)
        return Staging.of(
            name, side, vars, self.product.depth, length, t.depth, t.threads, t.stages, "as read", padding
        )

    def _thread(self, sides: tuple[Staging, Staging], env: Env, block: tuple[Expr, Expr], slot: Expr) -> list[Stmt]:
        t = self.tile
        walks = [s.begin(b, slot, env) for s, b in zip(sides, block, strict=True)]
        warp = Warp.of(self.precision, sides, t.warps, t.mmas, slot)
        start = [s for w in walks for s in (*w.start(), *(() if w.s.copies else w.alloc()))]
        outputs, base = Outputs(self.product, env), (block[0] * t.rows, block[1] * t.columns)
        finish = warp.results(lambda i, j, values: outputs.store(base[0] + i, base[1] + j, values))
        return [*start, *warp.start(self.product.plan), *self._steps(walks, warp), *finish]

    def _steps(self, walks: list[Walk], warp: Warp) -> list[Stmt]:
        """All steps of the sum, each with the copies of one that is ``stages`` - 1 further on.

        Fragments are read while those before them are multiplied, also across steps: the barrier that ends a step comes
        before the last of its products. What is read of a step beyond the last is not used.
        """
        stages, depths = self.tile.stages, self.tile.depth // DEPTH[self.precision]
        total = -(-size_of(self.product.depth) // self.tile.depth)
        copied, fetched = [w for w in walks if w.s.copies], [w for w in walks if not w.s.copies]

        def step(k: Expr) -> list[Stmt]:
            lets, now = named("now", k % stages)
            more_lets, stage = named("stage", (k + (stages - 1)) % stages)
            last_lets, then = named("then", (k + 1) % stages)
            following, more = Var("next", int64, total), k + (stages - 1) < total
            ahead = Let(following, k + (stages - 1))
            issue = [ahead, *(s for w in copied for s in w.copy(following, stage))]
            fetch = [ahead, *(s for w in fetched for s in w.fetch(following))]
            put = [s for w in fetched for s in w.put(stage)]
            out = [*lets, *more_lets, *last_lets]
            for d in range(depths):
                if d == depths - 1:
                    out += [*(guarded(more, put) if fetched else ()), Wait(stages - 2), Barrier()]
                out += warp.load(now if d < depths - 1 else then, (d + 1) % depths, (d + 1) % 2)
                if d == 0:
                    out += [*(guarded(more, issue) if copied else ()), Commit()]
                    out += guarded(more, fetch) if fetched else ()
                out += warp.multiply(d % 2)
            return out

        first: list[Stmt] = []
        for n in range(stages - 1):
            at = const(n, int64)
            if n < total:
                first += [s for w in copied for s in w.copy(at, at)]
                first += [s for w in fetched for s in (*w.fetch(at), *w.put(at))]
            first.append(Commit())
        first += [Wait(stages - 2), Barrier(), *warp.load(const(0, int64), 0, 0)]
        return [*first, *repeat("ko", total, step, "for")]
