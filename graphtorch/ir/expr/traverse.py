"""Walking over expressions, and rebuilding them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphtorch.ir.expr.core import (
    Binary,
    Cast,
    Const,
    Expr,
    Load,
    Ramp,
    Select,
    Splat,
    Unary,
    Var,
    binary,
    cast,
    const,
    select,
    unary,
)
from graphtorch.ir.expr.draw import Draw


def children(e: Expr) -> tuple[Expr, ...]:
    """The direct subexpressions."""
    return _CHILDREN[type(e)](e)


def _of_load(e: Load) -> tuple[Expr, ...]:
    return e.indices if e.where is None else (*e.indices, e.where)


# Walks take most of the time of a compilation: a table is twice as fast as a match of classes.
_CHILDREN: dict[type, Callable[[Any], tuple[Expr, ...]]] = {
    Const: lambda e: (),
    Var: lambda e: (),
    Load: _of_load,
    Unary: lambda e: (e.x,),
    Binary: lambda e: (e.a, e.b),
    Select: lambda e: (e.cond, e.a, e.b),
    Cast: lambda e: (e.x,),
    Draw: lambda e: (e.seed, e.stream, e.position),
    Ramp: lambda e: (e.base,),
    Splat: lambda e: (e.x,),
}


def with_children(e: Expr, new: Sequence[Expr]) -> Expr:
    """``e`` over other subexpressions, simplified again."""
    return _WITH_CHILDREN[type(e)](e, new)


def _load_from(e: Load, new: Sequence[Expr]) -> Expr:
    count = len(e.indices)
    where = new[count] if e.where is not None else None
    if isinstance(where, Const) and e.lanes == 1:
        if not where.value:
            return const(0, e.dtype)
        where = None
    return Load(e.buffer, tuple(new[:count]), where, e.lanes)


_WITH_CHILDREN: dict[type, Callable[[Any, Sequence[Expr]], Expr]] = {
    Const: lambda e, _: e,
    Var: lambda e, _: e,
    Load: _load_from,
    Unary: lambda e, new: unary(e.fn, new[0]),
    Binary: lambda e, new: binary(e.fn, new[0], new[1]),
    Select: lambda e, new: select(new[0], new[1], new[2]),
    Cast: lambda e, new: cast(new[0], e.dtype),
    Draw: lambda e, new: Draw(new[0], new[1], new[2]),
    Ramp: lambda e, new: Ramp(new[0], e.lanes, e.step),
    Splat: lambda e, new: Splat(new[0], e.lanes),
}


def walk(e: Expr, visit: Callable[[Expr], None], seen: set[int] | None = None) -> None:
    """Call ``visit`` once for every distinct node of the expression, operands first."""
    seen = set() if seen is None else seen
    if id(e) in seen:
        return
    seen.add(id(e))
    for child in children(e):
        walk(child, visit, seen)
    visit(e)


#: id -> (expression, result); it holds the expression, so that its id cannot come to mean another one
Memo = dict[int, tuple[Expr, Expr]]


def substitute(e: Expr, env: dict[Var, Expr], memo: Memo | None = None) -> Expr:
    """Replace variables; shared subexpressions stay shared (over several calls, with one ``memo``)."""
    memo = {} if memo is None else memo
    if id(e) in memo:
        return memo[id(e)][1]
    if isinstance(e, Var):
        new = env.get(e, e)
    else:
        old = children(e)
        subs = [substitute(c, env, memo) for c in old]
        new = e if all(a is b for a, b in zip(old, subs, strict=True)) else with_children(e, subs)
    memo[id(e)] = e, new
    return new


def free_vars(e: Expr) -> set[Var]:
    found: set[Var] = set()
    walk(e, lambda x: found.add(x) if isinstance(x, Var) else None)
    return found


def same(a: Expr, b: Expr) -> bool:
    """Structural equality; variables and buffers by identity."""
    if a is b:
        return True
    if type(a) is not type(b) or a.dtype != b.dtype or a.lanes != b.lanes:
        return False
    match a, b:
        case Const(), Const():
            return repr(a.value) == repr(b.value)
        case Var(), Var():
            return False
        case Load(), Load() if a.buffer is not b.buffer or (a.where is None) != (b.where is None):
            return False
        case (Unary(fn=f), Unary(fn=g)) | (Binary(fn=f), Binary(fn=g)) if f != g:
            return False
        case Ramp(step=f), Ramp(step=g) if f != g:
            return False
    return all(same(x, y) for x, y in zip(children(a), children(b), strict=True))
