"""Winograd's convolutions, the last step of a block: products to outputs, or the block computed directly."""

from __future__ import annotations

from graphtorch.codegen.kernel_ir import Alloc, If, Stmt, loop, store
from graphtorch.codegen.schedule.boxes import ZERO, Index, extent_of, loops, shifted, unflatten
from graphtorch.codegen.schedule.outer_plan import size
from graphtorch.codegen.schedule.winograd_base import At, Convolution, transforms
from graphtorch.ir.expr import Buffer, Expr, Load, Var, const
from graphtorch.ir.types import int64


def back(conv: Convolution, s: Buffer, ct: Buffer, start: Index, nb: Expr) -> list[Stmt]:
    """Products to outputs, and the block directly if one of them (or their sum) is not finite."""
    p = conv.plan
    lanes = p.lanes
    bad = Buffer("bad", (lanes,), conv.dtype)
    tile = p.tiles.locals()
    position = p.tiles.position(dict(zip(p.tiles.vars, tile, strict=True)))
    by_u = {w.u: (i, w.m) for i, w in enumerate(p.windows)}
    local: Index = dict(zip(conv.o.m, tile, strict=True))
    zero = const(0, conv.dtype)

    def columns(v: Expr) -> list[Stmt]:
        def vector(l: Expr) -> list[Stmt]:
            j = v * lanes + l

            def put(at: At, value: Expr) -> list[Stmt]:
                inside = {u: local[u] * m + at[i] for u, (i, m) in by_u.items()}
                flag = store(bad, (l,), Load(bad, (l,)) + value)
                return [store(ct, (p.m.position(local | inside), j), value), flag]

            load = lambda at: Load(s, (conv.product(at), position, j))
            return transforms([w.matrices.a for w in p.windows], load, put)

        return [loop("l", lanes, vector, "vec")]

    found = sum((Load(bad, (const(i, int64),)) for i in range(lanes)), start=zero) * zero
    return [
        Alloc(bad, "local"),
        loop("l", lanes, lambda l: store(bad, (l,), zero), "vec"),
        *loops(tile, [loop("v", p.columns // lanes, columns)]),
        If(found.ne(found), tuple(_direct(conv, ct, start, nb))),
    ]


def _direct(conv: Convolution, ct: Buffer, start: Index, nb: Expr) -> list[Stmt]:
    """The block by the definition of the sum; small code, for what is rare."""
    p, o = conv.plan, conv.o
    rows, k = p.m.locals(), tuple(Var(f"{v.name}d", int64, extent_of(v)) for v in o.k)
    acc = Buffer("total", (1,), conv.dtype)
    at = shifted(start, dict(zip(o.m, rows, strict=True)))

    def column(j: Var) -> list[Stmt]:
        number = nb * p.columns + j
        index = at | unflatten(o.n, number) | dict(zip(o.k, k, strict=True))
        add = store(acc, (ZERO,), Load(acc, (ZERO,)) + o.x.read(index) * o.y.read(index))
        inside = [at[v] < extent_of(v) for v in p.m.ragged] + [number < size(o.n)]
        place = (p.m.position(dict(zip(o.m, rows, strict=True))), j)
        stmts: list[Stmt] = [
            Alloc(acc, "local"),
            store(acc, (ZERO,), const(0, conv.dtype)),
            *loops(k, [add]),
            store(ct, place, Load(acc, (ZERO,))),
        ]
        for condition in inside:
            stmts = [If(condition, tuple(stmts))]
        return stmts

    return loops(rows, [loop("j", p.columns, column)])
