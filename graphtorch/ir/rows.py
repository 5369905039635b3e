"""Rows: what a kernel may compute that reduces its elements more than once, such as a softmax.

All reductions of such a kernel go over the same elements along the same dimensions. A row is what is reduced to one
result; a pass goes through it once. What depends on results of a pass belongs to a later one, and may read them
for its own row alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from graphtorch.ir.dim import same
from graphtorch.ir.graph import Node, Value

#: reductions of elements along dims, as they are
PLAIN = frozenset(
    "reduce_sum reduce_prod reduce_max reduce_min reduce_argmax reduce_argmin reduce_max_at reduce_min_at".split()
)
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Rows:
    """Elements of ``shape`` in rows along ``dims``."""

    shape: Shape
    dims: Shape

    @cached_property
    def outer(self) -> Shape:
        """The shape of one result for each row."""
        return tuple(n for d, n in enumerate(self.shape) if d not in self.dims)

    @property
    def inner(self) -> Shape:
        """The shape of a row."""
        return tuple(self.shape[d] for d in self.dims)

    @cached_property
    def count(self) -> int:
        return math.prod(self.outer)

    @cached_property
    def length(self) -> int:
        return math.prod(self.inner)

    @property
    def dense(self) -> bool:
        """Whether neighbours in a row are neighbours in memory."""
        return max((d for d, n in enumerate(self.shape) if n > 1), default=-1) in self.dims

    @cached_property
    def _wide_outer(self) -> Shape:
        return _wide(self.outer)

    def has_each(self, shape: Shape) -> bool:
        """Whether an array of ``shape`` has one number for each row, in order."""
        return same(shape, self.outer) or same(_wide(shape), self._wide_outer)

    def spreads(self, shape: Shape) -> bool:
        """Whether broadcasting ``shape`` to all elements gives each row its own number."""
        lead = len(self.shape) - len(shape)
        found = [d for d in range(lead, len(self.shape)) if shape[d - lead] != 1]
        return found == [d for d, n in enumerate(self.shape) if n != 1 and d not in self.dims]


def _wide(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)


def rows_of(node: Node) -> Rows | None:
    """What a plain reduction of more than one element goes over; None for any other node."""
    if node.op.name not in PLAIN:
        return None
    attrs: Mapping[str, Any] = node.attrs
    return _rows(node.operands[0].type.shape, tuple(attrs["dims"]) if "dims" in attrs else (attrs["dim"],))


@lru_cache(4096)  # asked again and again for the same few shapes, and the rows keep what they have worked out
def _rows(shape: Shape, dims: Shape) -> Rows | None:
    rows = Rows(shape, dims)
    return rows if rows.length > 1 and rows.count else None


def keeps_order(node: Node) -> bool:
    """Whether it is a reshape that adds and drops dimensions of size 1 alone."""
    return node.op.name == "reshape" and same(*(_wide(v.type.shape) for v in (node.operands[0], node.result)))


def passes_before(nodes: Iterable[Node], rows: Rows) -> dict[Node, int] | None:
    """How many passes through a row it takes to know each node's result; ``nodes`` are in order of execution.

    A reduction is known after the pass that it is computed in. None where a node would read what passes find of other
    rows than its own, or at other elements. What takes no pass may be read anywhere: it is computed where it is read.
    """
    found: dict[Node, int] = {}
    for node in nodes:
        after = 0
        for operand in node.operands:
            if operand.node in found:
                after = max(after, found[operand.node])
        reduces = node.op.name in PLAIN and rows_of(node) == rows
        if after and not reduces and not stays_in_row(node, rows):
            return None
        found[node] = after + reduces
    return found


def stays_in_row(node: Node, rows: Rows) -> bool:
    """Whether it gives to each row, or to each element, what that row or element has; operands are such values."""
    shape = node.results[0].type.shape
    if node.op.elementwise:
        return same(shape, rows.shape) or rows.has_each(shape)
    source = node.operands[0].type.shape
    if node.op.name == "broadcast_to":
        return same(shape, rows.shape) and rows.has_each(source) and rows.spreads(source)
    return keeps_order(node) and rows.has_each(source)


def is_of(value: Value, rows: Rows) -> bool:
    """Whether the kernel can store it: an element for each element, or for each row."""
    return same(value.type.shape, rows.shape) or rows.has_each(value.type.shape)
