"""What a thread reads of neighbouring elements, in registers: 16 bytes at a time where that is possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from graphtorch.codegen.kernel_ir import Alloc, Stmt, store
from graphtorch.codegen.schedule.cuda_base import repeat
from graphtorch.ir.expr import Buffer, Expr, Load, Memo, Var, children, free_vars, linear, substitute, with_children
from graphtorch.ir.types import int64

#: bytes, and elements, of the widest access
WIDEST, MOST = 16, 4
Read = tuple[Buffer, Load]


def width_of(buffers: Sequence[Buffer]) -> int:
    """How many elements of the widest of them an access takes."""
    return min(MOST, WIDEST // max(b.dtype.itemsize for b in buffers))


def is_dense(load: Load, inner: Var, width: int) -> bool:
    """Whether ``width`` elements along ``inner`` lie side by side, at positions that are multiples of as many."""
    form = linear(load.indices[0])
    if load.where is not None or form is None or form[0].get(inner) != 1:
        return False
    return all(c % width == 0 for c in (form[1], *(c for v, c in form[0].items() if v is not inner)))


def depends(load: Load, var: Var) -> bool:
    return any(var in free_vars(e) for e in (*load.indices, load.where) if e is not None)


class Registers:
    """``width`` neighbours along ``inner`` at each of ``steps`` steps of a thread, for each dense read.

    ``kept`` are buffers that a thread has for its own elements alone: their elements live in registers.
    """

    def __init__(self, inner: Var, width: int, steps: int = 1, kept: Sequence[Buffer] = ()) -> None:
        self.inner, self.width, self.steps = inner, width, steps
        #: what expressions of `of` read registers at
        self.step, self.lane = Var("j", int64, steps), Var("l", int64, width)
        self.kept = {b: self.array(b.name, b) for b in kept}
        self._reads: dict[object, Read] = {}
        self._memo: dict[int, tuple[Expr, Expr]] = {}

    def array(self, name: str, like: Buffer) -> Buffer:
        return Buffer(name, (self.steps, self.width), like.dtype)

    def of(self, exprs: Sequence[Expr]) -> tuple[list[Expr], list[Read]]:
        """The expressions over registers, and the reads of them that were not there before."""
        before = len(self._reads)
        found = [self._replaced(e) for e in exprs]
        return found, list(self._reads.values())[before:]

    def _replaced(self, e: Expr) -> Expr:
        if id(e) not in self._memo:
            self._memo[id(e)] = e, self._found(e)
        return self._memo[id(e)][1]

    def _found(self, e: Expr) -> Expr:
        if isinstance(e, Load) and e.buffer in self.kept:
            return Load(self.kept[e.buffer], (self.step, self.lane))
        if isinstance(e, Load) and is_dense(e, self.inner, self.width):
            return Load(self._register(e), (self.step, self.lane))
        old = children(e)
        new = [self._replaced(c) for c in old]
        return e if all(a is b for a, b in zip(new, old, strict=True)) else with_children(e, new)

    def _register(self, e: Load) -> Buffer:
        form = linear(e.indices[0])
        assert form is not None  # it is dense
        key = e.buffer, frozenset(form[0].items()), form[1]
        if key not in self._reads:
            self._reads[key] = self.array(f"w{len(self._reads)}", e.buffer), e
        return self._reads[key][0]

    def allocs(self) -> list[Stmt]:
        """Of all arrays that `of` has asked for."""
        return [Alloc(b, "local") for b in (*self.kept.values(), *(b for b, _ in self._reads.values()))]

    def fetch(self, reads: Sequence[Read], env: Mapping[Var, Expr], base: Expr, step: Expr) -> list[Stmt]:
        """Bring the elements from ``base`` on into registers; ``env`` has the other indices."""

        def copy(register: Buffer, read: Load, lane: Expr) -> list[Stmt]:
            memo: Memo = {}
            at = substitute(read.indices[0], {**env, self.inner: base + lane}, memo)
            return [store(register, (step, lane), Load(read.buffer, (at,)))]

        return [s for b, read in reads for s in repeat("l", self.width, partial(copy, b, read), "vec")]
