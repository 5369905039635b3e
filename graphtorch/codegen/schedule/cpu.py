"""The CPU schedule: threads on the outer loops, vectors on the innermost, no masks.

A row of n elements is cut into full vectors and then into halves of one (28 = 16 + 8 + 4), since all
sizes are known; so there are no scalar tails and no masked stores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from graphtorch.codegen.kernel_ir import Alloc, Body, For, Kernel, Stmt, loop, replace_vars, store
from graphtorch.codegen.loops import LoopNest, Nest, ReduceNest
from graphtorch.codegen.schedule.base import Flattener, bind_results, join_loops
from graphtorch.codegen.schedule.contract import schedule_contraction
from graphtorch.codegen.schedule.segments import segments, vector_loop
from graphtorch.codegen.target import Target
from graphtorch.ir.expr import (
    Buffer,
    Expr,
    Load,
    Memo,
    Values,
    Var,
    const,
    flat_index,
    linear,
    substitute,
    walk,
)
from graphtorch.ir.types import int64

#: below this many elementary operations a kernel runs on one thread: waking others costs more
PARALLEL_WORK = 32_768
#: reductions over at most this many elements are unrolled
UNROLLED_DOMAIN = 16


def schedule_cpu(nest: Nest, target: Target) -> Kernel:
    """Loops, threads and vectors for ``nest`` on ``target``."""
    if isinstance(nest, ReduceNest) and nest.contraction:
        scheduled = schedule_contraction(nest, target)
        if scheduled is not None:
            return scheduled
    flat = Flattener(nest.params)
    if isinstance(nest, LoopNest):
        body = _loop_body(nest, flat, target)
    else:
        body = _reduce_body(nest, flat, target)
    return Kernel(nest.name, flat.params, body)


def nested(vars: Sequence[Var], body: Callable[[], Sequence[Stmt]], parallel: bool) -> Body:
    """Loops over ``vars``, outermost first; in parallel over all of them joined, if asked for."""
    if not vars:
        return tuple(body())
    if not parallel:
        inner: Sequence[Stmt] = body()
        for var in reversed(vars):
            inner = (For(var, const(var.extent or 0, int64), "for", tuple(inner)),)
        return tuple(inner)
    total = math.prod(v.extent or 0 for v in vars)
    joined = Var("p", int64, total) if len(vars) > 1 else vars[0]
    inner = body()
    if len(vars) > 1:
        env, stride = {}, total
        for v in vars:
            stride //= v.extent or 1
            env[v] = (joined // stride) % (v.extent or 1)
        inner = replace_vars(inner, env)
    return (For(joined, const(total, int64), "par", tuple(inner)),)


def _lanes(exprs: Sequence[Expr], outs: Sequence[Buffer], target: Target) -> int:
    """Vector width: that of the widest floating-point element, else of the widest output."""
    sizes = [b.dtype.itemsize for b in outs if b.dtype.kind == "f"]

    def visit(e: Expr) -> None:
        if isinstance(e, Load) and e.dtype.kind == "f":
            sizes.append(e.dtype.itemsize)

    for e in exprs:
        walk(e, visit)
    return target.lanes(max(sizes) if sizes else 4)


# ---- elementwise ----------------------------------------------------------------------------------


def _loop_body(nest: LoopNest, flat: Flattener, target: Target) -> Body:
    position = flat_index(nest.shape, nest.vars)
    values = [flat.expr(e) for _, e in nest.outputs]
    vars, env = join_loops(nest.vars, [*values, position])
    memo: Memo = {}
    values = [substitute(e, env, memo) for e in values]
    position = substitute(position, env, memo)
    outs = [flat.buffers[b] for b, _ in nest.outputs]
    lanes = _lanes(values, outs, target)
    parallel = math.prod(nest.shape) * _cost(values) >= PARALLEL_WORK

    def element() -> list[Stmt]:
        lets, bound = bind_results(values)
        return [*lets, *(store(b, (position,), e) for b, e in zip(outs, bound, strict=True))]

    if not vars:
        return tuple(element())
    return _vectorized(vars, element, lanes, parallel)


def _cost(values: Sequence[Expr]) -> int:
    """Operations per element, roughly."""
    seen: set[int] = set()
    for e in values:
        walk(e, lambda _: None, seen)
    return max(1, len(seen) // 4)


def _vectorized(vars: Sequence[Var], element: Callable[[], Sequence[Stmt]], lanes: int, parallel: bool) -> Body:
    """``element`` over ``vars``, the last of them in vectors."""
    *outer, inner = vars

    def at(index: Expr) -> Body:
        return replace_vars(element(), {inner: index})

    if not outer:
        return tuple(vector_loop(inner, lanes, at, "par" if parallel else "for"))
    return nested(outer, lambda: vector_loop(inner, lanes, at), parallel)


# ---- reductions -----------------------------------------------------------------------------------


def _reduce_body(nest: ReduceNest, flat: Flattener, target: Target) -> Body:
    position = flat_index(nest.shape, nest.vars)
    body = [flat.expr(e) for e in nest.body]
    accs = tuple(Var(f"acc{i}", e.dtype) for i, e in enumerate(nest.init))
    finals = [flat.expr(f(accs)) for _, f in nest.outputs]
    out_vars, env = join_loops(nest.vars, [*body, *finals, position])
    red_vars, red_env = join_loops(nest.red_vars, body)
    env |= red_env
    memo: Memo = {}
    plan = _Reduction(
        nest,
        [substitute(e, env, memo) for e in body],
        accs,
        [(flat.buffers[b], substitute(e, env, memo)) for (b, _), e in zip(nest.outputs, finals, strict=True)],
        substitute(position, env, memo),
        _lanes(body, [], target),
    )
    work = math.prod(nest.shape) * math.prod(nest.domain) * _cost(body)
    parallel = work >= PARALLEL_WORK
    if _along_outputs(plan.body, out_vars, red_vars, math.prod(nest.domain)):
        return _vectorized(out_vars, lambda: plan.sequential(red_vars), plan.lanes, parallel)
    return nested(out_vars, lambda: plan.across_lanes(red_vars), parallel)


def _along_outputs(body: Sequence[Expr], outs: Sequence[Var], reds: Sequence[Var], domain: int) -> bool:
    """Whether vectors run over outputs: reads are dense there, or the domain is short."""
    if not outs:
        return False
    if not reds or (domain <= UNROLLED_DOMAIN and (outs[-1].extent or 0) >= 4 and not _dense(body, reds[-1])):
        return True
    if domain <= UNROLLED_DOMAIN and (outs[-1].extent or 0) >= (reds[-1].extent or 0):
        return True
    return _dense(body, outs[-1]) > _dense(body, reds[-1])


def _dense(body: Sequence[Expr], var: Var) -> int:
    """How many loads are of neighbouring elements as ``var`` counts."""
    found = 0

    def visit(e: Expr) -> None:
        nonlocal found
        if isinstance(e, Load):
            form = linear(e.indices[0])
            found += form is not None and form[0].get(var) == 1

    seen: set[int] = set()
    for e in body:
        walk(e, visit, seen)
    return found


class _Reduction:
    """The loops of one reduction; ``body``, ``finals`` and ``position`` are over joined, flat indices."""

    def __init__(
        self,
        nest: ReduceNest,
        body: Sequence[Expr],
        accs: tuple[Var, ...],
        finals: Sequence[tuple[Buffer, Expr]],
        position: Expr,
        lanes: int,
    ) -> None:
        self.nest, self.body, self.accs = nest, tuple(body), accs
        self.finals, self.position, self.lanes = finals, position, lanes

    def _cells(self, suffix: str, size: int) -> list[Buffer]:
        return [Buffer(f"r{i}{suffix}", (size,), e.dtype) for i, e in enumerate(self.nest.init)]

    def _step(self, cells: Sequence[Buffer], lane: Expr, index: dict[Var, Expr]) -> list[Stmt]:
        """cells[lane] = combine(cells[lane], body)."""
        memo: Memo = {}
        new = tuple(substitute(e, index, memo) for e in self.body)
        old: Values = tuple(Load(c, (lane,)) for c in cells)
        lets, values = bind_results(self.nest.combine(old, new))
        return [*lets, *(store(c, (lane,), v) for c, v in zip(cells, values, strict=True))]

    def _finish(self, values: Values) -> list[Stmt]:
        env: dict[Var, Expr] = dict(zip(self.accs, values, strict=True))
        memo: Memo = {}
        lets, bound = bind_results([substitute(e, env, memo) for _, e in self.finals], "f")
        return [*lets, *(store(b, (self.position,), e) for (b, _), e in zip(self.finals, bound, strict=True))]

    def sequential(self, red_vars: Sequence[Var]) -> list[Stmt]:
        """One accumulator per output; used inside of a vector loop over outputs."""
        cells, zero = self._cells("", 1), const(0, int64)
        out: list[Stmt] = [Alloc(c, "local") for c in cells]
        out += [store(c, (0,), e) for c, e in zip(cells, self.nest.init, strict=True)]
        step: Sequence[Stmt] = self._step(cells, zero, {})
        unroll = math.prod(v.extent or 0 for v in red_vars) <= UNROLLED_DOMAIN
        for var in reversed(red_vars):
            step = [For(var, const(var.extent or 0, int64), "unroll" if unroll else "for", tuple(step))]
        return [*out, *step, *self._finish(tuple(Load(c, (zero,)) for c in cells))]

    def across_lanes(self, red_vars: Sequence[Var]) -> list[Stmt]:
        """Vector accumulators along the last reduced loop, combined in halves at the end."""
        if not red_vars or not math.prod(v.extent or 0 for v in red_vars):
            return self.sequential(red_vars)
        *outer, inner = red_vars
        out: list[Stmt] = []
        steps: list[Stmt] = []
        widths = []
        for start, count, width in segments(inner.extent or 0, self.lanes):
            cells = self._cells(f"w{width}", width)
            widths.append((width, cells))
            out += [Alloc(c, "local") for c in cells]
            out.append(
                loop("z", width, lambda lane, cells=cells: [  # type: ignore[misc]
                    store(c, (lane,), e) for c, e in zip(cells, self.nest.init, strict=True)], "vec")
            )  # fmt: skip

            def vector(base: Expr, width: int = width, cells: list[Buffer] = cells) -> Stmt:
                return loop("l", width, lambda lane: self._step(cells, lane, {inner: base + lane}), "vec")

            steps.append(
                vector(const(start, int64))
                if count == 1
                else loop("k", count, lambda v, s=start, w=width, f=vector: f(v * w + s))  # type: ignore[misc]
            )
        inner_body: Sequence[Stmt] = steps
        for var in reversed(outer):
            inner_body = [For(var, const(var.extent or 0, int64), "for", tuple(inner_body))]
        out += inner_body
        first = widths[0][1]
        for width, cells in widths:
            out += self._fold(cells, width)
            if cells is not first:
                out += self._merge(first, const(0, int64), cells, const(0, int64))
        return [*out, *self._finish(tuple(Load(c, (const(0, int64),)) for c in first))]

    def _fold(self, cells: list[Buffer], width: int) -> list[Stmt]:
        """Lane 0 gets the combination of all lanes."""
        out: list[Stmt] = []
        while width > 1:
            width //= 2
            out.append(
                loop("h", width, lambda lane, w=width: self._merge(cells, lane, cells, lane + w), "vec")  # type: ignore[misc]
            )
        return out

    def _merge(self, into: list[Buffer], lane: Expr, other: list[Buffer], at: Expr) -> list[Stmt]:
        old: Values = tuple(Load(c, (lane,)) for c in into)
        new: Values = tuple(Load(c, (at,)) for c in other)
        lets, values = bind_results(self.nest.combine(old, new))
        return [*lets, *(store(c, (lane,), v) for c, v in zip(into, values, strict=True))]
