"""What the CPU's schedules share: loops over threads, vector widths, and estimates of work."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from graphtorch.codegen.kernel_ir import Body, For, Stmt, replace_vars
from graphtorch.codegen.target import Target
from graphtorch.codegen.vector_math import FORMULAS
from graphtorch.ir.dim import surely
from graphtorch.ir.expr import Binary, Buffer, Draw, Expr, Load, Unary, Var, const, linear, walk
from graphtorch.ir.types import int64

#: below this many elementary operations a kernel runs on one thread: waking others costs more
PARALLEL_WORK = 32_768
#: operations of a random word, where four of a block are wanted
DRAW_COST = 40
#: so many functions of real numbers have more constants than there are registers: two vectors at a time share each load
CROWDED = 2
#: elements from which on that is worth a longer compilation
LONG = 1 << 16


def nested(vars: Sequence[Var], body: Callable[[], Sequence[Stmt]], parallel: bool) -> Body:
    """Loops over ``vars``, outermost first; in parallel over all of them joined, if asked for."""
    if not vars:
        return tuple(body())
    if not parallel:
        inner: Sequence[Stmt] = body()
        for var in reversed(vars):
            inner = (For(var, const(var.size, int64), "for", tuple(inner)),)
        return tuple(inner)
    total = math.prod(v.size for v in vars)
    joined = Var("p", int64, total) if len(vars) > 1 else vars[0]
    inner = body()
    if len(vars) > 1:
        env, stride = {}, total
        for v in vars:
            extent = 1 if surely("==", v.size, 0) else v.size
            stride //= extent
            env[v] = (joined // stride) % extent
        inner = replace_vars(inner, env)
    return (For(joined, const(total, int64), "par", tuple(inner)),)


def lanes_of(exprs: Sequence[Expr], outs: Sequence[Buffer], target: Target) -> int:
    """Vector width: that of the widest floating-point element as it is computed, else of the widest output."""
    sizes = [max(b.dtype.itemsize, 4) for b in outs if b.dtype.kind == "f"]

    def visit(e: Expr) -> None:
        if isinstance(e, Load) and e.dtype.kind == "f":
            sizes.append(max(e.dtype.itemsize, 4))

    for e in exprs:
        walk(e, visit)
    return target.lanes(max(sizes) if sizes else 4)


def cost_of(values: Sequence[Expr]) -> int:
    """Operations per element, roughly."""
    seen: set[int] = set()
    draws: list[Expr] = []
    for e in values:
        walk(e, lambda x: draws.append(x) if isinstance(x, Draw) else None, seen)
    return max(1, len(seen) // 4 + DRAW_COST * len(draws))


def pairs_of_vectors(extent: int, lanes: int, values: Sequence[Expr]) -> bool:
    """Whether a loop of ``extent`` elements is to take two vectors at a time, which doubles LLVM's work on it."""
    if surely("<", extent, LONG) or not surely("==", extent % (2 * lanes), 0):
        return False
    found: set[Expr] = set()
    seen: set[int] = set()
    for e in values:
        walk(e, lambda x: found.add(x) if isinstance(x, Unary | Binary) and x.fn in FORMULAS else None, seen)
    return len(found) >= CROWDED


def dense_loads(body: Sequence[Expr], var: Var) -> int:
    """How many loads, and draws, are of neighbouring elements as ``var`` counts."""
    found = 0

    def visit(e: Expr) -> None:
        nonlocal found
        if isinstance(e, Load | Draw):
            form = linear(e.indices[0] if isinstance(e, Load) else e.position)
            found += form is not None and form[0].get(var) == 1

    seen: set[int] = set()
    for e in body:
        walk(e, visit, seen)
    return found
