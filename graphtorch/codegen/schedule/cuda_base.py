"""What the CUDA schedules share: indices from positions, guards, and a reduction over flat buffers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Body, If, Kind, Let, Stmt, loop, store
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.base import Flattener, bind_results, join_loops
from graphtorch.ir.expr import (
    Buffer,
    Const,
    Expr,
    Load,
    Memo,
    Values,
    Var,
    bounds,
    const,
    flat_index,
    substitute,
)
from graphtorch.ir.types import int64

#: threads of a block
THREADS = 256

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

    def element(block: Expr, thread: Expr) -> list[Stmt]:
        position = block * threads + thread
        p = Var("p", int64, count)
        return guarded(position < count, [Let(p, position), *body(p)])

    blocks = -(-count // threads)
    return tuple(repeat("b", blocks, lambda b: repeat("t", threads, lambda t: element(b, t), "thread.x"), "block.x"))


def repeat(name: str, extent: int, body: Callable[[Expr], Sequence[Stmt]], kind: Kind = "unroll") -> list[Stmt]:
    """``body`` for every index below ``extent``; no loop where there is but one."""
    return list(body(const(0, int64))) if extent == 1 else [loop(name, extent, body, kind)]


def guarded(cond: Expr, body: Sequence[Stmt]) -> list[Stmt]:
    """``if cond``, unless it always holds."""
    return list(body) if isinstance(cond, Const) and cond.value else [If(cond, tuple(body))]


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
        """cells[at] = combine(cells[at], new)."""
        old = tuple(Load(c, at) for c in cells)
        lets, values = bind_results(self.combine(old, new))
        return [*lets, *(store(c, at, e) for c, e in zip(cells, values, strict=True))]

    def body_at(self, env: dict[Var, Expr]) -> Values:
        memo: Memo = {}
        return tuple(substitute(e, env, memo) for e in self.body)

    def finish(self, env: dict[Var, Expr], values: Values) -> list[Stmt]:
        """Store the results of the accumulators' ``values``."""
        env = env | dict(zip(self.accs, values, strict=True))
        memo: Memo = {}
        lets, bound = bind_results([substitute(e, env, memo) for _, e in self.finals], "f")
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
    memo: Memo = {}
    outs = [flat.buffers[b] for b, _ in nest.outputs]
    results = tuple((b, substitute(e, env, memo)) for b, e in zip(outs, finals, strict=True))
    roots = tuple(substitute(e, env, memo) for e in body)
    return Reduction(vars, red_vars, nest.init, roots, nest.combine, accs, results, substitute(position, env, memo))
