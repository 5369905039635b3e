"""What each op makes of intervals: a table, and for what is not in it nothing is known.

A rule takes the node and the intervals of its operands, and gives that of its first result, before it is rounded to the
dtype of the result (`interval.fitted`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from graphtorch.frontend.diagnosis import interval as iv
from graphtorch.frontend.diagnosis.interval import Interval, full, hull, number, truth, unit, widened
from graphtorch.ir.graph import Node, Value
from graphtorch.ir.types import greatest, least

Rule = Callable[..., Interval]

#: give the numbers of their first operand, in other places
MOVES = frozenset(
    "broadcast_to reshape permute slice flip diagonal unfold as_strided clone detach overwrite check_index "
    "index".split()
)
#: roundings that the functions of machines and of compiled programs are allowed
_ROUNDINGS = 8


def root(value: Value, through: frozenset[str] = frozenset(("broadcast_to", "clone", "detach", "overwrite"))) -> Value:
    """What ``value`` is the same numbers as, element by element."""
    while value.node is not None and (value.node.op.name in through or _is_times_one(value.node)):
        value = value.node.operands[0]
    return value


def _is_times_one(node: Node) -> bool:
    """A multiplication by 1, as softplus has it by its ``beta``."""
    if node.op.name != "mul":
        return False
    factor = node.operands[1].node
    factor = factor.operands[0].node if factor is not None and factor.op.name == "broadcast_to" else factor
    return factor is not None and factor.op.name == "constant" and factor.attrs["value"] == 1


def moved(value: Value) -> Value:
    """What ``value`` takes its numbers from, in whatever order."""
    return root(value, MOVES)


# ---- functions of one number ----------------------------------------------------------------------


def _first(_: Node, x: Interval, *__: Interval) -> Interval:
    return x


def _monotone(function: Callable[[float], float], low: float, high: float, *, vanishing: bool = False) -> Rule:
    """A function that grows, with results in [low, high]; ``vanishing`` ones are never 0."""
    through_zero = _at(function, 0.0, low) == 0

    def rule(node: Node, x: Interval) -> Interval:
        above = vanishing or (through_zero and x.positive)
        found = Interval(_at(function, x.low, low), _at(function, x.high, high), x.nan, vanishing=above)
        found = widened(found, _ROUNDINGS * unit(node.result.type.dtype))
        return replace(found, low=min(max(found.low, low), high), high=max(min(found.high, high), low))

    return rule


def _at(function: Callable[[float], float], x: float, otherwise: float) -> float:
    """``function(x)``; ``otherwise`` where that is too large, or is not defined."""
    try:
        return function(x)
    except (OverflowError, ValueError):
        return otherwise


def _log(function: Callable[[float], float], start: float) -> Rule:
    """A logarithm, which is nan below ``start``."""
    grows = _monotone(function, -math.inf, math.inf)

    def rule(node: Node, x: Interval) -> Interval:
        if x.high < start:
            return full(node.result.type.dtype)
        return replace(grows(node, replace(x, low=max(x.low, start))), nan=x.nan or x.low < start)

    return rule


def _sqrt(node: Node, x: Interval) -> Interval:
    if x.high < 0:
        return full(node.result.type.dtype)
    low, high = math.sqrt(max(x.low, 0)), math.sqrt(x.high)
    return Interval(low, high, x.nan or x.low < 0, vanishing=x.positive)


def _rsqrt(node: Node, x: Interval) -> Interval:
    if x.low <= 0:
        return replace(full(node.result.type.dtype), vanishing=False)
    low = 1 / math.sqrt(x.high)
    return widened(Interval(low, 1 / math.sqrt(x.low), x.nan, vanishing=True), 2 * unit(node.result.type.dtype))


def _abs(_: Node, x: Interval) -> Interval:
    if x.low >= 0:
        return x
    low = 0 if x.high >= 0 else -x.high
    return replace(x, low=low, high=x.most)


def _relu(_: Node, x: Interval) -> Interval:
    keeps = x.low >= 0
    return Interval(max(x.low, 0), max(x.high, 0), x.nan, x.nonzero and keeps, x.vanishing and keeps, x.whole)


def _sign(_: Node, x: Interval) -> Interval:
    return Interval(-1 if x.low < 0 else 0, 1 if x.high > 0 else 0, whole=True)  # of nan it is 0


def _rounded(function: Callable[[float], float]) -> Rule:
    def rule(_: Node, x: Interval) -> Interval:
        low, high = (v if math.isinf(v) else function(v) for v in (x.low, x.high))
        return Interval(low, high, x.nan, whole=True)

    return rule


def _between(low: float, high: float) -> Rule:
    """Results in [low, high], whatever the numbers are; infinite ones have none."""

    def rule(_: Node, x: Interval) -> Interval:
        return Interval(low, high, x.nan or not x.bounded)

    return rule


def _gate(least_: float) -> Rule:
    """x times something in [0, 1] that nears 0 below and 1 above, as gelu and silu are; never less than ``least_``."""

    def rule(_: Node, x: Interval) -> Interval:
        low = 0 if x.low >= 0 else max(x.low, least_)
        return Interval(low, max(x.high, 0), x.nan or x.low == -math.inf)

    return rule


def _elu(node: Node, x: Interval) -> Interval:
    alpha, scale, inner = (node.attrs[name] for name in ("alpha", "scale", "input_scale"))
    assert isinstance(alpha, float | int) and isinstance(scale, float | int) and isinstance(inner, float | int)
    if alpha < 0 or scale < 0 or inner <= 0:
        return full(node.result.type.dtype)
    ends = [v * scale if v > 0 else math.expm1(v * inner) * alpha * scale if v else 0.0 for v in (x.low, x.high)]
    found = widened(Interval(ends[0], ends[1], x.nan), _ROUNDINGS * unit(node.result.type.dtype))
    return replace(found, low=max(found.low, -alpha * scale * (1 + 1e-6)))


def _cast(node: Node, x: Interval) -> Interval:
    dtype = node.result.type.dtype
    if dtype.kind == "b":
        return Interval(0 if x.may_be_zero else 1, 0 if x.low == x.high == 0 and not x.nan else 1, whole=True)
    if dtype.kind == "f":
        return x
    if x.nan or not x.bounded:
        return full(dtype)
    return Interval(math.trunc(x.low), math.trunc(x.high), whole=True)


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


def is_greatest_of(top: Value, x: Value) -> bool:
    """Whether ``top`` is a maximum of ``x``, spread over it: x - top is nowhere above 0."""
    return _is_reduced(top, x, ("reduce_max", "reduce_max_at"))


def is_least_of(bottom: Value, x: Value) -> bool:
    """Whether ``bottom`` is a minimum of ``x``, spread over it."""
    return _is_reduced(bottom, x, ("reduce_min", "reduce_min_at"))


def is_sum_of(total: Value, x: Value) -> bool:
    """Whether ``total`` is the sum of ``x`` over some dimensions, at every element again."""
    return _is_reduced(total, x, ("reduce_sum",))


def _is_reduced(whole: Value, x: Value, ops: tuple[str, ...]) -> bool:
    reduction = moved(whole).node
    if reduction is None or reduction.op.name not in ops or root(reduction.operands[0]) is not root(x):
        return False
    shape, dims = reduction.operands[0].type.shape, _dims(reduction)
    kept = tuple(1 if d in dims else n for d, n in enumerate(shape))
    return all(n == 1 for n in kept) or _is_aligned(whole, shape, kept)


def _is_aligned(whole: Value, shape: tuple[int, ...], kept: tuple[int, ...]) -> bool:
    """Whether each element is of its own row: the reduced dimensions came back as sizes of 1, and were broadcast."""
    while whole.node is not None and whole.node.op.name in ("broadcast_to", "reshape", "detach", "clone"):
        if _with_ones(whole.type.shape, shape) not in (kept, shape):
            return False
        is_reshape, whole = whole.node.op.name == "reshape", whole.node.operands[0]
        if is_reshape and moved(whole) is whole:
            return True
    return _with_ones(whole.type.shape, shape) == kept


def _with_ones(shape: tuple[int, ...], like: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (len(like) - len(shape)) + tuple(shape)


def _dims(reduction: Node) -> tuple[int, ...]:
    attrs: Any = reduction.attrs
    return tuple(attrs["dims"]) if "dims" in attrs else (attrs["dim"],)


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
        return full(dtype) if a.low < 0 else _monotone(lambda v: v**exponent, 0.0, math.inf)(node, a)
    grows = _monotone(lambda v: float(v) ** int(exponent), -math.inf, math.inf)
    if exponent == 0:
        return number(1.0)
    if int(exponent) % 2:
        return Interval(-math.inf, math.inf, a.nan) if a.most > 1e30 else grows(node, a)
    size = _abs(node, a)
    found = grows(node, size) if size.high < 1e30 else Interval(0.0, math.inf, a.nan)
    return replace(found, low=max(found.low, 0.0), vanishing=a.positive or not a.may_be_zero)


def _positive_power(node: Node, a: Interval, b: Interval) -> Interval:
    """Of bases above 0: between those of the corners."""
    corners = [_at(lambda v, e=e: v**e, x, math.inf) for x in (a.low, a.high) for e in (b.low, b.high)]  # type: ignore[misc]
    found = replace(iv.over(corners, a.nan or b.nan), vanishing=True)
    return widened(found, _ROUNDINGS * unit(node.result.type.dtype))


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


#: the greatest |erf| and the like are 1 in any dtype
RULES: dict[str, Rule] = {
    **dict.fromkeys(MOVES, _first),
    "reduce_max": _first, "reduce_min": _first, "reduce_max_at": _first, "reduce_min_at": _first,
    "sort": _first, "cummax": _first, "cummin": _first, "max_pool": _first,
    "cast": _cast, "check_range": _check_range,
    "constant": _constant, "iota": _iota, "random_uniform": _uniform,
    "neg": lambda _, x: iv.neg(x), "abs": _abs, "sign": _sign, "relu": _relu,
    "floor": _rounded(math.floor), "ceil": _rounded(math.ceil), "round": _rounded(round), "trunc": _rounded(math.trunc),
    "exp": _monotone(math.exp, 0.0, math.inf, vanishing=True),
    "exp2": _monotone(lambda x: 2.0**x, 0.0, math.inf, vanishing=True),
    "expm1": _monotone(math.expm1, -1.0, math.inf),
    "log": _log(math.log, 0.0), "log2": _log(math.log2, 0.0), "log10": _log(math.log10, 0.0),
    "log1p": _log(math.log1p, -1.0),
    "sqrt": _sqrt, "rsqrt": _rsqrt,
    "sigmoid": _monotone(lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0.0, 0.0, 1.0, vanishing=True),
    "tanh": _monotone(math.tanh, -1.0, 1.0),
    "erf": _monotone(math.erf, -1.0, 1.0),
    "logsigmoid": lambda _, x: Interval(-math.inf, 0.0, x.nan, vanishing=True),
    "sinh": _monotone(math.sinh, -math.inf, math.inf), "asinh": _monotone(math.asinh, -math.inf, math.inf),
    "cosh": lambda _, x: Interval(1.0 - 1e-6, math.inf, x.nan),
    "atan": _between(-1.5707964, 1.5707964), "erfc": _between(0.0, 2.0),
    "sin": _between(-1.0, 1.0), "cos": _between(-1.0, 1.0),
    "gelu": _gate(-0.18), "silu": _gate(-0.28), "mish": _gate(-0.31), "elu": _elu,
    "add": _add, "sub": _sub, "mul": _mul, "div": _div, "maximum": _maximum, "minimum": _minimum, "pow": _pow,
    "floor_divide": _floor_divide, "trunc_divide": _floor_divide, "remainder": _remainder, "fmod": _remainder,
    "hypot": _hypot,
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
