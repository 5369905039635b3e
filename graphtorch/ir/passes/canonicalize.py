"""Canonicalization: local rewrites that leave every element as it is, bit for bit.

Exceptions, both on purpose: a sum over dimensions of size 1 keeps the sign of a zero (0 + -0.0 loses
it), and nan may become another nan. So ``x + 0.0`` stays (-0.0 + 0.0 is 0.0), ``x + -0.0`` goes.

A rule looks at a call, whose operands are canonical already, and gives a value, a simpler call that
is looked at again, or None. One sweep in order of execution therefore reaches the fixed point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from graphtorch.ir import bind
from graphtorch.ir.dim import same
from graphtorch.ir.graph import Attr, Builder, Graph, Node, Value, rewrite
from graphtorch.ir.op import OPS
from graphtorch.ir.ops.gradient import has_gradients
from graphtorch.ir.passes._arithmetic import (
    cast_cast,
    cast_same,
    identity,
    involution,
    mul_minus_one,
    mul_zero,
    neutral,
    sum_in_float32,
    where_known,
)
from graphtorch.ir.passes._calls import Call, Found, Rule, filled, fold, scalar_of


@dataclass(frozen=True)
class Canonicalize:
    """Applies the rules of `RULES`. A graph that autodiff has yet to expand is left alone: `detach` counts there."""

    name: ClassVar[str] = "canonicalize"

    def run(self, graph: Graph) -> Graph:
        if has_gradients(graph):
            return graph
        changed = False

        def rule(node: Node, operands: tuple[Value, ...], builder: Builder) -> tuple[Value, ...] | None:
            nonlocal changed
            if node.body is not None or len(node.results) != 1:
                return None
            call = Call(node.op, operands, node.attrs, node.result.type)
            found = simplify(call)
            if found is call:
                return None
            changed = True
            return (found,) if isinstance(found, Value) else builder.bind(found.op, found.operands, dict(found.attrs))

        out = rewrite(graph, rule)
        return out if changed else graph


def simplify(call: Call) -> Value | Call:
    """The end of the chain of rewrites that starts at ``call``; ``call`` itself where no rule applies.

    Every rule drops an operation or moves on to an op with fewer rules, so the chain ends.
    """
    found = _step(call)
    while found is not None:
        if isinstance(found, Value):
            return found
        call, found = found, _step(found)
    return call


def bound(call: Call) -> Value:
    """The value of a call, or of the simpler one that it is, in the graph that is being built."""
    found = simplify(call)
    return found if isinstance(found, Value) else bind.bind(found.op, *found.operands, **found.attrs)


def _step(call: Call) -> Found:
    for rule in (fold, *RULES.get(call.op.name, ())):
        found = rule(call)
        if found is not None:
            return found
    return None


# ---- movement -------------------------------------------------------------------------------------


def same_shape(call: Call) -> Found:
    """reshape, broadcast_to, slice and pad that keep the shape keep every element in its place."""
    return call.first if same(call.first.type, call.type) else None


def permute_identity(call: Call) -> Found:
    dims = call.ints("dims")
    return call.first if dims == tuple(range(len(dims))) else None


def of_filled(call: Call) -> Found:
    """Moving the elements of a tensor whose elements are equal."""
    scalar = scalar_of(call.first)
    return None if scalar is None else filled(scalar, call.type)


def absorb(call: Call) -> Found:
    """reshape of reshape, broadcast_to of broadcast_to: the outer one alone."""
    inner = call.first.node
    if inner is None or inner.op is not call.op:
        return None
    return Call(call.op, inner.operands, call.attrs, call.type)


def compose(merge: Callable[[Call, Call], Mapping[str, Attr] | None]) -> Rule:
    """An op of itself, as one: ``merge(outer, inner)`` gives the attributes, or None where there are none."""

    def rule(call: Call) -> Found:
        node = call.first.node
        if node is None or node.op is not call.op:
            return None
        attrs = merge(call, Call(node.op, node.operands, node.attrs, node.result.type))
        return Call(call.op, node.operands, attrs, call.type) if attrs is not None else None

    return rule


def permutes(outer: Call, inner: Call) -> Mapping[str, Attr]:
    dims = inner.ints("dims")
    return {"dims": tuple(dims[d] for d in outer.ints("dims"))}


def slices(outer: Call, inner: Call) -> Mapping[str, Attr]:
    """Element i of the outer is element a2 + i*s2 of the inner, which is a1 + (a2 + i*s2)*s1 of the operand."""
    spans = zip(
        outer.type.shape, inner.ints("start"), inner.ints("step"), outer.ints("start"), outer.ints("step"), strict=True
    )
    found = [(n, a1 + a2 * s1, s1 * s2) if n else (0, 0, 1) for n, a1, s1, a2, s2 in spans]
    return {
        "start": tuple(start for _, start, _ in found),
        "stop": tuple(start + (n - 1) * step + 1 if n else 0 for n, start, step in found),
        "step": tuple(step for _, _, step in found),
    }


def pads(outer: Call, inner: Call) -> Mapping[str, Attr] | None:
    """Zeros around zeros; those between the elements of the outer would stand among the inner's too."""
    if any(outer.ints("interior")):
        return None
    low, high = (tuple(map(sum, zip(outer.ints(k), inner.ints(k), strict=True))) for k in ("low", "high"))
    return {"low": low, "high": high, "interior": inner.ints("interior")}


def add_of_reshapes(call: Call) -> Found:
    """A sum of reshapes of one shape is a reshape of the sum: pieces of a gradient are summed where they are found."""
    a, b = (o.node for o in call.operands)
    if a is None or b is None or a.op.name != "reshape" or b.op.name != "reshape":
        return None
    x, y = a.operands[0], b.operands[0]
    if not same(x.type, y.type):
        return None
    whole = bound(Call(call.op, (x, y), {}, x.type))
    return Call(OPS["reshape"], (whole,), {"shape": call.type.shape}, call.type)


def reshape_of_slice(call: Call) -> Found:
    """Part of the last dimension, cut in pieces, is some of the pieces of the whole: the reshape comes first, where it
    moves nothing, and the slice can be read where it lies."""
    inner = call.first.node
    if inner is None or inner.op.name != "slice":
        return None
    taken = Call(inner.op, inner.operands, inner.attrs, inner.result.type)
    whole, start, cut = taken.first.type.shape, taken.ints("start"), _cut_of_last(taken.type.shape, call.type.shape)
    *lead, last = range(len(whole))
    untouched = all(whole[d] == taken.type.shape[d] for d in lead) and taken.ints("step")[last] == 1
    if cut is None or not untouched or whole[last] % cut or start[last] % cut:
        return None
    pieces = (*whole[:-1], whole[last] // cut, cut)
    apart = bound(Call(OPS["reshape"], taken.operands, {"shape": pieces}, taken.first.type.with_shape(pieces)))
    first = start[last] // cut
    attrs = {
        "start": (*(0 for _ in lead), first, 0),
        "stop": (*whole[:-1], first + call.type.shape[-2], cut),
        "step": (1,) * len(pieces),
    }
    return Call(OPS["slice"], (apart,), attrs, call.type)


def pad_of_reshape(call: Call) -> Found:
    """Zeros beside pieces that are joined, in whole pieces: they are put beside the pieces, and then all are joined."""
    inner = call.first.node
    if inner is None or inner.op.name != "reshape" or any(call.ints("interior")):
        return None
    joined, pieces = inner.result.type.shape, inner.operands[0].type.shape
    cut, (low, high) = _cut_of_last(joined, pieces), (call.ints("low"), call.ints("high"))
    if cut is None or any((*low[:-1], *high[:-1])) or low[-1] % cut or high[-1] % cut:
        return None
    around = {
        "low": (*low[:-1], low[-1] // cut, 0),
        "high": (*high[:-1], high[-1] // cut, 0),
        "interior": (0,) * len(pieces),
    }
    shape = (*call.type.shape[:-1], call.type.shape[-1] // cut, cut)
    padded = bound(Call(call.op, inner.operands, around, call.type.with_shape(shape)))
    return Call(OPS["reshape"], (padded,), {"shape": call.type.shape}, call.type)


def _cut_of_last(whole: tuple[int, ...], pieces: tuple[int, ...]) -> int | None:
    """The last size of ``pieces``, if they are ``whole`` with its last dimension in pieces of that size."""
    fits = len(pieces) == len(whole) + 1 >= 2 and pieces[:-2] == whole[:-1] and pieces[-1] > 1
    return pieces[-1] if fits and math.prod(pieces[-2:]) == whole[-1] > 0 else None


def reduce_of_one(call: Call) -> Found:
    """A reduction over dimensions of size 1 moves elements only."""
    if any(call.first.type.shape[d] != 1 for d in call.ints("dims")):
        return None
    return Call(OPS["reshape"], call.operands, {"shape": call.type.shape}, call.type)


#: op -> rules, tried in order after constant folding
RULES: dict[str, tuple[Rule, ...]] = {
    "detach": (identity,),
    "overwrite": (identity,),
    "clone": (identity,),
    "add": (neutral(-0.0, 0, both_sides=True), add_of_reshapes),
    "sub": (neutral(0.0, 0, both_sides=False),),
    "mul": (neutral(1.0, 1, both_sides=True), mul_zero, mul_minus_one),
    "div": (neutral(1.0, 1, both_sides=False),),
    "neg": (involution,),
    "logical_not": (involution,),
    "where": (where_known,),
    "cast": (cast_same, cast_cast),
    "broadcast_to": (same_shape, absorb),
    "reshape": (same_shape, of_filled, absorb, reshape_of_slice),
    "permute": (permute_identity, of_filled, compose(permutes)),
    "slice": (same_shape, of_filled, compose(slices)),
    "pad": (same_shape, compose(pads), pad_of_reshape),
    "index_put": (sum_in_float32,),
    "index_reduce": (sum_in_float32,),
    "reduce_sum": (reduce_of_one,),
    "reduce_max": (reduce_of_one,),
    "reduce_min": (reduce_of_one,),
}
