"""Vector loops spelled out: what ran over one becomes expressions of several lanes.

A copy over two of them is a transpose in registers, and strided stores side by side are zipped to dense ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from graphtorch.codegen.kernel_ir import (
    Alloc,
    Barrier,
    Body,
    For,
    If,
    Let,
    Prefetch,
    Stmt,
    Store,
    buffers_read,
)
from graphtorch.ir.dim import surely
from graphtorch.ir.expr import (
    Buffer,
    Expr,
    Load,
    Ramp,
    Splat,
    Var,
    binary,
    children,
    const,
    same,
    slopes,
    substitute,
    with_children,
)
from graphtorch.ir.types import int64


def is_square(outer: For, inner: For) -> bool:
    """Whether memory is dense along one of the loops where it is read, and along the other where it is written."""
    (copy,) = inner.body
    if not (isinstance(copy, Store) and isinstance(copy.value, Load) and copy.where is copy.value.where is None):
        return False
    source, target, a, b = copy.value.indices[0], copy.indices[0], outer.var, inner.var
    return any(_dense(source, x) and _dense(target, y) for x, y in ((a, b), (b, a)))


def _dense(index: Expr, var: Var) -> bool:
    return bool(surely("==", (slopes(index, (var,)) or {}).get(var, 0), 1))


def interleaved(body: Body) -> Body:
    """Stores of every second or fourth element, one after the other, that together are dense: zipped to dense ones."""
    out: list[Stmt] = []
    rest = list(body)
    while rest:
        group = rest[: _step(rest[0])]
        if _fill_gaps(group):
            out += _zipped(group)
            del rest[: len(group)]
        else:
            out.append(rest.pop(0))
    return tuple(out)


def _step(s: Stmt) -> int:
    """2 or 4 where it stores every second or fourth element, without a condition; else 1."""
    if isinstance(s, Store) and s.where is None and isinstance(s.indices[0], Ramp) and s.indices[0].step in (2, 4):
        return s.indices[0].step
    return 1


def _fill_gaps(group: Sequence[Stmt]) -> TypeGuard[Sequence[Store]]:
    """Whether they store elements 0, step, ...; 1, 1 + step, ...; and so on, of an array that none of them reads."""
    if len(group) == 1 or not all(_step(s) == len(group) for s in group):
        return False
    first, *rest = (s for s in group if isinstance(s, Store))
    if first.buffer in buffers_read(group):
        return False
    return all(
        s.buffer is first.buffer and same(s.indices[0], first.indices[0] + number) for number, s in enumerate(rest, 1)
    )


def _zipped(group: Sequence[Store]) -> Body:
    """The same elements in dense stores."""
    lanes, first = group[0].value.lanes, group[0].indices[0]
    assert isinstance(first, Ramp)  # see _fill_gaps
    lets: list[Stmt] = []
    rows = _zip_rounds([s.value for s in group], lets)
    at = [(Ramp(first.base + number * lanes, lanes),) for number in range(len(rows))]
    return (*lets, *(Store(group[0].buffer, index, row) for index, row in zip(at, rows, strict=True)))


def _zip_rounds(rows: Sequence[Expr], lets: list[Stmt]) -> list[Expr]:
    """The first lanes of all vectors, then the second ones, and so on: a transpose, of as many vectors as lanes.

    In each of log2(n) rounds the first half of the n vectors is zipped with the second half.
    """
    out, half = list(rows), len(rows) // 2
    for _ in range(half.bit_length()):
        zips = [binary(fn, a, b) for a, b in zip(out[:half], out[half:], strict=True) for fn in ("zip_low", "zip_high")]
        out = [_let(e, lets) for e in zips]
    return out


def _let(value: Expr, lets: list[Stmt]) -> Var:
    var = Var(f"z{len(lets)}", value.dtype, None, value.lanes)
    lets.append(Let(var, value))
    return var


def square(outer: For, inner: For) -> Body:
    """A copy over two vector loops of one extent: rows are loaded, transposed in registers, and stored as columns."""
    (copy,) = inner.body
    assert isinstance(copy, Store) and isinstance(copy.value, Load)  # see is_square
    lanes = outer.var.extent or 1
    source, target, buffer = copy.value.indices[0], copy.indices[0], copy.value.buffer
    loaded, stored = outer.var, inner.var  # the loops along which memory is dense
    if _dense(target, outer.var):
        loaded, stored = stored, loaded

    def dense(at: Expr, along: Var, across: Var, number: int) -> tuple[Ramp]:
        return (Ramp(substitute(at, {along: const(0, int64), across: const(number, int64)}), lanes),)

    lets: list[Stmt] = []
    rows = [_let(Load(buffer, dense(source, loaded, stored, i), None, lanes), lets) for i in range(lanes)]
    columns = _zip_rounds(rows, lets)
    stores = [Store(copy.buffer, dense(target, stored, loaded, j), column) for j, column in enumerate(columns)]
    return (*lets, *stores)


class Vectorize:
    """All iterations of one `vec` loop at once."""

    def __init__(self, var: Var, lanes: int) -> None:
        self.lanes = lanes
        self.ramp = Ramp(const(0, int64), lanes)
        self.env: dict[Var, Expr] = {var: self.ramp}
        self.private: dict[Buffer, Buffer] = {}
        self.memo: dict[int, tuple[Expr, Expr]] = {}
        self.splats: dict[int, tuple[Expr, Expr]] = {}

    def body(self, stmts: Sequence[Stmt]) -> Body:
        return tuple(self.stmt(s) for s in stmts)

    def stmt(self, s: Stmt) -> Stmt:
        match s:
            case For():
                return For(s.var, s.extent, s.kind, self.body(s.body))
            case If():
                return If(s.cond, self.body(s.body))
            case Let():
                value = self.expr(s.value)
                if value.lanes == 1:
                    return s if value is s.value else Let(s.var, value)
                var = Var(s.var.name, s.var.dtype, None, value.lanes)
                self.env[s.var] = var
                return Let(var, value)
            case Alloc():
                wide = Buffer(s.buffer.name, (s.buffer.numel * self.lanes,), s.buffer.dtype)
                self.private[s.buffer] = wide
                return Alloc(wide, s.space)
            case Store():
                return self._store(s)
            case Barrier() | Prefetch():
                raise ValueError(f"a {type(s).__name__.lower()} inside of a vector loop")
        return s

    def _store(self, s: Store) -> Store:
        buffer, index = self._place(s.buffer, self.expr(s.indices[0]))
        where = None if s.where is None else self._wide(self.expr(s.where))
        return Store(buffer, (self._wide(index),), self._wide(self.expr(s.value)), where)

    def _place(self, buffer: Buffer, index: Expr) -> tuple[Buffer, Expr]:
        """Every lane has its own copy of what is allocated inside of the loop."""
        wide = self.private.get(buffer)
        if wide is None:
            return buffer, index
        if index.lanes != 1:
            raise ValueError(f"{buffer.name} is private to a lane, but its index differs from lane to lane")
        return wide, Ramp(index * self.lanes, self.lanes)

    def _wide(self, e: Expr) -> Expr:
        if e.lanes == self.lanes:
            return e
        found = self.splats.get(id(e))
        if found is None:
            found = self.splats[id(e)] = e, Splat(e, self.lanes)
        return found[1]

    def expr(self, e: Expr) -> Expr:
        found = self.memo.get(id(e))
        if found is not None:
            return found[1]
        new = self._expr(e)
        self.memo[id(e)] = e, new
        return new

    def _expr(self, e: Expr) -> Expr:
        if isinstance(e, Var):
            return self.env.get(e, e)
        if isinstance(e, Load):
            buffer, index = self._place(e.buffer, self.expr(e.indices[0]))
            where = None if e.where is None else self.expr(e.where)
            lanes = max(index.lanes, where.lanes if where is not None else 1)
            if lanes > 1:
                index = self._wide(index)
                where = None if where is None else self._wide(where)
            return Load(buffer, (index,), where, lanes)
        old = children(e)
        kids = [self.expr(c) for c in old]
        if all(a is b for a, b in zip(kids, old, strict=True)):
            return e
        if any(k.lanes > 1 for k in kids):
            kids = [self._wide(k) for k in kids]
        return with_children(e, kids)
