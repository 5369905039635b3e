"""Sizes in kernels that are not known: which there are, and the same kernel for given sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from weakref import WeakKeyDictionary

from graphtorch.codegen.kernel_ir import (
    Alloc,
    Body,
    For,
    If,
    Kernel,
    Let,
    Param,
    Prefetch,
    Stmt,
    Store,
    exprs_of,
    walk,
)
from graphtorch.ir.dim import at_sizes, is_dynamic, symbols_of
from graphtorch.ir.dim_terms import Symbol
from graphtorch.ir.expr import Buffer, Const, Expr, Load, Memo, Var, children, const, with_children
from graphtorch.ir.expr import walk as walk_expr
from graphtorch.ir.types import int64

#: what was found, for as long as the kernel is there: it is asked for again and again
_found: WeakKeyDictionary[Kernel, frozenset[Symbol]] = WeakKeyDictionary()


def symbols_of_code(kernel: Kernel) -> frozenset[Symbol]:
    """The named sizes that the code of ``kernel`` depends on."""
    if kernel not in _found:
        _found[kernel] = frozenset(_symbols_of_code(kernel))
    return _found[kernel]


def _symbols_of_code(kernel: Kernel) -> set[Symbol]:
    found: set[Symbol] = set()

    def visit(e: Expr) -> None:
        if isinstance(e, Const) and is_dynamic(e.value):
            found.update(symbols_of(e.value))

    seen: set[int] = set()
    for s in walk(kernel.body):
        for e in exprs_of(s):
            walk_expr(e, visit, seen)
        if isinstance(s, Alloc):
            found |= symbols_of(s.buffer.numel)
    return found


def examples_of(kernel: Kernel) -> dict[str, int]:
    """The named sizes in it, types and ranges included, in order of the alphabet, and an example of each."""
    found = set(symbols_of_code(kernel))
    for size in _sizes_in_types(kernel):
        found |= symbols_of(size)
    return {s.name: s.example for s in sorted(found, key=lambda s: s.name)}


def _sizes_in_types(kernel: Kernel) -> Iterator[int]:
    for p in kernel.params:
        yield from p.buffer.shape
    for s in walk(kernel.body):
        if isinstance(s, Alloc):
            yield from s.buffer.shape
        elif isinstance(s, For | Let) and s.var.extent is not None:
            yield s.var.extent


def kernel_at(kernel: Kernel, sizes: Mapping[str, int]) -> Kernel:
    """``kernel`` for these sizes of the names; what is known then is simplified."""
    at = _At(sizes)
    params = tuple(Param(at.buffer(p.buffer), p.mode) for p in kernel.params)
    return Kernel(kernel.name, params, at.body(kernel.body), kernel.waits)


class _At:
    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.buffers: dict[Buffer, Buffer] = {}
        self.vars: dict[Var, Var] = {}
        self.memo: Memo = {}

    def buffer(self, b: Buffer) -> Buffer:
        if b not in self.buffers:
            shape = tuple(at_sizes(n, self.sizes) for n in b.shape)
            self.buffers[b] = Buffer(b.name, shape, b.dtype) if any(map(is_dynamic, b.shape)) else b
        return self.buffers[b]

    def var(self, v: Var) -> Var:
        if v not in self.vars:
            known = v.extent is None or not is_dynamic(v.extent)
            self.vars[v] = v if known else Var(v.name, v.dtype, at_sizes(v.size, self.sizes), v.lanes)
        return self.vars[v]

    def expr(self, e: Expr) -> Expr:
        if isinstance(e, Const):
            return const(at_sizes(e.value, self.sizes), int64) if is_dynamic(e.value) else e
        if isinstance(e, Var):
            return self.var(e)
        if id(e) not in self.memo:
            new = with_children(e, [self.expr(c) for c in children(e)])
            if isinstance(e, Load) and isinstance(new, Load):
                new = Load(self.buffer(e.buffer), new.indices, new.where, new.lanes)
            self.memo[id(e)] = e, new
        return self.memo[id(e)][1]

    def body(self, body: Body) -> Body:
        return tuple(map(self.stmt, body))

    def stmt(self, s: Stmt) -> Stmt:
        match s:
            case For():
                return For(self.var(s.var), self.expr(s.extent), s.kind, self.body(s.body))
            case Let():
                return Let(self.var(s.var), self.expr(s.value))
            case Store():
                where = None if s.where is None else self.expr(s.where)
                return Store(self.buffer(s.buffer), tuple(map(self.expr, s.indices)), self.expr(s.value), where)
            case Alloc():
                return Alloc(self.buffer(s.buffer), s.space)
            case If():
                return If(self.expr(s.cond), self.body(s.body))
            case Prefetch():
                return Prefetch(self.buffer(s.buffer), tuple(map(self.expr, s.indices)))
        return s
