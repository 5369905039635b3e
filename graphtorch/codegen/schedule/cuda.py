"""The CUDA schedule: elementwise kernels by one thread an element, reductions by a thread or a block an output.

Sizes are constants, so that grids are exact and every guard that cannot fail is gone. Contractions are
products of tiles (cuda_contractions.py). A reduction to few outputs is one of its parts, and in a second launch one of
their results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate as accumulate_counts

from graphtorch.codegen.cuda_target import CudaTarget, cuda_target
from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, If, Kernel, Let, Stmt, loop, store
from graphtorch.codegen.loops import AttentionNest, BundleNest, LoopNest, ReduceNest, RowsNest, ScanNest, ScatterNest
from graphtorch.codegen.schedule.blocks import Cells, Env, accumulate
from graphtorch.codegen.schedule.cuda_attention import attention_body
from graphtorch.codegen.schedule.cuda_base import (
    THREADS,
    guarded,
    guarded_threads,
    repeat,
    split_index,
    tree,
)
from graphtorch.codegen.schedule.cuda_contractions import ENOUGH_BLOCKS, Contractions
from graphtorch.codegen.schedule.cuda_elements import Elements
from graphtorch.codegen.schedule.cuda_rows import LONGEST_ROW, as_rows, rows_body
from graphtorch.codegen.schedule.draws import expand_draws
from graphtorch.codegen.schedule.reduction import Reduction, plan_reduction, size_of, split
from graphtorch.codegen.schedule.scan import ScanPlan, plan_scan
from graphtorch.codegen.schedule.scatter import ScatterPlan, plan_scatter
from graphtorch.ir.expr import Buffer, Expr, Load, Var, const, linear, walk
from graphtorch.ir.types import int64

#: reductions of fewer elements are one thread's work
LEAST_SHARED_DOMAIN = 64
LEAST_SHARED_PARTS = 8
#: with at least so many outputs a thread each keeps the device busy
MANY_OUTPUTS = 4096


#: what has a schedule here
CudaNest = LoopNest | ReduceNest | RowsNest | ScatterNest | ScanNest | AttentionNest | BundleNest


def schedule_cuda(nest: CudaNest, target: CudaTarget | None = None) -> Kernel:
    """Blocks, threads and shared memory for ``nest``; ``target`` is the current one unless it is given."""
    flat = Flatten()
    body = _body(nest, flat, target or cuda_target())
    return Kernel(nest.name, flat.params(nest.params), expand_draws(body) if flat.draws else body)


def _body(nest: CudaNest, flat: Flatten, target: CudaTarget) -> Body:
    if isinstance(nest, BundleNest):
        return _bundle_body(nest, flat)
    if isinstance(nest, AttentionNest):
        return attention_body(nest, flat)
    if not math.prod(nest.shape):  # a grid of no blocks: not to be launched
        return (loop("b", 0, lambda b: (), "block.x"),)
    if isinstance(nest, LoopNest):
        return Elements(nest, flat).body()
    if isinstance(nest, RowsNest):
        return rows_body(nest, flat)
    if isinstance(nest, ScatterNest):
        return _scatter_body(plan_scatter(nest, flat))
    if isinstance(nest, ScanNest):
        return _scan_body(plan_scan(nest, flat))
    if nest.contraction and (product := Contractions(target, _rest_body).body(nest, flat)) is not None:
        return product
    plan = plan_reduction(nest, flat)
    parts = split(plan, _parts(plan))
    if parts is None and not nest.contraction and _is_row(plan):
        return rows_body(as_rows(nest), flat)
    if parts is None:
        return _reduction_body(plan)
    each, rest = parts
    return (*(Alloc(b, "global") for b, _ in each.finals), *_reduction_body(each), *_rest_body(rest))


def _is_row(plan: Reduction) -> bool:
    """Whether what is reduced lies side by side, enough of it for threads to share, and little enough for registers."""
    return LEAST_SHARED_DOMAIN <= plan.domain <= LONGEST_ROW and _dense_reduction(plan)


def _parts(plan: Reduction) -> int:
    """In how many parts a reduction is to be computed at most, so that the device has enough to do."""
    if _dense_reduction(plan):
        return min(4 * ENOUGH_BLOCKS // max(plan.outputs, 1), plan.domain // (16 * THREADS))
    return min(4 * ENOUGH_BLOCKS * THREADS // max(plan.outputs, 1), plan.domain // LEAST_SHARED_DOMAIN)


def _rest_body(plan: Reduction) -> Body:
    """Of parts, whose reads one thread would wait for one by one."""
    by_thread = plan.domain < LEAST_SHARED_PARTS or plan.outputs >= MANY_OUTPUTS
    return _thread_per_output(plan) if by_thread else _block_per_output(plan)


def _reduction_body(plan: Reduction) -> Body:
    by_thread = plan.domain < LEAST_SHARED_DOMAIN or (plan.outputs >= MANY_OUTPUTS and not _dense_reduction(plan))
    return _thread_per_output(plan) if by_thread else _block_per_output(plan)


# ---- bundles ---------------------------------------------------------------------------------------


def _bundle_body(bundle: BundleNest, flat: Flatten) -> Body:
    """One grid for all loops: each has some blocks for itself."""
    elements = [Elements(n, flat).at for n in bundle.nests if isinstance(n, LoopNest)]
    if len(elements) < len(bundle.nests):
        raise ValueError(f"a reduction in a bundle for CUDA: {bundle.name}")
    counts = [math.prod(n.shape) for n in bundle.nests]
    ends = list(accumulate_counts(-(-n // THREADS) for n in counts))

    def thread(block: Expr, t: Expr) -> list[Stmt]:
        out: list[Stmt] = []
        for element, count, start, end in zip(elements, counts, [0, *ends], ends, strict=False):
            p = Var("p", int64, count)
            position = (block - start) * THREADS + t
            inside = (block >= start) & (block < end) & (position < count)
            out += guarded(inside, [Let(p, position), *element(p)])
        return out

    blocks = ends[-1]
    return tuple(repeat("b", blocks, lambda b: repeat("t", THREADS, lambda t: thread(b, t), "thread.x"), "block.x"))


# ---- scatters -------------------------------------------------------------------------------------


def _scatter_body(plan: ScatterPlan) -> Body:
    """A thread for each column of each block of rows: all threads read the same index at a time, few of them a term."""
    each = size_of((*plan.outer, *plan.columns))
    blocks = min(plan.rows, -(-MANY_OUTPUTS * 4 // each))
    block = Var("rows", int64, blocks)

    def column(p: Expr) -> list[Stmt]:
        lets, env = split_index((block, *plan.outer, *plan.columns), p)
        start, size = plan.block(blocks, env[block])

        def here(body: Callable[[Env], Sequence[Stmt]]) -> list[Stmt]:
            return list(body({}))

        return [*lets, *plan.task(env, start, size, here, here)]

    return guarded_threads(blocks * each, column)


# ---- scans ----------------------------------------------------------------------------------------


def _scan_body(plan: ScanPlan) -> Body:
    """A thread for each line."""
    vars = (*plan.outer, *plan.columns)

    def line(p: Expr) -> list[Stmt]:
        lets, env = split_index(vars, p)
        cells = plan.cells("s", (1,))
        start = [*(Alloc(c, "local") for c in cells), *plan.reset(cells, (const(0, int64),))]
        steps = loop(
            "k", plan.length, lambda k: plan.element({**env, plan.line: plan.index(k)}, cells, const(0, int64))
        )
        return [*lets, *start, steps]

    return guarded_threads(size_of(vars), line)


# ---- reductions -----------------------------------------------------------------------------------


def _dense_reduction(plan: Reduction) -> bool:
    """Whether neighbouring reduced elements are neighbours in memory, so that threads should share a row."""
    found = False
    if not plan.red_vars:
        return False

    def visit(e: Expr) -> None:
        nonlocal found
        form = linear(e.indices[0]) if isinstance(e, Load) else None
        found = found or (form is not None and form[0].get(plan.red_vars[-1]) == 1)

    for e in plan.body:
        walk(e, visit)
    return found


def _thread_per_output(plan: Reduction) -> Body:
    """Accumulators in registers; the domain in loops."""

    def output(p: Expr) -> list[Stmt]:
        lets, env = split_index(plan.vars, p)
        cells = Cells(plan, 1, "r")
        steps = accumulate(plan, [cells], plan.red_vars, 1, lambda now, at: now[0].add(env | at))
        return [*lets, *cells.start(), *steps, *plan.finish((env, cells.values()))]

    return guarded_threads(plan.outputs, output)


def _block_per_output(plan: Reduction) -> Body:
    """Threads stride over the domain; then a tree over shared memory."""
    threads = min(THREADS, 1 << (plan.domain - 1).bit_length())
    shared = plan.cells("s", (threads,))

    def row(b: Expr) -> list[Stmt]:
        lets, env = split_index(plan.vars, b)
        allocs: list[Stmt] = [Alloc(c, "shared") for c in shared]
        return [*lets, *allocs, *repeat("t", threads, lambda t: thread(t, env), "thread.x")]

    def thread(t: Expr, env: dict[Var, Expr]) -> list[Stmt]:
        final = tuple(Load(c, (const(0, int64),)) for c in shared)
        first = If(t.eq(0), tuple(plan.finish((env, final))))
        return [*_stride_over_domain(plan, shared, threads, t, env), *tree(plan, shared, threads, t), first]

    return tuple(repeat("b", plan.outputs, row, "block.x"))


def _stride_over_domain(
    plan: Reduction, shared: Sequence[Buffer], threads: int, t: Expr, env: dict[Var, Expr]
) -> list[Stmt]:
    """shared[t] = the combination of elements t, t + threads, t + 2*threads, ..."""
    cells = Cells(plan, 1, "r")
    stride = Var("j", int64, -(-plan.domain // threads))

    def element(now: list[Cells], at: Env) -> list[Stmt]:
        position = at.get(stride, stride) * threads + t
        q = Var("q", int64, plan.domain)
        lets, index = split_index(plan.red_vars, q)
        return guarded(position < plan.domain, [Let(q, position), *lets, *now[0].add(env | index)])

    return [
        *cells.start(),
        *accumulate(plan, [cells], [stride], 1, element),
        *(store(s, (t,), value) for s, value in zip(shared, cells.values(), strict=True)),
        Barrier(),
    ]
