"""How the sides of a product come into shared memory: by registers, 16 bytes at a time where they lie side by side.

A tile's elements are fetched a step before they are needed, and wait in registers while the step before is computed;
shared memory holds two tiles of each side, so that threads meet but once a step.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Alloc, Stmt, store
from graphtorch.codegen.schedule.cuda_base import named, repeat, split_index
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.ir.expr import Buffer, Const, Expr, Load, Memo, Var, linear, substitute
from graphtorch.ir.types import int64

Vars = tuple[Var, ...]
Env = dict[Var, Expr]
#: keeps the columns of a tile that a thread writes in different banks, and rows aligned to 16 bytes
PADDING = 4
#: bytes of the widest access
WIDEST = 16


@dataclass(frozen=True, eq=False)
class Staging:
    """``side`` in tiles of ``length`` along ``vars`` and ``depth`` along ``red_vars``; ``threads`` share the work."""

    side: Load
    vars: Vars
    red_vars: Vars
    length: int
    depth: int
    threads: int
    shared: Buffer
    held: Buffer
    along_depth: bool

    @classmethod
    def of(cls, name: str, side: Load, vars: Vars, red_vars: Vars, length: int, depth: int, threads: int) -> Staging:
        along_depth = _stride(side, red_vars[-1]) == 1
        width = WIDEST // side.dtype.itemsize
        places = length * depth // width
        wide = _is_wide(side, (red_vars if along_depth else vars)[-1], width) and places % threads == 0
        width = width if wide else 1
        shared = Buffer(name, (2, depth, length + PADDING), side.dtype)
        held = Buffer(f"{name}h", (length * depth // width // threads, width), side.dtype)
        return cls(side, vars, red_vars, length, depth, threads, shared, held, along_depth)

    @property
    def width(self) -> int:
        """Elements of an access."""
        return self.held.shape[1]

    def start(self) -> list[Stmt]:
        return [Alloc(self.held, "local")]

    def fetch(self, block: Expr, step: Expr, slot: Expr, env: Env) -> list[Stmt]:
        """The thread's share of a block's tile of this step, into registers; 0 beyond edges."""

        def one(r: Expr) -> list[Stmt]:
            lets, (row, column) = self._place(r, slot)
            deep, long = (self.width, 1) if self.along_depth else (1, self.width)
            more, index = named("m", block * (self.length // long) + column)
            last, k = named("k", step * (self.depth // deep) + row)
            outer, outer_env = split_index(_in_units(self.vars, long), index)
            inner, inner_env = split_index(_in_units(self.red_vars, deep), k)
            inside = (index < size_of(self.vars) // long) & (k < size_of(self.red_vars) // deep)
            units = [*outer_env.values(), *inner_env.values()]
            found = dict(zip((*self.vars, *self.red_vars), units, strict=True))

            def element(lane: Expr) -> list[Stmt]:
                here = dict(found)
                if self.width > 1:
                    fast = (self.red_vars if self.along_depth else self.vars)[-1]
                    here[fast] = here[fast] * self.width + lane
                return [store(self.held, (r, lane), _guarded_load(self.side, env | here, inside))]

            return [*lets, *more, *last, *outer, *inner, *repeat("l", self.width, element, "vec")]

        return repeat("r", self.held.shape[0], one)

    def put(self, half: Expr, slot: Expr) -> list[Stmt]:
        """What was fetched, into one half of shared memory."""

        def one(r: Expr) -> list[Stmt]:
            lets, (row, column) = self._place(r, slot)

            def element(lane: Expr) -> list[Stmt]:
                at = (row * self.width + lane, column) if self.along_depth else (row, column * self.width + lane)
                return [store(self.shared, (half, *at), Load(self.held, (r, lane)))]

            return [*lets, *repeat("l", self.width, element, "unroll" if self.along_depth else "vec")]

        return repeat("r", self.held.shape[0], one)

    def _place(self, r: Expr, slot: Expr) -> tuple[list[Stmt], tuple[Expr, Expr]]:
        """Along depth and along the length, in units of accesses along the one that is dense."""
        place = r * self.threads + slot
        dense = (self.depth if self.along_depth else self.length) // self.width
        lets, fast = named("fast", place % dense)
        more, slow = named("slow", place // dense)
        return [*lets, *more], (fast, slow) if self.along_depth else (slow, fast)


def _in_units(vars: Vars, width: int) -> Vars:
    """The loops with the last one over accesses of so many elements."""
    last = vars[-1]
    return (*vars[:-1], Var(last.name, int64, (last.extent or 0) // width)) if width > 1 else vars


def _is_wide(side: Load, fast: Var, width: int) -> bool:
    """Whether ``width`` elements along ``fast`` lie side by side, at addresses that are multiples of as many."""
    form = linear(side.indices[0])
    if side.where is not None or form is None or (fast.extent or 0) % width:
        return False
    terms, constant = form
    rest = [c for v, c in terms.items() if v is not fast]
    return terms.get(fast) == 1 and all(c % width == 0 for c in (*rest, constant))


def _stride(load: Load, var: Var) -> int | None:
    form = linear(load.indices[0])
    return None if form is None else form[0].get(var)


def _guarded_load(load: Load, env: Env, inside: Expr) -> Expr:
    memo: Memo = {}
    where = inside if load.where is None else inside & substitute(load.where, env, memo)
    index = tuple(substitute(i, env, memo) for i in load.indices)
    return Load(load.buffer, index, None if isinstance(where, Const) and where.value else where)
