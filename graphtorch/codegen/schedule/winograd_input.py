"""Winograd's convolutions, the first step of a block: its region of the input, staged, turned and transformed."""

from __future__ import annotations

from graphtorch.codegen.kernel_ir import Alloc, Stmt, exprs_of, loop, replace_vars, store
from graphtorch.codegen.schedule.base import join_loops
from graphtorch.codegen.schedule.boxes import ZERO, Index, ceil_div, loops
from graphtorch.codegen.schedule.regions import Region, region
from graphtorch.codegen.schedule.segments import square_loops
from graphtorch.codegen.schedule.winograd_base import At, Convolution, transforms
from graphtorch.ir.expr import Buffer, Expr, Load, Var, const
from graphtorch.ir.types import int64


def into(conv: Convolution, v: Buffer, start: Index) -> list[Stmt]:
    """The block's region, and its tiles transformed, a vector of channels at a time."""
    p, o = conv.plan, conv.o
    sizes = dict(zip(o.m, p.m.sizes, strict=True)) | {w.w: w.r for w in p.windows} | {p.c: p.lanes}
    xs = region("xs", o.x, sizes, lambda n: n)
    ragged = (*p.m.ragged, *((p.c,) if conv.depth % p.lanes else ()))

    def channels(q: Expr) -> list[Stmt]:
        origin = start | {w.w: ZERO for w in p.windows} | {p.c: q * p.lanes}
        turn, turned = _turn(conv, xs)
        return [
            Alloc(xs.buffer, "thread"),
            *xs.fill(origin, ragged, p.lanes),
            *turn,
            *_forward(conv, v, xs, turned, q * p.lanes),
        ]

    return [loop("cb", ceil_div(conv.depth, p.lanes), channels)]


def _turn(conv: Convolution, xs: Region) -> tuple[list[Stmt], Buffer]:
    """A copy of the region with channels innermost, or itself where they are."""
    axes = xs.access.axes
    channel = next(i for i, a in enumerate(axes) if conv.plan.c in dict(a.coefficients))
    if channel == len(axes) - 1:
        return [], xs.buffer
    shape = xs.buffer.shape
    turned = Buffer("xt", (*shape[:channel], *shape[channel + 1 :], shape[channel]), conv.dtype)
    inner = [Var(f"s{d}", int64, n) for d, n in enumerate(shape)]
    l = inner.pop(channel)
    copy = conv.flat.stmt(store(turned, (*inner, l), Load(xs.buffer, (*inner[:channel], l, *inner[channel:]))))
    vars, env = join_loops(inner, exprs_of(copy))
    *outer, last = vars or inner[-1:]

    def element(a: Expr, lane: Expr) -> Stmt:
        return replace_vars(replace_vars((copy,), env), {last: a, l: lane})[0]

    return [Alloc(turned, "thread"), *loops(outer, square_loops(last, l, conv.plan.lanes, element))], turned


def _forward(conv: Convolution, v: Buffer, xs: Region, turned: Buffer, first: Expr) -> list[Stmt]:
    """Every tile of the block, for a vector of channels from ``first``."""
    p = conv.plan
    axes = xs.access.axes
    channel = next(i for i, a in enumerate(axes) if p.c in dict(a.coefficients))
    by_axis = {w.axis: w for w in p.windows}
    tile = p.tiles.locals()
    number: Index = dict(zip(conv.o.m, tile, strict=True))
    position = p.tiles.position(dict(zip(p.tiles.vars, tile, strict=True)))

    def vector(l: Expr) -> list[Stmt]:
        def element(at: At) -> Expr:
            offset = dict(zip(p.windows, at, strict=True))
            index: list[Expr] = []
            for a, span in zip(axes, xs.buffer.shape, strict=True):
                w = by_axis.get(a)
                here = number[w.u] * w.m + offset[w] if w else a.at(number) + a.below(xs.sizes)
                index.append(const(span - 1, int64) - here if w and w.falls else here)
            del index[channel]
            return Load(turned, (*index, l))

        def put(at: At, value: Expr) -> list[Stmt]:
            return [store(v, (conv.product(at), position, first + l), value)]

        return transforms([w.matrices.b for w in p.windows], element, put)

    return loops(tile, [loop("l", p.lanes, vector, "vec")])
