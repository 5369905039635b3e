"""How the sides of a product come into shared memory, 16 bytes at a time where they lie side by side.

Indices are taken apart once: what depends on the row (or column) before the loop over steps, what depends on the
step once for each step, so that an element costs an addition and its part in a guard. Elements come by way of
registers, fetched a step before they are needed, or as copies that pass by them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from graphtorch.codegen.kernel_ir import Alloc, Stmt, store
from graphtorch.codegen.schedule.cuda_base import repeat
from graphtorch.codegen.schedule.cuda_places import Lets, Place, places
from graphtorch.codegen.warp import Copy
from graphtorch.ir.expr import Buffer, Const, Expr, Load, Memo, Var, const, free_vars, linear, substitute
from graphtorch.ir.types import int64

Vars = tuple[Var, ...]
Env = dict[Var, Expr]
Layout = Literal["depth first", "as read"]
#: bytes of the widest access
WIDEST = 16
#: bytes of the narrowest copy that passes by registers
NARROWEST = 4


@dataclass(frozen=True, eq=False)
class Staging:
    """``side`` in tiles of ``length`` along ``vars`` and ``depth`` along ``red_vars``; ``threads`` share the work.

    Shared memory has ``stages`` tiles, of rows along the length (``along_depth`` is false, or the layout is "depth
    first") or along the depth. ``width`` elements are an access, of which a thread has ``count``.
    """

    side: Load
    vars: Vars
    red_vars: Vars
    length: int
    depth: int
    threads: int
    width: int
    along_depth: bool
    shared: Buffer
    held: Buffer
    rows_along_depth: bool

    @classmethod
    def of(
        cls, name: str, side: Load, vars: Vars, red_vars: Vars,
        length: int, depth: int, threads: int, stages: int, layout: Layout, padding: tuple[int, int],
    ) -> Staging:  # fmt: skip
        """``padding``: elements behind each row of shared memory, where rows are along the length, and along depth."""
        along = stride_along(side, red_vars[-1]) < stride_along(side, vars[-1])
        width = WIDEST // side.dtype.itemsize
        wide = is_wide(side, (red_vars if along else vars)[-1], width) and (length * depth // width) % threads == 0
        width = width if wide else 1
        by_depth = along and layout == "as read"
        shape = (length, depth + padding[1]) if by_depth else (depth, length + padding[0])
        shared = Buffer(name, (stages, *shape), side.dtype)
        held = Buffer(f"{name}h", (length * depth // width // threads, width), side.dtype)
        return cls(side, vars, red_vars, length, depth, threads, width, along, shared, held, by_depth)

    @property
    def count(self) -> int:
        return self.held.shape[0]

    @property
    def copies(self) -> bool:
        """Whether its elements may pass by registers: they do not change places, and are not too narrow."""
        wide_enough = self.width * self.side.dtype.itemsize >= NARROWEST
        return wide_enough and (self.width == 1 or self.rows_along_depth == self.along_depth)

    def begin(self, block: Expr, slot: Expr, env: Env) -> Walk:
        """The walk of the thread ``slot`` over a block's tiles; ``env`` has the loops that tiles do not cover."""
        return Walk(self, block, slot, env)


class Walk:
    """A thread's elements of one side, step by step. ``lets`` are what it finds out before the first step."""

    def __init__(self, staging: Staging, block: Expr, slot: Expr, env: Env) -> None:
        s = self.s = staging
        self.lets = Lets()
        dense = (s.depth if s.along_depth else s.length) // s.width
        self.fast = self.lets.index("fast", slot % dense)
        self.slow = self.lets.index("slow", slot // dense)
        passes, rows = max(1, dense // s.threads), max(1, s.threads // dense)
        #: of each element how far it is from the thread's first one, along the dense direction and across
        self.offsets = [(r % passes * s.threads, r // passes * rows) for r in range(s.count)]
        long_width, tile = (1, s.length) if s.along_depth else (s.width, s.length // s.width)
        which, rest = (1, self.slow) if s.along_depth else (0, self.fast)
        self.along_vars = self._distinct(which)
        found = places(self.lets, s.vars, long_width, tile, block, list(self.along_vars), rest)
        self.rows = [Place({**env, **p.env}, self.lets.flag("in", p.inside)) for p in found]
        self.bases = [self._part("base", self.lets, p.env, keep=True) for p in self.rows]

    def _distinct(self, which: int) -> dict[int, int]:
        """Offsets in one direction, numbered."""
        return {o: n for n, o in enumerate(dict.fromkeys(offsets[which] for offsets in self.offsets))}

    def _part(self, name: str, lets: Lets, env: Env, keep: bool = False) -> Expr:
        """What some of the loops add to the position in memory; with ``keep``, the constant as well."""
        form = linear(self.s.side.indices[0])
        if form is None:
            return const(0, int64)
        total: Expr = const(form[1] if keep else 0, int64)
        for v, c in form[0].items():
            if v in env:
                total = total + env[v] * c
        width = self.s.width  # that it is a multiple of which has to be seen where it is used
        return lets.index(name, total // width) * width

    def step(self, step: Expr) -> tuple[list[Stmt], list[Callable[[Expr], Load]]]:
        """Statements, and then what each of the thread's elements is, by its lane."""
        s, lets = self.s, Lets()
        deep_width, tile = (s.width, s.depth // s.width) if s.along_depth else (1, s.depth)
        which, rest = (0, self.fast) if s.along_depth else (1, self.slow)
        along_depth = self._distinct(which)
        depths = places(lets, s.red_vars, deep_width, tile, step, list(along_depth), rest)
        offsets = [self._part("off", lets, p.env) for p in depths]
        found = []
        for pair in self.offsets:
            row, deep = self.along_vars[pair[1 - which]], along_depth[pair[which]]
            where = self._guard(lets, self.rows[row], depths[deep])
            found.append(self._element(row, self.rows[row].env | depths[deep].env, offsets[deep], where))
        return lets.stmts, found

    def _element(self, row: int, env: Env, offset: Expr, where: Expr | None) -> Callable[[Expr], Load]:
        s = self.s
        if linear(s.side.indices[0]) is None:
            index = substitute(s.side.indices[0], env)
            return lambda lane: Load(s.side.buffer, (index + lane,), where)
        return lambda lane: Load(s.side.buffer, (self.bases[row] + offset + lane,), where)

    def _guard(self, lets: Lets, row: Place, depth: Place) -> Expr | None:
        """A condition for an element to be read; None where there is none."""
        inside = row.inside & depth.inside
        if self.s.side.where is not None:
            memo: Memo = {}
            inside = inside & substitute(self.s.side.where, row.env | depth.env, memo)
        flag = lets.flag("ok", inside)
        return None if isinstance(flag, Const) and flag.value else flag

    # ---- statements -------------------------------------------------------------------------------

    def fetch(self, step: Expr) -> list[Stmt]:
        """The elements of a step, into registers; 0 beyond edges."""
        lets, loads = self.step(step)
        out = list(lets)
        for r, load in enumerate(loads):
            out += repeat("l", self.s.width, lambda lane, r=r, load=load: [self._hold(r, lane, load)], "vec")  # type: ignore[misc]
        return out

    def _hold(self, r: int, lane: Expr, load: Callable[[Expr], Load]) -> Stmt:
        value = load(lane)
        never = isinstance(value.where, Const) and not value.where.value
        return store(self.s.held, (const(r, int64), lane), const(0, value.dtype) if never else value)

    def put(self, stage: Expr) -> list[Stmt]:
        """What was fetched, into a tile of shared memory."""
        out: list[Stmt] = []
        kept = self.s.along_depth == self.s.rows_along_depth
        for r in range(self.s.count):
            out += repeat("l", self.s.width, lambda lane, r=r: [self._put(stage, r, lane)], "vec" if kept else "unroll")  # type: ignore[misc]
        return out

    def _put(self, stage: Expr, r: int, lane: Expr) -> Stmt:
        return store(self.s.shared, (stage, *self._place(r, lane)), Load(self.s.held, (const(r, int64), lane)))

    def copy(self, step: Expr, stage: Expr) -> list[Stmt]:
        """The elements of a step, past registers into a tile of shared memory."""
        lets, loads = self.step(step)
        out = list(lets)
        for r, load in enumerate(loads):
            out += repeat("l", self.s.width, lambda lane, r=r, load=load: [self._copy(stage, r, lane, load)], "vec")  # type: ignore[misc]
        return out

    def _copy(self, stage: Expr, r: int, lane: Expr, load: Callable[[Expr], Load]) -> Stmt:
        return Copy(self.s.shared, (stage, *self._place(r, lane)), load(lane))

    def _place(self, r: int, lane: Expr) -> tuple[Expr, Expr]:
        """Where an element is in a tile of shared memory."""
        fast, slow = ((base + o) for base, o in zip((self.fast, self.slow), self.offsets[r], strict=True))
        dense = fast * self.s.width + lane
        return (slow, dense) if self.s.along_depth == self.s.rows_along_depth else (dense, slow)

    def start(self) -> list[Stmt]:
        """What comes before the loop over steps."""
        return list(self.lets.stmts)

    def alloc(self) -> list[Stmt]:
        return [Alloc(self.s.held, "local")]


def is_wide(side: Load, fast: Var, width: int) -> bool:
    """Whether ``width`` elements along ``fast`` lie side by side, at addresses that are multiples of as many."""
    form = linear(side.indices[0])
    guarded = side.where is not None and fast in free_vars(side.where)
    if guarded or form is None or (fast.extent or 0) % width:
        return False
    terms, constant = form
    rest = [c for v, c in terms.items() if v is not fast]
    return terms.get(fast) == 1 and all(c % width == 0 for c in (*rest, constant))


def stride_along(load: Load, var: Var) -> float:
    """How far apart neighbours along ``var`` are."""
    form = linear(load.indices[0])
    return float("inf") if form is None else abs(form[0].get(var, 0)) or float("inf")
