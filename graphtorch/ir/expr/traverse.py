"""Walking over expressions, and rebuilding them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


def children(e: Expr) -> tuple[Expr, ...]:
    """The direct subexpressions."""
    match e:
        case Const() | Var():
            return ()
        case Load():
            return (*e.indices, e.where) if e.where is not None else e.indices
        case Binary():
            return (e.a, e.b)
        case Select():
            return (e.cond, e.a, e.b)
        case Ramp():
            return (e.base,)
        case Unary() | Cast() | Splat():
            return (e.x,)
    raise TypeError(f"not an expression: {e!r}")


def with_children(e: Expr, new: Sequence[Expr]) -> Expr:
    """``e`` over other subexpressions, simplified again."""
    match e:
        case Load():
            count = len(e.indices)
            where = new[count] if e.where is not None else None
            if isinstance(where, Const) and e.lanes == 1:
                if not where.value:
                    return const(0, e.dtype)
                where = None
            return Load(e.buffer, tuple(new[:count]), where, e.lanes)
        case Unary():
            return unary(e.fn, new[0])
        case Binary():
            return binary(e.fn, new[0], new[1])
        case Select():
            return select(new[0], new[1], new[2])
        case Cast():
            return cast(new[0], e.dtype)
        case Ramp():
            return Ramp(new[0], e.lanes, e.step)
        case Splat():
            return Splat(new[0], e.lanes)
    return e


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
