"""Reductions on the CPU: vectors along the reduced loop or along the outputs, and sums in blocks (blocks.py).

Many long columns that lie side by side are reduced together, a row of them at a time, as they come from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphtorch.codegen.kernel_ir import Kind, Stmt, loop
from graphtorch.codegen.schedule.blocks import Cells, Env, accumulate
from graphtorch.codegen.schedule.reduction import Reduction
from graphtorch.codegen.schedule.segments import longest, segments, vector_loop
from graphtorch.ir.dim import example, surely
from graphtorch.ir.expr import Expr, Load, Unary, Values, Var, const, walk
from graphtorch.ir.types import int64

#: vectors that a cheap reduction takes at a time, so that their additions overlap
INDEPENDENT = 4


def sequential(plan: Reduction, *at: Env) -> list[Stmt]:
    """The outputs at these indices, with an accumulator for each; used inside of a vector loop over outputs."""
    sums: list[Stmt] = []
    values: list[tuple[Env, Values]] = []
    for number, index in enumerate(at):
        here = replace(plan, body=plan.body_at(index))
        cells = Cells(here, 1, f"r{number or ''}_" if len(at) > 1 else "r")
        steps = accumulate(here, [cells], here.red_vars, 1, lambda now, env: now[0].add(env))
        sums += [*cells.start(), *steps]
        values.append((index, cells.values()))
    return [*sums, *plan.finish(*values)]


def across_lanes(plan: Reduction, lanes: int) -> list[Stmt]:
    """Vector accumulators along the last reduced loop, combined in halves at the end."""
    if not plan.domain or not plan.red_vars:
        return sequential(plan, {})
    *outer, inner = plan.red_vars
    extent = inner.size
    widest = lanes * INDEPENDENT if example(extent) >= 4 * lanes * INDEPENDENT and is_cheap(plan.body) else lanes
    rows = list(segments(extent, widest))
    cells = [Cells(plan, width, f"w{width}_") for _, _, width in rows]

    def row(now: list[Cells], env: Env) -> list[Stmt]:
        out: list[Stmt] = []
        for (start, count, _), own in zip(rows, now, strict=True):
            out += _segment(plan, own, env, inner, start, count)
        return out

    steps = accumulate(plan, cells, outer, longest(rows), row)
    out = [*(s for c in cells for s in c.start()), *steps]
    for c in cells:
        out += c.fold()
    for c in cells[1:]:
        out += cells[0].merge_first(c)
    return [*out, *plan.finish(({}, cells[0].values()))]


class _Strip(Cells):
    """Accumulators of neighbouring outputs, more than registers hold."""

    def __init__(self, plan: Reduction, width: int, lanes: int, name: str) -> None:
        super().__init__(plan, width, name)
        self.lanes = lanes

    def inner(self) -> _Strip:
        return _Strip(self.plan, self.width, self.lanes, self.name + "b")

    def each(self, width: int, body: Callable[[Expr], Sequence[Stmt]]) -> list[Stmt]:
        return vector_loop(Var("j", int64, width), self.lanes, body)


def strips(plan: Reduction, lanes: int, width: int, outer: Kind) -> list[Stmt]:
    """The last loop of outputs in pieces of ``width``, in a loop of kind ``outer``."""
    column = plan.vars[-1]
    whole, rest = divmod(column.size, width)
    out: list[Stmt] = []
    if not surely("==", whole, 0):
        out = [loop("s", whole, lambda s: _strip(plan, lanes, column, s * width, width), outer)]
    last = [] if surely("==", rest, 0) else _strip(plan, lanes, column, const(whole * width, int64), rest)
    return [*out, *last]


def _strip(plan: Reduction, lanes: int, column: Var, start: Expr, width: int) -> list[Stmt]:
    cells = _Strip(plan, width, lanes, "s")
    steps = accumulate(plan, [cells], plan.red_vars, 1, lambda now, env: now[0].add(env, column, start))

    def finish(lane: Expr) -> list[Stmt]:
        return plan.finish(({column: start + lane}, tuple(Load(b, (lane,)) for b in cells.buffers)))

    return [*cells.start(), *steps, *cells.each(width, finish)]


def _segment(plan: Reduction, cells: Cells, env: Env, inner: Var, start: int, count: int) -> list[Stmt]:
    """``count`` vectors from ``start`` of the innermost loop."""
    step = Var("k", int64, count)

    def vector(now: list[Cells], at: Env) -> list[Stmt]:
        return now[0].add(env, inner, at.get(step, step) * cells.width + start)

    return accumulate(plan, [cells], [step], 1, vector)


def is_cheap(body: Sequence[Expr]) -> bool:
    """Whether wide vectors of the body fit in registers, and call no function."""
    found: list[Expr] = []
    seen: set[int] = set()
    for e in body:
        walk(e, found.append, seen)
    calls = any(isinstance(e, Unary) and e.fn not in ("neg", "abs", "not") for e in found)
    return len(body) == 1 and len(found) <= 16 and not calls
