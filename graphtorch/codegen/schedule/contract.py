"""Contractions on the CPU: matmul, convolution and its gradients, by one pair of templates.

A contraction is out[b, m, n] = sum over k of x[b, m, k] * y[b, k, n], where each of b, m, n, k stands for several
loops and x and y are reads at any affine index (a convolution's window, with a condition at the border).

  outer   vectors along n, each element of x in all lanes (outer.py): most of them
  inner   x and y are dense along k, and rows are few: vectors along k, lanes added at the end (inner.py)

  winograd  as outer, for convolutions of stride 1, with fewer products and sums before and after (winograd.py)

A model of cycles chooses; tuning (runtime/tune.py) may choose another of the `ways`. Blocks depend on sizes and on the
target, never on the number of threads, and k is summed in one order: results are the same, bit for bit, on any
number of threads. Each block of k is summed by itself (see blocks.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Body, Stmt
from graphtorch.codegen.loops import ChainNest, Nest, ReduceNest
from graphtorch.codegen.schedule.boxes import extent_of
from graphtorch.codegen.schedule.inner import inner_products
from graphtorch.codegen.schedule.outer import outer_products
from graphtorch.codegen.schedule.outer_outputs import store_zeros
from graphtorch.codegen.schedule.outer_plan import PARALLEL_MACS, TASKS, Operands, OuterPlan, about, outer_plans, size
from graphtorch.codegen.schedule.regions import access
from graphtorch.codegen.schedule.residues import Piece, residues
from graphtorch.codegen.schedule.tail import Tail, tail_of
from graphtorch.codegen.schedule.winograd import winograd
from graphtorch.codegen.schedule.winograd_plan import FAR, WinogradPlan, winograd_plans
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import example, is_dynamic, surely
from graphtorch.ir.expr import Var, free_vars
from graphtorch.ir.types import int64

#: rows up to which reading y along k costs less than packing it along n
INNER_ROWS = 128
#: fewer columns than this, or fewer products for each column, are an ordinary reduction
LEAST_COLUMNS, LEAST_PRODUCTS = 4, 16
#: ways that tuning looks at
MOST_WAYS = 6


@dataclass(frozen=True)
class Way:
    """One way to compute a contraction: rows and columns, and the plan; None for inner products."""

    o: Operands
    plan: OuterPlan | WinogradPlan | None

    @property
    def cost(self) -> float:
        """Cycles, on one core; inner products cost less than others wherever they are offered."""
        return self.plan.cost if self.plan else 0.0

    @property
    def tasks(self) -> int:
        """What threads may share; inner products have enough of them."""
        return self.plan.tasks(self.o) if self.plan else TASKS


def contraction_body(nest: ReduceNest, target: Target, flat: Flatten, way: int = 0) -> Body | None:
    """The statements, or None where a plain reduction does as well (vectors, products of one column).

    ``way`` is the number of one of the `ways`, if the contraction is of one piece.
    """
    pieces = _pieces(nest)
    if pieces is None:
        return None
    return flat.body([s for o in pieces for s in _statements(nest, o, target, flat, way if len(pieces) == 1 else 0)])


def chain_body(chain: ChainNest, target: Target, flat: Flatten, way: int = 0) -> Body | None:
    """The statements of both, block by block; None where the second is not to be had that way."""
    found = _chain(chain, target)
    if found is None:
        return None
    tail, possible = found
    chosen = possible[way]
    plan, nest = chosen.plan, tail.stored
    if isinstance(plan, WinogradPlan):
        return flat.body(winograd(nest, chosen.o, plan, flat, tail))
    assert plan is not None  # Tail.fits saw to it
    return flat.body(outer_products(nest, chosen.o, plan, target, flat, tail))


def count_ways(nest: Nest, target: Target) -> int:
    """How many ways there are to choose from."""
    match nest:
        case ChainNest():
            found = _chain(nest, target)
            return len(found[1]) if found else count_ways(nest.first, target)
        case ReduceNest(contraction=True):
            pieces = _pieces(nest)
            one = pieces is not None and len(pieces) == 1 and size(pieces[0].k)
            return len(ways(pieces[0], target)) if pieces and one else 1
    return 1


def _chain(chain: ChainNest, target: Target) -> tuple[Tail, list[Way]] | None:
    """What reduces the results, and the ways that cut none of its windows: None where they cost more than a copy of all
    results, or leave threads without work."""
    tail, pieces = tail_of(chain), _pieces(chain.first) if chain.first.contraction else None
    if tail is None or pieces is None or len(pieces) > 1 or surely("==", size(pieces[0].k), 0):
        return None
    o = pieces[0]
    free = ways(o, target)[0]
    stored = any(p.buffer is chain.link for p in chain.params)
    most = free.cost + example(chain.link.nbytes) * (1 if stored else 2) / FAR
    shared = about((*o.batch, *o.m, *o.n, *o.k)) >= PARALLEL_MACS
    least = min(TASKS, free.tasks) // 2 if shared else 1
    every = ways(replace(o, steps=tail.steps()), target)
    fitting = [w for w in every if w.plan and tail.fits(w.o, w.plan) and w.tasks >= least]
    return (tail, fitting) if fitting and fitting[0].cost <= most else None


def ways(o: Operands, target: Target) -> list[Way]:
    """Those that may be the fastest, the cheapest by the model first."""
    sides = _sides(o)
    allowed = [s for s in sides if target.winograd == "always" or (target.winograd == "frozen" and s.y_is_frozen)]
    found = [Way(s, p) for s in sides for p in outer_plans(s, target)]
    if not is_dynamic(size((*o.batch, *o.m, *o.n, *o.k))):
        found += [Way(s, p) for s in allowed for p in winograd_plans(s, target)]
    found.sort(key=lambda w: w.cost)
    inner = [Way(o, None)] if _dense_along_k(o) and min(about(o.m), about(o.n)) <= INNER_ROWS else []
    return [*inner, *found][:MOST_WAYS]


def _sides(o: Operands) -> list[Operands]:
    """Rows and columns, and columns and rows: several loops of columns are one block, whose size has to be known."""
    return [s for s in (o, o.swapped()) if len(s.n) == 1 or not is_dynamic(size(s.n))]


def _pieces(nest: ReduceNest) -> list[Operands] | None:
    pieces = [_take_apart(nest, piece) for piece in residues(nest)]
    known = [o for o in pieces if o is not None]
    if len(known) < len(pieces):
        return None
    first = known[0]
    small = about(first.n) < LEAST_COLUMNS or about(first.k) * about(first.m) < LEAST_PRODUCTS
    return None if small or not _sides(first) else known


def _statements(nest: ReduceNest, o: Operands, target: Target, flat: Flatten, number: int) -> list[Stmt]:
    if surely("==", size(o.k), 0):
        return store_zeros(nest, o, target.lanes(o.x.value.dtype.itemsize))
    way = ways(o, target)[number]
    match way.plan:
        case None:
            return inner_products(nest, way.o, target)
        case WinogradPlan():
            return winograd(nest, way.o, way.plan, flat)
    return outer_products(nest, way.o, way.plan, target, flat)


def _take_apart(nest: ReduceNest, piece: Piece) -> Operands | None:
    """Which loops are batch, m, n and k; None where a loop is in neither read. n has the output's last loop."""
    product = piece.product
    a, b = product.a, product.b
    in_a, in_b = free_vars(a), free_vars(b)
    wide = [v for v in piece.vars if not v.single]
    if not wide or any(v not in in_a and v not in in_b for v in wide):
        return None
    if wide[-1] in in_a and wide[-1] not in in_b:
        a, b, in_a, in_b = b, a, in_b, in_a
    if wide[-1] in in_a:
        return None
    x, y = access(a), access(b)
    if not (x.axes and y.axes):
        return None  # one number, for all loops
    return Operands(
        piece.vars,
        piece.index,
        tuple(v for v in piece.vars if v.single or (v in in_a and v in in_b)),
        tuple(v for v in wide if v not in in_b) or (Var("one", int64, 1),),
        tuple(v for v in wide if v not in in_a),
        piece.red_vars or (Var("one", int64, 1),),
        x,
        y,
        nest.frozen,
    )


def _dense_along_k(o: Operands) -> bool:
    """Whether both reads are dense along k, and y is not along n."""
    last = next((v for v in reversed(o.k) if extent_of(v) != 1), None)
    if last is None or o.x.stride(last) != 1 or o.y.stride(last) != 1:
        return False
    if not (o.x.is_load and o.y.is_load):  # it would be computed again for each row and column
        return False
    return len(o.k) == 1 and len(o.n) == 1
