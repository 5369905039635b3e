"""Convolutions of stride 1 by Winograd's short convolutions: fewer products, and sums before and after them.

A block of tiles goes through three steps, in scratch memory of the second cache's size:

  into      the region that the block reads is staged a vector of channels at a time (regions.py), turned so
            that channels are dense, and each tile of it transformed: v[product][tile][channel]
  products  for each product a small matrix product: s[product][tile][column] = v times the transformed weights
  back      each tile's products are transformed to m outputs along each window; then the epilogue (outer_outputs.py)

Weights are transformed once for all blocks. Sums of infinities are nan, so one infinity or nan of the input would
spread over its tile; a block whose result is not finite is therefore computed again, directly, and has what
a direct convolution has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, For, If, Let, Stmt, exprs_of, loop, replace_vars, store
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.base import join_loops
from graphtorch.codegen.schedule.boxes import ZERO, Index, block, ceil_div, extent_of, loops, shifted, unflatten
from graphtorch.codegen.schedule.outer import register_tile
from graphtorch.codegen.schedule.outer_operands import PanelCopy, block_loops
from graphtorch.codegen.schedule.outer_outputs import Outputs, Place
from graphtorch.codegen.schedule.outer_plan import Operands, size
from graphtorch.codegen.schedule.regions import Region, region
from graphtorch.codegen.schedule.segments import square_loops
from graphtorch.codegen.schedule.tail import Tail
from graphtorch.codegen.schedule.toom_cook import Matrix, transform
from graphtorch.codegen.schedule.winograd_plan import WinogradPlan
from graphtorch.ir.expr import Buffer, Expr, Load, Var, binary, const, flat_index, unflatten_index
from graphtorch.ir.types import DType, int64

#: channels that are summed by themselves (see blocks.py)
BLOCK = 512
#: multiply-adds of the loop over channels that are written out
UNROLLED = 24
Block = tuple[Expr, Expr]  # batch, and block of rows


def winograd(nest: ReduceNest, o: Operands, plan: WinogradPlan, flat: Flatten, tail: Tail | None = None) -> list[Stmt]:
    """The statements of the whole convolution, and of the reduction of its results, if there is one."""
    return _Winograd(nest, o, plan, flat, tail).body()


At = tuple[Expr, ...]  # a point of a tile


def transforms(
    matrices: Sequence[Matrix], load: Callable[[At], Expr], put: Callable[[At, Expr], list[Stmt]]
) -> list[Stmt]:
    """One matrix along each dimension of a tile: ``put`` gets the values of what ``load`` reads.

    One dimension after the other, in loops over lines: a tile written out would be many times the code, and
    is too large for registers in any case.
    """
    if len(matrices) == 1:
        return _line(matrices[0], lambda i: load((i,)), lambda i, e: put((i,), e))
    first, second = matrices
    like = load((ZERO, ZERO)).dtype
    half = Buffer("half", (len(first), len(second[0])), like)

    def column(c: Expr) -> list[Stmt]:
        return _line(first, lambda i: load((i, c)), lambda i, e: [store(half, (i, c), e)])

    def row(r: Expr) -> list[Stmt]:
        return _line(second, lambda i: Load(half, (r, i)), lambda i, e: put((r, i), e))

    return [Alloc(half, "local"), loop("tc", len(second[0]), column), loop("tr", len(first), row)]


def _line(matrix: Matrix, load: Callable[[Expr], Expr], put: Callable[[Expr, Expr], list[Stmt]]) -> list[Stmt]:
    lets: list[Stmt] = []

    def name(e: Expr) -> Expr:
        var = Var(f"w{len(lets)}", e.dtype)
        lets.append(Let(var, e))
        return var

    values = transform(matrix, [name(load(const(i, int64))) for i in range(len(matrix[0]))], name)
    return [*lets, *(stmt for i, e in enumerate(values) for stmt in put(const(i, int64), e))]


@dataclass(frozen=True, eq=False)
class _Winograd:
    nest: ReduceNest
    o: Operands
    plan: WinogradPlan
    flat: Flatten
    tail: Tail | None

    @property
    def dtype(self) -> DType:
        return self.o.x.value.dtype

    @property
    def depth(self) -> int:
        """Channels."""
        return extent_of(self.plan.c)

    @property
    def products(self) -> int:
        return math.prod(self.plan.points)

    def product(self, at: At) -> Expr:
        """The number of a point of the transformed tile."""
        return flat_index(self.plan.points, at)

    def body(self) -> list[Stmt]:
        p, o = self.plan, self.o
        panels = ceil_div(size(o.n), p.width)
        u = Buffer("u", (size(o.batch), panels, self.products, self.depth, p.width), self.dtype)
        grid = (size(o.batch), p.m.blocks, p.groups)
        return [
            *self.weights(u),
            loop("t", math.prod(grid), lambda t: self.task(u, unflatten_index(grid, t)), "par"),
        ]

    def vectors(self, width: int, body: Callable[[Expr], Sequence[Stmt]]) -> Stmt:
        """``body`` over ``width`` neighbours, whole vectors of them."""
        lanes = self.plan.lanes
        return loop("v", width // lanes, lambda v: loop("l", lanes, lambda l: body(v * lanes + l), "vec"))

    # ---- weights ----

    def weights(self, u: Buffer) -> list[Stmt]:
        """Transformed once, a panel of columns and a block of channels at a time."""
        p, o = self.plan, self.o
        k = p.k
        copy = PanelCopy(o, k, p, p.turns_y, self.flat)
        packed = Buffer("wp", (k.size, p.width), self.dtype)
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
                        return [store(u, (b, number, self.product(at), first + c, j), value)]

                    return transforms([w.matrices.g for w in p.windows], tap, put)

                return self.vectors(p.width, vector)

            c = Var("c", int64, k.sizes[0])
            count = binary("min", const(k.sizes[0], int64), const(self.depth, int64) - first)
            return [Alloc(packed, "thread"), *copy.fill(packed, (), b, q, number), For(c, count, "for", (channel(c),))]

        return [Alloc(u, "global"), loop("tw", math.prod(grid), task, "par")]

    # ---- a block of tiles ----

    def task(self, u: Buffer, at: tuple[Expr, ...]) -> list[Stmt]:
        b, mb, group = at
        p, o = self.plan, self.o
        deep = ceil_div(self.depth, p.lanes) * p.lanes
        v = Buffer("v", (self.products, p.tiles.size, deep), self.dtype)
        s = Buffer("s", (self.products, p.tiles.size, p.columns), self.dtype)
        ct = Buffer("ct", (p.m.size, p.columns), self.dtype)
        start = unflatten(o.batch, b) | p.m.origin(mb)
        each = ceil_div(size(o.n), p.columns) // p.groups

        def columns(i: Expr) -> list[Stmt]:
            nb = group * each + i
            place: Place = lambda r, c: (ct, (r, c))
            reduced = self.tail.finish(o, p, self.flat, (start, mb, nb), place) if self.tail else []
            stored = Outputs(self.nest, o.vars, o.index, o.n, p, self.flat).finish(start, mb, nb, [place])
            return [*self.multiply(v, u, s, (b, nb)), *self.back(s, ct, start, nb), *reduced, *stored]

        return [
            *(Alloc(buffer, "thread") for buffer in (v, s, ct)),
            *self.into(v, start),
            *(columns(ZERO) if each == 1 else [loop("nb", each, columns)]),
        ]

    def into(self, v: Buffer, start: Index) -> list[Stmt]:
        """The block's region, and its tiles transformed, a vector of channels at a time."""
        p, o = self.plan, self.o
        sizes = dict(zip(o.m, p.m.sizes, strict=True)) | {w.w: w.r for w in p.windows} | {p.c: p.lanes}
        xs = region("xs", o.x, sizes, lambda n: n)
        ragged = (*p.m.ragged, *((p.c,) if self.depth % p.lanes else ()))

        def channels(q: Expr) -> list[Stmt]:
            origin = start | {w.w: ZERO for w in p.windows} | {p.c: q * p.lanes}
            turn, turned = self.turn(xs)
            return [
                Alloc(xs.buffer, "thread"),
                *xs.fill(origin, ragged, p.lanes),
                *turn,
                *self.forward(v, xs, turned, q * p.lanes),
            ]

        return [loop("cb", ceil_div(self.depth, p.lanes), channels)]

    def turn(self, xs: Region) -> tuple[list[Stmt], Buffer]:
        """A copy of the region with channels innermost, or itself where they are."""
        axes = xs.access.axes
        channel = next(i for i, a in enumerate(axes) if self.plan.c in dict(a.coefficients))
        if channel == len(axes) - 1:
            return [], xs.buffer
        shape = xs.buffer.shape
        turned = Buffer("xt", (*shape[:channel], *shape[channel + 1 :], shape[channel]), self.dtype)
        inner = [Var(f"s{d}", int64, n) for d, n in enumerate(shape)]
        l = inner.pop(channel)
        copy = self.flat.stmt(store(turned, (*inner, l), Load(xs.buffer, (*inner[:channel], l, *inner[channel:]))))
        vars, env = join_loops(inner, exprs_of(copy))
        *outer, last = vars or inner[-1:]

        def element(a: Expr, lane: Expr) -> Stmt:
            return replace_vars(replace_vars((copy,), env), {last: a, l: lane})[0]

        return [Alloc(turned, "thread"), *loops(outer, square_loops(last, l, self.plan.lanes, element))], turned

    def forward(self, v: Buffer, xs: Region, turned: Buffer, first: Expr) -> list[Stmt]:
        """Every tile of the block, for a vector of channels from ``first``."""
        p = self.plan
        axes = xs.access.axes
        channel = next(i for i, a in enumerate(axes) if p.c in dict(a.coefficients))
        by_axis = {w.axis: w for w in p.windows}
        tile = p.tiles.locals()
        number: Index = dict(zip(self.o.m, tile, strict=True))
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
                return [store(v, (self.product(at), position, first + l), value)]

            return transforms([w.matrices.b for w in p.windows], element, put)

        return loops(tile, [loop("l", p.lanes, vector, "vec")])

    def multiply(self, v: Buffer, u: Buffer, s: Buffer, at: tuple[Expr, Expr]) -> list[Stmt]:
        """For each product, tiles by channels times channels by columns."""
        b, nb = at
        p = self.plan
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
                        return block_loops(k, origin, step, self.flat, unroll=UNROLLED // (height * p.vectors))

                    return register_tile((height, p.vectors, p.lanes), self.dtype, over_k, load_x, load_y, keep)

                return p.rows.run(tile)

            return [loop("nt", per_block, panel)]

        return [loop("e", self.products, product)]

    def back(self, s: Buffer, ct: Buffer, start: Index, nb: Expr) -> list[Stmt]:
        """Products to outputs, and the block directly if one of them (or their sum) is not finite."""
        p = self.plan
        lanes = p.lanes
        bad = Buffer("bad", (lanes,), self.dtype)
        tile = p.tiles.locals()
        position = p.tiles.position(dict(zip(p.tiles.vars, tile, strict=True)))
        by_u = {w.u: (i, w.m) for i, w in enumerate(p.windows)}
        local: Index = dict(zip(self.o.m, tile, strict=True))
        zero = const(0, self.dtype)

        def columns(v: Expr) -> list[Stmt]:
            def vector(l: Expr) -> list[Stmt]:
                j = v * lanes + l

                def put(at: At, value: Expr) -> list[Stmt]:
                    inside = {u: local[u] * m + at[i] for u, (i, m) in by_u.items()}
                    flag = store(bad, (l,), Load(bad, (l,)) + value)
                    return [store(ct, (p.m.position(local | inside), j), value), flag]

                load = lambda at: Load(s, (self.product(at), position, j))
                return transforms([w.matrices.a for w in p.windows], load, put)

            return [loop("l", lanes, vector, "vec")]

        found = sum((Load(bad, (const(i, int64),)) for i in range(lanes)), start=zero) * zero
        return [
            Alloc(bad, "local"),
            loop("l", lanes, lambda l: store(bad, (l,), zero), "vec"),
            *loops(tile, [loop("v", p.columns // lanes, columns)]),
            If(found.ne(found), tuple(self.direct(ct, start, nb))),
        ]

    def direct(self, ct: Buffer, start: Index, nb: Expr) -> list[Stmt]:
        """The block by the definition of the sum; small code, for what is rare."""
        p, o = self.plan, self.o
        rows, k = p.m.locals(), tuple(Var(f"{v.name}d", int64, extent_of(v)) for v in o.k)
        acc = Buffer("total", (1,), self.dtype)
        at = shifted(start, dict(zip(o.m, rows, strict=True)))

        def column(j: Var) -> list[Stmt]:
            number = nb * p.columns + j
            index = at | unflatten(o.n, number) | dict(zip(o.k, k, strict=True))
            add = store(acc, (ZERO,), Load(acc, (ZERO,)) + o.x.read(index) * o.y.read(index))
            inside = [at[v] < extent_of(v) for v in p.m.ragged] + [number < size(o.n)]
            place = (p.m.position(dict(zip(o.m, rows, strict=True))), j)
            stmts: list[Stmt] = [
                Alloc(acc, "local"),
                store(acc, (ZERO,), const(0, self.dtype)),
                *loops(k, [add]),
                store(ct, place, Load(acc, (ZERO,))),
            ]
            for condition in inside:
                stmts = [If(condition, tuple(stmts))]
            return stmts

        return loops(rows, [loop("j", p.columns, column)])
