"""What functions of one number make of an interval: rules for the table of transfer.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from graphtorch.frontend.diagnosis.interval import Interval, full, unit, widened
from graphtorch.ir.graph import Node

Rule = Callable[..., Interval]

#: roundings that the functions of machines and of compiled programs are allowed
ROUNDINGS = 8


def first(_: Node, x: Interval, *__: Interval) -> Interval:
    return x


def monotone(function: Callable[[float], float], low: float, high: float, *, vanishing: bool = False) -> Rule:
    """A function that grows, with results in [low, high]; ``vanishing`` ones are never 0."""
    through_zero = value_at(function, 0.0, low) == 0

    def rule(node: Node, x: Interval) -> Interval:
        above = vanishing or (through_zero and x.positive)
        found = Interval(value_at(function, x.low, low), value_at(function, x.high, high), x.nan, vanishing=above)
        found = widened(found, ROUNDINGS * unit(node.result.type.dtype))
        return replace(found, low=min(max(found.low, low), high), high=max(min(found.high, high), low))

    return rule


def value_at(function: Callable[[float], float], x: float, otherwise: float) -> float:
    """``function(x)``; ``otherwise`` where that is too large, or is not defined."""
    try:
        return function(x)
    except (OverflowError, ValueError):
        return otherwise


def logarithm(function: Callable[[float], float], start: float) -> Rule:
    """A logarithm, which is nan below ``start``."""
    grows = monotone(function, -math.inf, math.inf)

    def rule(node: Node, x: Interval) -> Interval:
        if x.high < start:
            return full(node.result.type.dtype)
        return replace(grows(node, replace(x, low=max(x.low, start))), nan=x.nan or x.low < start)

    return rule


def square_root(node: Node, x: Interval) -> Interval:
    if x.high < 0:
        return full(node.result.type.dtype)
    low, high = math.sqrt(max(x.low, 0)), math.sqrt(x.high)
    return Interval(low, high, x.nan or x.low < 0, vanishing=x.positive)


def inverse_root(node: Node, x: Interval) -> Interval:
    if x.low <= 0:
        return replace(full(node.result.type.dtype), vanishing=False)
    low = 1 / math.sqrt(x.high)
    return widened(Interval(low, 1 / math.sqrt(x.low), x.nan, vanishing=True), 2 * unit(node.result.type.dtype))


def absolute(_: Node, x: Interval) -> Interval:
    if x.low >= 0:
        return x
    low = 0 if x.high >= 0 else -x.high
    return replace(x, low=low, high=x.most)


def positive_part(_: Node, x: Interval) -> Interval:
    keeps = x.low >= 0
    return Interval(max(x.low, 0), max(x.high, 0), x.nan, x.nonzero and keeps, x.vanishing and keeps, x.whole)


def sign(_: Node, x: Interval) -> Interval:
    return Interval(-1 if x.low < 0 else 0, 1 if x.high > 0 else 0, whole=True)  # of nan it is 0


def rounded(function: Callable[[float], float]) -> Rule:
    def rule(_: Node, x: Interval) -> Interval:
        low, high = (v if math.isinf(v) else function(v) for v in (x.low, x.high))
        return Interval(low, high, x.nan, whole=True)

    return rule


def between(low: float, high: float) -> Rule:
    """Results in [low, high], whatever the numbers are; infinite ones have none."""

    def rule(_: Node, x: Interval) -> Interval:
        return Interval(low, high, x.nan or not x.bounded)

    return rule


def gate(least_: float) -> Rule:
    """x times something in [0, 1] that nears 0 below and 1 above, as gelu and silu are; never less than ``least_``."""

    def rule(_: Node, x: Interval) -> Interval:
        low = 0 if x.low >= 0 else max(x.low, least_)
        return Interval(low, max(x.high, 0), x.nan or x.low == -math.inf)

    return rule


def elu(node: Node, x: Interval) -> Interval:
    alpha, scale, inner = (node.attrs[name] for name in ("alpha", "scale", "input_scale"))
    assert isinstance(alpha, float | int) and isinstance(scale, float | int) and isinstance(inner, float | int)
    if alpha < 0 or scale < 0 or inner <= 0:
        return full(node.result.type.dtype)
    ends = [v * scale if v > 0 else math.expm1(v * inner) * alpha * scale if v else 0.0 for v in (x.low, x.high)]
    found = widened(Interval(ends[0], ends[1], x.nan), ROUNDINGS * unit(node.result.type.dtype))
    return replace(found, low=max(found.low, -alpha * scale * (1 + 1e-6)))


def cast(node: Node, x: Interval) -> Interval:
    dtype = node.result.type.dtype
    if dtype.kind == "b":
        return Interval(0 if x.may_be_zero else 1, 0 if x.low == x.high == 0 and not x.nan else 1, whole=True)
    if dtype.kind == "f":
        return x
    if x.nan or not x.bounded:
        return full(dtype)
    return Interval(math.trunc(x.low), math.trunc(x.high), whole=True)
