"""The two operands of an outer-product contraction: rows of x and panels of y, where they lie or copied."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Body, For, Kind, Stmt, exprs_of, loop, replace_vars, store, walk
from graphtorch.codegen.schedule.base import join_loops
from graphtorch.codegen.schedule.boxes import ZERO, Box, Index, ceil_div, extent_of, loops, shifted, unflatten
from graphtorch.codegen.schedule.outer_outputs import outermost
from graphtorch.codegen.schedule.outer_plan import Blocks, Operands, OuterPlan, size
from graphtorch.codegen.schedule.regions import region
from graphtorch.codegen.schedule.segments import square_loops, vector_loop
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import divides, example, is_dynamic, surely
from graphtorch.ir.expr import Buffer, Const, Expr, Load, Var, binary, const, unflatten_index
from graphtorch.ir.expr.lowered import or_zero
from graphtorch.ir.types import int64

#: rows this many bytes apart fall into few sets of a cache
CONFLICT = 1024
Element = tuple[Buffer, tuple[Expr, ...]]


def block_loops(
    box: Box,
    start: Index,
    body: Callable[[Index], Sequence[Stmt]],
    flat: Flatten,
    order: Sequence[Var] = (),
    unroll: int = 1,
) -> list[Stmt]:
    """``body`` over a block, its loops in ``order``, if that is given: joined where memory is crossed as one, and a
    ragged one ended in time."""
    index = dict(zip(box.vars, box.locals(), strict=True))
    inner = tuple(index[v] for v in order or box.vars)
    at: Index = {**index}
    stmts = flat.body(body(at))
    vars: tuple[Var, ...] = inner
    if not box.ragged:
        vars, env = join_loops(inner, [e for s in walk(stmts) for e in exprs_of(s)])
        stmts = replace_vars(stmts, env)
    for number, v in enumerate(reversed(vars)):
        extent: Expr = const(extent_of(v), int64)
        for loop_var, local in index.items():
            if local is v and loop_var in box.ragged:
                extent = binary("min", extent, const(extent_of(loop_var), int64) - start[loop_var])
        if number == 0 and isinstance(extent, Const):
            stmts = _unrolled(v, unroll, stmts)
        elif v.single and isinstance(extent, Const):
            stmts = replace_vars(stmts, {v: ZERO})
        else:
            stmts = (For(v, extent, "for", stmts),)
    return list(stmts)


def _unrolled(v: Var, most: int, body: Body) -> Body:
    extent = extent_of(v)
    if extent == 1:
        return replace_vars(body, {v: ZERO})
    count = max(d for d in range(1, max(1, min(most, extent)) + 1) if extent % d == 0)

    def several(outer: Expr) -> Stmt:
        return loop("u", count, lambda u: replace_vars(body, {v: outer * count + u}), "unroll")

    if count == 1:
        return (For(v, const(extent, int64), "for", body),)
    return (several(ZERO) if count == extent else loop(v.name, extent // count, several),)


class Rows:
    """x: where it lies, or the region that is read, copied once for all tasks, by each task, or by each block of k."""

    def __init__(self, o: Operands, plan: OuterPlan, target: Target) -> None:
        self.o, self.plan, self.target = o, plan, target
        rows = dict(zip(plan.m.vars, plan.m.sizes, strict=True))
        every, block = {v: extent_of(v) for v in o.k}, dict(zip(plan.k.vars, plan.k.sizes, strict=True))
        nbytes = math.prod(o.x.shape(rows | every)) * o.x.value.dtype.itemsize
        if self._stays():
            self.place = "memory"
        elif plan.parts == 1 and self._is_shared(nbytes):
            self.place = "shared"
        else:
            one = surely("<=", plan.k.blocks, 1) or surely("<=", nbytes, target.l2 // 3)
            self.place = "task" if plan.parts == 1 and one else "block"
        batch = {v: extent_of(v) for v in o.batch} if self.place == "shared" else {}
        self.region = region("xs", o.x, batch | rows | (block if self.place == "block" else every), self._row)

    def _is_shared(self, nbytes: int) -> bool:
        """Whether all tasks read the same rows, which fit in the cache."""
        several = surely("<", self.plan.columns, size(self.o.n)) and not is_dynamic(size(self.o.batch))
        return bool(several and surely("==", self.plan.m.blocks, 1) and surely("<=", nbytes, self.target.l2))

    def _stays(self) -> bool:
        """Whether a copy would save nothing: no condition, and each element read once or all of them in the cache."""
        o, p = self.o, self.plan
        itemsize = o.x.value.dtype.itemsize
        strides = [o.x.stride(v) for v in (*p.m.vars, *p.k.vars)]
        if not o.x.is_plain or p.m.ragged or None in strides:
            return False
        rows_apart = example(o.x.stride(p.m.vars[-1]) or 0) * itemsize
        once = surely("<=", size(o.n), p.width) and rows_apart % CONFLICT
        return bool(once) or example(size(o.m) * size(o.k)) * itemsize <= self.target.l1 // 2

    def _row(self, n: int) -> int:
        """A row length that keeps consecutive rows out of one set of the cache."""
        lanes = self.plan.lanes
        return n + lanes if divides(CONFLICT, n * self.o.x.value.dtype.itemsize) else n

    def stage_all(self, kind: Kind) -> list[Stmt]:
        """The copy that all tasks share."""
        if self.place != "shared":
            return []
        start: Index = dict.fromkeys((*self.o.batch, *self.o.m, *self.o.k), ZERO)
        return [Alloc(self.region.buffer, "global"), *outermost(self.region.fill(start, (), self.plan.lanes), kind)]

    def alloc(self) -> list[Stmt]:
        return [Alloc(self.region.buffer, "thread")] if self.place in ("task", "block") else []

    def stage(self, start: Index) -> list[Stmt]:
        """A task's copy for all of k."""
        if self.place != "task":
            return []
        return self.region.fill(start | dict.fromkeys(self.o.k, ZERO), self.plan.m.ragged, self.plan.lanes)

    def stage_block(self, start: Index, q: Expr) -> list[Stmt]:
        """The copy for one block of k."""
        if self.place != "block":
            return []
        ragged = (*self.plan.m.ragged, *self.plan.k.ragged)
        return self.region.fill(start | self.plan.k.origin(q), ragged, self.plan.lanes)

    def load(self, start: Index, k_start: Index, row: Index, k: Index) -> Expr:
        match self.place:
            case "memory":
                return self.o.x.read(shifted(start | k_start, row | k))
            case "shared":
                return self.region.load(shifted(start | k_start, row | k))
            case "task":
                return self.region.load(row | shifted(k_start, k))
        return self.region.load(row | k)


@dataclass(frozen=True, eq=False)
class PanelCopy:
    """A block of k by a tile's width of columns of y, copied: in squares where y is dense along k, else row by row."""

    o: Operands
    k: Box
    blocks: Blocks
    turns: bool
    flat: Flatten

    def fill(self, buffer: Buffer, to: tuple[Expr, ...], b: Expr, q: Expr, number: Expr) -> list[Stmt]:
        """Panel ``number`` of block ``q`` of k goes to ``buffer[to]``, as [position in the block][column]."""
        start = self.k.origin(q) | unflatten(self.o.batch, b)
        fill = self._squares if self.turns else self._rows
        return fill(start, number * self.blocks.width, lambda k, j: (buffer, (*to, self.k.position(k), j)))

    def _squares(self, start: Index, first: Expr, place: Callable[[Index, Expr], Element]) -> list[Stmt]:
        inner, j = self.k.locals(), Var("j", int64, self.blocks.width)
        k: Index = dict(zip(self.k.vars, inner, strict=True))
        value = self.o.y.read(shifted(start, k) | unflatten(self.o.n, first + j))
        copy = self.flat.stmt(store(*place(k, j), value))
        vars, env = join_loops(inner, exprs_of(copy))
        *outer, last = vars or inner[-1:]

        def element(k: Expr, column: Expr) -> Stmt:
            return replace_vars(replace_vars((copy,), env), {last: k, j: column})[0]

        return loops(outer, square_loops(j, last, self.blocks.lanes, lambda column, k: element(k, column)))

    def _rows(self, start: Index, first: Expr, place: Callable[[Index, Expr], Element]) -> list[Stmt]:
        def row(k: Index) -> list[Stmt]:
            def element(j: Expr) -> list[Stmt]:
                column = first + j
                value = self.o.y.read(shifted(start, k) | unflatten(self.o.n, column))
                inside = column < size(self.o.n)
                value = value if isinstance(inside, Const) and inside.value else or_zero(value, inside)
                return [store(*place(k, j), value)]

            return vector_loop(Var("j", int64, self.blocks.width), self.blocks.lanes, element, "unroll")

        return block_loops(self.k, start, row, self.flat)


class Panels:
    """y: where it lies, packed once for all tasks, or by each task where no other needs it."""

    def __init__(self, o: Operands, plan: OuterPlan, target: Target, flat: Flatten) -> None:
        self.o, self.plan = o, plan
        self.copy = PanelCopy(o, plan.k, plan, plan.turns_y, flat)
        n, dtype = size(o.n), o.y.value.dtype
        dense = o.y.is_plain and o.y.stride(o.n[-1]) == 1 and len(o.n) == 1 and divides(plan.width, n)
        small = surely("==", n, plan.width) or example(n * size(o.k)) * dtype.itemsize <= target.l1 // 2
        own = surely("==", plan.m.blocks, 1) and not o.y_is_frozen
        self.place = "memory" if dense and small else "task" if own else "global"
        k = plan.k.size
        one = (plan.columns // plan.width, k, plan.width)
        every = (size(o.batch), plan.k.blocks, ceil_div(n, plan.width), k, plan.width)
        self.buffer = Buffer("yp", one if self.place == "task" else every, dtype)

    def pack_all(self, kind: Kind) -> list[Stmt]:
        """The copy that all tasks share."""
        if self.place != "global":
            return []
        grid = self.buffer.shape[:3]

        def panel(t: Var) -> list[Stmt]:
            b, q, number = unflatten_index(grid, t)
            return self.copy.fill(self.buffer, (b, q, number), b, q, number)

        return [Alloc(self.buffer, "global"), loop("py", math.prod(grid), panel, kind)]

    def alloc_block(self) -> list[Stmt]:
        return [Alloc(self.buffer, "thread")] if self.place == "task" else []

    def pack_block(self, b: Expr, nb: Expr, q: Expr) -> list[Stmt]:
        """A task's own copy of a block of k and of columns."""
        if self.place != "task":
            return []
        per_block = self.plan.columns // self.plan.width
        return [loop("pn", per_block, lambda nt: self.copy.fill(self.buffer, (nt,), b, q, nb * per_block + nt))]

    def load(self, block: tuple[Expr, Expr, Expr], k_start: Index, nt: Expr, j: Expr, k: Index) -> Expr:
        b, nb, q = block
        p = self.plan
        number = nb * (p.columns // p.width) + nt
        if self.place == "memory":
            columns = unflatten(self.o.n, number * p.width + j)
            return self.o.y.read(unflatten(self.o.batch, b) | shifted(k_start, k) | columns)
        at = (nt,) if self.place == "task" else (b, q, number)
        return Load(self.buffer, (*at, p.k.position(k), j))
