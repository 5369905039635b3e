"""Elements written where indices say: a task has some rows and columns of the result for itself, and all indices.

Terms are taken in the order of the indices, whoever has the row: results do not depend on the number of tasks. A task
looks at every index, and reads only the terms of its own rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Body, For, If, Let, Stmt, store
from graphtorch.codegen.loops import ScatterNest
from graphtorch.codegen.schedule.base import bind_results, join_loops
from graphtorch.codegen.schedule.boxes import Index, ceil_div, round_up
from graphtorch.codegen.schedule.cpu_base import PARALLEL_WORK, cost_of, lanes_of, nested
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import example, is_dynamic, surely
from graphtorch.ir.expr import (
    Buffer,
    Const,
    Expr,
    Load,
    Memo,
    Var,
    const,
    flat_index,
    free_vars,
    minimum,
    substitute,
    unary,
    whole,
)
from graphtorch.ir.types import int64

#: tasks to share among threads; blocks of rows make up for few columns
TASKS, LEAST_TASKS = 16, 4
#: columns of so many bytes are not divided: they are a line of the cache
LINE = 64
#: statements for the elements at an index of the columns, as a loop over all or some of them
Columns = Callable[[Callable[[Index], Sequence[Stmt]]], list[Stmt]]


@dataclass(frozen=True, eq=False)
class ScatterPlan:
    """The nest over flat buffers. ``row`` is the longest dimension that has indices, ``others`` are the rest of those;
    ``outer`` and ``columns`` are the joined loops before and after the last of them. Where each column has rows of its
    own, ``apart`` says so."""

    outer: tuple[Var, ...]
    row: Var
    others: tuple[Var, ...]
    columns: tuple[Var, ...]
    apart: bool
    red_vars: tuple[Var, ...]
    output: Buffer
    position: Expr
    init: Expr
    indices: dict[Var, Expr]
    term: Expr
    combine: Callable[[Expr, Expr], Expr]
    unknown: Const

    @property
    def rows(self) -> int:
        return self.row.size

    def block(self, count: int, number: Expr) -> tuple[Expr, Expr]:
        """The first row of block ``number`` of ``count``, and how many it has."""
        size = ceil_div(self.rows, count)
        start = number * size
        return start, minimum(const(size, int64), const(self.rows, int64) - start)

    def task(self, env: Index, start: Expr, size: Expr, columns: Columns, each: Columns, lanes: int = 1) -> list[Stmt]:
        """``size`` rows from ``start``, at ``env`` and at all ``columns``, which ``each`` goes through one by one.

        Where there are no columns, what is there before comes in vectors of ``lanes`` rows.
        """
        at = {v: Var("at" if v is self.row else f"at_{v.name}", int64) for v in self.indices}
        old = Load(self.output, (self.position,))

        def element(index: Index, value: Expr) -> list[Stmt]:
            here = {**env, **index}
            lets, (new,) = bind_results([substitute(value, here)])
            return [*lets, store(self.output, (substitute(self.position, here),), new)]

        def everywhere(value: Expr) -> list[Stmt]:
            return self._rows(start, size, lanes, lambda rows: columns(lambda i: element({**rows, **i}, value)))

        def one(index: Index) -> list[Stmt]:
            """The term of an index, at all columns or at one."""
            lets = [Let(at[v], substitute(e, {**env, **index})) for v, e in self.indices.items()]
            own = (at[self.row] >= start) & (at[self.row] < start + size)
            known: Expr = (at[self.row] >= 0) & (at[self.row] < self.rows)
            for v in self.others:
                inside = (at[v] >= 0) & (at[v] < v.size)
                own, known = own & inside, known & inside
            new = self.combine(old, self.term)
            put = element({**index, **at}, new) if self.apart else columns(lambda i: element({**at, **i}, new))
            out: list[Stmt] = [*lets, If(own, tuple(put))]
            if self.unknown.value:  # nan, that is
                spoilt = self.combine(old, self.unknown)
                column = self._rows(start, size, 1, lambda rows: element({**rows, **index}, spoilt))
                out.append(If(unary("not", known), tuple(column if self.apart else everywhere(spoilt))))
            return out

        body = each(one) if self.apart else one({})
        for var in reversed(self.red_vars):
            body = [For(var, const(var.size, int64), "for", tuple(body))]
        return [*everywhere(self.init), *body]

    def _rows(self, start: Expr, size: Expr, lanes: int, body: Callable[[Index], list[Stmt]]) -> list[Stmt]:
        """``body`` for ``size`` rows from ``start``, at all indices of the other dimensions."""
        count = whole(size.value) if isinstance(size, Const) else None
        row = Var("r", int64, count)
        *loops, last = (row if v is self.row else v for v in self.indices)
        at: Index = {self.row: start + row}
        if lanes > 1 and not self.columns and not surely("==", last.size, 0):
            inner = vector_loop(last, lanes, lambda i: body({self.row: start + i} if last is row else {**at, last: i}))
        else:
            inner, loops = body(at), [*loops, last]
        for v in reversed(loops):
            extent = const(v.extent, int64) if v.extent is not None else size
            inner = [For(v, extent, "for", tuple(inner))]
        return inner


def plan_scatter(nest: ScatterNest, flat: Flatten) -> ScatterPlan:
    """``nest`` over the buffers of ``flat``, with adjacent loops joined on either side of the last of its rows."""
    position, init, term = flat_index(nest.shape, nest.vars), flat.expr(nest.init), flat.expr(nest.term)
    indices = list(map(flat.expr, nest.rows))
    elements = [position, init, term, *indices]
    outer, env = join_loops([v for d, v in enumerate(nest.vars[: nest.dims[-1]]) if d not in nest.dims], elements)
    columns, more = join_loops(nest.vars[nest.dims[-1] + 1 :], elements)
    red_vars, red_env = join_loops(nest.red_vars, [*indices, term])
    env |= more | red_env
    memo: Memo = {}
    position, init, term, *indices = (substitute(e, env, memo) for e in elements)
    found = {nest.vars[d]: index for d, index in zip(nest.dims, indices, strict=True)}
    row = max(found, key=lambda v: example(v.size))
    apart = any(columns[-1] in free_vars(e) for e in indices) if columns else False
    others = tuple(v for v in found if v is not row)
    output = flat.buffer(nest.output)
    return ScatterPlan(
        outer, row, others, columns, apart, red_vars, output, position, init, found, term, nest.combine, nest.unknown
    )


def scatter_body(nest: ScatterNest, flat: Flatten, target: Target) -> Body:
    """The CPU's schedule: vectors along the columns, which tasks share first."""
    plan = plan_scatter(nest, flat)
    lanes = lanes_of([plan.term], [plan.output], target)
    *between, column = (*plan.columns,) or (Var("one", int64, 1),)
    outer, extent = (*plan.outer, *between), column.size
    rows, terms = example(plan.rows * size_of(plan.others)), max(1, example(size_of(plan.red_vars)))
    work = example(size_of(outer) * extent) * (rows + terms) * cost_of([plan.term])
    parallel = work >= PARALLEL_WORK
    line = max(1, LINE // plan.output.dtype.itemsize)
    width = _width(extent, line) if parallel else extent
    tasks = example(size_of(outer) * ceil_div(extent, width))
    blocks = min(example(plan.rows), ceil_div(TASKS, tasks)) if parallel and tasks < LEAST_TASKS else 1
    # all blocks together look at no more indices than they write elements
    blocks = max(1, min(blocks, (rows + terms) * example(width) // terms))

    def strips(first: int, count: int, width: int) -> Body:
        """``count`` strips of ``width`` columns from ``first``, by all blocks of rows."""
        block, number = _counter("b", blocks), _counter("s", count)
        start = number * width + first

        def loops(lanes: int) -> Columns:
            part = Var(column.name, int64, width)
            return lambda body: vector_loop(part, lanes, lambda at: body({column: start + at}))

        def strip() -> list[Stmt]:
            return plan.task({}, *plan.block(blocks, block), loops(lanes), loops(1), lanes)

        return nested([*outer, *(v for v in (block, number) if isinstance(v, Var))], strip, parallel)

    count, rest = divmod(extent, width)
    return (*strips(0, count, width), *(() if surely("==", rest, 0) else strips(count * width, 1, rest)))


def _width(extent: int, line: int) -> int:
    """Columns of a strip, in whole lines of the cache: all of them are tasks enough."""
    most = round_up(ceil_div(example(extent), TASKS), line)
    return most if is_dynamic(extent) else min(extent, most)


def _counter(name: str, extent: int) -> Expr:
    """A loop's variable, unless there is one iteration."""
    return const(0, int64) if surely("==", extent, 1) else Var(name, int64, extent)
