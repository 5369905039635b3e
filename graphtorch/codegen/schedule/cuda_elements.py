"""Elementwise loops on CUDA: a thread for each element, or for each 16 bytes of them where all reads are dense.

A thread's reads are then in flight together, and a warp moves 512 bytes by an instruction: what moves bytes alone
needs a fourth of the instructions.
"""

from __future__ import annotations

import math

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Body, Stmt, loop, store
from graphtorch.codegen.loops import LoopNest
from graphtorch.codegen.schedule.base import bind_results, join_loops
from graphtorch.codegen.schedule.cuda_base import guarded_threads, split_index
from graphtorch.codegen.schedule.cuda_registers import Registers, depends, is_dense, width_of
from graphtorch.ir.expr import Buffer, Expr, Load, Memo, Var, const, flat_index, substitute, walk
from graphtorch.ir.types import int64

#: loops of fewer elements have more to gain from many threads
LEAST_WIDE = 1 << 18


class Elements:
    """A nest over flat buffers and joined loops: ``values`` are what ``outs`` get at a position over ``vars``."""

    def __init__(self, nest: LoopNest, flat: Flatten) -> None:
        position = flat_index(nest.shape, nest.vars)
        values = [flat.expr(e) for _, e in nest.outputs]
        self.outs = [flat.buffer(b) for b, _ in nest.outputs]
        self.vars, joined = join_loops(nest.vars, [*values, position])
        memo: Memo = {}
        self.values = [substitute(e, joined, memo) for e in values]
        self.count = math.prod(nest.shape)

    def body(self) -> Body:
        width = self._width()
        wide = self.count >= LEAST_WIDE and width > 1
        return _Wide(self, width).body() if wide else guarded_threads(self.count, self.at)

    def at(self, p: Expr) -> list[Stmt]:
        """The statements for the element at a position."""
        indices, env = split_index(self.vars, p)
        memo: Memo = {}
        lets, bound = bind_results([substitute(e, env, memo) for e in self.values])
        return [*indices, *lets, *(store(b, (p,), e) for b, e in zip(self.outs, bound, strict=True))]

    def loads(self) -> list[Load]:
        found: list[Load] = []

        def visit(e: Expr) -> None:
            if isinstance(e, Load):
                found.append(e)

        seen: set[int] = set()
        for e in self.values:
            walk(e, visit, seen)
        return found

    def _width(self) -> int:
        """How many neighbours a thread may take: a divisor of the last loop; 1 where a read is not dense there."""
        if not self.vars:
            return 1
        inner = self.vars[-1]
        along = [x for x in self.loads() if depends(x, inner)]
        width = width_of([*self.outs, *(x.buffer for x in along)])
        dense = all(is_dense(x, inner, width) for x in along)
        return width if dense and not (inner.extent or 0) % width else 1


class _Wide:
    """The elements in groups of ``width``: reads into registers, arithmetic one by one, and stores from registers."""

    def __init__(self, elements: Elements, width: int) -> None:
        self.elements, self.width = elements, width
        *self.outer, self.inner = elements.vars
        self.registers = Registers(self.inner, width)
        self.values, self.reads = self.registers.of(elements.values)

    def body(self) -> Body:
        return guarded_threads(self.elements.count // self.width, self._group)

    def _group(self, p: Expr) -> list[Stmt]:
        units = Var(self.inner.name, int64, (self.inner.extent or 0) // self.width)
        lets, env = split_index((*self.outer, units), p)
        base, zero = env.pop(units) * self.width, const(0, int64)
        results = [self.registers.array(f"y{i}", b) for i, b in enumerate(self.elements.outs)]

        def element(lane: Expr) -> list[Stmt]:
            memo: Memo = {}
            here = {**env, self.inner: base + lane, self.registers.lane: lane, self.registers.step: zero}
            inner, bound = bind_results([substitute(e, here, memo) for e in self.values])
            return [*inner, *(store(r, (0, lane), e) for r, e in zip(results, bound, strict=True))]

        def put(out: Buffer, result: Buffer) -> Stmt:
            return loop(
                "l", self.width, lambda lane: store(out, (p * self.width + lane,), Load(result, (zero, lane))), "vec"
            )

        return [
            *lets,
            *self.registers.allocs(),
            *(Alloc(r, "local") for r in results),
            *self.registers.fetch(self.reads, env, base, zero),
            loop("l", self.width, element, "unroll"),
            *(put(out, r) for out, r in zip(self.elements.outs, results, strict=True)),
        ]
