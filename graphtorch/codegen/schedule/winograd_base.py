"""What the steps of Winograd's convolutions share: the convolution and its plan, and transforms of tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Let, Stmt, loop, store
from graphtorch.codegen.schedule.boxes import ZERO, extent_of
from graphtorch.codegen.schedule.outer_plan import Operands
from graphtorch.codegen.schedule.toom_cook import Matrix, transform
from graphtorch.codegen.schedule.winograd_plan import WinogradPlan
from graphtorch.ir.expr import Buffer, Expr, Load, Var, const, flat_index
from graphtorch.ir.types import DType, int64

At = tuple[Expr, ...]  # a point of a tile


@dataclass(frozen=True, eq=False)
class Convolution:
    """The operands of a convolution of stride 1, and how it is cut."""

    o: Operands
    plan: WinogradPlan
    flat: Flatten

    @property
    def dtype(self) -> DType:
        return self.o.x.value.dtype

    @property
    def depth(self) -> int:
        """Channels."""
        return extent_of(self.plan.c)

    @property
    def products(self) -> int:
        return math.prod(self.plan.points)

    def product(self, at: At) -> Expr:
        """The number of a point of the transformed tile."""
        return flat_index(self.plan.points, at)

    def vectors(self, width: int, body: Callable[[Expr], Sequence[Stmt]]) -> Stmt:
        """``body`` over ``width`` neighbours, whole vectors of them."""
        lanes = self.plan.lanes
        return loop("v", width // lanes, lambda v: loop("l", lanes, lambda l: body(v * lanes + l), "vec"))


def transforms(
    matrices: Sequence[Matrix], load: Callable[[At], Expr], put: Callable[[At, Expr], list[Stmt]]
) -> list[Stmt]:
    """One matrix along each dimension of a tile: ``put`` gets the values of what ``load`` reads.

    One dimension after the other, in loops over lines: a tile written out would be many times the code, and
    is too large for registers in any case.
    """
    if len(matrices) == 1:
        return _line(matrices[0], lambda i: load((i,)), lambda i, e: put((i,), e))
    first, second = matrices
    like = load((ZERO, ZERO)).dtype
    half = Buffer("half", (len(first), len(second[0])), like)

    def column(c: Expr) -> list[Stmt]:
        return _line(first, lambda i: load((i, c)), lambda i, e: [store(half, (i, c), e)])

    def row(r: Expr) -> list[Stmt]:
        return _line(second, lambda i: Load(half, (r, i)), lambda i, e: put((r, i), e))

    return [Alloc(half, "local"), loop("tc", len(second[0]), column), loop("tr", len(first), row)]


def _line(matrix: Matrix, load: Callable[[Expr], Expr], put: Callable[[Expr, Expr], list[Stmt]]) -> list[Stmt]:
    lets: list[Stmt] = []

    def name(e: Expr) -> Expr:
        var = Var(f"w{len(lets)}", e.dtype)
        lets.append(Let(var, e))
        return var

    values = transform(matrix, [name(load(const(i, int64))) for i in range(len(matrix[0]))], name)
    return [*lets, *(stmt for i, e in enumerate(values) for stmt in put(const(i, int64), e))]
