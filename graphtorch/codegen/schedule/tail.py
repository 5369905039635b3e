"""A reduction of a contraction's results, such as pooling, by the tasks that compute them: what is reduced stays in the
cache, and never exists as a whole.

It needs windows that do not overlap, and blocks that cut none of them. Sums lie in a block as [row][column], so that
windows over rows are reduced with vectors along columns, wherever the output is dense.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Stmt
from graphtorch.codegen.loops import ChainNest, ReduceNest
from graphtorch.codegen.schedule.boxes import ZERO, Box, Index, extent_of, vector_loops
from graphtorch.codegen.schedule.cpu_reduce import sequential
from graphtorch.codegen.schedule.outer_outputs import Before, Outputs, Place
from graphtorch.codegen.schedule.outer_plan import Blocks, Operands, OuterPlan
from graphtorch.codegen.schedule.reduction import Reduction
from graphtorch.ir.dim import surely
from graphtorch.ir.expr import (
    Buffer,
    Expr,
    Load,
    Var,
    children,
    flat_index,
    linear,
    substitute,
    walk,
    with_children,
)
from graphtorch.ir.types import int64


@dataclass(frozen=True)
class Window:
    """Along one loop of results windows are ``step`` apart and counted by ``by``; there is one if that is None."""

    by: Var | None
    step: int


@dataclass(frozen=True, eq=False)
class Tail:
    """``nest`` reduces what ``first`` stores in ``link``; ``windows`` along each loop of ``first``."""

    nest: ReduceNest
    first: ReduceNest
    link: Buffer
    windows: dict[Var, Window]

    @property
    def stored(self) -> ReduceNest:
        """The first nest with the outputs that exist in memory."""
        params = {p.buffer for p in self.first.params}
        return replace(self.first, outputs=tuple((b, f) for b, f in self.first.outputs if b in params))

    def steps(self) -> dict[Var, int]:
        """How many results along each loop are to stay in one block."""
        return {v: w.step for v, w in self.windows.items() if w.step > 1}

    def fits(self, o: Operands, blocks: Blocks) -> bool:
        """Whether tasks have whole sums, no block of rows cuts a window, and columns and batches are not reduced."""
        in_parts = isinstance(blocks, OuterPlan) and blocks.parts > 1
        one_column_loop = len(o.n) == 1 and o.n[0] in self.windows
        if in_parts or not one_column_loop or any(o.index[v] is not v for v in self.first.vars):
            return False
        each = [self.windows[v] for v in (*o.batch, *o.n) if not v.single]
        in_rows = all(self._fits(v, size) for v, size in zip(blocks.m.vars, blocks.m.sizes, strict=True))
        return in_rows and all(w.by is not None and w.step == 1 for w in each)

    def _fits(self, v: Var, size: int) -> bool:
        if surely("<=", extent_of(v), size) or v not in self.windows:
            return True
        window = self.windows[v]
        return window.by is not None and size % window.step == 0

    def finish(
        self, o: Operands, blocks: Blocks, flat: Flatten, at: tuple[Index, Expr, Expr], place: Place
    ) -> list[Stmt]:
        """Reduce a block of sums, and store the results. ``at``: its first index, its number along rows, and the number
        of its columns' block."""
        start, mb, nb = at
        return _Block(self, o, blocks, flat, place).finish(start, mb, nb)


def tail_of(chain: ChainNest) -> Tail | None:
    """None where windows may overlap, or are not known."""
    found: list[tuple[Window, ...] | None] = []

    def visit(e: Expr) -> None:
        if isinstance(e, Load) and e.buffer is chain.link:
            found.append(_windows(chain, e))

    for e in chain.then.body:
        walk(e, visit)
    if not found or found[0] is None or any(w != found[0] for w in found):
        return None
    counted = [w.by for w in found[0] if w.by is not None]
    wide = {v for v in chain.then.vars if not v.single}
    if len(set(counted)) < len(counted) or not wide <= set(counted):
        return None
    return Tail(chain.then, chain.first, chain.link, dict(zip(chain.first.vars, found[0], strict=True)))


def _windows(chain: ChainNest, e: Load) -> tuple[Window, ...] | None:
    if e.where is not None:
        return None
    along = [_window(chain.then, index, extent_of(v)) for index, v in zip(e.indices, chain.first.vars, strict=True)]
    known = tuple(w for w in along if w is not None)
    return known if len(known) == len(along) else None


def _window(then: ReduceNest, index: Expr, extent: int) -> Window | None:
    """How ``index`` moves; None where windows overlap."""
    form = linear(index)
    if form is None:
        return None
    coefficients, offset = form
    outer = [(v, c) for v, c in coefficients.items() if v in then.vars]
    ends = [c * (extent_of(v) - 1) for v, c in coefficients.items() if v in then.red_vars]
    if len(outer) > 1 or len(outer) + len(ends) < len(coefficients):
        return None
    by, step = outer[0] if outer else (None, extent)
    least, most = offset + sum(e for e in ends if e < 0), offset + sum(e for e in ends if e > 0)
    return Window(by, step) if least >= 0 and most < step else None


@dataclass(frozen=True)
class _Windows(Box):
    """Windows in the blocks of what they reduce, as many ``along`` each loop as that has: the last may have none, so
    that a loop is ragged where its blocks do not cover it exactly."""

    along: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        return self.along

    @property
    def ragged(self) -> tuple[Var, ...]:
        every = zip(self.vars, self.sizes, self.along, strict=True)
        return tuple(v for v, size, count in every if not surely("==", extent_of(v), size * count))


@dataclass(frozen=True, eq=False)
class _Block:
    """One block of sums on its way to the reduction's outputs."""

    tail: Tail
    o: Operands
    blocks: Blocks
    flat: Flatten
    place: Place

    @property
    def rows(self) -> Box:
        """The windows of a block of rows."""
        found: list[tuple[Var, int, int]] = []
        m = self.blocks.m
        for v, size, count in zip(m.vars, m.sizes, m.counts, strict=True):
            w = self.tail.windows.get(v)
            if w is not None and w.by is not None:
                found.append((w.by, extent_of(w.by) if surely("==", count, 1) else size // w.step, count))
        vars, sizes, counts = zip(*found, strict=True) if found else ((), (), ())
        return _Windows(vars, sizes, counts)

    @property
    def column(self) -> Var:
        by = self.tail.windows[self.o.n[0]].by
        assert by is not None  # Tail.fits saw to it
        return by

    def finish(self, start: Index, mb: Expr, nb: Expr) -> list[Stmt]:
        nest, b = self.tail.nest, self.blocks
        windows = Blocks(b.lanes, b.vectors, self.rows, b.columns)
        first: Index = dict.fromkeys(nest.vars, ZERO)
        for v, w in self.tail.windows.items():
            if w.by is not None and v in start:
                first[w.by] = start[v] // w.step
        accs = [Buffer(f"pooled{i}", (windows.m.size, b.columns), e.dtype) for i, e in enumerate(nest.init)]
        index: Index = {v: v for v in nest.vars}
        outputs = Outputs(nest, nest.vars, index, (self.column,), windows, self.flat)
        places: list[Place] = [partial(_at, acc) for acc in accs]
        reduce: Before = lambda at, sizes: self.reduce(at, sizes, accs)
        return [*(Alloc(a, "thread") for a in accs), *outputs.finish(first, mb, nb, places, reduce)]

    def reduce(self, first: Index, sizes: dict[Var, int], accs: Sequence[Buffer]) -> list[Stmt]:
        """The windows of ``sizes`` indices from ``first``, with vectors along columns."""
        nest, rows = self.tail.nest, self.rows
        order = (*(v for v in nest.vars if v in rows.vars), self.column)
        inner = tuple(Var(f"{v.name}w", int64, sizes[v]) for v in order)
        local: Index = dict.fromkeys(nest.vars, ZERO) | dict(zip(order, inner, strict=True))
        at: Index = {v: first[v] + local[v] for v in nest.vars}
        names = tuple(Var(f"acc{i}", e.dtype) for i, e in enumerate(nest.init))
        plan = Reduction(
            inner,
            nest.red_vars,
            nest.init,
            tuple(self.flat.expr(self.read(e, local, at)) for e in nest.body),
            nest.combine,
            names,
            tuple((self.flat.buffer(a), name) for a, name in zip(accs, names, strict=True)),
            flat_index((rows.size, self.blocks.columns), (rows.position(local), local[self.column])),
            nest.kind,
        )
        return vector_loops(inner, self.blocks.lanes, lambda env: sequential(plan, env))

    def read(self, e: Expr, local: Index, at: Index) -> Expr:
        """``e`` at the window ``at``; results are read from the block, where the window is at ``local``."""
        if isinstance(e, Load) and e.buffer is self.tail.link:
            return self.result([substitute(i, local) for i in e.indices], [substitute(i, at) for i in e.indices])
        if isinstance(e, Load | Var):
            return substitute(e, at)
        old = children(e)
        return with_children(e, [self.read(c, local, at) for c in old]) if old else e

    def result(self, local: Sequence[Expr], at: Sequence[Expr]) -> Expr:
        """The result at index ``at`` of the first nest, which is ``local`` in the block."""
        first = self.tail.first
        inside = dict(zip(first.vars, local, strict=True))
        buffer, where = self.place(self.blocks.m.position(inside), inside[self.o.n[0]])
        epilogue = dict(first.outputs)[self.tail.link]
        return substitute(epilogue((Load(buffer, tuple(where)),)), dict(zip(first.vars, at, strict=True)))


def _at(block: Buffer, row: Expr, column: Expr) -> tuple[Buffer, tuple[Expr, ...]]:
    return block, (row, column)
