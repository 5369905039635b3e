"""How an outer-product contraction is cut: register tile, blocks for the caches, tasks for the threads.

A model of cycles chooses. A tile of r rows and v vectors issues r*v multiply-adds, two a cycle, and r + v loads, two a
cycle; fewer than eight independent multiply-adds wait for each other. Everything follows from sizes and from the
target, never from the number of threads, so results are the same on any number of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from graphtorch.codegen.schedule.boxes import Box, Tiles, block, ceil_div, extent_of, round_up, tiles, whole
from graphtorch.codegen.schedule.regions import Access
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import divides, example, is_dynamic, surely
from graphtorch.ir.expr import Buffer, Expr, Var

#: rows of a task, at most; tasks wanted so that threads can share them evenly; multiply-adds worth other threads
TASK_ROWS, TASKS, PARALLEL_MACS = 256, 16, 1 << 17
#: cycles that a multiply-add takes until the next can use it, times those that start each cycle
IN_FLIGHT = 8
#: cycles of copying: a vector; an element, transposed in registers, out of order, at a place found by divisions
COPY, TURN, GATHER, SCATTERED = 1.5, 0.4, 1.5, 8.0
MOST_ROWS = 16
#: multiply-adds of the loop over k that are written out: 64 would be no faster, and takes longer to compile
UNROLLED = 50
#: a sum this long may be taken in parts
LONG = 1024


@dataclass(frozen=True)
class Operands:
    """The loops of a contraction and its two reads: x by rows m, y by columns n.

    ``vars`` are the loops over outputs in the order of their memory; ``index`` gives a nest's indices by them.
    """

    vars: tuple[Var, ...]
    index: dict[Var, Expr]
    batch: tuple[Var, ...]
    m: tuple[Var, ...]
    n: tuple[Var, ...]
    k: tuple[Var, ...]
    x: Access
    y: Access
    frozen: frozenset[Buffer] = frozenset()
    steps: Mapping[Var, int] = field(default_factory=dict)  # indices of a loop that are to stay in one block

    @property
    def y_is_frozen(self) -> bool:
        """Whether y stays as it is from call to call: what is done to it alone is done once (hoist.py)."""
        return self.y.buffers <= self.frozen

    @property
    def last(self) -> Var:
        """The loop along which the output is dense."""
        return [v for v in self.vars if not v.single][-1]

    def swapped(self) -> Operands:
        return replace(self, m=self.n, n=self.m, x=self.y, y=self.x)


def size(vars: tuple[Var, ...]) -> int:
    return math.prod(extent_of(v) for v in vars)


def about(vars: tuple[Var, ...]) -> int:
    """The size, or an example of it: for choices."""
    return example(size(vars))


@dataclass(frozen=True)
class Blocks:
    """A block of outputs, and the width of the tiles that it is computed in."""

    lanes: int
    vectors: int  # of a tile
    m: Box
    columns: int  # of a block of n

    @property
    def width(self) -> int:
        return self.vectors * self.lanes


@dataclass(frozen=True)
class OuterPlan(Blocks):
    rows: Tiles
    k: Box
    parts: int  # of k, summed by tasks of their own
    order: tuple[Var, ...]  # the loops of k, innermost last
    apart: bool  # steps along the innermost share no elements of x
    turns_y: bool  # y is dense along the innermost loop of k, and is transposed as it is packed
    cost: float  # cycles, on one core

    def tasks(self, o: Operands) -> int:
        """Blocks that threads share."""
        return example(size(o.batch) * self.m.blocks * ceil_div(size(o.n), self.columns)) * self.parts

    def unroll(self, height: int) -> int:
        """Steps of a tile that are written out. Shared elements would stay in registers that the tile needs."""
        return UNROLLED // (height * self.vectors) if self.apart else 1


def outer_plans(o: Operands, target: Target) -> list[OuterPlan]:
    """A plan for each width of tiles."""
    lanes = target.lanes(o.x.value.dtype.itemsize)
    most = ceil_div(about(o.n), lanes)
    return [_plan(o, target, lanes, v) for v in range(1, min(4, most) + 1)]


def most_rows(target: Target, vectors: int) -> int:
    """Rows of a tile so many vectors wide: sums, a row of y and an element of x are in registers, and products that
    are yet to be added."""
    products = 0 if target.fused else 2
    return min(MOST_ROWS, (target.registers - vectors - 1 - products) // vectors)


def tile_cycles(height: int, vectors: int) -> float:
    """Cycles of one step of a tile along k."""
    return max(height * vectors, height + vectors, IN_FLIGHT) / 2


def _plan(o: Operands, target: Target, lanes: int, vectors: int) -> OuterPlan:
    itemsize = o.x.value.dtype.itemsize
    width = vectors * lanes
    high = most_rows(target, vectors)
    k_box = block(_by_stride(o.k, o.x), target.l1 // 2 // (width * itemsize))
    cut = _in_parts(o, target, width, k_box) or _by_columns(o, target, width, k_box)
    m_box, columns, parts = cut or _by_rows(o, target, width, k_box, high)
    rows = tiles(m_box, high, lambda height: tile_cycles(height, vectors))
    order, apart = _k_order(o, rows, k_box)
    turns_y = turns(o, k_box, width)
    cost = _cycles(o, lanes, vectors, rows, m_box.blocks, turns_y)
    return OuterPlan(lanes, vectors, m_box, columns, rows, k_box, parts, order, apart, turns_y, cost)


Cut = tuple[Box, int, int]


def _in_parts(o: Operands, target: Target, width: int, k: Box) -> Cut | None:
    """One block of rows and of columns, and tasks for parts of k: where sums are few, and long."""
    m, n, batch = size(o.m), size(o.n), about(o.batch)
    if is_dynamic(m) or is_dynamic(n):
        return None
    fits = m * round_up(n, width) * o.x.value.dtype.itemsize <= target.l2 // 2
    few = batch * ceil_div(m, TASK_ROWS) < TASKS
    if not (fits and few and example(k.blocks) > 1 and about(o.k) >= LONG):
        return None
    return whole(_by_stride(o.m, o.x)), round_up(n, width), _parts(example(k.blocks), ceil_div(TASKS, batch))


def _by_columns(o: Operands, target: Target, width: int, k: Box) -> Cut | None:
    """All rows, and tasks for blocks of columns, so that each task packs its own part of y: where rows are few."""
    panels, batch = ceil_div(about(o.n), width), about(o.batch)
    if len(o.n) > 1 or not surely("<=", size(o.m), TASK_ROWS) or batch * panels < TASKS // 2:
        return None
    most = min(_room(target, o, k) // width, ceil_div(panels, ceil_div(TASKS, batch)))
    return whole(_by_stride(o.m, o.x)), max(1, most) * width, 1


def _by_rows(o: Operands, target: Target, width: int, k: Box, high: int) -> Cut:
    """As many columns as the cache holds for a block of k, and tasks for blocks of rows."""
    n, m = about(o.n), about(o.m)
    panels = ceil_div(n, width)
    blocks = ceil_div(panels, max(1, _room(target, o, k) // width)) if len(o.n) == 1 else 1
    columns = ceil_div(panels, blocks) * width
    wanted = max(high, min(TASK_ROWS, target.l2 // 2 // (columns * o.x.value.dtype.itemsize)))
    share = ceil_div(m, ceil_div(TASKS, about(o.batch) * ceil_div(n, columns)))
    rows = min(wanted, m) if share >= wanted else max(high, share)
    return block(_by_stride(o.m, o.x), rows, o.steps), columns, 1


def _k_order(o: Operands, rows: Tiles, k: Box) -> tuple[tuple[Var, ...], bool]:
    """The loops of k, innermost the longest whose steps share no elements of x, and whether there is one.

    Where a window slides along the rows of a tile (x at row + k), the rows of one step are mostly those of the next.
    """
    sliding = {v for a in o.x.axes if any(w in rows.together for w, _ in a.coefficients) for v, _ in a.coefficients}
    sizes = dict(zip(k.vars, k.sizes, strict=True))
    order = sorted(k.vars, key=lambda v: 0 if v in sliding else sizes[v] - 1)
    return tuple(order), order[-1] not in sliding and sizes[order[-1]] > 1


def _room(target: Target, o: Operands, k: Box) -> int:
    """Columns whose block of k fills the cache: it is read once for all rows of a block, panel by panel."""
    return target.l2 // (k.size * o.x.value.dtype.itemsize)


def turns(o: Operands, k: Box, width: int) -> bool:
    """Whether panels of y are packed in squares: y is dense along the innermost loop of a block of k."""
    plain = o.y.is_plain and len(o.n) == 1 and divides(width, size(o.n)) and not k.ragged
    inner = [v for v, length in zip(k.vars, k.sizes, strict=True) if length > 1]
    return plain and bool(inner) and o.y.stride(inner[-1]) == 1 and o.y.stride(o.n[0]) != 1


def _parts(blocks: int, most: int) -> int:
    exact = max(d for d in range(1, most + 1) if blocks % d == 0)
    return exact if exact * 2 >= min(most, blocks) else min(most, blocks)


def _by_stride(vars: tuple[Var, ...], a: Access) -> tuple[Var, ...]:
    """Innermost what is densest in memory; as they are where that is not known."""
    strides = [a.stride(v) for v in vars]
    if any(s is None for s in strides):
        return vars
    order = sorted(range(len(vars)), key=lambda i: -abs(example(strides[i] or 0)))
    return tuple(vars[i] for i in order)


def _cycles(o: Operands, lanes: int, vectors: int, rows: Tiles, m_blocks: int, turns_y: bool) -> float:
    m, n, k, batch = about(o.m), about(o.n), about(o.k), about(o.batch)
    panels = ceil_div(n, vectors * lanes)
    tiles = sum(count * tile_cycles(height, vectors) for count, height in rows.heights)
    multiply = tiles * example(m_blocks) * panels * k
    one_loop, dense_out = len(o.n) == 1, o.last is o.n[-1]
    dense_y = one_loop and o.y.stride(o.n[-1]) == 1
    pack = n * k * (COPY / lanes if dense_y else TURN if turns_y else GATHER if one_loop else SCATTERED)
    finish = m * n * (COPY / lanes if dense_out else TURN if one_loop else GATHER)
    return batch * (multiply + (0 if o.y_is_frozen else pack) + finish)
