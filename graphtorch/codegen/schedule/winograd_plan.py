"""How a convolution of stride 1 is cut into tiles of F(m, r), and what that costs.

Nothing here knows an op. A window is a pair of loops, u over outputs and w over the sum, that an operand reads at u + w
(or u - w: an input gradient) and at nothing else of either; so the same holds for convolution and its input
gradient, of one or two dimensions, with whatever borders and fused producers.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

from graphtorch.codegen.schedule.boxes import Box, Tiles, block, ceil_div, extent_of, tiles, whole
from graphtorch.codegen.schedule.outer_plan import (
    COPY,
    GATHER,
    TASKS,
    TURN,
    Blocks,
    Operands,
    most_rows,
    size,
    tile_cycles,
    turns,
)
from graphtorch.codegen.schedule.regions import Axis
from graphtorch.codegen.schedule.toom_cook import POINTS, ShortConvolution, short_convolution
from graphtorch.codegen.target import Target
from graphtorch.ir.expr import Var
from graphtorch.ir.types import int64

#: cycles per vector and product of a tile: transforms of the input, of the weights, and back
TRANSFORM_IN, TRANSFORM_WEIGHTS, TRANSFORM_OUT = 2.8, 1.5, 2.2
#: columns of a block, about
COLUMNS = 64
#: bytes a cycle from beyond the second cache
FAR = 8


@dataclass(frozen=True)
class Window:
    """Loops ``u`` and ``w`` that x reads at coordinate ``axis``, ``m`` outputs and ``r`` factors at a time."""

    u: Var
    w: Var
    axis: Axis
    m: int

    @property
    def r(self) -> int:
        return extent_of(self.w)

    @property
    def points(self) -> int:
        return self.m + self.r - 1

    @property
    def tiles(self) -> int:
        return ceil_div(extent_of(self.u), self.m)

    @property
    def matrices(self) -> ShortConvolution:
        return short_convolution(self.m, self.r)

    @property
    def falls(self) -> bool:
        """Whether the coordinate falls as u grows."""
        return dict(self.axis.coefficients)[self.u] < 0

    @property
    def turned(self) -> bool:
        """Whether w counts against u: the factors are then read backwards."""
        return math.prod(c for _, c in self.axis.coefficients) < 0


@dataclass(frozen=True)
class WinogradPlan(Blocks):
    windows: tuple[Window, ...]
    c: Var  # what is summed besides the windows, such as channels: a vector of them is transformed at a time
    tiles: Box  # loops over tiles (and over rows that are in no window), and how many a block has
    rows: Tiles  # the tiles of a block as rows of the products
    groups: int  # tasks that share a block of rows, each with columns of its own
    k: Box  # of the weights that are transformed at a time
    turns_y: bool
    cost: float = math.inf  # cycles, on one core

    def tasks(self, o: Operands) -> int:
        """Blocks that threads share."""
        return size(o.batch) * self.m.blocks * self.groups

    @property
    def points(self) -> tuple[int, ...]:
        return tuple(w.points for w in self.windows)


def winograd_plans(o: Operands, target: Target) -> list[WinogradPlan]:
    """A plan for each F(m, r) and width of tiles; none where the loops are not those of a convolution of stride 1."""
    found = _windows(o)
    rest = [v for v in o.k if extent_of(v) != 1 and v not in {w for _, w, _ in found}]
    if not 1 <= len(found) <= 2 or len(rest) != 1 or len(o.n) != 1:
        return []
    (c,) = rest
    if not _is_channel(o, c):
        return []
    choices = [[Window(u, w, a, p - extent_of(w) + 1) for p in POINTS if p > extent_of(w)] for u, w, a in found]
    lanes = target.lanes(o.x.value.dtype.itemsize)
    widths = range(1, min(4, ceil_div(size(o.n), lanes)) + 1)
    chosen = itertools.product(*choices)
    return [_plan(o, windows, c, target, lanes, vectors) for windows in chosen for vectors in widths]


def _is_channel(o: Operands, c: Var) -> bool:
    """Whether c alone moves a coordinate of x, but for loops that a task is within. A window with a stride is none."""
    axes = [dict(a.coefficients) for a in o.x.axes if c in dict(a.coefficients)]
    others = {v for axis in axes for v in axis if v is not c and extent_of(v) != 1}
    return [axis[c] for axis in axes] == [1] and others <= {*o.batch}


def _windows(o: Operands) -> list[tuple[Var, Var, Axis]]:
    """Loops of rows and of the sum that x reads at their sum or difference alone."""
    return [(*pair, a) for a in o.x.axes if (pair := _pair(o, a)) is not None]


def _pair(o: Operands, axis: Axis) -> tuple[Var, Var] | None:
    wide = [(v, c) for v, c in axis.coefficients if extent_of(v) != 1]
    u, w = [v for v, _ in wide if v in o.m], [v for v, _ in wide if v in o.k]
    alone = all(sum(v in dict(a.coefficients) for a in o.x.axes) == 1 for v, _ in wide)
    if len(wide) == 2 and len(u) == len(w) == 1 and alone and all(abs(c) == 1 for _, c in wide):
        return u[0], w[0]
    return None


def _plan(
    o: Operands, windows: tuple[Window, ...], c: Var, target: Target, lanes: int, vectors: int
) -> WinogradPlan:  # fmt: skip
    width, itemsize = vectors * lanes, o.x.value.dtype.itemsize
    points, outputs = math.prod(w.points for w in windows), math.prod(w.m for w in windows)
    by_u = {w.u: w for w in windows}
    loops = tuple(Var(f"{v.name}t", int64, by_u[v].tiles) if v in by_u else v for v in o.m)
    along = [(t, v, by_u[v].m if v in by_u else 1) for t, v in zip(loops, o.m, strict=True)]
    panels = ceil_div(size(o.n), width)
    columns = max(d for d in range(1, max(1, COLUMNS // width) + 1) if panels % d == 0)
    room = target.l2 // 2 // itemsize // (points * (extent_of(c) + columns * width) + outputs * columns * width)
    high = most_rows(target, vectors)
    every = math.prod(map(extent_of, loops))
    share = max(high, ceil_div(every * size(o.batch), TASKS))
    steps = {t: math.lcm(o.steps.get(v, 1), m) // m for t, v, m in along}
    box = block(loops, max(high, min(room, share)), steps)
    sizes = tuple(n * m for (_, _, m), n in zip(along, box.sizes, strict=True))
    blocks = panels // columns
    wanted = ceil_div(TASKS, size(o.batch) * box.blocks)
    groups = max(d for d in range(1, min(blocks, wanted) + 1) if blocks % d == 0)
    rows = tiles(whole((Var("p", int64, box.size),)), high)
    k = block((c, *(w.w for w in windows)), lanes * math.prod(w.r for w in windows))
    turns_y = turns(o, k, width)
    plan = WinogradPlan(lanes, vectors, Box(o.m, sizes), columns * width, windows, c, box, rows, groups, k, turns_y)
    return replace(plan, cost=_cycles(o, plan, target))


def _cycles(o: Operands, p: WinogradPlan, target: Target) -> float:
    n, c, batch = size(o.n), extent_of(p.c), size(o.batch)
    itemsize = o.x.value.dtype.itemsize
    points, panels = math.prod(p.points), ceil_div(n, p.width)
    blocks, deep = p.tiles.blocks, ceil_div(c, p.lanes)
    weights = points * panels * p.width * c
    multiply = sum(count * tile_cycles(height, p.vectors) for count, height in p.rows.heights) * panels * c * points
    staged = math.prod(o.x.shape(dict(zip(o.m, p.m.sizes, strict=True)) | {w.w: w.r for w in p.windows}))
    staged *= deep * p.lanes
    into = p.tiles.size * deep * points * TRANSFORM_IN + staged * (COPY / p.lanes + TURN)
    back = p.tiles.size * panels * p.vectors * points * TRANSFORM_OUT
    finish = p.m.size * n * (COPY / p.lanes if o.last is o.n[-1] else TURN)
    far = weights * itemsize / FAR if weights * itemsize > target.l2 // 2 else 0.0
    once = (
        0
        if o.y_is_frozen
        else weights / p.lanes * TRANSFORM_WEIGHTS + n * size(o.k) * (TURN if p.turns_y else GATHER) + 2 * far
    )
    return batch * (once + blocks * (multiply + far + into * p.groups + back + finish))
