"""Rules of canonicalize for arithmetic: what an elementwise op of known numbers, or of itself, is."""

from __future__ import annotations

import numpy as np

from graphtorch.ir import bind
from graphtorch.ir.dim import same
from graphtorch.ir.op import OPS
from graphtorch.ir.ops.common import to_dtype
from graphtorch.ir.passes._calls import Call, Found, Rule, number_of, same_number
from graphtorch.ir.types import LOW_PRECISION, DType, float32


def identity(call: Call) -> Found:
    """detach, clone, overwrite: values are immutable, and gradients are there."""
    return call.first


def neutral(on_float: float, otherwise: int, *, both_sides: bool) -> Rule:
    """x op e is x; the neutral element e of floats and that of integers and bools."""

    def rule(call: Call) -> Found:
        wanted = on_float if call.type.dtype.is_floating_point else otherwise
        a, b = call.operands
        if same_number(number_of(b), wanted):
            return a
        return b if both_sides and same_number(number_of(a), wanted) else None

    return rule


def mul_zero(call: Call) -> Found:
    """x * 0 is 0 for integers and bools; a float x may be inf or nan."""
    if call.type.dtype.is_floating_point:
        return None
    return next((o for o in call.operands if same_number(number_of(o), 0)), None)


def mul_minus_one(call: Call) -> Found:
    if call.type.dtype.kind not in "fi":
        return None
    for x, other in (call.operands, call.operands[::-1]):
        if same_number(number_of(other), -1):
            return Call(OPS["neg"], (x,), {}, call.type)
    return None


def involution(call: Call) -> Found:
    """neg(neg(x)) is x."""
    inner = call.first.node
    applies = inner is not None and inner.op is call.op and same(inner.operands[0].type, call.type)
    return inner.operands[0] if inner is not None and applies else None


def where_known(call: Call) -> Found:
    """where(true, a, b) is a; where(c, a, a) is a."""
    condition, a, b = call.operands
    known = number_of(condition)
    if known is not None:
        return a if known else b
    return a if a is b else None


def sum_in_float32(call: Call) -> Found:
    """index_put that adds 16-bit floats, or index_reduce of them: results in memory would be rounded with each term."""
    if call.type.dtype not in LOW_PRECISION or not call.attrs.get("accumulate", True):
        return None
    table, terms, *indices = call.operands
    wide = bind.bind(call.op, to_dtype(table, float32), to_dtype(terms, float32), *indices, **call.attrs)
    return Call(OPS["cast"], (wide,), {"dtype": call.type.dtype}, call.type)


def cast_same(call: Call) -> Found:
    return call.first if same(call.first.type, call.type) else None


def cast_cast(call: Call) -> Found:
    """cast(cast(x, wide), d) is cast(x, d), where wide holds every value of x."""
    inner = call.first.node
    if inner is None or inner.op is not call.op:
        return None
    source = inner.operands[0]
    return Call(call.op, (source,), call.attrs, call.type) if _holds(call.first.type.dtype, source.type.dtype) else None


def _holds(wide: DType, narrow: DType) -> bool:
    """Whether every value of ``narrow`` is one of ``wide``. (numpy calls int64 to float64 safe; it rounds.)"""
    return bool(np.can_cast(narrow.np, wide.np, "safe")) and (narrow.name, wide.name) != ("int64", "float64")
