"""Rows sorted on the CPU, each by one task."""

from __future__ import annotations

import math

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Body, Stmt, store
from graphtorch.codegen.loops import SortNest
from graphtorch.codegen.schedule.base import join_loops
from graphtorch.codegen.schedule.cpu_base import PARALLEL_WORK, nested
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.codegen.schedule.sorter import RUN, Sorter, memory_for
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import example
from graphtorch.ir.expr import (
    Expr,
    Var,
    cast,
    flat_index,
    narrowed,
    substitute,
)
from graphtorch.ir.types import LOW_PRECISION, DType, int32, int64

#: elements that are kept in order, at most; and how many times fewer have to be wanted than there are, to sort less
FEW, TIMES = 64, 4
#: operations that an element costs in a level of merges
MERGE_COST = 8


def stored(e: Expr, dtype: DType) -> Expr:
    """A key as it is in memory: those of 16-bit floats are float32 while they are sorted."""
    return narrowed(e, dtype) if dtype in LOW_PRECISION else e


def sort_body(nest: SortNest, flat: Flatten, target: Target) -> Body:
    """Threads share the rows."""
    n, dtype = nest.shape[nest.dim], nest.source.dtype
    source = flat.expr(nest.source)
    at = [v for d, v in enumerate(nest.vars) if d != nest.dim]
    line = nest.vars[nest.dim]
    kept = tuple(nest.k if d == nest.dim else m for d, m in enumerate(nest.shape))
    position = flat_index(kept, nest.vars)
    outer, env = join_loops(at, [source, position])
    source, position = substitute(source, env), substitute(position, env)
    sorter = Sorter(n, nest.k, nest.descending, dtype, target.lanes(max(4, dtype.itemsize)))
    part, few = n >= TIMES * nest.k, nest.k <= FEW
    size = (nest.k if few else 2 * nest.k) if part else n  # and one for what comes after the last element of a merge
    memory = [memory_for(name, size + 1, dtype) for name in ("one", "two")]

    def key(index: Expr) -> Expr:
        return substitute(source, {line: index})

    def row() -> list[Stmt]:
        if part:
            steps, found = (sorter.selected if few else sorter.collected)(key, memory)
        else:
            load = vector_loop(line, sorter.lanes, lambda i: memory[0].put(i, key(i), cast(i, int32)))
            steps, found = sorter.sorted(memory)
            steps = [*load, *steps]

        def out(i: Expr) -> list[Stmt]:
            here = (substitute(position, {line: i}),)
            values = (
                []
                if nest.values is None
                else [store(flat.buffer(nest.values), here, stored(found.key(i), nest.values.dtype))]
            )
            places = cast(found.place(i), int64)
            return [*values, *([] if nest.places is None else [store(flat.buffer(nest.places), here, places)])]

        allocated = [Alloc(b, "thread") for m in memory for b in (m.keys, m.places)]
        return [*allocated, *steps, *vector_loop(Var("o", int64, nest.k), sorter.lanes, out)]

    levels = 1 if part else max(1, math.ceil(math.log2(max(n, 2) / RUN)) + 2)
    return nested(outer, row, example(size_of(outer) * n) * levels * MERGE_COST >= PARALLEL_WORK)
