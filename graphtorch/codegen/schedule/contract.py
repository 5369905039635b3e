"""Contractions on the CPU: matmul, convolution and its gradients, by one pair of templates.

A contraction is out[b, m, n] = sum over k of X[b, m, k] * Y[b, k, n], where each of b, m, n, k stands for
several loops and X and Y are reads at any affine index (a convolution's window, guarded at the border).
Operands are packed into panels block by block, which is where windows, strides and guards are resolved
(implicit GEMM: no im2col matrix exists), and a register tile runs over the panels, after K. Goto and
R. A. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34 (2008).

  outer   Y is dense along n: vectors along n, each element of X broadcast (matmul, conv forward, dgrad)
  inner   X and Y are dense along k: vectors along k, lanes added at the end (x @ w.T, conv wgrad)

Blocks depend on sizes alone, never on the number of threads, and K is summed in one order: results are
the same, bit for bit, on any number of threads. Each block of K is summed by itself (see blocks.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from graphtorch.codegen.kernel_ir import Alloc, For, If, Kernel, Stmt, loop, replace_vars, store
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.base import bind_results
from graphtorch.codegen.schedule.segments import vector_loop
from graphtorch.codegen.target import Target
from graphtorch.ir.expr import (
    Binary,
    Buffer,
    Expr,
    Load,
    Memo,
    Var,
    const,
    flat_index,
    free_vars,
    linear,
    substitute,
    unflatten_index,
)
from graphtorch.ir.types import int64

#: elements of K per block, of N per block, and tasks wanted so that threads can share them evenly
OUTER_K, OUTER_N, INNER_K, INNER_N, TASKS = 256, 512, 1024, 128, 16


@dataclass(frozen=True)
class Dims:
    """Loops that count as one: position = block * size + inside, blocks being whole runs of inner loops."""

    vars: tuple[Var, ...]

    @property
    def total(self) -> int:
        return math.prod(v.extent or 0 for v in self.vars)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(v.extent or 0 for v in self.vars)

    def block(self, target: int) -> int:
        """The greatest size <= target that is a divisor of one loop times all loops inside of it."""
        size = 1
        for extent in reversed(self.shape):
            if size * extent > target:
                return size * max(d for d in range(1, extent + 1) if extent % d == 0 and size * d <= target)
            size *= extent
        return size

    def at(self, position: Expr) -> dict[Var, Expr]:
        """Each loop's index at a flat position."""
        return dict(zip(self.vars, unflatten_index(self.shape, position), strict=True))

    def run(self, size: int, start: Expr, body: Callable[[dict[Var, Expr], Var, Expr], list[Stmt]]) -> list[Stmt]:
        """Loops over the ``size`` positions from ``start`` (a multiple of it), the last of them left open.

        ``body(indices, last, offset)``: ``last`` is the open loop, and ``offset`` the place in the block where
        its index is 0.
        """
        inner: list[Var] = []
        count = size
        for v in reversed(self.vars):
            extent = min(count, v.extent or 1)
            inner.insert(0, Var(v.name + "b", int64, extent))
            count //= extent
        where = flat_index([v.extent or 1 for v in inner], inner)
        origin = self.at(start)
        index = {v: origin[v] + i for v, i in zip(self.vars, inner, strict=True)}
        *outer, last = inner or [Var("one", int64, 1)]
        stmts = body(index, last, substitute(where, {last: const(0, int64)}))
        for v in reversed(outer):
            stmts = (
                [For(v, const(v.extent or 1, int64), "for", tuple(stmts))]
                if v.extent != 1
                else list(replace_vars(stmts, {v: const(0, int64)}))
            )
        return stmts


@dataclass(frozen=True)
class Contraction:
    """A nest taken apart: which loops are batch, m, n and k, and the two reads."""

    nest: ReduceNest
    batch: Dims
    m: Dims
    n: Dims
    k: Dims
    x: Load
    y: Load

    def finish(self, index: dict[Var, Expr], total: Expr) -> list[Stmt]:
        """Store the outputs of one element, epilogue included."""
        memo: Memo = {}
        values = [substitute(f((total,)), index, memo) for _, f in self.nest.outputs]
        lets, bound = bind_results(values, "e")
        at = [substitute(v, index, memo) for v in self.nest.vars]
        return [*lets, *(store(b, at, e) for (b, _), e in zip(self.nest.outputs, bound, strict=True))]


def schedule_contraction(nest: ReduceNest, target: Target) -> Kernel | None:
    """The kernel, or None where a plain reduction does as well (vectors, products of one column)."""
    c = _take_apart(nest)
    if c is None or c.n.total < 4 or c.k.total * c.m.total < 16:
        return None
    tile = _inner_tile(c, target) if _is_inner(c) else _outer_tile(c, target)
    return Kernel(nest.name, nest.params, tuple(tile))


def _take_apart(nest: ReduceNest) -> Contraction | None:
    product = nest.body[0]
    assert isinstance(product, Binary)  # is_contraction saw to it
    a, b = product.a, product.b
    assert isinstance(a, Load) and isinstance(b, Load)  # likewise
    in_a, in_b = free_vars(a), free_vars(b)
    wide = [v for v in nest.vars if v.extent != 1]
    if not wide or any(v not in in_a and v not in in_b for v in wide):
        return None
    if wide[-1] in in_a and wide[-1] not in in_b:
        a, b, in_a, in_b = b, a, in_b, in_a
    if wide[-1] in in_a:
        return None
    return Contraction(
        nest,
        Dims(tuple(v for v in nest.vars if v.extent == 1 or (v in in_a and v in in_b))),
        Dims(tuple(v for v in wide if v not in in_b)),
        Dims(tuple(v for v in wide if v not in in_a)),
        Dims(tuple(nest.red_vars)),
        a,
        b,
    )


def _stride(load: Load, var: Var) -> int:
    form = linear(flat_index(load.buffer.shape, load.indices))
    return form[0].get(var, 0) if form else 0


def _is_inner(c: Contraction) -> bool:
    """Whether vectors along k are the better ones."""
    last_k = next((v for v in reversed(c.k.vars) if v.extent != 1), None)
    if last_k is None or _stride(c.x, last_k) != 1 or _stride(c.y, last_k) != 1:
        return False
    last_n = c.n.vars[-1]
    return _stride(c.y, last_n) != 1 or (last_n.extent or 0) < (last_k.extent or 0)


def _round_up(n: int, to: int) -> int:
    return -(-n // to) * to


def _row(n: int, lanes: int) -> int:
    """A row length that keeps consecutive rows out of one cache set."""
    return _round_up(n, lanes) + lanes


def _rows_per_task(m: int, others: int, unit: int) -> int:
    """Rows of m for each task: all of them, unless there are too few tasks otherwise."""
    blocks = min(-(-m // unit), max(1, TASKS // max(1, others)))
    return _round_up(-(-m // blocks), unit)


def _zero(buffer: Buffer, lanes: int, size: int, at: Callable[[Expr], Sequence[Expr]]) -> list[Stmt]:
    var = Var("zi", int64, size)
    return vector_loop(var, lanes, lambda i: [store(buffer, at(i), const(0, buffer.dtype))])


# ---- outer products: vectors along n ----------------------------------------------------------------


def _outer_tile(c: Contraction, target: Target) -> list[Stmt]:
    dtype = c.x.dtype
    lanes = target.lanes(dtype.itemsize)
    rows, vectors = (8, 3) if target.registers == 32 else (6, 2) if target.vector_bytes >= 32 else (4, 2)
    kb, nb = c.k.block(OUTER_K), c.n.block(OUTER_N)
    vectors = min(vectors, -(-nb // lanes))
    while vectors > 2 and _round_up(nb, vectors * lanes) > _round_up(nb, lanes) * 9 // 8:
        vectors -= 1
    width = vectors * lanes
    padded, blocks, kblocks = _round_up(nb, width), c.n.total // nb, c.k.total // kb
    m, tiles, batch = c.m.total, -(-c.m.total // rows), c.batch.total
    mb = _rows_per_task(m, batch * blocks, rows)
    groups = -(-m // mb)
    ap = Buffer("ap", (batch, kblocks, tiles, kb, rows), dtype)
    bp = Buffer("bp", (kb, _row(padded, lanes)), dtype)
    ct = Buffer("ct", (mb, padded), dtype)

    def pack_x(p: Var) -> list[Stmt]:
        b, q, t = unflatten_index((batch, kblocks, tiles), p)

        def element(index: dict[Var, Expr], last: Var, offset: Expr) -> list[Stmt]:
            def one(i: Var) -> list[Stmt]:
                row = t * rows + i
                inside = row < m
                value = _read(c.x, {**c.batch.at(b), **index, **c.m.at(row)}, inside)
                return [store(ap, (b, q, t, offset + last, i), value)]

            return [For(last, const(last.extent or 1, int64), "for", (loop("i", rows, one, "vec"),))]

        return c.k.run(kb, q * kb, element)

    def task(p: Var) -> list[Stmt]:
        b, g, t = unflatten_index((batch, groups, blocks), p)

        def block(q: Expr) -> list[Stmt]:
            return [
                *_pack_columns(c, bp, b, q * kb, kb, t * nb, nb, padded, lanes),
                loop("nt", padded // width, lambda nt: loop(
                    "mt", mb // rows, lambda mt: tile(b, q, g * (mb // rows) + mt, mt, nt))),
            ]  # fmt: skip

        def tile(b: Expr, q: Expr, mt: Expr, own: Var, nt: Var) -> list[Stmt]:
            acc = Buffer("acc", (rows, width), dtype)
            column = nt * width

            def each(body: Callable[[Var, Expr], Stmt]) -> Stmt:
                """Rows outside, so that the vectors of Y stay in registers and X needs one more."""

                def row(i: Var) -> Stmt:
                    def vector(v: Var) -> Stmt:
                        return loop("l", lanes, lambda l: body(i, v * lanes + l), "vec")

                    return loop("v", vectors, vector, "unroll")

                return loop("i", rows, row, "unroll")

            def begin(i: Var, j: Expr) -> Stmt:
                return store(acc, (i, j), const(0, dtype))

            def step(k: Var) -> Stmt:
                def multiply_add(i: Var, j: Expr) -> Stmt:
                    product = Load(ap, (b, q, mt, k, i)) * Load(bp, (k, column + j))
                    return store(acc, (i, j), Load(acc, (i, j)) + product)

                return each(multiply_add)

            def end(i: Var, j: Expr) -> Stmt:
                return _add_block(ct, (own * rows + i, column + j), Load(acc, (i, j)), kblocks)

            compute: list[Stmt] = [Alloc(acc, "local"), each(begin), loop("k", kb, step), each(end)]
            return compute if groups * mb // rows == tiles else [If(mt < tiles, tuple(compute))]

        start = _zero(ct, lanes, mb * padded, lambda i: unflatten_index(ct.shape, i)) if kblocks > 1 else []
        work = block(const(0, int64)) if kblocks == 1 else [loop("kq", kblocks, block)]

        def finish(r: Var) -> list[Stmt]:
            row = g * mb + r

            def element(index: dict[Var, Expr], last: Var, offset: Expr) -> list[Stmt]:
                return vector_loop(last, lanes, lambda j: c.finish(
                    {**c.batch.at(b), **c.m.at(row), **{v: substitute(e, {last: j}) for v, e in index.items()}},
                    Load(ct, (r, offset + j))))  # fmt: skip

            stmts = c.n.run(nb, t * nb, element)
            return stmts if groups * mb == m else [If(row < m, tuple(stmts))]

        return [Alloc(bp, "thread"), Alloc(ct, "thread"), *start, *work, loop("r", mb, finish)]

    return [
        Alloc(ap, "global"),
        loop("pa", batch * kblocks * tiles, pack_x, "par"),
        loop("pt", batch * groups * blocks, task, "par"),
    ]


def _add_block(total: Buffer, at: Sequence[Expr], block: Expr, kblocks: int) -> Stmt:
    """Blocks of K are summed one by one, each from zero: the error grows with the number of blocks, not with K."""
    return store(total, at, Load(total, tuple(at)) + block if kblocks > 1 else block)


def _add_half(sums: Buffer, half: int, lane: Expr) -> list[Stmt]:
    return [store(sums, (lane,), Load(sums, (lane,)) + Load(sums, (lane + half,)))]


def _read(load: Load, index: dict[Var, Expr], inside: Expr | None = None) -> Expr:
    new = substitute(load, index)
    assert isinstance(new, Load)  # substitution keeps the node
    where = new.where
    if inside is not None:
        where = inside if where is None else where & inside
    if where is not None and getattr(where, "value", None) is True:
        where = None
    return Load(new.buffer, new.indices, where)


def _pack_columns(
    c: Contraction, bp: Buffer, b: Expr, k0: Expr, kb: int, n0: Expr, nb: int, padded: int, lanes: int
) -> list[Stmt]:
    """bp[k, n] = Y for a block of k and of n, with zeros up to ``padded`` columns."""

    def rows(k_index: dict[Var, Expr], k_last: Var, k_offset: Expr) -> list[Stmt]:
        row = k_offset + k_last

        def columns(n_index: dict[Var, Expr], last: Var, offset: Expr) -> list[Stmt]:
            def one(j: Expr) -> list[Stmt]:
                index = {**c.batch.at(b), **k_index, **{v: substitute(e, {last: j}) for v, e in n_index.items()}}
                return [store(bp, (row, offset + j), _read(c.y, index))]

            return vector_loop(last, lanes, one)

        stmts = c.n.run(nb, n0, columns)
        if padded > nb:
            stmts = [*stmts, *_zero(bp, lanes, padded - nb, lambda i: (row, i + nb))]
        return [For(k_last, const(k_last.extent or 1, int64), "for", tuple(stmts))]

    return c.k.run(kb, k0, rows)


# ---- inner products: vectors along k ----------------------------------------------------------------


def _inner_tile(c: Contraction, target: Target) -> list[Stmt]:
    dtype = c.x.dtype
    lanes = target.lanes(dtype.itemsize)
    rows, columns = (4, 4) if target.registers == 32 else (3, 3)
    nb = c.n.block(min(INNER_N, max(32, c.n.total // 4)))
    kb = c.k.block(INNER_K)
    blocks, kblocks, batch, m = c.n.total // nb, c.k.total // kb, c.batch.total, c.m.total
    mb = min(_rows_per_task(m, batch * blocks, rows), _round_up(64, rows))
    groups, np_, kp = -(-m // mb), _round_up(nb, columns), _round_up(kb, lanes)
    xp, yp = Buffer("xp", (mb, _row(kp, lanes)), dtype), Buffer("yp", (np_, _row(kp, lanes)), dtype)
    ct = Buffer("ct", (mb, np_, lanes), dtype)

    def pack(buffer: Buffer, load: Load, row: Expr, index: dict[Var, Expr], q: Expr, inside: Expr | None) -> list[Stmt]:
        """One row: kb elements along k, and zeros up to a whole vector."""

        def run(k_index: dict[Var, Expr], last: Var, offset: Expr) -> list[Stmt]:
            def one(j: Expr) -> list[Stmt]:
                at = {**index, **{v: substitute(e, {last: j}) for v, e in k_index.items()}}
                return [store(buffer, (row, offset + j), _read(load, at, inside))]

            return vector_loop(last, lanes, one)

        tail = _zero(buffer, lanes, kp - kb, lambda i: (row, i + kb)) if kp > kb else []
        return [*c.k.run(kb, q * kb, run), *tail]

    def task(p: Var) -> list[Stmt]:
        b, g, t = unflatten_index((batch, groups, blocks), p)

        def pack_x(r: Var) -> list[Stmt]:
            row = g * mb + r
            stmts = pack(xp, c.x, r, {**c.batch.at(b), **c.m.at(row)}, q_now[0], None)
            return stmts if groups * mb == m else [If(row < m, tuple(stmts))]

        def pack_y(n_index: dict[Var, Expr], last: Var, offset: Expr) -> list[Stmt]:
            stmts = pack(yp, c.y, offset + last, {**c.batch.at(b), **n_index}, q_now[0], None)
            return [For(last, const(last.extent or 1, int64), "for", tuple(stmts))]

        q_now: list[Expr] = []

        def block(q: Expr) -> list[Stmt]:
            q_now[:] = [q]
            return [
                loop("r", mb, pack_x),
                *c.n.run(nb, t * nb, pack_y),
                loop("nt", np_ // columns, lambda nt: loop("mt", mb // rows, lambda mt: tile(mt, nt))),
            ]  # fmt: skip

        def tile(mt: Var, nt: Var) -> list[Stmt]:
            acc = Buffer("acc", (rows, columns, lanes), dtype)

            def each(body: Callable[[Var, Var, Var], Stmt]) -> Stmt:
                def row(i: Var, l: Var) -> Stmt:
                    return loop("j", columns, lambda j: body(i, j, l), "unroll")

                return loop("l", lanes, lambda l: loop("i", rows, lambda i: row(i, l), "unroll"), "vec")

            def place(i: Expr, j: Expr, l: Expr) -> tuple[Expr, ...]:
                return mt * rows + i, nt * columns + j, l

            def step(k: Var) -> Stmt:
                def multiply_add(i: Var, j: Var, l: Var) -> Stmt:
                    at = k * lanes + l
                    product = Load(xp, (mt * rows + i, at)) * Load(yp, (nt * columns + j, at))
                    return store(acc, (i, j, l), Load(acc, (i, j, l)) + product)

                return each(multiply_add)

            return [
                Alloc(acc, "local"),
                each(lambda i, j, l: store(acc, (i, j, l), const(0, dtype))),
                loop("k", kp // lanes, step),
                each(lambda i, j, l: _add_block(ct, place(i, j, l), Load(acc, (i, j, l)), kblocks)),
            ]

        def finish(r: Var) -> list[Stmt]:
            row = g * mb + r

            def element(index: dict[Var, Expr], last: Var, offset: Expr) -> list[Stmt]:
                at = offset + last
                sums = Buffer("h", (lanes,), dtype)  # in registers, where lanes are added by halves
                fold: list[Stmt] = [
                    Alloc(sums, "local"),
                    loop("l", lanes, lambda l: store(sums, (l,), Load(ct, (r, at, l))), "vec"),
                ]
                for half in (lanes >> i for i in range(1, lanes.bit_length())):
                    fold += vector_loop(Var("h", int64, half), half, partial(_add_half, sums, half))
                done = c.finish({**c.batch.at(b), **c.m.at(row), **index}, Load(sums, (const(0, int64),)))
                return [For(last, const(last.extent or 1, int64), "for", (*fold, *done))]

            stmts = c.n.run(nb, t * nb, element)
            return stmts if groups * mb == m else [If(row < m, tuple(stmts))]

        size = mb * np_ * lanes
        start = _zero(ct, lanes, size, lambda i: unflatten_index(ct.shape, i)) if kblocks > 1 else []
        work = block(const(0, int64)) if kblocks == 1 else [loop("kq", kblocks, block)]
        return [Alloc(xp, "thread"), Alloc(yp, "thread"), Alloc(ct, "thread"), *start, *work, loop("r", mb, finish)]

    return [loop("pt", batch * groups * blocks, task, "par")]
