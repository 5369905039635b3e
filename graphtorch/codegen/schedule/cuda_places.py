"""Where a thread's elements of a tile are in the loops of an operand, with as few divisions as may be.

A tile covers ``tile`` neighbouring positions of several loops taken as one, the last of them dense or free of guards.
Where tiles and the last loop fit into each other, only the index of the tile is divided, once for all of the thread's
elements; else each element's position is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphtorch.codegen.kernel_ir import Let, Stmt
from graphtorch.codegen.schedule.cuda_base import split_index
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.ir.expr import Const, Expr, Var, bounds, const
from graphtorch.ir.expr.traverse import same
from graphtorch.ir.types import bool_, int64

Vars = tuple[Var, ...]
Env = dict[Var, Expr]


@dataclass
class Lets:
    """Statements that name what was computed: equal values have one name."""

    stmts: list[Stmt] = field(default_factory=list)
    known: list[tuple[Expr, Var]] = field(default_factory=list)

    def index(self, name: str, value: Expr) -> Expr:
        """``value``, as a variable that is not negative and a constant."""
        if isinstance(value, Const | Var):
            return value
        constant = _constant(value)
        low, high = bounds(value + -constant)
        if not (math.isfinite(low) and math.isfinite(high)):
            return value
        shift = constant + min(0, int(low))
        positive = value + -shift
        if isinstance(positive, Const | Var):
            return positive + shift
        return self._named(Var(name, int64, int(high) + constant - shift + 1), positive) + shift

    def flag(self, name: str, value: Expr) -> Expr:
        """A condition."""
        return value if isinstance(value, Const | Var) else self._named(Var(name, bool_), value)

    def _named(self, var: Var, value: Expr) -> Var:
        for old, name in self.known:
            if old.dtype == value.dtype and same(old, value):
                return name
        self.known.append((value, var))
        self.stmts.append(Let(var, value))
        return var

    def split(self, vars: Vars, position: Expr) -> Env:
        """The indices of several loops at a position in them."""
        lets, env = split_index(vars, position)
        renamed: Env = {}
        for let in lets:
            assert isinstance(let, Let)  # split_index names indices, and does nothing else
            renamed[let.var] = self.index(let.var.name, let.value)
        return {v: renamed.get(e, e) if isinstance(e, Var) else e for v, e in env.items()}


def _constant(value: Expr) -> int:
    """What is added to an index."""
    b = getattr(value, "b", None)
    return int(b.value) if getattr(value, "fn", "") == "add" and isinstance(b, Const) else 0


@dataclass(frozen=True)
class Place:
    """The indices of an element (the first of those that are accessed together), and whether it is one at all."""

    env: Env
    inside: Expr


def places(
    lets: Lets, vars: Vars, width: int, tile: int, base: Expr, offsets: Sequence[int], rest: Expr
) -> list[Place]:
    """The elements ``base * tile + offset + rest`` for each offset, in accesses of ``width`` along the last loop.

    ``base`` counts tiles, and ``rest`` is the thread's own part, with known bounds.
    """
    *outer, last = vars
    units = last.size // width
    within = int(bounds(rest)[1]) + 1
    if units % tile == 0:
        per = units // tile
        env = lets.split(tuple(outer), base // per)
        inner = [(base % per) * tile + (rest + o) for o in offsets]
        return [Place({**env, last: i * width}, const(True, bool_)) for i in inner]
    if tile % units == 0 and all(o % units + within <= units for o in offsets):
        return _several(lets, vars, units, width, base * (tile // units), offsets, rest)
    found = []
    for o in offsets:
        position = lets.index("m", base * tile + (rest + o))
        counted = (*outer, Var(last.name, int64, units))
        env = lets.split(counted, position)
        at = {**{v: env[v] for v in outer}, last: env[counted[-1]] * width}
        found.append(Place(at, position < size_of(counted)))
    return found


def _several(
    lets: Lets, vars: Vars, units: int, width: int, base: Expr, offsets: Sequence[int], rest: Expr
) -> list[Place]:
    """A tile of several whole rows of the last loop."""
    *outer, last = vars
    rows: dict[int, tuple[Env, Expr]] = {}
    for row in sorted({o // units for o in offsets}):
        at = base + row
        rows[row] = lets.split(tuple(outer), at), at < size_of(outer)
    return [Place({**rows[o // units][0], last: (rest + o % units) * width}, rows[o // units][1]) for o in offsets]
