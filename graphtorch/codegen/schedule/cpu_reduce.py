"""Reductions on the CPU: vectors along the reduced loop or along the outputs, and sums in blocks (blocks.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphtorch.codegen.kernel_ir import Stmt
from graphtorch.codegen.schedule.blocks import Cells, Env, accumulate
from graphtorch.codegen.schedule.reduction import Reduction
from graphtorch.codegen.schedule.segments import segments
from graphtorch.ir.expr import Expr, Unary, Values, Var, walk
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
    extent = inner.extent or 0
    widest = lanes * INDEPENDENT if extent >= 4 * lanes * INDEPENDENT and is_cheap(plan.body) else lanes
    rows = list(segments(extent, widest))
    cells = [Cells(plan, width, f"w{width}_") for _, _, width in rows]

    def row(now: list[Cells], env: Env) -> list[Stmt]:
        out: list[Stmt] = []
        for (start, count, _), own in zip(rows, now, strict=True):
            out += _segment(plan, own, env, inner, start, count)
        return out

    steps = accumulate(plan, cells, outer, max(count for _, count, _ in rows), row)
    out = [*(s for c in cells for s in c.start()), *steps]
    for c in cells:
        out += c.fold()
    for c in cells[1:]:
        out += cells[0].merge_first(c)
    return [*out, *plan.finish(({}, cells[0].values()))]


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
