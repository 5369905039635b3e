"""What each op makes of intervals: a table, and for what is not in it nothing is known.

A rule takes the node and the intervals of its operands, and gives that of its first result, before it is rounded to the
dtype of the result (`interval.fitted`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.frontend.diagnosis import interval as iv
from graphtorch.frontend.diagnosis.interval import Interval, full, hull, number, truth, unit, widened
from graphtorch.frontend.diagnosis.provenance import MOVES, is_greatest_of, is_least_of, is_sum_of, root
from graphtorch.frontend.diagnosis.transfer_one import (
    ROUNDINGS,
    Rule,
    absolute,
    between,
    cast,
    elu,
    first,
    gate,
    inverse_root,
    logarithm,
    monotone,
    positive_part,
    rounded,
    sign,
    square_root,
    value_at,
)
from graphtorch.ir.graph import Node
from graphtorch.ir.types import greatest, least

# ---- functions of two -----------------------------------------------------------------------------


def _mul(node: Node, a: Interval, b: Interval) -> Interval:
    left, right = node.operands
    return iv.square(a) if root(left) is root(right) else iv.mul(a, b)


def _sub(node: Node, a: Interval, b: Interval) -> Interval:
    found = iv.sub(a, b)
    x, extreme = node.operands
    if is_greatest_of(extreme, x):
        return replace(found, high=min(found.high, 0))
    return replace(found, low=max(found.low, 0)) if is_least_of(extreme, x) else found


def _add(_: Node, a: Interval, b: Interval) -> Interval:
    return iv.add(a, b)


def _div(node: Node, a: Interval, b: Interval) -> Interval:
    found = iv.div(a, b)
    if a.low < 0 or not is_sum_of(node.operands[1], node.operands[0]):
        return found
    nan = a.nan or a.low == 0 or a.high == math.inf
    return Interval(max(found.low, 0.0), 1.0, nan, vanishing=a.positive)


def _maximum(_: Node, a: Interval, b: Interval) -> Interval:
    return _extreme(a, b, max(a.low, b.low), max(a.high, b.high))


def _minimum(_: Node, a: Interval, b: Interval) -> Interval:
    return _extreme(a, b, min(a.low, b.low), min(a.high, b.high))


def _extreme(a: Interval, b: Interval, low: float, high: float) -> Interval:
    nonzero, vanishing = not (a.may_be_zero or b.may_be_zero), a.positive and b.positive
    return Interval(low, high, a.nan or b.nan, nonzero, vanishing, a.whole and b.whole)


def _pow(node: Node, a: Interval, b: Interval) -> Interval:
    dtype = node.result.type.dtype
    exponent = b.low if b.low == b.high else None
    if dtype.kind != "f" or (exponent is None and a.low <= 0) or math.isinf(b.most):
        return full(dtype)
    if exponent is None or (exponent != int(exponent) and a.low > 0) or exponent < 0:
        return _positive_power(node, a, b) if a.low > 0 else full(dtype)
    if exponent != int(exponent):
        return full(dtype) if a.low < 0 else monotone(lambda v: v**exponent, 0.0, math.inf)(node, a)
    grows = monotone(lambda v: float(v) ** int(exponent), -math.inf, math.inf)
    if exponent == 0:
        return number(1.0)
    if int(exponent) % 2:
        return Interval(-math.inf, math.inf, a.nan) if a.most > 1e30 else grows(node, a)
    size = absolute(node, a)
    found = grows(node, size) if size.high < 1e30 else Interval(0.0, math.inf, a.nan)
    return replace(found, low=max(found.low, 0.0), vanishing=a.positive or not a.may_be_zero)


def _positive_power(node: Node, a: Interval, b: Interval) -> Interval:
    """Of bases above 0: between those of the corners."""
    corners = [value_at(lambda v, e=e: v**e, x, math.inf) for x in (a.low, a.high) for e in (b.low, b.high)]  # type: ignore[misc]
    found = replace(iv.over(corners, a.nan or b.nan), vanishing=True)
    return widened(found, ROUNDINGS * unit(node.result.type.dtype))


def _floor_divide(node: Node, a: Interval, b: Interval) -> Interval:
    dtype = node.result.type.dtype
    if b.low <= 0 or not (a.bounded and b.bounded):
        return full(dtype)
    whole = node.op.name == "floor_divide"
    ends = [(math.floor if whole else math.trunc)(x / y) for x in (a.low, a.high) for y in (b.low, b.high)]
    slack = dtype.kind == "f" or max(a.most, b.most) > 2**50
    return Interval(min(ends) - slack, max(ends) + slack, a.nan or b.nan, whole=True)


def _remainder(node: Node, a: Interval, b: Interval) -> Interval:
    if b.low <= 0 or not (a.bounded and b.bounded) or node.result.type.dtype.kind == "f":
        return full(node.result.type.dtype)
    low = 0 if node.op.name == "remainder" or a.low >= 0 else -(b.high - 1)
    return Interval(low, b.high - 1, whole=True)


def _hypot(_: Node, a: Interval, b: Interval) -> Interval:
    nan = a.nan or b.nan
    return Interval(0.0, math.inf, nan, vanishing=not (a.may_be_zero and b.may_be_zero))


# ---- several numbers ------------------------------------------------------------------------------


def _hull(_: Node, *parts: Interval) -> Interval:
    return hull(*parts)


def _pad(_: Node, x: Interval) -> Interval:
    return hull(x, number(0))


def _count(node: Node) -> int | None:
    """How many numbers each result of a reduction is made of; None where a size is not known."""
    shape = node.operands[0].type.shape
    sizes = [shape[d] for d in node.attrs["dims"]]  # type: ignore[union-attr, index]
    return math.prod(sizes) if all(type(n) is int for n in sizes) else None


def _reduce_sum(node: Node, x: Interval) -> Interval:
    return total(x, _count(node), unit(node.result.type.dtype))


def total(x: Interval, count: int | None, error: float) -> Interval:
    """A sum of ``count`` such numbers, in any order; each addition has a relative ``error``."""
    if count is None:
        low, high = (0 if x.low >= 0 else -math.inf), (0 if x.high <= 0 else math.inf)
        return Interval(low, high, x.nan or not x.bounded, whole=x.whole)
    nan = x.nan or (x.low == -math.inf and x.high == math.inf and count > 1)
    lost = max(count - 1, 0) * error
    ends = [0 if count == 0 or v == 0 else v * count for v in (x.low, x.high)]
    spare = 0 if x.low >= 0 or x.high <= 0 or not lost else x.most * count * lost
    low, high = (ends[0] - abs(ends[0]) * lost - spare, ends[1] + abs(ends[1]) * lost + spare) if lost else ends
    low = max(low, 0) if x.low >= 0 else low
    high = min(high, 0) if x.high <= 0 else high
    return Interval(low, high, nan and count > 0, vanishing=x.positive and count > 0, whole=x.whole)


def _reduce_prod(_: Node, x: Interval) -> Interval:
    if x.low >= 0 and x.high <= 1:
        return Interval(0, 1, x.nan, whole=x.whole)
    return Interval(0 if x.low >= 0 else -math.inf, math.inf, True, whole=x.whole)


def _cumsum(node: Node, x: Interval) -> Interval:
    dim = node.attrs["dim"]
    count = node.operands[0].type.shape[dim] if node.operands[0].type.shape else 1  # type: ignore[index]
    if type(count) is not int or not count:
        return full(node.result.type.dtype)
    return hull(x, total(x, count, unit(node.result.type.dtype)))


def _argument(node: Node, _: Interval) -> Interval:
    size = node.operands[0].type.shape[node.attrs["dim"]] if node.operands[0].type.shape else 1  # type: ignore[index]
    return Interval(0, max(size - 1, 0), whole=True) if type(size) is int else full(node.result.type.dtype)


def _dot(node: Node, a: Interval, b: Interval) -> Interval:
    count = node.operands[0].type.shape[-1]
    return total(iv.mul(a, b), count if type(count) is int else None, unit(node.result.type.dtype))


def _conv(node: Node, a: Interval, b: Interval) -> Interval:
    sizes = node.operands[1].type.shape[1:]
    count = math.prod(sizes) if all(type(n) is int for n in sizes) else None
    product = hull(iv.mul(a, b), number(0)) if count else number(0)  # at the border there are fewer
    return total(product, count, unit(node.result.type.dtype) * 64)  # some sum transformed tiles (Winograd)


def _constant(node: Node) -> Interval:
    value: Any = node.attrs["value"]
    dtype = node.result.type.dtype
    with np.errstate(over="ignore"):
        return number(float(dtype.np.type(value)) if dtype.kind == "f" else int(value))


def _iota(node: Node) -> Interval:
    shape, dim = node.attrs["shape"], node.attrs["dim"]
    size: Any = shape[dim]  # type: ignore[index]
    return Interval(0, max(size - 1, 0), whole=True) if type(size) is int else full(node.result.type.dtype)


def _uniform(_: Node, __: Interval) -> Interval:
    return Interval(0.0, 1.0)


def _check_range(node: Node, x: Interval) -> Interval:
    low, high = (float(node.attrs[name]) for name in ("low", "high"))  # type: ignore[arg-type]
    if x.high < low or x.low > high:
        return full(node.result.type.dtype)
    return replace(x, low=max(x.low, low), high=min(x.high, high), nan=x.nan or x.low < low or x.high > high)


def _truth(_: Node, *__: Interval) -> Interval:
    return truth()


def _attention(_: Node, *operands: Interval) -> Interval:
    value = operands[2]
    return widened(replace(hull(value, number(0)), nan=True, whole=False), 1e-3)


def _whole_bits(node: Node, a: Interval, b: Interval) -> Interval:
    dtype = node.result.type.dtype
    if dtype.kind == "b":
        return truth()
    if node.op.name == "bitwise_and" and a.low >= 0 and b.low >= 0:
        return Interval(0, min(a.high, b.high), whole=True)
    return Interval(least(dtype), greatest(dtype), whole=True)


RULES: dict[str, Rule] = {
    **dict.fromkeys(MOVES, first),
    "reduce_max": first, "reduce_min": first, "reduce_max_at": first, "reduce_min_at": first,
    "sort": first, "cummax": first, "cummin": first, "max_pool": first,
    "cast": cast, "check_range": _check_range,
    "constant": _constant, "iota": _iota, "random_uniform": _uniform,
    "neg": lambda _, x: iv.neg(x), "abs": absolute, "sign": sign, "relu": positive_part,
    "floor": rounded(math.floor), "ceil": rounded(math.ceil), "round": rounded(round), "trunc": rounded(math.trunc),
    "exp": monotone(math.exp, 0.0, math.inf, vanishing=True),
    "exp2": monotone(lambda x: 2.0**x, 0.0, math.inf, vanishing=True),
    "expm1": monotone(math.expm1, -1.0, math.inf),
    "log": logarithm(math.log, 0.0), "log2": logarithm(math.log2, 0.0), "log10": logarithm(math.log10, 0.0),
    "log1p": logarithm(math.log1p, -1.0),
    "sqrt": square_root, "rsqrt": inverse_root,
    "sigmoid": monotone(lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0.0, 0.0, 1.0, vanishing=True),
    "tanh": monotone(math.tanh, -1.0, 1.0),
    "erf": monotone(math.erf, -1.0, 1.0),
    "logsigmoid": lambda _, x: Interval(-math.inf, 0.0, x.nan, vanishing=True),
    "sinh": monotone(math.sinh, -math.inf, math.inf), "asinh": monotone(math.asinh, -math.inf, math.inf),
    "cosh": lambda _, x: Interval(1.0 - 1e-6, math.inf, x.nan),
    "atan": between(-1.5707964, 1.5707964), "erfc": between(0.0, 2.0),
    "sin": between(-1.0, 1.0), "cos": between(-1.0, 1.0),
    "gelu": gate(-0.18), "silu": gate(-0.28), "mish": gate(-0.31), "elu": elu,
    "add": _add, "sub": _sub, "mul": _mul, "div": _div, "maximum": _maximum, "minimum": _minimum, "pow": _pow,
    "floor_divide": _floor_divide, "trunc_divide": _floor_divide, "remainder": _remainder, "fmod": _remainder,
    "hypot": _hypot, "reciprocal": lambda _, x: iv.div(number(1), x),
    "cat": _hull, "pad": _pad, "windows": _pad,
    "reduce_sum": _reduce_sum, "reduce_prod": _reduce_prod, "cumsum": _cumsum,
    "reduce_argmax": _argument, "reduce_argmin": _argument,
    "dot": _dot, "conv": _conv, "attention": _attention,
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_not", "one_hot",
                     "signbit"), _truth),
    "bitwise_and": _whole_bits, "bitwise_or": _whole_bits, "bitwise_xor": _whole_bits,
}  # fmt: skip

#: of which nothing is known where nothing is known of an operand: there is no need to look at the others
PRODUCTS = frozenset(("dot", "conv"))
