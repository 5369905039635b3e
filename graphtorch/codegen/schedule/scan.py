"""Scans: a line is gone along in order, with accumulators that each element joins and leaves a result of.

Where lines lie side by side in memory, vectors run over them. Where a line itself is dense, each element waits for the
one before it, which takes as long as an addition. So it is cut in squares: a block of n * n elements is n pieces of n
side by side once it is transposed in registers, vectors go along all pieces at once, and what each piece begins with
joins it afterwards (a scan of the pieces' ends; G. E. Blelloch, "Prefix sums and their applications", 1990).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Body, Let, Stmt, loop, store
from graphtorch.codegen.loops import ScanNest
from graphtorch.codegen.schedule.base import bind_results, join_loops
from graphtorch.codegen.schedule.boxes import Index, ceil_div, round_up
from graphtorch.codegen.schedule.cpu_base import PARALLEL_WORK, cost_of, lanes_of, nested
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import example, surely
from graphtorch.ir.expr import Buffer, Const, Expr, Load, Memo, Values, Var, const, flat_index, substitute
from graphtorch.ir.types import int64

#: lines side by side that one task takes, at most, and how many tasks there should be
STRIP, TASKS = 1024, 16
#: squares of fewer rows are not worth their transposition
LEAST_SIDE = 4
_ZERO = const(0, int64)


@dataclass(frozen=True, eq=False)
class ScanPlan:
    """The nest over flat buffers; ``outer`` and ``columns`` are the joined loops before and after the line's."""

    outer: tuple[Var, ...]
    line: Var
    columns: tuple[Var, ...]
    reverse: bool
    init: tuple[Const, ...]
    body: tuple[Expr, ...]
    combine: Callable[[Values, Values], Values]
    accs: tuple[Var, ...]
    finals: tuple[tuple[Buffer, Expr], ...]
    position: Expr

    @property
    def length(self) -> int:
        return self.line.size

    def cells(self, name: str, shape: tuple[int, ...]) -> list[Buffer]:
        """A buffer for every accumulator."""
        return [Buffer(f"{name}{i}", shape, e.dtype) for i, e in enumerate(self.init)]

    def index(self, step: Expr) -> Expr:
        """The index along the line of the element that is number ``step`` in the order of the scan."""
        return const(self.length - 1, int64) - step if self.reverse else step

    def reset(self, cells: Sequence[Buffer], at: Values) -> list[Stmt]:
        return [store(c, at, e) for c, e in zip(cells, self.init, strict=True)]

    def step(self, into: Sequence[Buffer], at: Values, earlier: Values, later: Values) -> list[Stmt]:
        """into[at] = combine(earlier, later)."""
        lets, values = bind_results(self.combine(earlier, later))
        return [*lets, *(store(c, at, e) for c, e in zip(into, values, strict=True))]

    def body_at(self, env: Index) -> Values:
        memo: Memo = {}
        return tuple(substitute(e, env, memo) for e in self.body)

    def finish(self, env: Index, acc: Values) -> list[Stmt]:
        """Store the results of these accumulators."""
        known = env | dict(zip(self.accs, acc, strict=True))
        lets, bound = bind_results([substitute(e, known) for _, e in self.finals], "f")
        where = (substitute(self.position, env),)
        return [*lets, *(store(b, where, e) for (b, _), e in zip(self.finals, bound, strict=True))]

    def element(self, env: Index, cells: Sequence[Buffer], lane: Expr) -> list[Stmt]:
        """The element at ``env`` joins the accumulators of ``lane``, and leaves its results."""
        lets, values = bind_results(self.combine(_loads(cells, (lane,)), self.body_at(env)))
        now = tuple(Var(f"now{i}", e.dtype) for i, e in enumerate(values))
        named = [Let(v, e) for v, e in zip(now, values, strict=True)]
        return [*lets, *named, *(store(c, (lane,), v) for c, v in zip(cells, now, strict=True)), *self.finish(env, now)]


def _loads(cells: Sequence[Buffer], at: Values) -> Values:
    return tuple(Load(c, at) for c in cells)


def plan_scan(nest: ScanNest, flat: Flatten) -> ScanPlan:
    """``nest`` over the buffers of ``flat``, with adjacent loops joined on either side of the line's."""
    position, accs = flat_index(nest.shape, nest.vars), tuple(Var(f"acc{i}", e.dtype) for i, e in enumerate(nest.init))
    body, finals = [flat.expr(e) for e in nest.body], [flat.expr(f(accs)) for _, f in nest.outputs]
    exprs = [*body, *finals, position]
    outer, env = join_loops(nest.vars[: nest.dim], exprs)
    columns, more = join_loops(nest.vars[nest.dim + 1 :], exprs)
    env |= more
    memo: Memo = {}
    outs = [flat.buffer(b) for b, _ in nest.outputs]
    return ScanPlan(
        outer, nest.vars[nest.dim], columns, nest.reverse, nest.init, tuple(substitute(e, env, memo) for e in body),
        nest.combine, accs, tuple((b, substitute(e, env, memo)) for b, e in zip(outs, finals, strict=True)),
        substitute(position, env, memo),
    )  # fmt: skip


def scan_body(nest: ScanNest, flat: Flatten, target: Target) -> Body:
    """The CPU's schedule."""
    plan = plan_scan(nest, flat)
    exprs = [*plan.body, *(e for _, e in plan.finals)]
    lanes = lanes_of(exprs, [b for b, _ in plan.finals], target)
    work = example(size_of((*plan.outer, plan.line, *plan.columns))) * cost_of(exprs)
    parallel = work >= PARALLEL_WORK
    if not plan.columns:
        return nested(plan.outer, lambda: _dense_line(plan, lanes), parallel)
    *between, column = plan.columns
    outer, extent = (*plan.outer, *between), column.size
    width = _width(extent, example(size_of(outer)), lanes, parallel)
    whole, rest = divmod(extent, width)
    strips = Var("s", int64, whole)

    def strip() -> list[Stmt]:
        return _side_by_side(plan, lanes, column, _ZERO if strips.single else strips * width, width)

    out = nested(outer if strips.single else (*outer, strips), strip, parallel)
    last = lambda: _side_by_side(plan, lanes, column, const(whole * width, int64), rest)
    return (*out, *(() if surely("==", rest, 0) else nested(outer, last, parallel)))


def _width(extent: int, others: int, lanes: int, parallel: bool) -> int:
    """How many of ``extent`` lines side by side are a strip, of which there are ``others`` for each."""
    about = example(extent)
    width = min(STRIP, about)
    if parallel and about * others < TASKS * width:
        width = min(width, round_up(ceil_div(about, ceil_div(TASKS, others)), lanes))
    return width


def _side_by_side(plan: ScanPlan, lanes: int, column: Var, first: Expr, width: int) -> list[Stmt]:
    """``width`` lines from ``first``, all at once."""
    cells, j = plan.cells("s", (width,)), Var("j", int64, width)

    def step(k: Expr) -> list[Stmt]:
        here = {plan.line: plan.index(k)}
        return vector_loop(j, lanes, lambda at: plan.element({**here, column: first + at}, cells, at))

    start = vector_loop(j, lanes, lambda at: plan.reset(cells, (at,)))
    return [*(Alloc(c, "local") for c in cells), *start, loop("k", plan.length, step)]


# ---- dense lines ----------------------------------------------------------------------------------


def _squares(length: int, lanes: int) -> Iterator[tuple[int, int, int]]:
    """(first, count, side): ``count`` squares from element ``first`` on, as large as may be."""
    first, side = 0, lanes
    while side >= LEAST_SIDE:
        count = (length - first) // (side * side)
        if not surely("==", count, 0):
            yield first, count, side
        first, side = first + count * side * side, side // 2


def _dense_line(plan: ScanPlan, lanes: int) -> list[Stmt]:
    """One line: squares, and the few elements that are left one by one."""
    carry = plan.cells("carry", (1,))
    out: list[Stmt] = [*(Alloc(c, "local") for c in carry), *plan.reset(carry, (_ZERO,))]
    done = 0
    for first, count, side in _squares(plan.length, lanes):
        size = side * side

        def square(b: Expr, first: int = first, side: int = side, size: int = size) -> list[Stmt]:
            step = b * size + first
            start = const(plan.length - size, int64) - step if plan.reverse else step
            return _Square(plan, side, lanes).stmts(start, carry)

        out += square(_ZERO) if surely("==", count, 1) else [loop("b", count, square)]
        done = first + count * size
    if not surely("==", done, plan.length):
        one = lambda r: plan.element({plan.line: plan.index(r + done)}, carry, _ZERO)
        out.append(loop("r", plan.length - done, one))
    return out


@dataclass(frozen=True, eq=False)
class _Square:
    """``side`` pieces of as many elements of a line, and what goes along them. ``raw`` has the elements as they lie in
    memory, ``pieces[j, c]`` element j of piece c, and ``before`` what comes before each piece."""

    plan: ScanPlan
    side: int
    lanes: int

    def stmts(self, start: Expr, carry: Sequence[Buffer]) -> list[Stmt]:
        """The elements from ``start``; ``carry`` has what comes before them, and then what comes after."""
        plan, side = self.plan, self.side
        raw, pieces = plan.cells(f"raw{side}_", (side * side,)), plan.cells(f"piece{side}_", (side, side))
        before = plan.cells(f"before{side}_", (side,))
        element = Var("e", int64, side * side)

        def take(at: Expr) -> list[Stmt]:
            lets, values = bind_results(plan.body_at({plan.line: start + at}))
            return [*lets, *(store(b, (at,), e) for b, e in zip(raw, values, strict=True))]

        def give(at: Expr) -> list[Stmt]:
            return plan.finish({plan.line: start + at}, _loads(raw, (at,)))

        return [
            *(Alloc(b, "local") for b in (*raw, *pieces, *before)),
            *vector_loop(element, self.lanes, take),
            *(self._transposed(a, b) for a, b in zip(raw, pieces, strict=True)),
            *self._along(pieces),
            *self._across(pieces, before, carry),
            *(self._transposed_back(a, b) for a, b in zip(raw, pieces, strict=True)),
            *vector_loop(element, self.lanes, give),
        ]

    def _at(self, step: int | Expr) -> Expr:
        """The index, of a piece or in it, that is number ``step`` in the order of the scan."""
        last = const(self.side - 1, int64)
        return last - step if self.plan.reverse else const(0, int64) + step

    def _transposed(self, raw: Buffer, piece: Buffer) -> Stmt:
        side = self.side
        copy = lambda c: loop("j", side, lambda j: store(piece, (j, c), Load(raw, (c * side + j,))), "vec")
        return loop("c", side, copy, "vec")

    def _transposed_back(self, raw: Buffer, piece: Buffer) -> Stmt:
        side = self.side
        copy = lambda j: loop("c", side, lambda c: store(raw, (c * side + j,), Load(piece, (j, c))), "vec")
        return loop("j", side, copy, "vec")

    def _along(self, pieces: Sequence[Buffer]) -> list[Stmt]:
        """Every piece by itself, all at once."""
        out: list[Stmt] = []
        for step in range(1, self.side):
            now, last = self._at(step), self._at(step - 1)

            def one(c: Expr, now: Expr = now, last: Expr = last) -> list[Stmt]:
                return self.plan.step(pieces, (now, c), _loads(pieces, (last, c)), _loads(pieces, (now, c)))

            out.append(loop("c", self.side, one, "vec"))
        return out

    def _across(self, pieces: Sequence[Buffer], before: Sequence[Buffer], carry: Sequence[Buffer]) -> list[Stmt]:
        """What comes before each piece is kept, one piece after the other; then it joins all elements of its piece."""
        end, out = self._at(self.side - 1), list[Stmt]()
        for step in range(self.side):
            piece = self._at(step)
            out += [store(b, (piece,), e) for b, e in zip(before, _loads(carry, (_ZERO,)), strict=True)]
            out += self.plan.step(carry, (_ZERO,), _loads(carry, (_ZERO,)), _loads(pieces, (end, piece)))

        def join(j: Expr) -> Stmt:
            def one(c: Expr) -> list[Stmt]:
                return self.plan.step(pieces, (j, c), _loads(before, (c,)), _loads(pieces, (j, c)))

            return loop("c", self.side, one, "vec")

        return [*out, loop("j", self.side, join, "unroll")]
