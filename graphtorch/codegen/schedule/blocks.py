"""Sums in blocks, for both targets: accumulators, and loops in which each piece has accumulators of its own.

The error of a plain sum in floating point grows with the number of terms, that of a blocked one with the length
of a block and the number of levels (N. J. Higham, "The accuracy of floating point summation", SIAM J. Sci.
Comput. 14 (1993)). A block's accumulators stay in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphtorch.codegen.kernel_ir import Alloc, For, Stmt, loop
from graphtorch.codegen.schedule.reduction import Reduction, size_of
from graphtorch.ir.dim import is_dynamic, surely
from graphtorch.ir.expr import Expr, Load, Var, const
from graphtorch.ir.types import int64

#: reductions over at most this many elements are unrolled
UNROLLED_DOMAIN = 16
#: terms that one accumulator takes before it is added to the next level's
BLOCK = 64
_ZERO = const(0, int64)

Env = dict[Var, Expr]
Leaf = Callable[[list["Cells"], Env], list[Stmt]]


class Cells:
    """The accumulators of one kind of vector: a local array of ``width`` for each of the reduction's values."""

    def __init__(self, plan: Reduction, width: int, name: str) -> None:
        self.plan, self.width, self.name = plan, width, name
        self.buffers = plan.cells(name, (width,))

    def inner(self) -> Cells:
        """Accumulators of the next level inwards."""
        return Cells(self.plan, self.width, self.name + "b")

    def each(self, width: int, body: Callable[[Expr], Sequence[Stmt]]) -> list[Stmt]:
        """``body`` of each lane."""
        return _lanes(width, body)

    def start(self) -> list[Stmt]:
        reset = self.each(self.width, lambda lane: self.plan.reset(self.buffers, (lane,)))
        return [*(Alloc(b, "local") for b in self.buffers), *reset]

    def add(self, env: Env, inner: Var | None = None, base: Expr = _ZERO) -> list[Stmt]:
        """Combine with the elements at ``env``; lanes count along ``inner`` from ``base``."""

        def lane(at: Expr) -> list[Stmt]:
            index = env if inner is None else {**env, inner: base + at}
            return self.plan.step(self.buffers, (at,), self.plan.body_at(index))

        return self.each(self.width, lane)

    def merge(self, other: Cells) -> list[Stmt]:
        """Combine lane by lane, as far as ``other`` has lanes."""
        return self.each(other.width, lambda lane: self._combine(lane, other, lane))

    def fold(self) -> list[Stmt]:
        """Lane 0 gets the combination of all lanes, by halves."""
        out: list[Stmt] = []
        width = self.width
        while width > 1:
            width //= 2
            out += self._fold_half(width)
        return out

    def _fold_half(self, half: int) -> list[Stmt]:
        return self.each(half, lambda lane: self._combine(lane, self, lane + half))

    def merge_first(self, other: Cells) -> list[Stmt]:
        """Combine the first lanes."""
        return self._combine(_ZERO, other, _ZERO)

    def _combine(self, lane: Expr, other: Cells, at: Expr) -> list[Stmt]:
        return self.plan.step(self.buffers, (lane,), tuple(Load(b, (at,)) for b in other.buffers))

    def values(self) -> tuple[Expr, ...]:
        return tuple(Load(b, (_ZERO,)) for b in self.buffers)


def _lanes(width: int, body: Callable[[Expr], Sequence[Stmt]]) -> list[Stmt]:
    return list(body(_ZERO)) if width == 1 else [loop("l", width, body, "vec")]


def accumulate(plan: Reduction, cells: list[Cells], vars: Sequence[Var], inside: int, leaf: Leaf) -> list[Stmt]:
    """``leaf`` for all indices of ``vars``, into ``cells``; it takes ``inside`` terms itself.

    ``leaf`` is given the indices that are not the variables themselves. Loops over more terms than a block has
    are cut into pieces, and each piece has accumulators of its own.
    """
    total = size_of(vars) * inside
    if surely("<=", total, BLOCK) or not vars or not _needs_blocks(plan):
        unrolled = bool(surely("<=", plan.domain, UNROLLED_DOMAIN))
        return _loops(vars, leaf(cells, {v: _ZERO for v in vars if v.single}), unrolled)
    first, *rest = vars
    extent, below = first.size, size_of(rest) * inside
    size = _unknown_piece(first, below) if is_dynamic(total) else max(1, _piece(total) // below)

    def piece(start: Expr, count: int) -> list[Stmt]:
        own = [c.inner() for c in cells]
        var, one = Var(first.name, int64, count), surely("==", count, 1)

        def shifted(now: list[Cells], env: Env) -> list[Stmt]:
            return leaf(now, {**env, first: start + env.get(var, _ZERO if one else var)})

        steps = accumulate(plan, own, rest if one else [var, *rest], inside, shifted)
        merges = [s for c, o in zip(cells, own, strict=True) for s in c.merge(o)]
        return [*(s for o in own for s in o.start()), *steps, *merges]

    whole, left = divmod(extent, size)
    out = piece(_ZERO, size) if surely("==", whole, 1) else [loop("q", whole, lambda q: piece(q * size, size))]
    return [*out, *(() if surely("==", left, 0) else piece(const(whole * size, int64), left))]


def _unknown_piece(first: Var, below: int) -> int:
    """How many indices of ``first`` are a piece, where how many terms there are is not known: a block's, whatever else
    may be summed then. One where each has a number of terms that is not known."""
    if is_dynamic(below) or not is_dynamic(first.extent):
        return 1
    return max(1, BLOCK // below)


def _piece(total: int) -> int:
    """The greatest power of `BLOCK` below ``total``."""
    size = BLOCK
    while size * BLOCK < total:
        size *= BLOCK
    return size


def _needs_blocks(plan: Reduction) -> bool:
    return plan.kind not in ("max", "min") and any(e.dtype.kind == "f" for e in plan.init)


def _loops(vars: Sequence[Var], body: list[Stmt], unrolled: bool) -> list[Stmt]:
    for var in reversed(vars):
        if not var.single:
            body = [For(var, const(var.size, int64), "unroll" if unrolled else "for", tuple(body))]
    return body
