"""Convolutions of stride 1 by Winograd's short convolutions: fewer products, and sums before and after them.

A block of tiles goes through three steps, in scratch memory of the second cache's size:

  into      the region that the block reads is staged a vector of channels at a time (regions.py), turned so
            that channels are dense, and each tile of it transformed: v[product][tile][channel] (winograd_input.py)
  products  for each product a small matrix product: s[product][tile][column] = v times the transformed weights
  back      each tile's products are transformed to m outputs along each window (winograd_output.py); then the
            epilogue (outer_outputs.py)

Weights are transformed once for all blocks. Sums of infinities are nan, so one infinity or nan of the input would
spread over its tile; a block whose result is not finite is therefore computed again, directly, and has what
a direct convolution has.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, For, Stmt, loop, store
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.boxes import ZERO, Index, block, ceil_div, shifted, unflatten
from graphtorch.codegen.schedule.outer import register_tile
from graphtorch.codegen.schedule.outer_operands import PanelCopy, block_loops
from graphtorch.codegen.schedule.outer_outputs import Outputs, Place
from graphtorch.codegen.schedule.outer_plan import Operands, size
from graphtorch.codegen.schedule.tail import Tail
from graphtorch.codegen.schedule.winograd_base import At, Convolution, transforms
from graphtorch.codegen.schedule.winograd_input import into
from graphtorch.codegen.schedule.winograd_output import back
from graphtorch.codegen.schedule.winograd_plan import WinogradPlan
from graphtorch.ir.expr import Buffer, Expr, Load, Var, binary, const, unflatten_index
from graphtorch.ir.types import int64

#: channels that are summed by themselves (see blocks.py)
BLOCK = 512
#: multiply-adds of the loop over channels that are written out
UNROLLED = 24


def winograd(nest: ReduceNest, o: Operands, plan: WinogradPlan, flat: Flatten, tail: Tail | None = None) -> list[Stmt]:
    """The statements of the whole convolution, and of the reduction of its results, if there is one."""
    conv = Convolution(o, plan, flat)
    panels = ceil_div(size(o.n), plan.width)
    u = Buffer("u", (size(o.batch), panels, conv.products, conv.depth, plan.width), conv.dtype)
    grid = (size(o.batch), plan.m.blocks, plan.groups)
    return [
        *_weights(conv, u),
        loop("t", math.prod(grid), lambda t: _task(nest, conv, u, unflatten_index(grid, t), tail), "par"),
    ]


def _weights(conv: Convolution, u: Buffer) -> list[Stmt]:
    """Transformed once, a panel of columns and a block of channels at a time."""
    p, o = conv.plan, conv.o
    k = p.k
    copy = PanelCopy(o, k, p, p.turns_y, conv.flat)
    packed = Buffer("wp", (k.size, p.width), conv.dtype)
    grid = (*u.shape[:2], k.counts[0])

    def task(t: Var) -> list[Stmt]:
        b, number, q = unflatten_index(grid, t)
        first = q * k.sizes[0]

        def channel(c: Expr) -> Stmt:
            def vector(j: Expr) -> list[Stmt]:
                def tap(at: At) -> Expr:
                    turned = [w.r - 1 - i if w.turned else i for w, i in zip(p.windows, at, strict=True)]
                    local: Index = {w.w: i for w, i in zip(p.windows, turned, strict=True)}
                    return Load(packed, (k.position(local | {p.c: c}), j))

                def put(at: At, value: Expr) -> list[Stmt]:
                    return [store(u, (b, number, conv.product(at), first + c, j), value)]

                return transforms([w.matrices.g for w in p.windows], tap, put)

            return conv.vectors(p.width, vector)

        c = Var("c", int64, k.sizes[0])
        count = binary("min", const(k.sizes[0], int64), const(conv.depth, int64) - first)
        return [Alloc(packed, "thread"), *copy.fill(packed, (), b, q, number), For(c, count, "for", (channel(c),))]

    return [Alloc(u, "global"), loop("tw", math.prod(grid), task, "par")]


def _task(nest: ReduceNest, conv: Convolution, u: Buffer, at: tuple[Expr, ...], tail: Tail | None) -> list[Stmt]:
    b, mb, group = at
    p, o = conv.plan, conv.o
    deep = ceil_div(conv.depth, p.lanes) * p.lanes
    v = Buffer("v", (conv.products, p.tiles.size, deep), conv.dtype)
    s = Buffer("s", (conv.products, p.tiles.size, p.columns), conv.dtype)
    ct = Buffer("ct", (p.m.size, p.columns), conv.dtype)
    start = unflatten(o.batch, b) | p.m.origin(mb)
    each = ceil_div(size(o.n), p.columns) // p.groups

    def columns(i: Expr) -> list[Stmt]:
        nb = group * each + i
        place: Place = lambda r, c: (ct, (r, c))
        reduced = tail.finish(o, p, conv.flat, (start, mb, nb), place) if tail else []
        stored = Outputs(nest, o.vars, o.index, o.n, p, conv.flat).finish(start, mb, nb, [place])
        return [*_multiply(conv, v, u, s, (b, nb)), *back(conv, s, ct, start, nb), *reduced, *stored]

    return [
        *(Alloc(buffer, "thread") for buffer in (v, s, ct)),
        *into(conv, v, start),
        *(columns(ZERO) if each == 1 else [loop("nb", each, columns)]),
    ]


def _multiply(conv: Convolution, v: Buffer, u: Buffer, s: Buffer, at: tuple[Expr, Expr]) -> list[Stmt]:
    """For each product, tiles by channels times channels by columns."""
    b, nb = at
    p = conv.plan
    k = block((p.c,), BLOCK)
    per_block = p.columns // p.width
    (row_loop,) = p.rows.box.vars

    def product(e: Var) -> list[Stmt]:
        def panel(nt: Expr) -> list[Stmt]:
            return [stmt for q in range(k.blocks) for stmt in part(nt, q)]

        def part(nt: Expr, q: int) -> list[Stmt]:
            origin = k.origin(const(q, int64))

            def tile(row: Callable[[Expr], Index], height: int) -> list[Stmt]:
                def load_x(i: Expr, at: Index) -> Expr:
                    return Load(v, (e, row(i)[row_loop], shifted(origin, at)[p.c]))

                def load_y(j: Expr, at: Index) -> Expr:
                    return Load(u, (b, nb * per_block + nt, e, shifted(origin, at)[p.c], j))

                def keep(i: Expr, j: Expr, value: Expr) -> Stmt:
                    place = (e, row(i)[row_loop], nt * p.width + j)
                    return store(s, place, Load(s, place) + value if q else value)

                def over_k(step: Callable[[Index], list[Stmt]]) -> list[Stmt]:
                    return block_loops(k, origin, step, conv.flat, unroll=UNROLLED // (height * p.vectors))

                return register_tile((height, p.vectors, p.lanes), conv.dtype, over_k, load_x, load_y, keep)

            return p.rows.run(tile)

        return [loop("nt", per_block, panel)]

    return [loop("e", conv.products, product)]
