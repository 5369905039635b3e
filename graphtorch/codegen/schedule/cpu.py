"""The CPU schedule: threads on the outer loops, vectors on the innermost, no masks.

A row of n elements is cut into full vectors and then into halves of one (28 = 16 + 8 + 4), since all
sizes are known; so there are no scalar tails and no masked stores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Body, Kernel, Param, Stmt, store
from graphtorch.codegen.loops import (
    AttentionNest,
    BundleNest,
    ChainNest,
    LoopNest,
    Nest,
    ReduceNest,
    RowsNest,
    ScanNest,
    ScatterNest,
    SortNest,
)
from graphtorch.codegen.schedule.attention import attention_body
from graphtorch.codegen.schedule.base import bind_results, join_loops
from graphtorch.codegen.schedule.blocks import UNROLLED_DOMAIN
from graphtorch.codegen.schedule.boxes import Index
from graphtorch.codegen.schedule.contract import chain_body, contraction_body
from graphtorch.codegen.schedule.cpu_base import PARALLEL_WORK, cost_of, dense_loads, lanes_of, nested, pairs_of_vectors
from graphtorch.codegen.schedule.cpu_reduce import across_lanes, sequential, strips
from graphtorch.codegen.schedule.draws import stage_draws
from graphtorch.codegen.schedule.periodic import Elements, period, periodic_loop
from graphtorch.codegen.schedule.reduction import Reduction, plan_reduction, size_of, split
from graphtorch.codegen.schedule.rows import rows_body
from graphtorch.codegen.schedule.scan import scan_body
from graphtorch.codegen.schedule.scatter import scatter_body
from graphtorch.codegen.schedule.sorting import sort_body
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import example, surely
from graphtorch.ir.expr import (
    Buffer,
    Expr,
    Memo,
    Var,
    flat_index,
    substitute,
)
from graphtorch.ir.types import uint32

#: reductions of this much work to fewer outputs than threads could share are split into parts
SPLIT_WORK, FEW_OUTPUTS, MOST_PARTS = 131_072, 16, 64
#: columns of so many elements are reduced side by side; accumulators of so many stay in the first cache, and a row
#: of so many is worth a task
LONG_COLUMN, STRIP, NARROW_STRIP = 32, 1024, 64


#: what a loop of a bundle has to take for threads to share it
SHARED_WORK = 8192


def schedule_cpu(nest: Nest, target: Target, way: int = 0) -> Kernel:
    """Loops, threads and vectors for ``nest`` on ``target``; ``way`` numbers those of a contraction."""
    flat = Flatten()
    body = _drawn(_body(nest, flat, target, way), flat, target)
    return Kernel(nest.name, flat.params(nest.params), body)


def _drawn(body: Body, flat: Flatten, target: Target) -> Body:
    """Random draws written out; few kernels have any."""
    return stage_draws(body, target.lanes(uint32.itemsize)) if flat.draws else body


def _body(nest: Nest, flat: Flatten, target: Target, way: int) -> Body:
    match nest:
        case LoopNest():
            return _loop_body(nest, flat, target)
        case ReduceNest():
            products = contraction_body(nest, target, flat, way) if nest.contraction else None
            return _reduce_body(nest, flat, target) if products is None else products
        case ChainNest():
            together = chain_body(nest, target, flat, way)
            return _one_after_the_other(nest, flat, target, way) if together is None else together
        case RowsNest():
            return rows_body(nest, flat, target)
        case AttentionNest():
            return attention_body(nest, target, flat)
        case ScatterNest():
            return scatter_body(nest, flat, target)
        case ScanNest():
            return scan_body(nest, flat, target)
        case SortNest():
            return sort_body(nest, flat, target)
        case BundleNest():
            raise ValueError(f"a bundle is scheduled part by part: {nest.name}")


def _one_after_the_other(chain: ChainNest, flat: Flatten, target: Target, way: int) -> Body:
    """All results of the first nest in memory, and then the second."""
    known = any(p.buffer is chain.link for p in chain.params)
    link: Body = () if known else (Alloc(flat.buffer(chain.link), "global"),)
    return (*link, *_body(chain.first, flat, target, way), *_body(chain.then, flat, target, way))


# ---- bundles --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A kernel of a bundle. ``memory`` is what one part's kernels leave for the other: parameters after the nest's."""

    kernel: Kernel
    memory: tuple[Buffer, ...] = ()


def schedule_part(nest: LoopNest | ReduceNest, target: Target) -> tuple[Part, Part | None]:
    """A nest of a bundle, whose threads do not wait at its end: they go on with the next one. What a loop costs then is
    a place in line, which is less than waking a thread.

    A reduction that is cut in parts is two kernels: for the second, threads have to have met.
    """
    flat = Flatten()
    if isinstance(nest, LoopNest):
        body = _drawn(_loop_body(nest, flat, target, SHARED_WORK), flat, target)
        return Part(_part(nest.name, flat.params(nest.params), body)), None
    memory, first, then = _reduce_parts(nest, flat, target, SHARED_WORK)
    first, then = _drawn(first, flat, target), _drawn(then, flat, target)
    params = flat.params(nest.params)
    if not then:
        return Part(_part(nest.name, params, first)), None
    reads = tuple(p if p.mode == "in" else Param(p.buffer, "in") for p in params)
    one = _part(nest.name, (*reads, *(Param(b, "out") for b in memory)), first)
    two = _part(f"{nest.name}_all", (*params, *(Param(b, "in") for b in memory)), then)
    return Part(one, memory), Part(two, memory)


def _part(name: str, params: tuple[Param, ...], body: Body) -> Kernel:
    return Kernel(name, params, body, waits=False)


# ---- elementwise ----------------------------------------------------------------------------------


def _loop_body(nest: LoopNest, flat: Flatten, target: Target, least: int = PARALLEL_WORK) -> Body:
    """Threads share what takes at least ``least`` operations."""
    position = flat_index(nest.shape, nest.vars)
    values = [flat.expr(e) for _, e in nest.outputs]
    vars, env = join_loops(nest.vars, [*values, position])
    memo: Memo = {}
    values = [substitute(e, env, memo) for e in values]
    position = substitute(position, env, memo)
    outs = [flat.buffer(b) for b, _ in nest.outputs]
    lanes = lanes_of(values, outs, target)
    parallel = example(math.prod(nest.shape)) * cost_of(values) >= least
    if vars and pairs_of_vectors(vars[-1].size, lanes, values):
        lanes *= 2

    def elements(*at: Index) -> list[Stmt]:
        """Those at each of these indices: first what they are, and then the stores, output by output."""
        lets, bound = bind_results([substitute(e, index) for e in values for index in at])
        places = [(b, (substitute(position, index),)) for b in outs for index in at]
        return [*lets, *(store(b, where, e) for (b, where), e in zip(places, bound, strict=True))]

    if not vars:
        return tuple(elements({}))
    return _rows(vars, values, elements, lanes, parallel)


def _rows(vars: Sequence[Var], exprs: Sequence[Expr], elements: Elements, lanes: int, parallel: bool) -> Body:
    """``elements(indices, ...)`` over ``vars``, the last of them in vectors, of several if ``exprs`` divide it."""
    *outer, inner = vars
    each = period(exprs, inner)
    if not outer:
        return tuple(periodic_loop(inner, each, lanes, elements, "par" if parallel else "for"))
    return nested(outer, lambda: periodic_loop(inner, each, lanes, elements, "for"), parallel)


# ---- reductions -----------------------------------------------------------------------------------


def _reduce_body(nest: ReduceNest, flat: Flatten, target: Target) -> Body:
    memory, first, then = _reduce_parts(nest, flat, target)
    return (*(Alloc(b, "global") for b in memory), *first, *then)


def _reduce_parts(
    nest: ReduceNest, flat: Flatten, target: Target, least: int = PARALLEL_WORK
) -> tuple[tuple[Buffer, ...], Body, Body]:
    """Memory for the results of parts, the reductions of those, and that of their results, if it is cut in parts.

    Threads share what takes at least ``least`` operations.
    """
    plan = plan_reduction(nest, flat)
    work = example(plan.outputs * plan.domain) * cost_of(plan.body)
    lanes = lanes_of(plan.body, [], target)
    columns = _are_columns(plan)
    few = example(plan.outputs) < (FEW_OUTPUTS * STRIP if columns else FEW_OUTPUTS)
    halves = split(plan, FEW_OUTPUTS if columns else MOST_PARTS) if few and work >= SPLIT_WORK else None
    if halves is None:
        return (), _reduce(plan, lanes, work >= least), ()
    each, all_of_them = halves
    return tuple(b for b, _ in each.finals), _reduce(each, lanes, True), _reduce(all_of_them, lanes, False)


def _reduce(plan: Reduction, lanes: int, parallel: bool) -> Body:
    if _are_columns(plan):
        return _columns(plan, lanes, parallel)
    if _along_outputs(plan):
        exprs = [*plan.body, *(e for _, e in plan.finals)]
        return _rows(plan.vars, exprs, partial(sequential, plan), lanes, parallel)
    return nested(plan.vars, lambda: across_lanes(plan, lanes), parallel)


def _are_columns(plan: Reduction) -> bool:
    """Whether neighbouring outputs read neighbours in memory, each many that lie far apart."""
    return example(plan.domain) >= LONG_COLUMN and (plan.vars[-1:] != ()) and _along_outputs(plan)


def _columns(plan: Reduction, lanes: int, parallel: bool) -> Body:
    """As wide as the accumulators of a strip may be, or as narrow as makes enough tasks of them."""
    *outer, last = plan.vars
    tasks = -(-FEW_OUTPUTS // example(size_of(outer)))
    narrow = -(-example(last.size) // tasks // NARROW_STRIP) * NARROW_STRIP
    width = min(STRIP, narrow) if parallel else STRIP
    if not outer:
        return tuple(strips(plan, lanes, width, "par" if parallel else "for"))
    return nested(outer, lambda: strips(plan, lanes, width, "for"), parallel)


def _along_outputs(plan: Reduction) -> bool:
    """Whether vectors run over outputs: reads are dense there, or the domain is short."""
    if not plan.vars:
        return False
    body, out, red = plan.body, plan.vars[-1], plan.red_vars[-1] if plan.red_vars else None
    short = bool(surely("<=", plan.domain, UNROLLED_DOMAIN))
    if red is None or (short and example(out.size) >= 4 and not dense_loads(body, red)):
        return True
    if short and example(out.size) >= example(red.size):
        return True
    return dense_loads(body, out) > dense_loads(body, red)
