"""What the CUDA schedules share: indices from positions, guards, and trees over shared memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from graphtorch.codegen.kernel_ir import Barrier, Body, If, Kind, Let, Stmt, loop
from graphtorch.codegen.schedule.reduction import Reduction, size_of
from graphtorch.ir.expr import Buffer, Const, Expr, Load, Var, binary, bounds, const
from graphtorch.ir.types import int64

#: threads of a block
THREADS = 256

# ---- indices --------------------------------------------------------------------------------------


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


def tree(plan: Reduction, shared: Sequence[Buffer], threads: int, t: Expr, row: tuple[Expr, ...] = ()) -> list[Stmt]:
    """shared[row, 0] = the combination of all threads' elements, by halves. All threads meet behind it."""

    def halve(r: Expr) -> list[Stmt]:
        w = Var("w", int64, threads // 2 + 1)
        other = tuple(Load(s, (*row, t + w)) for s in shared)
        merge = If(t < w, tuple(plan.step(shared, (*row, t), other)))
        return [Let(w, binary("shr", const(threads // 2, int64), r)), merge, Barrier()]

    return repeat("r", threads.bit_length() - 1, halve)
