"""Matrix products and convolutions as products of two sides, for both templates of CUDA.

The output's loops are those of rows (read by the left side alone), of columns (the right side alone)
and of the batch (both); rows, columns and the reduced loops are each taken as one dimension. For a
convolution this is the implicit-GEMM form: no matrix of patches is ever in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Alloc, For, Kind, Stmt, Store, store
from graphtorch.codegen.launch import MAX_GRID
from graphtorch.codegen.schedule.base import join_loops
from graphtorch.codegen.schedule.cuda_base import guarded, repeat
from graphtorch.codegen.schedule.cuda_places import Lets
from graphtorch.codegen.schedule.cuda_stage import Env, Vars
from graphtorch.codegen.schedule.reduction import Reduction, size_of
from graphtorch.ir.expr import Binary, Buffer, Cast, Expr, Load, Memo, Var, const, free_vars, linear, substitute
from graphtorch.ir.types import LOW_PRECISION, float32, int64


@dataclass(frozen=True, eq=False)
class Product:
    """``left`` along rows and depth times ``right`` along depth and columns, for all of the batch."""

    plan: Reduction
    left: Load
    right: Load
    rows: Vars
    columns: Vars
    batch: Vars
    depth: Vars

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Rows, columns, and how many such matrices."""
        return size_of(self.rows), size_of(self.columns), size_of(self.batch)


def product_of(plan: Reduction) -> Product | None:
    """What ``plan`` multiplies; None where a side is no read, or has but one row or column."""
    product = plan.body[0]
    if not isinstance(product, Binary):
        return None
    left, right = _read(product.a), _read(product.b)
    if left is None or right is None or left.dtype != right.dtype:
        return None
    in_left, in_right = free_vars(left), free_vars(right)
    rows = tuple(v for v in plan.vars if v in in_left and v not in in_right)
    columns = tuple(v for v in plan.vars if v in in_right and v not in in_left)
    batch = tuple(v for v in plan.vars if v not in rows and v not in columns)
    if min(size_of(rows), size_of(columns), plan.domain) < 2:
        return None
    depth = plan.red_vars
    for side, vars in ((left, rows), (right, columns)):
        depth = _taps_first(side, depth, vars)
    rows, columns = _taps_first(left, rows, depth), _taps_first(right, columns, depth)
    return Product(plan, left, right, rows, columns, batch, depth)


def _taps_first(side: Load, vars: Vars, others: Vars) -> Vars:
    """Loops of a window's taps come first, so that a tile has few of them; those of its places stay in the order of
    memory, which threads read side by side. Taps are the fewer."""
    taps, places = _window(side, vars, others), _window(side, others, vars)
    if not taps or size_of(list(taps)) >= size_of(list(places)):
        return vars
    return (*(v for v in vars if v in taps), *(v for v in vars if v not in taps))


def _window(side: Load, vars: Vars, others: Vars) -> set[Var]:
    """Those of the loops that, with some of the others, are an index of memory: an image's, of places and taps."""
    guarded = free_vars(side.where) if side.where is not None else set()
    form = linear(side.indices[0])
    steps = {v: abs(c) for v, c in form[0].items()} if form else {}

    def shared(v: Var) -> bool:
        return v in steps and any(steps[v] <= steps.get(o, 0) < steps[v] * v.size for o in others)

    return {v for v in vars if v in guarded or shared(v)}


def _read(e: Expr) -> Load | None:
    """What a side reads: 16-bit floats are multiplied as float32."""
    if isinstance(e, Cast) and e.dtype == float32 and e.x.dtype in LOW_PRECISION:
        e = e.x
    return e if isinstance(e, Load) else None


def fits_grid(grid: Sequence[int]) -> bool:
    return all(n <= most for n, most in zip(grid, MAX_GRID[::-1], strict=True))


def nest(kind: str, extents: Sequence[int], body: Callable[..., list[Stmt]]) -> list[Stmt]:
    """Loops over the last axes of the grid, x innermost."""
    axes = "zyx"[-len(extents) :]

    def level(depth: int, vars: tuple[Expr, ...]) -> list[Stmt]:
        if depth == len(extents):
            return body(*vars)
        kind_here: Kind = f"{kind}.{axes[depth]}"  # type: ignore[assignment]
        name = f"{kind[0]}{axes[depth]}"
        return repeat(name, extents[depth], lambda v: level(depth + 1, (*vars, v)), kind_here)

    return level(0, ())


class Outputs:
    """Where a product's results go: the epilogue of one of them, at a row and a column.

    Loops that lie side by side in everything that is read and written there are one: fewer divisions.
    """

    def __init__(self, product: Product, env: Env) -> None:
        self.product, self.env = product, env
        plan = product.plan
        exprs = [plan.position, *(e for _, e in plan.finals)]
        self.rows, self.row_env = join_loops(product.rows, exprs)
        self.columns, self.column_env = join_loops(product.columns, exprs)

    def store(self, row: Expr, column: Expr, values: Sequence[Expr]) -> list[Stmt]:
        """The results at a row and some neighbouring columns of the matrix, which may be beyond its edges: by one
        access where they stay together. ``column`` is a multiple of their number."""
        width, (*outer, last) = len(values), self.columns
        if last.size % width:
            return [s for n, value in enumerate(values) for s in self.store(row, column + n, [value])]
        lets, units = Lets(), Var(last.name, int64, last.size // width)
        rows = lets.split(self.rows, lets.index("at", row))
        columns = lets.split((*outer, units), lets.index("at", column // width))
        first = columns.pop(units) * width

        def finish(lane: Expr, value: Expr) -> list[Stmt]:
            memo: Memo = {}
            found = {**rows, **columns, last: first + lane}
            joined = {v: substitute(e, found, memo) for v, e in (self.row_env | self.column_env).items()}
            return self.product.plan.finish((self.env | found | joined, (value,)))

        inside = (row < self.product.sizes[0]) & (column < self.product.sizes[1])
        return [*lets.stmts, *guarded(inside, _together(values, finish))]


def _together(values: Sequence[Expr], finish: Callable[[Expr, Expr], list[Stmt]]) -> list[Stmt]:
    """``finish(n, the n-th of the values)`` for them all."""
    every = [finish(const(n, int64), value) for n, value in enumerate(values)]
    lane = Var("l", int64, len(values))
    *_, last = finish(lane, values[0])
    if (
        len(values) == 1
        or not isinstance(last, Store)
        or any(isinstance(s, Store) for body in every for s in body[:-1])
    ):
        return [s for body in every for s in body]
    held, out = Buffer("result", (len(values),), last.buffer.dtype), list[Stmt]()
    for n, (*before, stored) in enumerate(every):
        assert isinstance(stored, Store)  # as the last of the lane's
        out += [*before, store(held, (const(n, int64),), stored.value)]
    wide = store(last.buffer, last.indices, Load(held, (lane,)))
    return [Alloc(held, "local"), *out, For(lane, const(len(values), int64), "vec", (wide,))]
