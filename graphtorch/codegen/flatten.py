"""Arrays of several dimensions as flat buffers: what schedules join loops over, and what emitters take."""

from __future__ import annotations

from collections.abc import Sequence

from graphtorch.codegen.kernel_ir import Alloc, Body, For, If, Let, Param, Prefetch, Stmt, Store
from graphtorch.ir.expr import Buffer, Draw, Expr, Load, children, flat_index, with_children


class Flatten:
    """Accesses of arrays as accesses of one-dimensional buffers, at row-major positions."""

    def __init__(self) -> None:
        self.buffers: dict[Buffer, Buffer] = {}
        self.memo: dict[int, tuple[Expr, Expr]] = {}
        #: whether any expression draws random numbers
        self.draws = False

    def buffer(self, b: Buffer) -> Buffer:
        if b not in self.buffers:
            self.buffers[b] = b if len(b.shape) == 1 else Buffer(b.name, (b.numel,), b.dtype)
        return self.buffers[b]

    def params(self, params: Sequence[Param]) -> tuple[Param, ...]:
        return tuple(Param(self.buffer(p.buffer), p.mode) for p in params)

    def index(self, b: Buffer, indices: Sequence[Expr]) -> tuple[Expr]:
        return (flat_index(b.shape, [self.expr(i) for i in indices]),)

    def expr(self, e: Expr) -> Expr:
        if id(e) in self.memo:
            return self.memo[id(e)][1]
        if isinstance(e, Load):
            where = None if e.where is None else self.expr(e.where)
            new: Expr = Load(self.buffer(e.buffer), self.index(e.buffer, e.indices), where)
        else:
            self.draws = self.draws or isinstance(e, Draw)
            old = children(e)
            kids = [self.expr(c) for c in old]
            new = e if all(a is b for a, b in zip(kids, old, strict=True)) else with_children(e, kids)
        self.memo[id(e)] = e, new
        return new

    def body(self, stmts: Sequence[Stmt]) -> Body:
        return tuple(self.stmt(s) for s in stmts)

    def stmt(self, s: Stmt) -> Stmt:
        match s:
            case For():
                return For(s.var, self.expr(s.extent), s.kind, self.body(s.body))
            case Let():
                return Let(s.var, self.expr(s.value))
            case Store():
                where = None if s.where is None else self.expr(s.where)
                return Store(self.buffer(s.buffer), self.index(s.buffer, s.indices), self.expr(s.value), where)
            case Alloc():
                return Alloc(self.buffer(s.buffer), s.space)
            case If():
                return If(self.expr(s.cond), self.body(s.body))
            case Prefetch():
                return Prefetch(self.buffer(s.buffer), self.index(s.buffer, s.indices))
        return s
