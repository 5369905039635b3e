"""What a tile reads of an operand, as a box in the operand's own coordinates: bounds inference, and staging.

A read at affine indices, such as a convolution's window, is a function of a few coordinates (n, y, x, c) that are sums
of loops (y = 2*oy + ky - 1). Over a tile of the loops each coordinate runs over an interval; the box of
these intervals is copied to scratch memory once, conditions at the border and elementwise producers included,
and the tile then reads dense memory without conditions. So windows overlap in scratch memory as they do in the operand:
there is no im2col.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from graphtorch.codegen.kernel_ir import Stmt, exprs_of, store
from graphtorch.codegen.schedule.base import index_terms
from graphtorch.codegen.schedule.boxes import Index, extent_of, loops
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.ir.dim import is_dynamic
from graphtorch.ir.expr import (
    Binary,
    Buffer,
    Const,
    Expr,
    Load,
    Memo,
    Var,
    children,
    const,
    flat_index,
    linear,
    substitute,
    walk,
    with_children,
)
from graphtorch.ir.expr.lowered import or_zero
from graphtorch.ir.types import int64


@dataclass(frozen=True, eq=False)
class Axis:
    """A coordinate: the sum of ``coefficients`` times loops. ``var`` stands for it in `Access.value`."""

    coefficients: tuple[tuple[Var, int], ...]
    var: Var

    def at(self, index: Index) -> Expr:
        total: Expr = const(0, int64)
        for v, c in self.coefficients:
            total = total + index.get(v, const(0, int64)) * c
        return total

    def span(self, sizes: dict[Var, int]) -> int:
        """How many values it takes over a block of these sizes."""
        return 1 + sum(abs(c) * (sizes.get(v, 1) - 1) for v, c in self.coefficients)

    def below(self, sizes: dict[Var, int]) -> int:
        """How far it goes below its value at the block's origin."""
        return sum(-c * (sizes.get(v, 1) - 1) for v, c in self.coefficients if c < 0)

    @property
    def range(self) -> tuple[int, int]:
        """The least and the greatest value over all of the loops."""
        ends = [(c < 0, c * (extent_of(v) - 1)) for v, c in self.coefficients]
        return sum(e for below, e in ends if below), sum(e for below, e in ends if not below)


@dataclass(frozen=True, eq=False)
class Access:
    """An expression as a function ``value`` of coordinates, in the order of the memory that it reads."""

    axes: tuple[Axis, ...]
    value: Expr

    @property
    def dtype(self) -> object:
        return self.value.dtype

    def shape(self, sizes: dict[Var, int]) -> tuple[int, ...]:
        return tuple(a.span(sizes) for a in self.axes)

    def read(self, index: Index) -> Expr:
        """The element at these loop indices, from where it lies."""
        return substitute(self.value, {a.var: a.at(index) for a in self.axes})

    def stride(self, var: Var) -> int | None:
        """How far apart in memory neighbours along ``var`` are; None where that is not one number."""
        found = {None if s is None else s.get(var, 0) for s in self._strides}
        found.discard(0) if len(found) > 1 else None
        return found.pop() if len(found) == 1 else None

    @cached_property
    def _strides(self) -> list[dict[Var, int] | None]:
        """For each load of numbers: how far each loop moves it in memory; None where that is not one number."""
        out: list[dict[Var, int] | None] = []

        def visit(e: Expr) -> None:
            if not (isinstance(e, Load) and e.dtype.kind == "f"):
                return
            form = linear(flat_index(e.buffer.shape, e.indices))
            if form is None:
                out.append(None)
                return
            strides: dict[Var, int] = {}
            for axis in self.axes:
                for var, c in axis.coefficients:
                    strides[var] = strides.get(var, 0) + form[0].get(axis.var, 0) * c
            out.append(strides)

        walk(self.value, visit)
        return out

    @property
    def buffers(self) -> set[Buffer]:
        """What it reads."""
        found: set[Buffer] = set()
        walk(self.value, lambda e: found.add(e.buffer) if isinstance(e, Load) else None)
        return found

    @property
    def is_load(self) -> bool:
        """Whether it is what memory holds, perhaps under a condition, and nothing is computed."""
        return isinstance(self.value, Load)

    @property
    def is_plain(self) -> bool:
        """Whether it is a load without a condition."""
        return isinstance(self.value, Load) and self.value.where is None


def _numbered(e: Expr) -> dict[Var, int]:
    """Loops in the order in which they occur, so that equal kernels have equal texts."""
    found: dict[Var, int] = {}

    def visit(x: Expr) -> None:
        if isinstance(x, Var):
            found.setdefault(x, len(found))

    walk(e, visit)
    return found


def access(e: Expr) -> Access:
    """``e``, which mentions loops, as a function of coordinates."""
    axes: dict[tuple[tuple[Var, int], ...], Axis] = {}
    memo: Memo = {}
    number = _numbered(e)

    def coordinate(term: Expr) -> Expr:
        form = linear(term)
        assert form is not None  # index_terms gives affine ones
        coefficients, offset = form
        if not coefficients:
            return const(offset, int64)
        unit = 1 if any(map(is_dynamic, coefficients.values())) else math.gcd(*coefficients.values())
        ordered = sorted(coefficients.items(), key=lambda item: number[item[0]])
        if ordered[0][1] < 0 and all(c < 0 for _, c in ordered):
            unit = -unit
        key = tuple((v, c // unit) for v, c in ordered)
        opposite = tuple((v, -c) for v, c in key)
        if opposite in axes:
            key, unit = opposite, -unit
        if key not in axes:
            axes[key] = Axis(key, Var(f"x{len(axes)}", int64))
        return axes[key].var * unit + offset

    terms = {id(t): t for t in index_terms([e])}

    def rebuild(x: Expr) -> Expr:
        if id(x) in memo:
            return memo[id(x)][1]
        if id(x) in terms:
            new = coordinate(x)
        else:
            old = children(x)
            new = with_children(x, [rebuild(c) for c in old]) if old else x
        memo[id(x)] = x, new
        return new

    value = rebuild(e)
    return Access(tuple(axes.values()), value)


@dataclass(frozen=True, eq=False)
class Region:
    """A box of an access in scratch memory. ``sizes`` of the loops of a block; rows are ``pad`` elements apart."""

    access: Access
    sizes: dict[Var, int]
    buffer: Buffer

    def load(self, local: Index) -> Expr:
        """The element at indices that count from the block's origin."""
        at = tuple(a.at(local) + a.below(self.sizes) for a in self.access.axes)
        return Load(self.buffer, at)

    def fill(self, origin: Index, ragged: Sequence[Var], lanes: int) -> list[Stmt]:
        """Copy the box of the block at ``origin``. Beyond the end of a ragged loop there are zeros."""
        axes = self.access.axes
        shape = self.access.shape(self.sizes)
        vars = [Var(f"s{d}", int64, n) for d, n in enumerate(shape)]

        def element(local: Index) -> list[Stmt]:
            env: Index = {}
            inside: Expr = const(True)
            for a, v in zip(axes, vars, strict=True):
                where = a.at(origin) + local[v] - a.below(self.sizes)
                env[a.var] = where
                if any(loop in ragged for loop, _ in a.coefficients):
                    low, high = a.range
                    inside = inside & (where >= low) & (where <= high)
            value = substitute(self.access.value, env)
            if not isinstance(inside, Const):
                value = or_zero(value, inside)
            elif not inside.value:  # the whole of a vector beyond the end
                value = const(0, value.dtype)
            return [store(self.buffer, [local[v] for v in vars], value)]

        return _copy_loops(vars, lanes, element)


def _copy_loops(vars: Sequence[Var], lanes: int, element: Callable[[Index], list[Stmt]]) -> list[Stmt]:
    """``element(indices)`` for all of ``vars``, the last of them in vectors, each on one side of a border.

    So what is inside of the operand is copied without a condition for each lane.
    """
    if not vars:
        return element({})
    *outer, last = [v for v in vars if not v.single] or vars[-1:]
    still: Index = {v: v if v in outer else const(0, int64) for v in vars}
    anywhere = [e for s in element(still | {last: last}) for e in exprs_of(s)]
    row: list[Stmt] = []
    for start, stop in pairwise([0, *sorted(_turns(anywhere, last)), extent_of(last)]):

        def part(i: Expr, start: int = start) -> list[Stmt]:
            return element(still | {last: i + start})

        row += vector_loop(Var(last.name, int64, stop - start), lanes, part, twice=True)
    return loops(outer, row)


def _turns(exprs: Iterable[Expr], var: Var) -> set[int]:
    """The values of ``var`` from which on a comparison of it with a number has another answer."""
    found: set[int] = set()

    def visit(e: Expr) -> None:
        if not (isinstance(e, Binary) and e.fn in ("lt", "le", "gt", "ge")):
            return
        form = linear(e.a - e.b)
        if form is None or set(form[0]) != {var} or any(map(is_dynamic, (form[0][var], form[1]))):
            return
        c, offset = form[0][var], form[1]
        least = (e.fn in ("lt", "ge")) == (c > 0)  # the other answer begins where c * var + offset is 0, or beyond it
        found.add(-(offset // c) if least else -offset // c + 1)

    seen: set[int] = set()
    for e in exprs:
        walk(e, visit, seen)
    return {n for n in found if 0 < n < extent_of(var)}


def region(name: str, a: Access, sizes: dict[Var, int], pad: Callable[[int], int]) -> Region:
    """The region that a block of these sizes reads; ``pad`` makes rows longer, for the sake of the cache's sets."""
    *outer, last = a.shape(sizes)
    return Region(a, sizes, Buffer(name, (*outer, pad(last) if outer else last), a.value.dtype))
