"""What attention's schedule is made of: blocks, operands staged for them, and products of two blocks in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Alloc, Stmt, loop, store
from graphtorch.codegen.schedule.boxes import ZERO, Box, Index, ceil_div, round_up, tiles
from graphtorch.codegen.schedule.outer import register_tile
from graphtorch.codegen.schedule.outer_plan import UNROLLED, most_rows, tile_cycles
from graphtorch.codegen.schedule.segments import square_loops, vector_loop
from graphtorch.codegen.target import Target
from graphtorch.ir.expr import Buffer, Expr, Source, Values, Var, const
from graphtorch.ir.types import DType, int64

#: rows, and columns, of a block: two blocks of float32 scores and the panels that they are made of fill the first cache
SIDE = 64
#: vectors of a tile's row
VECTORS = 2


@dataclass(frozen=True)
class Cut:
    """``count`` blocks of ``size``, from index ``first``."""

    first: int
    count: int
    size: int

    def loop(self, name: str, body: Callable[[Expr, int], list[Stmt]]) -> list[Stmt]:
        """``body(first index of a block, size)`` for each."""
        if self.count == 1:
            return body(const(self.first, int64), self.size)
        return [loop(name, self.count, lambda b: body(b * self.size + self.first, self.size))]


@dataclass(frozen=True)
class Blocks:
    target: Target
    dtype: DType

    @property
    def lanes(self) -> int:
        return self.target.lanes(self.dtype.itemsize)

    def padded(self, columns: int) -> int:
        """So many columns in whole vectors."""
        return round_up(columns, self.lanes)

    def cuts(self, extent: int) -> list[Cut]:
        """Blocks of one size, and the rest, which are the last."""
        size = min(extent, SIDE)
        count, rest = divmod(extent, size) if size else (0, 0)
        last = [Cut(count * size, 1, rest)] if rest else []
        return [Cut(0, count, size), *last] if count else last

    def all_fit(self, rows: int, columns: int) -> bool:
        """Whether so many numbers stay in the second cache while blocks go by."""
        return rows * columns * self.dtype.itemsize <= self.target.l2 // 2


@dataclass(frozen=True, eq=False)
class Staged:
    """Copies of ``count`` vectors of each source, as rows of a buffer or, turned, as its columns; ``extra`` buffers
    have a number for each."""

    lanes: int
    count: int
    parts: tuple[tuple[Buffer, Source, bool], ...]
    extra: tuple[Buffer, ...] = ()

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        return tuple(b for b, _, _ in self.parts)

    def alloc(self) -> list[Stmt]:
        return [Alloc(b, "thread") for b in (*self.buffers, *self.extra)]

    def fill(self, at: Values, start: Expr) -> list[Stmt]:
        """Those from ``start``, of the leading indices ``at``."""
        return [s for part in self.parts for s in self._copy(*part, at, start)]

    def _copy(self, buffer: Buffer, source: Source, turned: bool, at: Values, start: Expr) -> list[Stmt]:
        rows = source.shape[-1] if turned else self.count
        columns = self.count if turned else source.shape[-1]

        def element(r: Expr, c: Expr) -> Stmt:
            vector, e = (c, r) if turned else (r, c)
            return store(buffer, (r, c), source[(*at, start + vector, e)])

        copy = square_loops(Var("r", int64, rows), Var("c", int64, columns), self.lanes, element)
        return [*copy, *_pad(buffer, columns)]


def _pad(buffer: Buffer, columns: int) -> list[Stmt]:
    """Zeros up to whole vectors: tiles read them, though nobody reads what comes of it."""
    rows, width = buffer.shape
    if columns == width:
        return []
    zero = const(0, buffer.dtype)
    return [loop("r", rows, lambda r: [store(buffer, (r, const(c, int64)), zero) for c in range(columns, width)])]


def fill(buffer: Buffer, value: Expr, lanes: int) -> list[Stmt]:
    """``value`` everywhere."""
    *outer, last = (Var(f"f{d}", int64, n) for d, n in enumerate(buffer.shape))
    stmts = vector_loop(last, lanes, lambda c: [store(buffer, (*outer, c), value)])
    return [loop(v.name, v.extent or 0, lambda r: _with_row(buffer, value, lanes, r)) for v in outer] or stmts


def _with_row(buffer: Buffer, value: Expr, lanes: int, r: Expr) -> list[Stmt]:
    return vector_loop(Var("c", int64, buffer.shape[1]), lanes, lambda c: [store(buffer, (r, c), value)])


def columns_loop(count: int, lanes: int, put: Callable[[Expr], Stmt]) -> list[Stmt]:
    """``put(column)`` for all of them, in vectors."""
    return vector_loop(Var("c", int64, count), lanes, lambda c: [put(c)])


def product(
    blocks: Blocks,
    shape: tuple[int, int, int],
    left: Callable[[Expr, Expr], Expr],
    right: Callable[[Expr, Expr], Expr],
    keep: Callable[[Expr, Expr, Expr], Stmt],
) -> list[Stmt]:
    """``keep(i, j, sum over k of left(i, k) * right(k, j))`` for ``shape`` (rows, columns, depth), in tiles.

    Columns are in whole vectors: `right` is read, and results are kept, up to the next multiple of lanes.
    """
    rows, columns, depth = shape
    vectors = ceil_div(columns, blocks.lanes)
    out: list[Stmt] = []
    for first, count, width in _panels(vectors):

        def panel(n: Expr, first: int = first, width: int = width) -> list[Stmt]:
            return _panel(blocks, (rows, width, depth), (n * width + first) * blocks.lanes, left, right, keep)

        out += panel(ZERO) if count == 1 else [loop("n", count, panel)]
    return out


def _panels(vectors: int) -> list[tuple[int, int, int]]:
    """(first vector, panels, vectors of each)"""
    count, rest = divmod(vectors, VECTORS)
    found = [(0, count, VECTORS), (count * VECTORS, 1, rest)]
    return [(first, n, width) for first, n, width in found if n and width]


def _panel(
    blocks: Blocks,
    shape: tuple[int, int, int],
    start: Expr,
    left: Callable[[Expr, Expr], Expr],
    right: Callable[[Expr, Expr], Expr],
    keep: Callable[[Expr, Expr, Expr], Stmt],
) -> list[Stmt]:
    """All rows of so many vectors of columns, from column ``start``."""
    rows, vectors, depth = shape
    row_var, k = Var("m", int64, rows), Var("k", int64, depth)
    cut = tiles(Box((row_var,), (rows,)), most_rows(blocks.target, vectors), lambda high: tile_cycles(high, vectors))

    def tile(row: Callable[[Expr], Index], height: int) -> list[Stmt]:
        def over_k(step: Callable[[Index], list[Stmt]]) -> list[Stmt]:
            return unrolled(depth, UNROLLED // (height * vectors), lambda at: step({k: at}))

        return register_tile(
            (height, vectors, blocks.lanes), blocks.dtype, over_k,
            lambda i, at: left(row(i)[row_var], at[k]), lambda j, at: right(at[k], start + j),
            lambda i, j, x: keep(row(i)[row_var], start + j, x),
        )  # fmt: skip

    return cut.run(tile)


def unrolled(extent: int, most: int, body: Callable[[Expr], Sequence[Stmt]]) -> list[Stmt]:
    """A loop with up to ``most`` steps written out, and the rest after it."""
    each = max(1, min(most, extent))
    whole, rest = divmod(extent, each)

    def several(start: Expr, count: int) -> list[Stmt]:
        return [loop("u", count, lambda u: body(start + u), "unroll")] if count else []

    out: list[Stmt] = [loop("k", whole, lambda i: several(i * each, each))] if whole else []
    return [*out, *several(const(whole * each, int64), rest)]
