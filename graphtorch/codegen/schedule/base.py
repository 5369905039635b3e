"""What the schedules of both targets share: sharing made explicit, and loops joined where memory is dense."""

from __future__ import annotations

from collections.abc import Sequence

from graphtorch.codegen.kernel_ir import Let, Stmt
from graphtorch.ir.dim import surely
from graphtorch.ir.expr import (
    Binary,
    Cast,
    Const,
    Draw,
    Expr,
    Load,
    Ramp,
    Select,
    Splat,
    Unary,
    Var,
    children,
    const,
    linear,
    slopes,
)
from graphtorch.ir.types import int64

# ---- sharing --------------------------------------------------------------------------------------


def bind_shared(exprs: Sequence[Expr], prefix: str = "t") -> tuple[list[Stmt], list[Expr]]:
    """Give a `let` to every subexpression that is used more than once, and to equal ones one name.

    Index arithmetic stays where it is (unless it is data): it is cheap, and loads are easier to read with it.
    """
    unique = _Unique()
    roots = [unique.of(e) for e in exprs]
    lets: list[Stmt] = []
    bound: dict[int, Expr] = {}

    def emit(e: Expr) -> Expr:
        if id(e) in bound:
            return bound[id(e)]
        old = children(e)
        plain = isinstance(e, Load) and e.where is None and not any(id(c) in unique.data for c in old)
        new = e if not old or plain else _rebuilt(e, [emit(c) for c in old])
        if unique.uses.get(id(e), 0) > 1 and old and (e.dtype != int64 or id(e) in unique.data):
            var = Var(f"{prefix}{len(lets)}", e.dtype, None, e.lanes)
            lets.append(Let(var, new))
            new = var
        bound[id(e)] = new
        return new

    return lets, [emit(r) for r in roots]


def bind_results(exprs: Sequence[Expr], prefix: str = "t") -> tuple[list[Stmt], list[Expr]]:
    """`bind_shared`, with every result computed before any is stored: outputs may overwrite inputs in place."""
    lets, values = bind_shared(exprs, prefix)
    if len(values) < 2:
        return lets, values
    named: list[Expr] = []
    for i, value in enumerate(values):
        var = Var(f"{prefix}r{i}", value.dtype, None, value.lanes)
        lets.append(Let(var, value))
        named.append(var)
    return lets, named


def _rebuilt(e: Expr, new: Sequence[Expr]) -> Expr:
    """``e`` over ``new`` children, as it is: no simplification may undo the sharing."""
    match e:
        case Load():
            count = len(e.indices)
            return Load(e.buffer, tuple(new[:count]), new[count] if e.where is not None else None, e.lanes)
        case Unary():
            return Unary(e.fn, new[0])
        case Binary():
            return Binary(e.fn, new[0], new[1])
        case Select():
            return Select(new[0], new[1], new[2])
        case Cast():
            return Cast(new[0], e.dtype)
        case Draw():
            return Draw(new[0], new[1], new[2])
        case Ramp():
            return Ramp(new[0], e.lanes, e.step)
        case Splat():
            return Splat(new[0], e.lanes)
    return e


class _Unique:
    """Hash-consing: equal expressions become one object; ``uses`` counts how often each is an operand."""

    def __init__(self) -> None:
        self.table: dict[tuple[object, ...], Expr] = {}
        self.memo: dict[int, Expr] = {}
        self.uses: dict[int, int] = {}
        #: what reads memory
        self.data: set[int] = set()
        self.keep: list[Expr] = []

    def of(self, e: Expr) -> Expr:
        found = self._unique(e)
        self.uses[id(found)] = self.uses.get(id(found), 0) + 1
        return found

    def _unique(self, e: Expr) -> Expr:
        if id(e) in self.memo:
            return self.memo[id(e)]
        kids = [self._unique(c) for c in children(e)]
        key = (type(e), e.dtype, e.lanes, _label(e), *map(id, kids))
        found = self.table.get(key)
        if found is None:
            same = all(a is b for a, b in zip(kids, children(e), strict=True))
            found = self.table[key] = e if same else _rebuilt(e, kids)
            for kid in kids:
                self.uses[id(kid)] = self.uses.get(id(kid), 0) + 1
            if isinstance(found, Load) or any(id(kid) in self.data for kid in kids):
                self.data.add(id(found))
        self.memo[id(e)] = found
        self.keep.append(e)  # so that no id is used again
        return found


def _label(e: Expr) -> object:
    match e:
        case Const():
            return repr(e.value)
        case Var():
            return id(e)
        case Load():
            return id(e.buffer), len(e.indices), e.where is None
        case Unary() | Binary():
            return e.fn
        case Ramp():
            return e.step
    return None


# ---- dense memory ---------------------------------------------------------------------------------


def index_terms(exprs: Sequence[Expr]) -> list[Expr]:
    """The outermost int64 expressions that mention variables: addresses, and indices used as data."""
    found: dict[int, Expr] = {}
    seen: set[int] = set()

    def visit(e: Expr) -> None:
        if id(e) in seen:
            return
        seen.add(id(e))
        if e.dtype == int64 and linear(e) is not None:
            found[id(e)] = e
            return
        for c in children(e):
            visit(c)

    for e in exprs:
        visit(e)
    return list(found.values())


def join_loops(vars: Sequence[Var], exprs: Sequence[Expr]) -> tuple[tuple[Var, ...], dict[Var, Expr]]:
    """Join adjacent loops that every index crosses as one.

    Returns the new variables, outermost first, and what each old one is now. Loops (i, j) are one
    where j's extent times its coefficient is i's coefficient in every index, or both are absent.
    """
    coefficients = _slopes(exprs, frozenset(vars))
    groups: list[list[Var]] = []
    for v in vars:
        if v.single:
            continue
        if groups and _joinable(groups[-1][-1], v, coefficients):
            groups[-1].append(v)
        else:
            groups.append([v])
    env: dict[Var, Expr] = {v: const(0, int64) for v in vars if v.single}
    out = []
    for group in groups:
        size = 1
        for v in group:
            size *= v.size
        joined = group[-1] if len(group) == 1 else Var(group[0].name, int64, size)
        out.append(joined)
        # Each index is linear in the group with one common unit: carry it on the innermost variable.
        env.update({v: const(0, int64) for v in group[:-1]} | {group[-1]: joined} if len(group) > 1 else {})
    return tuple(out), env


def _slopes(exprs: Sequence[Expr], vars: frozenset[Var]) -> list[dict[Var, int]]:
    """Those of the outermost int64 expressions that have them."""
    found: list[dict[Var, int]] = []
    seen: set[int] = set()
    pending = list(exprs)
    while pending:
        e = pending.pop()
        if id(e) in seen:
            continue
        seen.add(id(e))
        known = slopes(e, vars) if e.dtype == int64 else None
        if known is None:
            pending += children(e)
        else:
            found.append(known)
    return found


def _joinable(i: Var, j: Var, coefficients: Sequence[dict[Var, int]]) -> bool:
    return all(surely("==", c.get(i, 0), c.get(j, 0) * j.size) for c in coefficients)
