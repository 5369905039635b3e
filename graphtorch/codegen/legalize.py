"""Scheduled kernel -> what emitters take: flat buffers, unrolled loops, vectors spelled out.

After it every buffer has one dimension, `unroll` and `vec` loops are gone, and what ran over a `vec`
loop is an expression of several lanes (Ramp for its index, Splat for what does not depend on it).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import (
    Body,
    For,
    If,
    Kernel,
    Let,
    Stmt,
    Store,
    map_exprs,
    walk,
)
from graphtorch.codegen.vectors import Vectorize, interleaved, is_square, square
from graphtorch.ir.expr import (
    Const,
    Expr,
    Var,
    children,
    const,
    with_children,
)
from graphtorch.ir.types import int64


def legalize(kernel: Kernel) -> Kernel:
    """The kernel in the form that emit_llvm.py takes."""
    flat = Flatten()
    params, body = flat.params(kernel.params), flat.body(kernel.body)
    return Kernel(kernel.name, params, _Expand(body).stmts(body), kernel.waits)


class _Expand:
    """Unrolled and vector loops of a body written out.

    What an expression becomes depends on the values of the unrolled variables in it alone. So it is made once for
    each of their values, and copies share it: of a tile of 6 x 2 products the emitter sees 6 + 2 operands, not 24.
    """

    def __init__(self, body: Body) -> None:
        self.body = body  # keeps the expressions that are known by their ids
        #: variables that have another value in each copy, and what they are in this one
        self.differing = _differing(body)
        self.env: dict[Var, Expr] = {}
        self.now: dict[Var, object] = {}
        self.copy = ""
        self._needs: dict[int, tuple[Var, ...]] = {}
        self._made: dict[tuple[object, ...], Expr] = {}
        self._vectors: dict[tuple[Var, int], Vectorize] = {}

    def stmts(self, stmts: Sequence[Stmt]) -> Body:
        out: list[Stmt] = []
        for s in stmts:
            match s:
                case For(kind="vec", body=(For(kind="vec") as inner,)):
                    out += self._pair(s, inner)
                case For(kind="vec", extent=Const(value=1)):
                    self._bind(s.var, 0, const(0, int64))
                    out += self.stmts(s.body)
                case For(kind="unroll", extent=Const(value=count)):
                    out += self._unrolled(s, int(count))
                case For(kind="vec", extent=Const(value=lanes)):
                    self._bind(s.var, s.var, s.var)
                    out += interleaved(self._vectorize(s, int(lanes)).body(self.stmts(s.body)))
                case For():
                    self._bind(s.var, s.var, s.var)  # it may have been the variable of an unrolled loop before
                    out.append(For(s.var, self.expr(s.extent), s.kind, self.stmts(s.body)))
                case If():
                    out += self._if(s)
                case Let():
                    out.append(self._let(s))
                case _:
                    out += map_exprs((s,), self.expr)
        return tuple(out)

    def _pair(self, outer: For, inner: For) -> Body:
        """Two vector loops, one in the other: a transpose in registers, or copies of the inner one."""
        for var in (outer.var, inner.var):
            self._bind(var, var, var)
        inner = For(inner.var, inner.extent, inner.kind, map_exprs(inner.body, self.expr))
        if is_square(outer, inner):
            return square(outer, inner)
        return self._unrolled(outer, outer.var.extent or 1)

    def _unrolled(self, s: For, count: int) -> Body:
        out: list[Stmt] = []
        around = self.copy
        for i in range(count):
            self.copy = f"{around}_{i}"
            self._bind(s.var, i, const(i, int64))
            out += self.stmts(s.body)
        self.copy = around
        return tuple(out)

    def _vectorize(self, s: For, lanes: int) -> Vectorize:
        """One for all copies of the loop, unless what it names or allocates is another in each."""
        if all(isinstance(x, Store) for x in s.body):
            return self._vectors.setdefault((s.var, lanes), Vectorize(s.var, lanes))
        return Vectorize(s.var, lanes)

    def _if(self, s: If) -> Body:
        cond = self.expr(s.cond)
        if isinstance(cond, Const):
            return self.stmts(s.body) if cond.value else ()
        return (If(cond, self.stmts(s.body)),)

    def _let(self, s: Let) -> Let:
        """With a fresh variable in each copy of an unrolled body."""
        value = self.expr(s.value)
        if not self.copy:
            self._bind(s.var, s.var, s.var)
            return Let(s.var, value)
        var = Var(s.var.name + self.copy, s.var.dtype, s.var.extent, s.var.lanes)
        self._bind(s.var, var, var)
        return Let(var, value)

    def _bind(self, var: Var, now: object, value: Expr) -> None:
        """``now`` is equal wherever the value is."""
        self.now[var], self.env[var] = now, value

    def expr(self, e: Expr) -> Expr:
        needs = self._needs.get(id(e))
        if needs is None:
            needs = self._find_needs(e)
        if not needs:
            return e
        now = self.now
        key = (id(e), *[now[v] for v in needs])
        found = self._made.get(key)
        if found is None:
            found = self.env[e] if type(e) is Var else with_children(e, [self.expr(c) for c in children(e)])
            self._made[key] = found
        return found

    def _find_needs(self, e: Expr) -> tuple[Var, ...]:
        """The variables in it that differ from copy to copy."""
        found = self._needs.get(id(e))
        if found is None:
            if isinstance(e, Var):
                found = (e,) if e in self.differing else ()
            else:
                found = tuple(dict.fromkeys(v for c in children(e) for v in self._find_needs(c)))
            self._needs[id(e)] = found
        return found


def _differing(body: Body) -> set[Var]:
    """Variables of loops that are written out, and of `let`s in the unrolled ones."""
    loops = [s for s in walk(body) if isinstance(s, For) and s.kind in ("unroll", "vec")]
    return {s.var for s in loops} | {s.var for x in loops for s in walk(x.body) if isinstance(s, Let)}
