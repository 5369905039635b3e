"""Sides of a product that are copied first, so that their channels are dense. The copies are launches of their own.

Weights of a convolution: their taps lie side by side in memory and channels do not, while a product goes along
channels; 32 threads would read from 9 lines of memory 4 bytes each, for every tile again.

Images, for tensor cores: where places are dense, each element is a copy of 4 bytes with an address of its own, since a
window's places begin anywhere; where channels are, 16 bytes have one address and one condition.
"""

from __future__ import annotations

import math
from dataclasses import replace

from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, Stmt, store
from graphtorch.codegen.schedule.cuda_base import guarded, guarded_threads, split_index
from graphtorch.codegen.schedule.cuda_product import Product, nest
from graphtorch.codegen.schedule.cuda_stage import WIDEST, is_wide, stride_along
from graphtorch.codegen.schedule.reduction import size_of
from graphtorch.ir.expr import Buffer, Expr, Load, Memo, Var, flat_index, free_vars, linear, substitute

#: tiles that read a side, from which on a copy of it is worth a launch
LEAST_TILES = 8
#: reads of an element, from which on a copy of images is worth a launch, and the most places of such an image: rows of
#: larger ones are long enough to be read as they lie
LEAST_READS, MOST_PLACES = 8, 256
#: sides of the squares that are transposed, and rows of threads for them
SQUARE, SQUARE_ROWS = 32, 8


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


def turned(product: Product, tiles: tuple[int, int]) -> tuple[Body, Product]:
    """What copies images with channels innermost where that pays, and the product that reads the copies."""
    left = _turned(product.left, product.rows, product, tiles[0])
    right = _turned(product.right, product.columns, product, tiles[1])
    body = (*(left[0] if left else ()), *(right[0] if right else ()))
    return body, replace(product, left=left[1] if left else product.left, right=right[1] if right else product.right)


def _turned(side: Load, vars: tuple[Var, ...], product: Product, tiles: int) -> tuple[Body, Load] | None:
    form, own = linear(side.indices[0]), (*product.batch, *vars, *product.depth)
    reads = tiles * math.prod(v.size for v in own if v in free_vars(side)) / max(side.buffer.numel, 1)
    dense = any(is_wide(side, last, WIDEST // side.dtype.itemsize) for last in (vars[-1], product.depth[-1]))
    if form is None or dense or reads < LEAST_READS:
        return None
    terms, constant = form
    for channel in (product.depth[-1], vars[-1]):
        image, channels = terms.get(channel, 0), channel.size
        rest = {v: c for v, c in terms.items() if v is not channel}
        fits = all(abs(c) < image or c % (image * channels) == 0 for c in rest.values()) if image > 1 else False
        whole = fits and side.buffer.numel % (image * channels) == 0 and channels * side.dtype.itemsize % WIDEST == 0
        if whole and image <= MOST_PLACES and (side.where is None or channel not in free_vars(side.where)):
            body, copy = _transposed(side.buffer, channels, image)
            index: Expr = channel + constant * channels
            for v, c in rest.items():
                index = index + v * (c * channels if abs(c) < image else c)
            return body, Load(copy, (index,), side.where)
    return None


def _transposed(images: Buffer, rows: int, columns: int) -> tuple[Body, Buffer]:
    """Each matrix of ``rows`` x ``columns``, one after the other, transposed: squares by way of shared memory."""
    copy, square = Buffer("turned", (images.numel,), images.dtype), Buffer("square", (SQUARE, SQUARE + 1), images.dtype)
    count = images.numel // (rows * columns)
    grid = (count, -(-rows // SQUARE), -(-columns // SQUARE))

    def thread(at: tuple[Expr, Expr, Expr], y: Expr, x: Expr) -> list[Stmt]:
        n, row, column = at[0], at[1] * SQUARE, at[2] * SQUARE
        out: list[Stmt] = []
        for r in range(0, SQUARE, SQUARE_ROWS):
            place = (n * rows + (row + y + r)) * columns + (column + x)
            put = store(square, (y + r, x), Load(images, (place,)))
            out += guarded((row + y + r < rows) & (column + x < columns), [put])
        out.append(Barrier())
        for r in range(0, SQUARE, SQUARE_ROWS):
            place = (n * columns + (column + y + r)) * rows + (row + x)
            put = store(copy, (place,), Load(square, (x, y + r)))
            out += guarded((column + y + r < columns) & (row + x < rows), [put])
        return out

    def blocks(*at: Expr) -> list[Stmt]:
        threads = nest("thread", (SQUARE_ROWS, SQUARE), lambda y, x: thread((at[0], at[1], at[2]), y, x))
        return [Alloc(square, "shared"), *threads]

    return (Alloc(copy, "global"), *nest("block", grid, blocks)), copy


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
