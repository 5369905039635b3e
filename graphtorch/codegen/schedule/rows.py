"""Rows: plans for both targets; on the CPU all passes of a row are a task, so that what it reads again is in the cache.

Vectors run along a row where its elements are neighbours, else over neighbouring rows, lane by lane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Body, For, Kind, Let, Stmt, loop, store
from graphtorch.codegen.loops import Pass, RowsNest
from graphtorch.codegen.schedule.base import bind_results, join_loops
from graphtorch.codegen.schedule.blocks import Cells, Env, accumulate
from graphtorch.codegen.schedule.cpu_base import PARALLEL_WORK, cost_of, dense_loads, lanes_of, nested
from graphtorch.codegen.schedule.cpu_reduce import INDEPENDENT, is_cheap
from graphtorch.codegen.schedule.prefetch import Read, next_rows, prefetches
from graphtorch.codegen.schedule.reduction import Reduction, size_of
from graphtorch.codegen.schedule.segments import longest, segments, vector_loop
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import example
from graphtorch.ir.expr import Buffer, Expr, Memo, Var, const, flat_index, substitute
from graphtorch.ir.types import int64

_ZERO = const(0, int64)
Stores = tuple[tuple[Buffer, Expr, Expr], ...]


@dataclass(frozen=True, eq=False)
class Sweep:
    """A pass over flat buffers and joined loops; ``stores`` are (buffer, position, value)."""

    number: int
    stores: Stores
    reduction: Reduction
    lets: tuple[tuple[Var, Expr], ...]

    @property
    def exprs(self) -> list[Expr]:
        """What its elements are made of."""
        return [*self.reduction.body, *(v for _, _, v in self.stores)]

    @property
    def reduces(self) -> bool:
        return bool(self.reduction.accs)

    def elements(self, cells: Cells | None, env: Env, lane: Expr = _ZERO) -> list[Stmt]:
        """What is stored and taken in at ``env``; ``lane`` of the accumulators takes it."""
        memo: Memo = {}
        positions = [substitute(p, env, memo) for _, p, _ in self.stores]
        values = [substitute(v, env, memo) for _, _, v in self.stores]
        body = [substitute(e, env, memo) for e in self.reduction.body] if cells else []
        lets, bound = bind_results([*values, *body], f"p{self.number}t")
        out = [*lets, *(store(b, (p,), v) for (b, _, _), p, v in zip(self.stores, positions, bound, strict=False))]
        return [*out, *(self.reduction.step(cells.buffers, (lane,), tuple(bound[len(values) :])) if cells else ())]


@dataclass(frozen=True, eq=False)
class RowsPlan:
    """Passes over rows in flat buffers; ``results`` are those of whole rows."""

    vars: tuple[Var, ...]
    red_vars: tuple[Var, ...]
    sweeps: tuple[Sweep, ...]
    results: Stores
    scratch: tuple[Buffer, ...]

    @property
    def exprs(self) -> list[Expr]:
        """What elements are made of."""
        return [e for s in self.sweeps for e in s.exprs]

    @property
    def asks(self) -> Sweep | None:
        """The pass that asks for the next row: the dearest that reduces, so that memory has the most time for it."""
        reducing = [s for s in self.sweeps if s.reduces]
        if len(self.sweeps) == 1 or not reducing:
            return None
        return max(reversed(reducing), key=lambda s: cost_of(s.exprs))


def rows_body(nest: RowsNest, flat: Flatten, target: Target) -> Body:
    plan = plan_rows(nest, flat)
    lanes = lanes_of(plan.exprs, [b for s in plan.sweeps for b, _, _ in s.stores], target)
    parallel = example(size_of(plan.vars) * size_of(plan.red_vars)) * cost_of(plan.exprs) >= PARALLEL_WORK
    if not _over_rows(plan):
        return nested(plan.vars, lambda: _row(plan, {}, lanes), parallel)
    *outer, inner = plan.vars

    def rows(kind: Kind) -> list[Stmt]:
        return vector_loop(inner, lanes, lambda at: _row(plan, {inner: at}, 1), kind)

    if not outer:
        return tuple(rows("par" if parallel else "for"))
    return nested(outer, lambda: rows("for"), parallel)


def rows_loops(nest: RowsNest, flat: Flatten, target: Target) -> list[Stmt]:
    """The same inside of a task, over what it has in scratch memory, in vectors along the rows."""
    plan = plan_rows(nest, flat)
    lanes = lanes_of(plan.exprs, [b for s in plan.sweeps for b, _, _ in s.stores], target)
    return list(nested(plan.vars, lambda: _row(plan, {}, lanes), parallel=False))


def _over_rows(plan: RowsPlan) -> bool:
    """Whether vectors run over rows: there are several side by side, and most reads are dense there."""
    if not plan.vars:
        return False
    if not plan.red_vars:
        return True
    return dense_loads(plan.exprs, plan.vars[-1]) > dense_loads(plan.exprs, plan.red_vars[-1])


def plan_rows(nest: RowsNest, flat: Flatten) -> RowsPlan:
    """The nest over flat buffers, with adjacent loops joined."""
    passes = [_flat_pass(p, flat) for p in nest.passes]
    results = [(flat.buffer(b), flat_index(nest.shape, nest.vars), flat.expr(e)) for b, e in nest.outputs]
    elements = [e for p in passes for e in (*p.body, *(x for _, (at,), v in p.stores for x in (at, v)))]
    others = [e for p in passes for _, e in p.lets] + [e for _, at, v in results for e in (at, v)]
    vars, env = join_loops(nest.vars, [*elements, *others])
    red_vars, red_env = join_loops(nest.red_vars, elements)
    env |= red_env
    memo: Memo = {}

    def here(e: Expr) -> Expr:
        return substitute(e, env, memo)

    sweeps = []
    for number, p in enumerate(passes):
        reduction = Reduction(
            vars, red_vars, p.init, tuple(map(here, p.body)), p.combine, p.accumulators, (), _ZERO, p.kind
        )
        stores = tuple((b, here(at), here(v)) for b, (at,), v in p.stores)
        sweeps.append(Sweep(number, stores, reduction, tuple((v, here(e)) for v, e in p.lets)))
    scratch = tuple(map(flat.buffer, nest.scratch))
    return RowsPlan(vars, red_vars, tuple(sweeps), tuple((b, here(at), here(v)) for b, at, v in results), scratch)


def _flat_pass(p: Pass, flat: Flatten) -> Pass:
    stores = tuple((flat.buffer(b), flat.index(b, at), flat.expr(v)) for b, at, v in p.stores)
    lets = tuple((v, flat.expr(e)) for v, e in p.lets)
    return Pass(stores, p.init, tuple(map(flat.expr, p.body)), p.combine, p.kind, p.accumulators, lets)


def _row(plan: RowsPlan, env: Env, lanes: int) -> list[Stmt]:
    """All passes of the row at ``env``, by vectors of ``lanes``."""
    out: list[Stmt] = [Alloc(b, "thread") for b in plan.scratch]
    for sweep in plan.sweeps:
        out += _across(plan, sweep, lanes) if lanes > 1 else _one_by_one(plan, sweep, env)
        memo: Memo = {}
        out += [Let(v, substitute(e, env, memo)) for v, e in sweep.lets]
    memo = {}
    lets, values = bind_results([substitute(v, env, memo) for _, _, v in plan.results], "out")
    places = [(b, substitute(at, env, memo)) for b, at, _ in plan.results]
    return [*out, *lets, *(store(b, (at,), v) for (b, at), v in zip(places, values, strict=True))]


def _one_by_one(plan: RowsPlan, sweep: Sweep, env: Env) -> list[Stmt]:
    if not sweep.reduces:
        return _nest(plan.red_vars, sweep.elements(None, env))
    cells = Cells(sweep.reduction, 1, f"p{sweep.number}_")
    steps = accumulate(sweep.reduction, [cells], plan.red_vars, 1, lambda now, at: sweep.elements(now[0], env | at))
    return [*cells.start(), *steps, *_found(sweep, cells)]


def _nest(vars: Sequence[Var], body: list[Stmt]) -> list[Stmt]:
    for var in reversed(vars):
        body = [For(var, const(var.size, int64), "for", tuple(body))]
    return body


def _across(plan: RowsPlan, sweep: Sweep, lanes: int) -> list[Stmt]:
    """Along the last loop of the row in vectors, and over the others one by one."""
    if not plan.red_vars:
        return _one_by_one(plan, sweep, {})
    *outer, inner = plan.red_vars
    if not sweep.reduces:
        return _nest(outer, vector_loop(inner, lanes, lambda at: sweep.elements(None, {inner: at})))
    rows = list(segments(inner.size, _width(sweep, inner, lanes)))
    cells = [Cells(sweep.reduction, width, f"p{sweep.number}w{width}_") for _, _, width in rows]
    ahead = next_rows(plan.sweeps[0].exprs, plan.vars, inner) if sweep is plan.asks else []

    def row(now: list[Cells], env: Env) -> list[Stmt]:
        parts = zip(rows, now, strict=True)
        return [s for (start, count, _), own in parts for s in _segment(sweep, own, env, inner, start, count, ahead)]

    steps = accumulate(sweep.reduction, cells, outer, longest(rows), row)
    out = [*(s for c in cells for s in c.start()), *steps, *(s for c in cells for s in c.fold())]
    return [*out, *(s for c in cells[1:] for s in cells[0].merge_first(c)), *_found(sweep, cells[0])]


def _width(sweep: Sweep, inner: Var, lanes: int) -> int:
    """Several vectors at a time, where additions would wait for each other, and it is long enough."""
    several = lanes * INDEPENDENT
    simple = not sweep.stores and is_cheap(sweep.reduction.body)
    return several if simple and example(inner.size) >= 4 * several else lanes


def _segment(
    sweep: Sweep, cells: Cells, env: Env, inner: Var, start: int, count: int, ahead: Sequence[Read]
) -> list[Stmt]:
    """``count`` vectors from ``start`` of the innermost loop; ``ahead`` is what the next row reads."""
    step = Var("k", int64, count)

    def vector(now: list[Cells], at: Env) -> list[Stmt]:
        base = at.get(step, step) * cells.width + start
        body: Callable[[Expr], list[Stmt]] = partial(_lane, sweep, now[0], env, inner, base)
        lanes = body(_ZERO) if cells.width == 1 else [loop("l", cells.width, body, "vec")]
        return [*prefetches(ahead, env, inner, base, cells.width), *lanes]

    return accumulate(sweep.reduction, [cells], [step], 1, vector)


def _lane(sweep: Sweep, cells: Cells, env: Env, inner: Var, base: Expr, lane: Expr) -> list[Stmt]:
    return sweep.elements(cells, {**env, inner: base + lane}, lane)


def _found(sweep: Sweep, cells: Cells) -> list[Stmt]:
    """Names for what the pass has found."""
    return [Let(v, e) for v, e in zip(sweep.reduction.accs, cells.values(), strict=True)]
