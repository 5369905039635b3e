"""Rows on CUDA: a row is the work of a block's threads, and what a pass has read or made of it waits in registers.

Threads take 16 bytes in turn; a pass's sum is put together in shared memory, and all threads go on with it. Short rows
share a block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, If, Let, Stmt, store
from graphtorch.codegen.loops import Pass, ReduceNest, RowsNest
from graphtorch.codegen.schedule.base import bind_results
from graphtorch.codegen.schedule.blocks import Cells, Env
from graphtorch.codegen.schedule.cuda_base import guarded, repeat, split_index, tree
from graphtorch.codegen.schedule.cuda_registers import Registers, width_of
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.codegen.schedule.rows import RowsPlan, Sweep, plan_rows
from graphtorch.ir.expr import Buffer, Expr, Load, Memo, Var, const, substitute, walk
from graphtorch.ir.types import int64

#: threads of a row, and of a block of short rows
LEAST_THREADS, MOST_THREADS, SHARED_THREADS = 32, 512, 128
#: elements of a row that fit into the registers of so many threads
LONGEST_ROW = 8192
#: accesses that a thread has in flight, as far as there are threads
STEPS = 2
_ZERO = const(0, int64)


def rows_body(nest: RowsNest, flat: Flatten) -> Body:
    return _Rows(plan_rows(nest, flat)).body()


def as_rows(nest: ReduceNest) -> RowsNest:
    """A reduction as rows that are gone through once."""
    accs = tuple(Var(f"acc{i}", e.dtype) for i, e in enumerate(nest.init))
    once = Pass((), nest.init, nest.body, nest.combine, nest.kind, accs, ())
    outputs = tuple((b, f(accs)) for b, f in nest.outputs)
    return RowsNest(nest.name, nest.params, nest.shape, nest.vars, nest.domain, nest.red_vars, (once,), outputs, ())


class _Rows:
    def __init__(self, plan: RowsPlan) -> None:
        self.plan = plan
        *self.outer, self.inner = plan.red_vars or (Var("k", int64, 1),)
        domain, count = size_of(plan.red_vars), size_of(plan.vars)
        width = width_of(_buffers(plan))
        width = 1 if (self.inner.extent or 0) % width else width
        self.groups = domain // width
        wanted = 1 << (-(-self.groups // STEPS) - 1).bit_length()
        self.threads = max(LEAST_THREADS, min(MOST_THREADS, wanted))
        most = max(1, SHARED_THREADS // self.threads)
        self.together = max(n for n in range(1, most + 1) if count % n == 0)
        self.blocks = count // self.together
        self.registers = Registers(self.inner, width, -(-self.groups // self.threads), plan.scratch)
        self.shared = [s.reduction.cells(f"s{s.number}_", (self.together, self.threads)) for s in plan.sweeps]

    def body(self) -> Body:
        def block(b: Expr) -> list[Stmt]:
            allocs = [Alloc(c, "shared") for cells in self.shared for c in cells]
            return [*allocs, *repeat("r", self.together, lambda r: threads(b, r), "thread.y")]

        def threads(b: Expr, r: Expr) -> list[Stmt]:
            return repeat("t", self.threads, lambda t: self._thread(b * self.together + r, r, t), "thread.x")

        return tuple(repeat("b", self.blocks, block, "block.x"))

    def _thread(self, row: Expr, r: Expr, t: Expr) -> list[Stmt]:
        lets, env = split_index(self.plan.vars, row)
        passes = [
            s
            for sweep, cells in zip(self.plan.sweeps, self.shared, strict=True)
            for s in self._pass(sweep, cells, env, r, t)
        ]
        memo: Memo = {}
        more, values = bind_results([substitute(v, env, memo) for _, _, v in self.plan.results], "out")
        places = [(b, substitute(at, env, memo)) for b, at, _ in self.plan.results]
        stores = [store(b, (at,), v) for (b, at), v in zip(places, values, strict=True)]
        results: list[Stmt] = [If(t.eq(0), (*more, *stores))] if stores else []
        if stores and (len(self.plan.sweeps) > 1 or self.plan.sweeps[0].stores or self.plan.sweeps[0].lets):
            # a result may be stored over a number of the row that other threads still read
            results.insert(0, Barrier())
        return [*lets, *self.registers.allocs(), *passes, *results]

    def _pass(self, sweep: Sweep, shared: Sequence[Buffer], env: Env, r: Expr, t: Expr) -> list[Stmt]:
        """Once through the row, and names for what it has found."""
        cells = Cells(sweep.reduction, 1, f"p{sweep.number}_")
        group = self._group_of(sweep, cells, env)

        def step(j: Expr) -> list[Stmt]:
            q = Var("q", int64, self.groups)
            position = j * self.threads + t
            return guarded(position < self.groups, [Let(q, position), *group(q, j)])

        steps = repeat("j", self.registers.steps, step)
        memo: Memo = {}
        lets = [Let(v, substitute(e, env, memo)) for v, e in sweep.lets]
        if not sweep.reduces:
            return [*steps, *lets]
        puts = [store(s, (r, t), value) for s, value in zip(shared, cells.values(), strict=True)]
        found = [Let(v, Load(s, (r, _ZERO))) for v, s in zip(sweep.reduction.accs, shared, strict=True)]
        together = tree(sweep.reduction, shared, self.threads, t, (r,))
        return [*cells.start(), *steps, *puts, Barrier(), *together, *found, *lets]

    def _group_of(self, sweep: Sweep, cells: Cells, env: Env) -> Callable[[Expr, Expr], list[Stmt]]:
        """The statements for the q-th group of neighbours, a thread's j-th."""
        registers = self.registers
        values, reads = registers.of(
            [*(v for _, _, v in sweep.stores), *(sweep.reduction.body if sweep.reduces else ())]
        )
        targets = [
            registers.kept.get(b) or Buffer(f"y{i}", (1, registers.width), b.dtype)
            for i, (b, _, _) in enumerate(sweep.stores)
        ]

        def group(q: Expr, j: Expr) -> list[Stmt]:
            units = Var(self.inner.name, int64, (self.inner.extent or 0) // registers.width)
            lets, index = split_index((*self.outer, units), q)
            base = index.pop(units) * registers.width
            here = {**env, **index}

            def at(lane: Expr) -> Env:
                return {**here, self.inner: base + lane, registers.lane: lane, registers.step: j}

            def element(lane: Expr) -> list[Stmt]:
                memo: Memo = {}
                inner, bound = bind_results([substitute(e, at(lane), memo) for e in values], f"p{sweep.number}t")
                out = [store(b, (j if b.shape[0] > 1 else 0, lane), v) for b, v in zip(targets, bound, strict=False)]
                new = tuple(bound[len(targets) :])
                return [*inner, *out, *(sweep.reduction.step(cells.buffers, (_ZERO,), new) if sweep.reduces else ())]

            def put(buffer: Buffer, position: Expr, target: Buffer) -> list[Stmt]:
                def copy(lane: Expr) -> list[Stmt]:
                    memo: Memo = {}
                    return [store(buffer, (substitute(position, at(lane), memo),), Load(target, (_ZERO, lane)))]

                return [] if buffer in registers.kept else repeat("l", registers.width, copy, "vec")

            own = [
                Alloc(b, "local")
                for b, (out, _, _) in zip(targets, sweep.stores, strict=True)
                if out not in registers.kept
            ]
            puts = [s for b, (out, at_, _) in zip(targets, sweep.stores, strict=True) for s in put(out, at_, b)]
            return [*lets, *own, *registers.fetch(reads, here, base, j), *repeat("l", registers.width, element), *puts]

        return group


def _buffers(plan: RowsPlan) -> list[Buffer]:
    """What is read or stored at elements."""
    found = [b for s in plan.sweeps for b, _, _ in s.stores]

    def visit(e: Expr) -> None:
        if isinstance(e, Load):
            found.append(e.buffer)

    for e in plan.exprs:
        walk(e, visit)
    return found
