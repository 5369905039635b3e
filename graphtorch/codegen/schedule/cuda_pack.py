"""A side of a product, copied first so that its depth is dense: the weights of a convolution.

Their taps lie side by side in memory and channels do not, while a product goes along channels: 32 threads would read
from 9 lines of memory 4 bytes each, for every tile again. The copy is a launch of its own, and small.
"""

from __future__ import annotations

from dataclasses import replace

from graphtorch.codegen.kernel_ir import Alloc, Body, Stmt, store
from graphtorch.codegen.schedule.cuda_base import guarded_threads, split_index
from graphtorch.codegen.schedule.cuda_product import Product
from graphtorch.codegen.schedule.cuda_stage import WIDEST, stride_along
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.ir.expr import Buffer, Expr, Load, Memo, Var, flat_index, free_vars, substitute

#: tiles that read a side, from which on a copy of it is worth a launch
LEAST_TILES = 8


def packed(product: Product, tiles: tuple[int, int]) -> tuple[Body, Product]:
    """What copies the left side where that pays, or the right, and the product that reads the copy. ``tiles`` is how
    many blocks read each of the left side's tiles, and of the right's."""
    if tiles[0] >= LEAST_TILES and _pays(product.left, product):
        body, copy = _copied(product.left, product.rows, product)
        return body, replace(product, left=copy)
    if tiles[1] >= LEAST_TILES and _pays(product.right, product):
        body, copy = _copied(product.right, product.columns, product)
        return body, replace(product, right=copy)
    return (), product


def _pays(side: Load, product: Product) -> bool:
    """Whether the side is the smaller one, read as it is, and a copy's depth would be read 16 bytes at a time."""
    last, other = product.depth[-1], product.right if side is product.left else product.left
    aligned = last.size * side.dtype.itemsize % WIDEST == 0
    smaller = side.buffer.numel <= other.buffer.numel
    return side.where is None and aligned and smaller and _scattered(side, product)


def _scattered(side: Load, product: Product) -> bool:
    """Whether neighbours are nowhere side by side: neither along depth nor along rows or columns."""
    vars = (product.depth[-1], (product.rows if side is product.left else product.columns)[-1])
    return all(stride_along(side, v) != 1 for v in vars)


def _copied(side: Load, vars: tuple[Var, ...], product: Product) -> tuple[Body, Load]:
    """The copy's kernel, and the side as a read of the copy: batch, rows or columns, depth."""
    used = free_vars(side)
    loops = (*(v for v in product.batch if v in used), *vars, *product.depth)
    buffer = Buffer("packed", (size_of(loops),), side.dtype)

    def element(p: Expr) -> list[Stmt]:
        lets, env = split_index(loops, p)
        memo: Memo = {}
        return [*lets, store(buffer, (p,), Load(side.buffer, (substitute(side.indices[0], env, memo),)))]

    body = (Alloc(buffer, "global"), *guarded_threads(buffer.numel, element))
    return body, Load(buffer, (flat_index([v.size for v in loops], loops),))
