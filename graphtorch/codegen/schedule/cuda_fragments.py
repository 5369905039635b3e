"""A warp's part of a product by tensor cores: fragments of its sides from shared memory, `mma`, and where results are.

Rows and columns of a tile come in eights, as `mma` has them. Which of the tile's rows (columns) the eights are is
free, as long as the results go where they belong. Where float32 lies in shared memory with rows (columns) side by side,
four eights are neighbours, four by four, so that a lane reads, and stores, 16 bytes at a time:
`n // 4 * 32 + 4 * within + n % 4` is the place of ``within`` in the n-th eight; elsewhere it is `n * 8 + within`.
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
#: eights that are read together
FOUR = 4
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

    @property
    def fours(self) -> bool:
        """Whether four eights are neighbours."""
        return not self.by_matrices and self.eights % FOUR == 0

    def place(self, n: int, within: Expr) -> Expr:
        """The row or column of the tile that is ``within`` the n-th eight."""
        at = n // FOUR * (EIGHT * FOUR) + within * FOUR + n % FOUR if self.fours else within + n * EIGHT
        return self.base + at


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
        side = self.sides[which]
        if side.by_matrices:
            return self._matrices(which, stage, at, half)
        return self._fours(which, stage, at, half) if side.fours else self._singles(which, stage, at, half)

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

    def _fours(self, which: int, stage: Expr, at: int, half: int) -> list[Stmt]:
        """float32 with rows (columns) side by side: an access has those of four eights."""
        side, found = self.sides[which], list[Stmt]()
        for n in range(0, side.eights, FOUR):
            for deep in range(2):
                held, depth = Buffer("four", (FOUR,), float32), self.place + (at + 4 * deep)
                first = side.place(n, self.group)
                found += [Alloc(held, "local"), *repeat("l", FOUR, _reading(held, side, stage, depth, first), "vec")]
                for lane in range(FOUR):
                    value = Load(held, (const(lane, int64),))
                    found.append(store(*self._register(which, n + lane, deep, half), value))
        return found

    def _singles(self, which: int, stage: Expr, at: int, half: int) -> list[Stmt]:
        side, found = self.sides[which], list[Stmt]()
        for n in range(side.eights):
            for deep in range(2):
                where = (stage, self.place + (at + 4 * deep), side.place(n, self.group))
                found.append(store(*self._register(which, n, deep, half), Load(side.staging.shared, where)))
        return found

    def results(self, stored: Callable[[Expr, Expr, list[Expr]], list[Stmt]]) -> list[Stmt]:
        """``stored(row, column, values)`` for all of a lane's results, where values are those of neighbouring
        columns."""
        (a, b), found = self.sides, list[Stmt]()
        fours = FOUR if b.fours else 1
        for n in range(a.eights):
            row = a.place(n, self.group)
            for m in range(0, b.eights, fours):
                for e in range(2):
                    column = b.place(m, self.place * 2 + e)
                    if b.fours:
                        found += stored(row, column, [self._result(n, m + l, e) for l in range(FOUR)])
                    elif e == 0:
                        found += stored(row, column, [self._result(n, m, 0), self._result(n, m, 1)])
        return found

    def _result(self, n: int, m: int, e: int) -> Expr:
        return Load(self.acc, tuple(const(v, int64) for v in (n // 2, m, n % 2 * 2 + e)))


def _reading(held: Buffer, side: Side, stage: Expr, depth: Expr, first: Expr) -> Callable[[Expr], list[Stmt]]:
    return lambda lane: [store(held, (lane,), Load(side.staging.shared, (stage, depth, first + lane)))]
