"""A reduction ready to be scheduled, for either target: flat buffers, adjacent loops joined."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Stmt, store
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.base import bind_results, join_loops
from graphtorch.codegen.schedule.residues import Piece
from graphtorch.ir.dim import divides
from graphtorch.ir.expr import Buffer, Const, Expr, Load, Memo, Values, Var, flat_index, substitute
from graphtorch.ir.types import int64

#: fewer parts than this are not worth a second reduction
LEAST_PARTS = 4


def size_of(vars: Sequence[Var]) -> int:
    """How many iterations nested loops over ``vars`` have."""
    return math.prod(v.size for v in vars)


@dataclass(frozen=True, eq=False)
class Reduction:
    """A reduction over flat buffers and joined loops; ``finals`` are stored at ``position``, over ``accs``."""

    vars: tuple[Var, ...]
    red_vars: tuple[Var, ...]
    init: tuple[Const, ...]
    body: tuple[Expr, ...]
    combine: Callable[[Values, Values], Values]
    accs: tuple[Var, ...]
    finals: tuple[tuple[Buffer, Expr], ...]
    position: Expr
    kind: str

    @property
    def outputs(self) -> int:
        return size_of(self.vars)

    @property
    def domain(self) -> int:
        return size_of(self.red_vars)

    def cells(self, name: str, shape: tuple[int, ...]) -> list[Buffer]:
        """A buffer for every accumulator."""
        return [Buffer(f"{name}{i}", shape, e.dtype) for i, e in enumerate(self.init)]

    def reset(self, cells: Sequence[Buffer], at: Values) -> list[Stmt]:
        return [store(c, at, e) for c, e in zip(cells, self.init, strict=True)]

    def step(self, cells: Sequence[Buffer], at: Values, new: Values) -> list[Stmt]:
        """cells[at] = combine(cells[at], new)."""
        old = tuple(Load(c, at) for c in cells)
        lets, values = bind_results(self.combine(old, new))
        return [*lets, *(store(c, at, e) for c, e in zip(cells, values, strict=True))]

    def body_at(self, env: dict[Var, Expr]) -> Values:
        memo: Memo = {}
        return tuple(substitute(e, env, memo) for e in self.body)

    def finish(self, *at: tuple[dict[Var, Expr], Values]) -> list[Stmt]:
        """Store the results of the accumulators' values at each of these indices, output by output."""
        results: list[Expr] = []
        places: list[tuple[Buffer, Expr]] = []
        for buffer, final in self.finals:
            for env, values in at:
                results.append(substitute(final, env | dict(zip(self.accs, values, strict=True))))
                places.append((buffer, substitute(self.position, env)))
        lets, bound = bind_results(results, "f")
        return [*lets, *(store(b, (where,), e) for (b, where), e in zip(places, bound, strict=True))]


def plan_reduction(nest: ReduceNest, flat: Flatten) -> Reduction:
    """``nest`` over the buffers of ``flat``, with adjacent loops joined."""
    return _planned(nest, flat, nest.vars, nest.red_vars, {v: v for v in nest.vars}, nest.body)


def plan_piece(nest: ReduceNest, piece: Piece, flat: Flatten) -> Reduction:
    """The same of one of the `residues` of a contraction."""
    return _planned(nest, flat, piece.vars, piece.red_vars, piece.index, (piece.product,))


def _planned(
    nest: ReduceNest,
    flat: Flatten,
    loops: tuple[Var, ...],
    red_loops: tuple[Var, ...],
    index: dict[Var, Expr],
    terms: Values,
) -> Reduction:
    """Over these loops, by which ``index`` has the indices of ``nest``."""
    memo: Memo = {}
    position = flat_index(nest.shape, [index[v] for v in nest.vars])
    body = [flat.expr(e) for e in terms]
    accs = tuple(Var(f"acc{i}", e.dtype) for i, e in enumerate(nest.init))
    finals = [substitute(flat.expr(f(accs)), index, memo) for _, f in nest.outputs]
    vars, env = join_loops(loops, [*body, *finals, position])
    red_vars, red_env = join_loops(red_loops, body)
    env |= red_env
    memo = {}
    outs = [flat.buffer(b) for b, _ in nest.outputs]
    results = tuple((b, substitute(e, env, memo)) for b, e in zip(outs, finals, strict=True))
    roots = tuple(substitute(e, env, memo) for e in body)
    at = substitute(position, env, memo)
    return Reduction(vars, red_vars, nest.init, roots, nest.combine, accs, results, at, nest.kind)


def split(plan: Reduction, most: int) -> tuple[Reduction, Reduction] | None:
    """The same as two reductions: of up to ``most`` equal parts of the outermost loop, and of their results.

    The first stores accumulators in buffers that the second reads. None where the loop has no such parts.
    """
    if most < LEAST_PARTS or not plan.domain or not plan.red_vars:
        return None
    first, *rest = plan.red_vars
    extent = first.size
    parts = max(n for n in range(1, most + 1) if divides(n, extent))
    if parts < LEAST_PARTS:
        return None
    part, again = Var("c", int64, parts), Var("c", int64, parts)
    inner = Var(first.name, int64, extent // parts)
    buffers = plan.cells("part", (parts * plan.outputs,))
    output = flat_index([v.size for v in plan.vars], plan.vars)
    each = replace(
        plan,
        vars=(part, *plan.vars),
        red_vars=(inner, *rest),
        body=plan.body_at({first: part * (extent // parts) + inner}),
        finals=tuple(zip(buffers, plan.accs, strict=True)),
        position=part * plan.outputs + output,
    )
    loads = tuple(Load(b, (again * plan.outputs + output,)) for b in buffers)
    return each, replace(plan, red_vars=(again,), body=loads)
