"""Where every value of a program lives: caller's memory, state, or one arena laid out by liveness."""

from __future__ import annotations

from dataclasses import dataclass

from graphtorch.ir.graph import Graph, Param, Value
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.passes.alias import root

_ALIGN = 64


@dataclass(frozen=True)
class Place:
    """``kind`` is "param" or "output" (``at`` is its number) or "arena" (``at`` is a byte offset)."""

    kind: str
    at: int


@dataclass(frozen=True)
class Plan:
    """The place of each value that is the root of memory, and the size of the arena in bytes."""

    places: dict[Value, Place]
    arena_bytes: int

    def place(self, value: Value) -> Place:
        return self.places[root(value)]


def plan_memory(graph: Graph) -> Plan:
    """Places for an aliased graph (see the alias pass): updates in place, outputs in their own memory.

    Offsets are first-fit in order of decreasing size over live ranges, a greedy scheme for dynamic
    storage allocation (Y. Pisarchyk, J. Lee, "Efficient memory management for deep neural net
    inference", 2020).
    """
    places: dict[Value, Place] = {p: Place("param", i) for i, p in enumerate(graph.params)}
    for param, value in graph.updates.items():
        places[root(value)] = places[param]
    for index, value in enumerate(graph.outputs):
        places[root(value)] = Place("output", index)
    ranges = {v: r for v, r in _live_ranges(graph).items() if v not in places}
    taken: list[tuple[int, int, int, int]] = []
    total = 0
    for value, (begin, end) in sorted(ranges.items(), key=lambda item: -item[0].type.nbytes):
        size = max(_ALIGN, -(-value.type.nbytes // _ALIGN) * _ALIGN)
        offset = _first_fit(size, sorted((o, o + s) for o, s, b, e in taken if b <= end and begin <= e))
        taken.append((offset, size, begin, end))
        places[value] = Place("arena", offset)
        total = max(total, offset + size)
    return Plan(places, total)


def _first_fit(size: int, busy: list[tuple[int, int]]) -> int:
    at = 0
    for low, high in busy:
        if low - at >= size:
            return at
        at = max(at, high)
    return at


def _live_ranges(graph: Graph) -> dict[Value, tuple[int, int]]:
    """First and last node that touch the memory of each root, by position."""
    ranges: dict[Value, tuple[int, int]] = {}
    for index, node in enumerate(graph.nodes):
        touched = [r for r in node.results if node.op is not reshape]
        touched += [root(o) for o in node.operands]
        for value in touched:
            if not isinstance(value, Param):
                begin, _ = ranges.get(value, (index, index))
                ranges[value] = begin, index
    return ranges
