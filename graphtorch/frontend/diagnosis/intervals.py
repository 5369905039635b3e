"""The intervals of a graph's values, found for those that are asked for and for what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from graphtorch.frontend.diagnosis.interval import Interval, fitted, full, hull
from graphtorch.frontend.diagnosis.provenance import moved, root
from graphtorch.frontend.diagnosis.transfer import PRODUCTS, RULES
from graphtorch.ir.graph import Node, Value


class Intervals:
    """``ranges`` gives (low, high) of parameters of the graph; of the others nothing is known."""

    def __init__(self, ranges: Mapping[Value, tuple[float, float]]) -> None:
        self._known = {
            value: fitted(Interval(*bounds, whole=value.type.dtype.kind != "f"), value.type.dtype)
            for value, bounds in ranges.items()
        }
        self._ranges = frozenset(ranges)

    def of(self, value: Value) -> Interval:
        """What holds every number of ``value``."""
        stack = [value]
        while stack:
            last = stack[-1]
            missing = self._missing(last)
            if missing:
                stack += missing
                continue
            stack.pop()
            if last not in self._known:
                self._known[last] = self._found(last)
        return self._known[value]

    def unrounded(self, node: Node) -> Interval:
        """That of the result before it has to fit into its dtype."""
        return RULES[node.op.name](node, *map(self.of, node.operands))

    def _missing(self, value: Value) -> list[Value]:
        """The operands that have to be known first."""
        node = value.node
        if value in self._known or not _has_rule(value) or self._is_unknown_product(node):
            return []
        assert node is not None  # it has a rule
        return [o for o in node.operands if o not in self._known]

    def _is_unknown_product(self, node: Node | None) -> bool:
        """Whether an operand of a product is a parameter of which nothing is known: the rest need not be looked at."""
        if node is None or node.op.name not in PRODUCTS:
            return False
        sources = map(moved, node.operands)
        return any(s.node is None and s not in self._ranges for s in sources)

    def _found(self, value: Value) -> Interval:
        node, dtype = value.node, value.type.dtype
        if node is None or not _has_rule(value) or self._is_unknown_product(node):
            return full(dtype)
        operands = [self._known[o] for o in node.operands]
        if node.op.name == "where":
            return fitted(self._chosen(node), dtype)
        return fitted(RULES[node.op.name](node, *operands), dtype)

    # ---- what a condition says of the numbers that it chooses ----

    def _chosen(self, node: Node) -> Interval:
        condition, *values = node.operands
        parts = [self._given(v, condition, holds) for v, holds in zip(values, (True, False), strict=True)]
        possible = [p for p in parts if p is not None]
        return hull(*possible) if possible else full(node.result.type.dtype)

    def _given(self, value: Value, condition: Value, holds: bool) -> Interval | None:
        """The numbers of ``value`` where ``condition`` holds, or does not; None where that is nowhere."""
        found: Interval | None = self._known[value]
        for test, outcome in _tests(condition, holds):
            if found is not None:
                found = self._limited(found, value, test, outcome)
        return found

    def _limited(self, x: Interval, value: Value, test: Node, outcome: bool) -> Interval | None:
        left, right = test.operands
        name = test.op.name
        if root(right) is root(value):
            left, right, name = right, left, _MIRRORED[name]
        if root(left) is not root(value) or right not in self._known:
            return x
        bound = self._known[right]
        if outcome:
            return _LIMITS[name](replace(x, nan=x.nan and name == "ne"), bound)
        return x if bound.nan else _LIMITS[_OPPOSITE[name]](x, bound)


def _has_rule(value: Value) -> bool:
    node = value.node
    return node is not None and value.index == 0 and (node.op.name in RULES or node.op.name == "where")


def _tests(condition: Value, holds: bool) -> list[tuple[Node, bool]]:
    """The comparisons whose outcome follows from a condition's."""
    node = root(condition).node
    if node is None:
        return []
    name = node.op.name
    if name in _LIMITS:
        return [(node, holds)]
    if name == "logical_not":
        return _tests(node.operands[0], not holds)
    if name == ("logical_and" if holds else "logical_or") or (name == "bitwise_and" and holds):
        return [t for o in node.operands for t in _tests(o, holds)]
    return []


def _above(x: Interval, bound: Interval) -> Interval | None:
    return _cut(x, bound.low, x.high)


def _below(x: Interval, bound: Interval) -> Interval | None:
    return _cut(x, x.low, bound.high)


def _more(x: Interval, bound: Interval) -> Interval | None:
    found = _above(x, bound)
    return replace(found, nonzero=True) if found is not None and bound.low >= 0 else found


def _less(x: Interval, bound: Interval) -> Interval | None:
    found = _below(x, bound)
    return replace(found, nonzero=True) if found is not None and bound.high <= 0 else found


def _equal(x: Interval, bound: Interval) -> Interval | None:
    return _cut(x, max(x.low, bound.low), min(x.high, bound.high))


def _other(x: Interval, bound: Interval) -> Interval | None:
    if bound.low != bound.high:
        return x
    if x.low == x.high == bound.low and not x.nan:
        return None
    return replace(x, nonzero=x.nonzero or bound.low == 0)


def _cut(x: Interval, low: float, high: float) -> Interval | None:
    low, high = max(x.low, low), min(x.high, high)
    if low > high:
        return None if not x.nan else replace(x, low=x.low, high=x.high)
    return replace(x, low=low, high=high)


_LIMITS: dict[str, Callable[[Interval, Interval], Interval | None]] = {
    "ge": _above, "gt": _more, "le": _below, "lt": _less, "eq": _equal, "ne": _other,
}  # fmt: skip
_MIRRORED = {"ge": "le", "gt": "lt", "le": "ge", "lt": "gt", "eq": "eq", "ne": "ne"}
_OPPOSITE = {"ge": "lt", "gt": "le", "le": "gt", "lt": "ge", "eq": "ne", "ne": "eq"}
