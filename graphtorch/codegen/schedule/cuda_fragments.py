"""A warp's part of a product by tensor cores: fragments of its sides from shared memory, `mma`, and where results are.

Rows and columns come in eights, as `mma` has them. Two of them, or both halves of a depth, are one `ldmatrix` where 16
bytes of a row are neighbours in depth, or words of 16 bits, which it can transpose. float32 with columns side by side
is read word by word: 16 bytes of four columns would have to be moved, since `mma` takes registers of two depths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Alloc, Stmt, store
from graphtorch.codegen.schedule.cuda_base import named, repeat
from graphtorch.codegen.schedule.cuda_stage import Staging
from graphtorch.codegen.schedule.reduction import Reduction
from graphtorch.codegen.warp import DEPTH, WARP, Fragment, Mma, Precision
from graphtorch.ir.expr import Buffer, Expr, Load, const
from graphtorch.ir.types import float32, int64, uint32

EIGHT = 8
#: bytes of a row of one of the matrices of a `fragment`
ROW = 16


@dataclass(frozen=True, eq=False)
class Side:
    """A warp's ``eights`` of one side, from ``base`` of the tile on."""

    staging: Staging
    base: Expr
    eights: int

    @property
    def by_matrices(self) -> bool:
        """Whether `fragment` reads it: 16 bytes of a row are neighbours in depth, or are transposed as 16-bit words."""
        return self.staging.rows_along_depth or self.staging.side.dtype.itemsize == 2

    def place(self, n: Expr, within: Expr) -> Expr:
        """The row or column of the tile that is ``within`` the n-th eight."""
        return self.base + (n * EIGHT + within)


@dataclass(frozen=True, eq=False)
class Warp:
    """A lane of a warp that multiplies its parts of two sides; ``x``, ``y`` and ``acc`` are its registers: of
    two depths, and the results."""

    kind: Precision
    sides: tuple[Side, Side]
    lets: list[Stmt]
    lane: Expr
    group: Expr
    place: Expr
    x: Buffer
    y: Buffer
    acc: Buffer

    @classmethod
    def of(
        cls, kind: Precision, staged: tuple[Staging, Staging], warps: tuple[int, int], mmas: tuple[int, int], slot: Expr
    ) -> Warp:
        """The warp of the thread ``slot``, of ``warps`` along rows and columns with ``mmas`` each."""
        first, warp = named("warp", slot // WARP)
        second, lane = named("lane", slot % WARP)
        third, group = named("group", lane // 4)
        fourth, place = named("place", lane % 4)
        fifth, rows = named("wr", warp // warps[1] * (staged[0].length // warps[0]))
        sixth, columns = named("wc", warp % warps[1] * (staged[1].length // warps[1]))
        lets = [*first, *second, *third, *fourth, *fifth, *sixth]
        (down, across), dtype = mmas, float32 if kind == "tf32" else uint32
        sides = Side(staged[0], rows, 2 * down), Side(staged[1], columns, across)
        x, y = Buffer("x", (2, down, 4), dtype), Buffer("y", (2, across, 2), dtype)
        return cls(kind, sides, lets, lane, group, place, x, y, Buffer("acc", (down, across, 4), float32))

    def start(self, plan: Reduction) -> list[Stmt]:
        down, across, values = self.acc.shape
        reset = repeat("i", down, lambda i: repeat("j", across, lambda j: repeat(
            "v", values, lambda v: plan.reset([self.acc], (i, j, v)))))  # fmt: skip
        return [*self.lets, Alloc(self.x, "local"), Alloc(self.y, "local"), Alloc(self.acc, "local"), *reset]

    def multiply(self, half: int) -> list[Stmt]:
        """acc += the product of the fragments in a half of the registers."""
        down, across, _ = self.acc.shape
        at, zero = const(half, int64), const(0, int64)
        return repeat("i", down, lambda i: repeat("j", across, lambda j: [
            Mma(self.kind, (self.acc, (i, j, zero)), (self.x, (at, i, zero)), (self.y, (at, j, zero)))]))  # fmt: skip

    def load(self, stage: Expr, step: int, half: int) -> list[Stmt]:
        """Both sides' fragments at the ``step``-th depth of a staged tile, into a half of the registers."""
        at = step * DEPTH[self.kind]
        return [*self._load(0, stage, at, half), *self._load(1, stage, at, half)]

    def _load(self, which: int, stage: Expr, at: int, half: int) -> list[Stmt]:
        found = self._matrices if self.sides[which].by_matrices else self._words
        return found(which, stage, at, half)

    def _register(self, which: int, n: int, deep: int, half: int) -> tuple[Buffer, tuple[Expr, ...]]:
        """Of the n-th eight, in the lower or upper half of a depth."""
        at = (half, n // 2, n % 2 + 2 * deep) if which == 0 else (half, n, deep)
        return (self.y if which else self.x), tuple(const(v, int64) for v in at)

    def _matrices(self, which: int, stage: Expr, at: int, half: int) -> list[Stmt]:
        """Four matrices at a time: both halves of the depth of two eights. A lane has the address of one of their
        rows; on the left the eights alternate first, on the right the depths, as the registers do."""
        side, number, row = self.sides[which], self.lane // EIGHT, self.lane % EIGHT
        eight, deep = (number // 2, number % 2) if which else (number % 2, number // 2)
        units = ROW // side.staging.side.dtype.itemsize
        found: list[Stmt] = []
        for n in range(0, side.eights, 2):
            to = self._register(which, n, 0, half)
            along, depth = side.base + (n * EIGHT + eight * EIGHT), deep * units + at
            straight = side.staging.rows_along_depth
            source = (stage, along + row, depth) if straight else (stage, depth + row, along)
            found.append(Fragment(to, (side.staging.shared, source), not straight))
        return found

    def _words(self, which: int, stage: Expr, at: int, half: int) -> list[Stmt]:
        """A lane's elements, one by one."""
        side, found = self.sides[which], list[Stmt]()
        for n in range(side.eights):
            for deep in range(2):
                where = (stage, self.place + (at + 4 * deep), side.place(const(n, int64), self.group))
                found.append(store(*self._register(which, n, deep, half), Load(side.staging.shared, where)))
        return found

    def results(self, stored: Callable[[Expr, Expr, list[Expr]], list[Stmt]]) -> list[Stmt]:
        """``stored(row, column, values)`` for all of a lane's results, where values are those of two neighbouring
        columns."""
        a, b = self.sides
        down, across, _ = self.acc.shape

        def pair(i: Expr, h: Expr, j: Expr) -> list[Stmt]:
            values: list[Expr] = [Load(self.acc, (i, j, h * 2 + e)) for e in range(2)]
            return stored(a.place(i * 2 + h, self.group), b.place(j, self.place * 2), values)

        return repeat(
            "i", down, lambda i: repeat("h", 2, lambda h: repeat("j", across, lambda j: pair(i, h, j))))  # fmt: skip
