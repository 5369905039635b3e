"""What attention's schedule is made of: blocks, operands staged for them, and products of two blocks in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from graphtorch.codegen.kernel_ir import Alloc, Kind, Stmt, loop, store
from graphtorch.codegen.schedule.boxes import ZERO, Box, Index, ceil_div, round_up, tiles
from graphtorch.codegen.schedule.outer import register_tile
from graphtorch.codegen.schedule.outer_plan import UNROLLED, most_rows, tile_cycles
from graphtorch.codegen.schedule.segments import square_loops, vector_loop
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import example, is_dynamic, same, surely
from graphtorch.ir.expr import Buffer, Expr, Source, Values, Var, const
from graphtorch.ir.types import DType, int64

#: rows, and columns, of a block: two blocks of float32 scores and the panels that they are made of fill the first cache
SIDE = 64
#: vectors of a tile's row
VECTORS = 2


@dataclass(frozen=True, eq=False)
class Span:
    """``size`` indices from ``first``."""

    first: Expr
    size: int


@dataclass(frozen=True)
class Cut:
    """``count`` blocks of ``size``, from index ``first``."""

    first: int
    count: int
    size: int

    def block(self, number: Expr) -> Span:
        return Span(number * self.size + self.first, self.size)


def each_block(cuts: Sequence[Cut], name: str, body: Callable[[Span], list[Stmt]]) -> list[Stmt]:
    """``body`` of every block, one after the other."""
    out: list[Stmt] = []
    for cut in cuts:
        out += body(cut.block(ZERO)) if surely("==", cut.count, 1) else [loop(name, cut.count, _of_block(cut, body))]
    return out


def _of_block(cut: Cut, body: Callable[[Span], list[Stmt]]) -> Callable[[Expr], list[Stmt]]:
    return lambda number: body(cut.block(number))


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
        """Blocks of one size, and the rest, which are the last; they may be none, if the extent is not known."""
        if is_dynamic(extent):
            return [Cut(0, extent // SIDE, SIDE), Cut(extent // SIDE * SIDE, 1, extent % SIDE)]
        size = min(extent, SIDE)
        count, rest = divmod(extent, size) if size else (0, 0)
        last = [Cut(count * size, 1, rest)] if rest else []
        return [Cut(0, count, size), *last] if count else last

    def all_fit(self, rows: int, columns: int) -> bool:
        """Whether so many numbers stay in the second cache while blocks go by."""
        return example(rows * columns) * self.dtype.itemsize <= self.target.l2 // 2


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
    if same(columns, width):
        return []
    zero = const(0, buffer.dtype)
    if is_dynamic(columns):

        def row(r: Expr) -> Stmt:
            return loop("c", width - columns, lambda c: store(buffer, (r, c + columns), zero))

        return [loop("r", rows, row)]
    return [loop("r", rows, lambda r: [store(buffer, (r, const(c, int64)), zero) for c in range(columns, width)])]


def fill(buffer: Buffer, value: Expr, lanes: int) -> list[Stmt]:
    """``value`` everywhere."""
    *outer, last = buffer.shape

    def row(*at: Expr) -> list[Stmt]:
        return in_vectors(last, lanes, lambda c: store(buffer, (*at, c), value))

    return [loop("r", outer[0], row)] if outer else row()


def in_vectors(count: int, lanes: int, body: Callable[[Expr], Stmt]) -> list[Stmt]:
    """``body(index)`` for so many indices."""
    return vector_loop(Var("c", int64, count), lanes, lambda c: [body(c)])


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
    out: list[Stmt] = []
    for first, count, width in _panels(ceil_div(columns, blocks.lanes)):
        panel = _Panel(blocks, (rows, width, depth), left, right, keep)
        start = partial(_start, first * blocks.lanes, width * blocks.lanes)
        out += panel.body(start(ZERO)) if surely("==", count, 1) else [loop("n", count, _of_panel(panel, start))]
    return out


def _start(first: int, width: int, number: Expr) -> Expr:
    return number * width + first


def _of_panel(panel: _Panel, start: Callable[[Expr], Expr]) -> Callable[[Expr], list[Stmt]]:
    return lambda number: panel.body(start(number))


def _panels(vectors: int) -> list[tuple[int, int, int]]:
    """(first vector, panels, vectors of each)"""
    count, rest = divmod(vectors, VECTORS)
    if is_dynamic(vectors):
        return [(0, count, VECTORS), (count * VECTORS, rest, 1)]
    found = [(0, count, VECTORS), (count * VECTORS, 1, rest)]
    return [(first, n, width) for first, n, width in found if n and width]


@dataclass(frozen=True, eq=False)
class _Panel:
    """All rows of so many vectors of columns; ``shape`` is (rows, vectors, depth)."""

    blocks: Blocks
    shape: tuple[int, int, int]
    left: Callable[[Expr, Expr], Expr]
    right: Callable[[Expr, Expr], Expr]
    keep: Callable[[Expr, Expr, Expr], Stmt]

    def body(self, start: Expr) -> list[Stmt]:
        """Those from column ``start``."""
        rows, vectors, depth = self.shape
        b, m, k = self.blocks, Var("m", int64, rows), Var("k", int64, depth)
        cut = tiles(Box((m,), (rows,)), most_rows(b.target, vectors), lambda height: tile_cycles(height, vectors))

        def tile(row: Callable[[Expr], Index], height: int) -> list[Stmt]:
            return register_tile(
                (height, vectors, b.lanes), b.dtype,
                lambda step: unrolled(depth, UNROLLED // (height * vectors), lambda at: step({k: at})),
                lambda i, at: self.left(row(i)[m], at[k]),
                lambda j, at: self.right(at[k], start + j),
                lambda i, j, x: self.keep(row(i)[m], start + j, x),
            )  # fmt: skip

        return cut.run(tile)


def unrolled(extent: int, most: int, body: Callable[[Expr], Sequence[Stmt]]) -> list[Stmt]:
    """A loop with up to ``most`` steps written out, and the rest after it."""
    each = max(1, most if is_dynamic(extent) else min(most, extent))
    whole, rest = divmod(extent, each)

    def several(start: Expr, count: int) -> list[Stmt]:
        kind: Kind = "for" if is_dynamic(count) else "unroll"
        return [] if surely("==", count, 0) else [loop("u", count, lambda u: body(start + u), kind)]

    out = [] if surely("==", whole, 0) else [loop("k", whole, lambda i: several(i * each, each))]
    return [*out, *several(const(whole * each, int64), rest)]
