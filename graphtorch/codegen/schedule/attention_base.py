"""What both directions of attention share: blocks of rows and of columns, as tasks or one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import If, Kind, Stmt, loop
from graphtorch.codegen.loops import AttentionNest
from graphtorch.codegen.schedule.attention_blocks import Blocks, Cut, Span
from graphtorch.codegen.schedule.outer_plan import PARALLEL_MACS
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import example
from graphtorch.ir.expr import Attention, Buffer, Const, Expr, Values, const, unflatten_index
from graphtorch.ir.types import DType

#: leading indices that are tasks enough for the threads; with fewer of them tasks are blocks, and backward computes
#: 7 products instead of 5
TASKS = 8


@dataclass(frozen=True, eq=False)
class Schedule:
    nest: AttentionNest
    a: Attention
    target: Target
    flat: Flatten

    @property
    def dtype(self) -> DType:
        return self.a.dtype

    @property
    def low(self) -> Const:
        return const(-math.inf, self.dtype)

    @property
    def zero(self) -> Const:
        return const(0, self.dtype)

    @cached_property
    def blocks(self) -> Blocks:
        return Blocks(self.target, self.dtype)

    @cached_property
    def row_cuts(self) -> list[Cut]:
        return self.blocks.cuts(self.a.rows)

    @cached_property
    def column_cuts(self) -> list[Cut]:
        return self.blocks.cuts(self.a.columns)

    @property
    def count(self) -> int:
        """Leading indices."""
        return math.prod(self.a.lead)

    @property
    def many(self) -> bool:
        """Whether leading indices are tasks enough."""
        return example(self.count) >= TASKS

    @cached_property
    def kind(self) -> Kind:
        a = self.a
        work = example(self.count * a.rows * a.columns * (a.depth + a.width))
        return "par" if work >= PARALLEL_MACS else "for"

    def buffer(self, name: str, *shape: int) -> Buffer:
        return Buffer(name, shape, self.dtype)

    def each_lead(self, body: Callable[[Values], list[Stmt]]) -> list[Stmt]:
        """``body(leading indices)``: a task for each."""
        return [loop("t", self.count, lambda t: body(unflatten_index(self.a.lead, t)), self.kind)]

    def each_task(self, cuts: list[Cut], body: Callable[[Values, Span], list[Stmt]]) -> list[Stmt]:
        """``body(leading indices, block)``: a task for each block."""
        return [self._tasks(cut, body) for cut in cuts]

    def _tasks(self, cut: Cut, body: Callable[[Values, Span], list[Stmt]]) -> Stmt:
        def task(t: Expr) -> list[Stmt]:
            number, block = unflatten_index((self.count, cut.count), t)
            return body(unflatten_index(self.a.lead, number), cut.block(block))

        return loop("t", self.count * cut.count, task, self.kind)

    def visible(self, rows: Span, columns: Span, body: list[Stmt]) -> list[Stmt]:
        """``body`` if any of the rows sees any of the columns."""
        return [If(columns.first <= rows.first + (rows.size - 1), tuple(body))] if self.a.causal else body
