"""Contractions on the CPU: matmul, convolution and its gradients, by one pair of templates.

A contraction is out[b, m, n] = sum over k of x[b, m, k] * y[b, k, n], where each of b, m, n, k stands for several
loops and x and y are reads at any affine index (a convolution's window, with a condition at the border).

  outer   vectors along n, each element of x in all lanes (outer.py): most of them
  inner   x and y are dense along k, and rows are few: vectors along k, lanes added at the end (inner.py)

Blocks depend on sizes and on the target, never on the number of threads, and k is summed in one order: results are
the same, bit for bit, on any number of threads. Each block of k is summed by itself (see blocks.py).
"""

from __future__ import annotations

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Kernel, Stmt
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.boxes import extent_of
from graphtorch.codegen.schedule.inner import inner_products
from graphtorch.codegen.schedule.outer import outer_products
from graphtorch.codegen.schedule.outer_outputs import store_zeros
from graphtorch.codegen.schedule.outer_plan import Operands, plan_outer, size
from graphtorch.codegen.schedule.regions import access
from graphtorch.codegen.schedule.residues import Piece, residues
from graphtorch.codegen.schedule.winograd import winograd
from graphtorch.codegen.schedule.winograd_plan import WinogradPlan, plan_winograd
from graphtorch.codegen.target import Target
from graphtorch.ir.expr import Var, free_vars
from graphtorch.ir.types import int64

#: rows up to which reading y along k costs less than packing it along n
INNER_ROWS = 128
#: fewer columns than this, or fewer products for each column, are an ordinary reduction
LEAST_COLUMNS, LEAST_PRODUCTS = 4, 16


def schedule_contraction(nest: ReduceNest, target: Target) -> Kernel | None:
    """The kernel, or None where a plain reduction does as well (vectors, products of one column)."""
    pieces = [_take_apart(nest, piece) for piece in residues(nest)]
    if any(o is None or size(o.n) < LEAST_COLUMNS or size(o.k) * size(o.m) < LEAST_PRODUCTS for o in pieces[:1]):
        return None
    flat = Flatten()
    body = [s for o in pieces if o for s in _statements(nest, o, target, flat)]
    return Kernel(nest.name, flat.params(nest.params), flat.body(body))


def _statements(nest: ReduceNest, o: Operands, target: Target, flat: Flatten) -> list[Stmt]:
    if not size(o.k):
        return store_zeros(nest, o, target.lanes(o.x.value.dtype.itemsize))
    if _dense_along_k(o) and min(size(o.m), size(o.n)) <= INNER_ROWS:
        return inner_products(nest, o, target)
    ways = [(side, plan(side, target)) for plan in (plan_outer, plan_winograd) for side in (o, o.swapped())]
    side, best = min(((s, p) for s, p in ways if p is not None), key=lambda way: way[1].cost)
    if isinstance(best, WinogradPlan):
        return winograd(nest, side, best, flat)
    return outer_products(nest, side, best, target, flat)


def _take_apart(nest: ReduceNest, piece: Piece) -> Operands | None:
    """Which loops are batch, m, n and k; None where a loop is in neither read. n has the output's last loop."""
    product = piece.product
    a, b = product.a, product.b
    in_a, in_b = free_vars(a), free_vars(b)
    wide = [v for v in piece.vars if v.extent != 1]
    if not wide or any(v not in in_a and v not in in_b for v in wide):
        return None
    if wide[-1] in in_a and wide[-1] not in in_b:
        a, b, in_a, in_b = b, a, in_b, in_a
    if wide[-1] in in_a:
        return None
    return Operands(
        piece.vars,
        piece.index,
        tuple(v for v in piece.vars if v.extent == 1 or (v in in_a and v in in_b)),
        tuple(v for v in wide if v not in in_b) or (Var("one", int64, 1),),
        tuple(v for v in wide if v not in in_a),
        piece.red_vars or (Var("one", int64, 1),),
        access(a),
        access(b),
        nest.frozen,
    )


def _dense_along_k(o: Operands) -> bool:
    """Whether both reads are dense along k, and y is not along n."""
    last = next((v for v in reversed(o.k) if extent_of(v) != 1), None)
    if last is None or o.x.stride(last) != 1 or o.y.stride(last) != 1:
        return False
    return len(o.k) == 1 and len(o.n) == 1
