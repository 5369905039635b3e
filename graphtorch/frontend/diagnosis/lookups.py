"""GT302 where it is known before: indices that a range of a spec, or a count, takes beyond what they look up.

A vocabulary larger than its embedding, a sequence longer than the positions that were learned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from graphtorch.frontend.diagnosis.abstract import Observation
from graphtorch.frontend.diagnosis.dataflow import constant_of
from graphtorch.frontend.diagnosis.layers import edited_constructor, is_layer
from graphtorch.frontend.diagnosis.problem import Problem
from graphtorch.frontend.nn.module import Module
from graphtorch.ir.errors import IndexRangeError
from graphtorch.ir.graph import Node, Value

#: what gives back every index that it is given
_KEEPS = frozenset("reshape permute broadcast_to clone detach cast".split())

Bounds = tuple[float, float]


def lookup_problems(seen: Observation) -> list[Problem]:
    """One problem for each call of the user's that looks up what is not there."""
    found: dict[object, Problem] = {}
    for node in (n for n in seen.tracer.graph.nodes if n.op.name == "index" and not n.attrs["negative"]):
        for problem in _of(seen, node):
            found.setdefault(seen.tracer.callers.get(node, node), problem)
    return list(found.values())


def _of(seen: Observation, node: Node) -> Iterator[Problem]:
    table, *indices = node.operands
    dims: Any = node.attrs["dims"]
    for dim, index in zip(dims, indices, strict=True):
        bounds, size = bounds_of(index, seen.tracer.ranges), table.type.shape[dim]
        empty = 0 in index.type.shape
        if bounds is not None and type(size) is int and not empty and not (bounds[0] >= 0 and bounds[1] < size):
            yield _problem(seen, node, index, bounds, size)


def bounds_of(value: Value, ranges: Mapping[Value, Bounds]) -> Bounds | None:
    """The least and the greatest index, both of which there are: of a range, a count, and those scaled or shifted."""
    while value.node is not None and value.node.op.name in _KEEPS:
        value = value.node.operands[0]
    node = value.node
    if node is None:
        return ranges.get(value)
    if node.op.name == "iota":
        along: Any = node.attrs["dim"]
        count = node.result.type.shape[along]
        return (0, count - 1) if type(count) is int and count else None
    return _affine(node, ranges) if node.op.name in ("add", "sub", "mul") else None


def _affine(node: Node, ranges: Mapping[Value, Bounds]) -> Bounds | None:
    """Of an operand and a number."""
    number, bounds = constant_of(node.operands[1]), bounds_of(node.operands[0], ranges)
    if number is None or bounds is None:
        return None
    ends = [{"add": b + number, "sub": b - number, "mul": b * number}[node.op.name] for b in bounds]
    return min(ends), max(ends)


def _problem(seen: Observation, node: Node, index: Value, bounds: Bounds, size: int) -> Problem:
    low, high = (math.trunc(b) for b in bounds)
    wrong = high if high >= size else low
    facts = [f"expected 0 <= index < {size}", f"got indices from {low} to {high}"]
    owner = seen.tracer.owners.get(node)
    fix = ""
    if isinstance(owner, Module) and is_layer(owner) and hasattr(owner, "num_embeddings") and low >= 0:
        fix = edited_constructor(owner, "num_embeddings", high + 1)
    error = IndexRangeError("GT302", f"index {wrong} is out of range", facts, fix)
    error.op, error.loc = seen.tracer.name_of(node), node.locs[0] if node.locs else None
    error.path = error.loc.path if error.loc is not None else ""
    error.created = owner._created_at if owner is not None else None
    error.operands = [f"index {index.type}", f"into  {node.operands[0].type}"]
    return Problem(error)
