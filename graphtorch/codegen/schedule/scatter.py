"""Sums into rows that indices name: a task has some rows and columns of the result for itself, and all indices.

Terms are added in the order of the indices, whoever has the row: results do not depend on the number of tasks. A task
looks at every index, and reads only the terms of its own rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Body, For, If, Let, Stmt, loop, store
from graphtorch.codegen.loops import ScatterNest
from graphtorch.codegen.schedule.base import bind_results, join_loops
from graphtorch.codegen.schedule.boxes import Index, ceil_div, round_up
from graphtorch.codegen.schedule.cpu_base import PARALLEL_WORK, cost_of, lanes_of, nested
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.codegen.target import Target
from graphtorch.ir.expr import Buffer, Const, Expr, Load, Var, const, flat_index, minimum, substitute, unary
from graphtorch.ir.types import int64

#: tasks to share among threads; blocks of rows make up for few columns
TASKS, LEAST_TASKS = 16, 4
#: columns of so many bytes are not divided: they are a line of the cache
LINE = 64
#: statements for the elements at an index of the columns, as a loop over all or some of them
Columns = Callable[[Callable[[Index], Sequence[Stmt]]], list[Stmt]]


@dataclass(frozen=True, eq=False)
class ScatterPlan:
    """The nest over flat buffers; ``outer`` and ``columns`` are the joined loops before and after the rows'."""

    outer: tuple[Var, ...]
    row: Var
    columns: tuple[Var, ...]
    red_vars: tuple[Var, ...]
    output: Buffer
    position: Expr
    init: Expr
    index: Expr
    term: Expr
    unknown: Const

    @property
    def rows(self) -> int:
        return self.row.extent or 0

    def block(self, count: int, number: Expr) -> tuple[Expr, Expr]:
        """The first row of block ``number`` of ``count``, and how many it has."""
        size = ceil_div(self.rows, count)
        start = number * size
        return start, minimum(const(size, int64), const(self.rows, int64) - start)

    def task(self, env: Index, start: Expr, size: Expr, columns: Columns) -> list[Stmt]:
        """``size`` rows from ``start``, at ``env`` and at all ``columns``."""
        at, count = Var("at", int64), int(size.value) if isinstance(size, Const) else size

        def put(row: Expr, value: Expr) -> list[Stmt]:
            def element(index: Index) -> list[Stmt]:
                here = {**env, **index, self.row: row}
                lets, (new,) = bind_results([substitute(value, here)])
                return [*lets, store(self.output, (substitute(self.position, here),), new)]

            return columns(element)

        old = Load(self.output, (self.position,))
        first = loop("r", count, lambda r: put(start + r, self.init))
        own = If((at >= start) & (at < start + size), tuple(put(at, old + self.term)))
        body: tuple[Stmt, ...] = (Let(at, substitute(self.index, env)), own)
        if self.unknown.value:  # nan, that is
            all_of_them = loop("r", count, lambda r: put(start + r, old + self.unknown))
            body = (*body, If(unary("not", (at >= 0) & (at < self.rows)), (all_of_them,)))
        for var in reversed(self.red_vars):
            body = (For(var, const(var.extent or 0, int64), "for", body),)
        return [first, *body]


def plan_scatter(nest: ScatterNest, flat: Flatten) -> ScatterPlan:
    """``nest`` over the buffers of ``flat``, with adjacent loops joined on either side of the rows'."""
    position, init, term = flat_index(nest.shape, nest.vars), flat.expr(nest.init), flat.expr(nest.term)
    index, elements = flat.expr(nest.row), [position, init, term]
    outer, env = join_loops(nest.vars[: nest.dim], elements)
    columns, more = join_loops(nest.vars[nest.dim + 1 :], elements)
    red_vars, red_env = join_loops(nest.red_vars, [index, term])
    env |= more | red_env
    position, init, term, index = (substitute(e, env) for e in (position, init, term, index))
    row, output = nest.vars[nest.dim], flat.buffer(nest.output)
    return ScatterPlan(outer, row, columns, red_vars, output, position, init, index, term, nest.unknown)


def scatter_body(nest: ScatterNest, flat: Flatten, target: Target) -> Body:
    """The CPU's schedule: vectors along the columns, which tasks share first."""
    plan = plan_scatter(nest, flat)
    lanes = lanes_of([plan.term], [plan.output], target)
    *between, column = (*plan.columns,) or (Var("one", int64, 1),)
    outer, extent = (*plan.outer, *between), column.extent or 0
    work = size_of(outer) * extent * (plan.rows + size_of(plan.red_vars)) * cost_of([plan.term])
    parallel = work >= PARALLEL_WORK
    line = max(1, LINE // plan.output.dtype.itemsize)
    width = min(extent, round_up(ceil_div(extent, TASKS), line)) if parallel else extent
    tasks = size_of(outer) * ceil_div(extent, width)
    blocks = min(plan.rows, ceil_div(TASKS, tasks)) if parallel and tasks < LEAST_TASKS else 1

    def strips(first: int, count: int, width: int) -> Body:
        """``count`` strips of ``width`` columns from ``first``, by all blocks of rows."""
        block, number = _counter("b", blocks), _counter("s", count)
        start = number * width + first

        def strip() -> list[Stmt]:
            def columns(body: Callable[[Index], Sequence[Stmt]]) -> list[Stmt]:
                part = Var(column.name, int64, width)
                return vector_loop(part, lanes, lambda at: body({column: start + at}))

            return plan.task({}, *plan.block(blocks, block), columns)

        return nested([*outer, *(v for v in (block, number) if isinstance(v, Var))], strip, parallel)

    whole, rest = divmod(extent, width)
    return (*strips(0, whole, width), *(strips(whole * width, 1, rest) if rest else ()))


def _counter(name: str, extent: int) -> Expr:
    """A loop's variable, unless there is one iteration."""
    return const(0, int64) if extent == 1 else Var(name, int64, extent)
