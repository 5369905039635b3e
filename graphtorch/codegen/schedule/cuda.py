"""The CUDA schedule: elementwise kernels by one thread an element, reductions by a thread or a block an output.

Sizes are constants, so that grids are exact and every guard that cannot fail is gone. Contractions are
tiled by cuda_contract.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, For, If, Kernel, Let, Stmt, loop, store
from graphtorch.codegen.loops import LoopNest, Nest, ReduceNest
from graphtorch.codegen.schedule.base import Flattener, bind_shared, join_loops
from graphtorch.ir.expr import (
    Buffer,
    Const,
    Expr,
    Load,
    Values,
    Var,
    binary,
    bounds,
    const,
    flat_index,
    linear,
    substitute,
    walk,
)
from graphtorch.ir.types import int64

#: threads of a block
THREADS = 256
#: reductions of fewer elements are one thread's work
LEAST_SHARED_DOMAIN = 64
#: with at least so many outputs a thread each keeps the device busy
MANY_OUTPUTS = 4096


def schedule_cuda(nest: Nest) -> Kernel:
    """Blocks, threads and shared memory for ``nest``."""
    from graphtorch.codegen.schedule.cuda_contract import contraction_body

    flat = Flattener(nest.params)
    if isinstance(nest, LoopNest):
        return Kernel(nest.name, flat.params, _loop_body(nest, flat))
    plan = plan_reduction(nest, flat)
    tiled = contraction_body(plan) if nest.contraction else None
    if tiled is not None:
        return Kernel(nest.name, flat.params, tiled)
    by_thread = plan.domain < LEAST_SHARED_DOMAIN or plan.outputs >= MANY_OUTPUTS and not _dense_reduction(plan)
    return Kernel(nest.name, flat.params, _thread_per_output(plan) if by_thread else _block_per_output(plan))


# ---- indices --------------------------------------------------------------------------------------


def size_of(vars: Sequence[Var]) -> int:
    return math.prod(v.extent or 0 for v in vars)


def named(name: str, value: Expr) -> tuple[list[Stmt], Expr]:
    """A `let` for an index, with the extent that its bounds prove; variables and constants need none."""
    if isinstance(value, Var | Const):
        return [], value
    low, high = bounds(value)
    known = int(high) + 1 if low >= 0 and math.isfinite(high) else None
    var = Var(name, int64, known)
    return [Let(var, value)], var


def split_index(vars: Sequence[Var], position: Expr) -> tuple[list[Stmt], dict[Var, Expr]]:
    """What each of ``vars`` is at a row-major ``position`` over all of them."""
    lets: list[Stmt] = []
    env: dict[Var, Expr] = {}
    stride = size_of(vars)
    for i, v in enumerate(vars):
        stride //= v.extent or 1
        index = position // stride
        let, env[v] = named(v.name, index % (v.extent or 1) if i else index)
        lets += let
    return lets, env


def guarded_threads(count: int, body: Callable[[Expr], Sequence[Stmt]]) -> Body:
    """``body(position)`` for each of ``count`` positions, in a thread each."""
    threads = min(THREADS, -(-count // 32) * 32) or 1

    def element(block: Var, thread: Var) -> list[Stmt]:
        position = block * threads + thread
        p = Var("p", int64, count)
        return guarded(position < count, [Let(p, position), *body(p)])

    blocks = -(-count // threads)
    return (loop("b", blocks, lambda b: loop("t", threads, lambda t: element(b, t), "thread.x"), "block.x"),)


def guarded(cond: Expr, body: Sequence[Stmt]) -> list[Stmt]:
    """``if cond``, unless it always holds."""
    return list(body) if isinstance(cond, Const) and cond.value else [If(cond, tuple(body))]


# ---- elementwise ----------------------------------------------------------------------------------


def _loop_body(nest: LoopNest, flat: Flattener) -> Body:
    position = flat_index(nest.shape, nest.vars)
    values = [flat.expr(e) for _, e in nest.outputs]
    outs = [flat.buffers[b] for b, _ in nest.outputs]
    vars, joined = join_loops(nest.vars, [*values, position])

    def element(p: Expr) -> list[Stmt]:
        indices, env = split_index(vars, p)
        memo: dict[int, Expr] = {}
        roots = [substitute(substitute(e, joined), env, memo) for e in values]
        lets, bound = bind_shared(roots)
        return [*indices, *lets, *(store(b, (p,), e) for b, e in zip(outs, bound, strict=True))]

    return guarded_threads(math.prod(nest.shape), element)


# ---- reductions -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reduction:
    """A reduction over flat buffers and joined loops; ``finals`` are stored at ``position``, over ``accs``."""

    vars: tuple[Var, ...]
    red_vars: tuple[Var, ...]
    init: tuple[Const, ...]
    body: tuple[Expr, ...]
    combine: Callable[[Values, Values], Values]
    accs: tuple[Var, ...]
    finals: tuple[tuple[Buffer, Expr], ...]
    position: Expr

    @property
    def outputs(self) -> int:
        return size_of(self.vars)

    @property
    def domain(self) -> int:
        return size_of(self.red_vars)

    def cells(self, name: str, shape: tuple[int, ...]) -> list[Buffer]:
        """A buffer for every accumulator."""
        return [Buffer(f"{name}{i}", shape, e.dtype) for i, e in enumerate(self.init)]

    def reset(self, cells: Sequence[Buffer], at: Values) -> list[Stmt]:
        return [store(c, at, e) for c, e in zip(cells, self.init, strict=True)]

    def step(self, cells: Sequence[Buffer], at: Values, new: Values) -> list[Stmt]:
        """cells[at] = combine(cells[at], new); all results are computed before any is stored."""
        old = tuple(Load(c, at) for c in cells)
        lets, values = bind_shared(self.combine(old, new))
        if len(cells) > 1:
            vars = [Var(f"n{i}", e.dtype) for i, e in enumerate(values)]
            lets += [Let(v, e) for v, e in zip(vars, values, strict=True)]
            values = list(vars)
        return [*lets, *(store(c, at, e) for c, e in zip(cells, values, strict=True))]

    def body_at(self, env: dict[Var, Expr]) -> Values:
        memo: dict[int, Expr] = {}
        return tuple(substitute(e, env, memo) for e in self.body)

    def finish(self, env: dict[Var, Expr], values: Values) -> list[Stmt]:
        """Store the results of the accumulators' ``values``."""
        env = env | dict(zip(self.accs, values, strict=True))
        memo: dict[int, Expr] = {}
        lets, bound = bind_shared([substitute(e, env, memo) for _, e in self.finals], "f")
        position = substitute(self.position, env, memo)
        return [*lets, *(store(b, (position,), e) for (b, _), e in zip(self.finals, bound, strict=True))]


def plan_reduction(nest: ReduceNest, flat: Flattener) -> Reduction:
    """``nest`` over the buffers of ``flat``, with adjacent loops joined."""
    position = flat_index(nest.shape, nest.vars)
    body = [flat.expr(e) for e in nest.body]
    accs = tuple(Var(f"acc{i}", e.dtype) for i, e in enumerate(nest.init))
    finals = [flat.expr(f(accs)) for _, f in nest.outputs]
    vars, env = join_loops(nest.vars, [*body, *finals, position])
    red_vars, red_env = join_loops(nest.red_vars, body)
    env |= red_env
    memo: dict[int, Expr] = {}
    outs = [flat.buffers[b] for b, _ in nest.outputs]
    results = tuple((b, substitute(e, env, memo)) for b, e in zip(outs, finals, strict=True))
    roots = tuple(substitute(e, env, memo) for e in body)
    return Reduction(
        vars, red_vars, nest.init, roots, nest.combine, accs, results, substitute(position, env, memo)
    )


def _dense_reduction(plan: Reduction) -> bool:
    """Whether neighbouring reduced elements are neighbours in memory, so that threads should share a row."""
    found = False

    def visit(e: Expr) -> None:
        nonlocal found
        form = linear(e.indices[0]) if isinstance(e, Load) else None
        found = found or form is not None and form[0].get(plan.red_vars[-1]) == 1

    for e in plan.body:
        walk(e, visit)
    return found


def _thread_per_output(plan: Reduction) -> Body:
    """Accumulators in registers; the domain in loops."""
    cells = plan.cells("r", ())

    def output(p: Expr) -> list[Stmt]:
        lets, env = split_index(plan.vars, p)
        steps = plan.step(cells, (), plan.body_at(env))
        for var in reversed(plan.red_vars):
            steps = [For(var, const(var.extent or 0, int64), "for", tuple(steps))]
        allocs: list[Stmt] = [Alloc(c, "local") for c in cells]
        final = tuple(Load(c, ()) for c in cells)
        return [*lets, *allocs, *plan.reset(cells, ()), *steps, *plan.finish(env, final)]

    return guarded_threads(plan.outputs, output)


def _block_per_output(plan: Reduction) -> Body:
    """Threads stride over the domain; then a tree over shared memory."""
    threads = min(THREADS, 1 << (plan.domain - 1).bit_length())
    shared = plan.cells("s", (threads,))

    def row(b: Var) -> list[Stmt]:
        lets, env = split_index(plan.vars, b)
        allocs: list[Stmt] = [Alloc(c, "shared") for c in shared]
        return [*lets, *allocs, loop("t", threads, lambda t: thread(t, env), "thread.x")]

    def thread(t: Var, env: dict[Var, Expr]) -> list[Stmt]:
        final = tuple(Load(c, (const(0, int64),)) for c in shared)
        first = If(t.eq(0), tuple(plan.finish(env, final)))
        return [*_stride_over_domain(plan, shared, threads, t, env), *_tree(plan, shared, threads, t), first]

    return (loop("b", plan.outputs, row, "block.x"),)


def _stride_over_domain(
    plan: Reduction, shared: Sequence[Buffer], threads: int, t: Var, env: dict[Var, Expr]
) -> list[Stmt]:
    """shared[t] = the combination of elements t, t + threads, t + 2*threads, ..."""
    cells = plan.cells("r", ())

    def element(j: Var) -> list[Stmt]:
        position = j * threads + t
        q = Var("q", int64, plan.domain)
        lets, index = split_index(plan.red_vars, q)
        steps = plan.step(cells, (), plan.body_at(env | index))
        return guarded(position < plan.domain, [Let(q, position), *lets, *steps])

    return [
        *(Alloc(c, "local") for c in cells),
        *plan.reset(cells, ()),
        loop("j", -(-plan.domain // threads), element),
        *(store(s, (t,), Load(c, ())) for s, c in zip(shared, cells, strict=True)),
        Barrier(),
    ]


def _tree(plan: Reduction, shared: Sequence[Buffer], threads: int, t: Var) -> list[Stmt]:
    """shared[0] = the combination of all, by halves."""
    if threads == 1:
        return []

    def halve(r: Var) -> list[Stmt]:
        lets, width = named("w", binary("shr", const(threads // 2, int64), r))
        other = tuple(Load(s, (t + width,)) for s in shared)
        return [*lets, If(t < width, tuple(plan.step(shared, (t,), other))), Barrier()]

    return [loop("r", threads.bit_length() - 1, halve, "unroll")]
