"""Where every value of a program lives: caller's memory, state, or one arena laid out by liveness.

A value may be written over one that dies where it is made, if the kernel allows it (ir/in_place.py): such values, one
after the other, are one block of memory. A block whose last value is an output lies in that output's memory. Until then
that memory is free: blocks that are dead by then may lie in it (lending.py).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphtorch.ir.control_flow import counts, is_control_flow
from graphtorch.ir.dim import Guards, at_sizes, recorded, surely
from graphtorch.ir.graph import Graph, Node, Param, Value
from graphtorch.ir.in_place import Readers, may_overwrite, readers_in, root
from graphtorch.ir.links import links
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.scan import division, is_loop
from graphtorch.runtime.lending import Lender, lend
from graphtorch.runtime.packing import Span, most_at_once, pack

ALIGN = 64


@dataclass(frozen=True)
class Place:
    """``kind`` is "param" or "output" (``at`` is its number) or "arena" (``at`` is a byte offset).

    Within loops the place may move on: by so many bytes with the index of a loop, 0 for the outermost. What is lent of
    an output begins ``offset`` bytes into it.
    """

    kind: str
    at: int
    strides: tuple[tuple[int, int], ...] = ()
    offset: int = 0


@dataclass(eq=False)
class Block:
    """Memory of ``values``, one after the other, from node ``begin`` to node ``end``; or all that the body of a loop,
    the node ``begin``, has for a round: ``inside``."""

    values: list[Value]
    begin: int
    end: int
    #: a whole number of cache lines: what threads write at the same time shares none
    room: int = 0
    inside: Plan | None = None

    @property
    def nbytes(self) -> int:
        return self.room if self.inside is None else self.inside.arena_bytes

    @property
    def span(self) -> Span:
        return Span(self.nbytes, self.begin, self.end)


@dataclass(frozen=True)
class Plan:
    """The place of each value that is the root of memory, and the size of the arena in bytes.

    ``least_bytes`` is the most that is live at once: no arena can be smaller. ``blocks`` are those of the arena.
    """

    places: dict[Value, Place]
    arena_bytes: int
    least_bytes: int
    blocks: list[Block]
    #: the node, by number, that makes each value
    made_at: dict[Value, int]

    def place(self, value: Value) -> Place:
        return self.places[root(value)]

    def live_at_peak(self) -> list[Value]:
        """What lies in the arena when most of it is in use."""
        _, position = most_at_once([b.span for b in self.blocks])
        found: list[Value] = []
        for block in self.blocks:
            if block.begin <= position <= block.end:
                found += block.inside.live_at_peak() if block.inside else [self._value_at(block, position)]
        return found

    def _value_at(self, block: Block, position: int) -> Value:
        """What lies in the block after the node ``position``."""
        return [v for v in block.values if self.made_at[v] <= position][-1]


def plan_memory(graph: Graph, sizes: Mapping[str, int] | None = None) -> Plan:
    """Places for an aliased graph (see the alias pass): updates in place, outputs in their own memory.

    Where some of its sizes are not known it is planned for these ``sizes``. They decide on places in the arena alone:
    the same values share a block, and lie in it, whatever they are.
    """
    return _plan(graph, sizes, lends=sizes is None)


def _plan(graph: Graph, sizes: Mapping[str, int] | None, lends: bool) -> Plan:
    """`plan_memory`; ``lends`` says whether outputs lend their memory, which those of bodies do not."""
    places: dict[Value, Place] = {p: Place("param", i) for i, p in enumerate(graph.params)}
    for param, value in graph.updates.items():
        places[root(value)] = places[param]
    for index, value in enumerate(graph.outputs):
        places[root(value)] = Place("output", index)
    loops = {i: _plan(n.body, sizes, False) for i, n in enumerate(graph.nodes) if n.body and is_control_flow(n)}
    in_arena = [Block([], i, i, inside=inside) for i, inside in loops.items() if inside.arena_bytes]
    lenders: list[Lender] = []
    for block in _blocks(graph, places, sizes):
        taken = places.get(block.values[-1])
        if taken is None:
            in_arena.append(block)
            continue
        places.update(dict.fromkeys(block.values, taken))
        if lends and taken.kind == "output":
            lenders.append(Lender(taken.at, graph.outputs[taken.at].type.nbytes, block.begin))
    lent = lend([b.span for b in in_arena], lenders, [not b.inside for b in in_arena])
    for number, (output, offset) in lent.items():
        places.update(dict.fromkeys(in_arena[number].values, Place("output", output, offset=offset)))
    in_arena = [b for number, b in enumerate(in_arena) if number not in lent]
    spans = [b.span for b in in_arena]
    offsets, total = pack(spans)
    for block, offset in zip(in_arena, offsets, strict=True):
        places.update(dict.fromkeys(block.values, Place("arena", offset)))
    at = {block.begin: offset for block, offset in zip(in_arena, offsets, strict=True) if block.inside}
    for number, inside in loops.items():
        places.update(_within(graph.nodes[number], inside, places, at.get(number, 0)))
    made_at = {r: i for i, n in enumerate(graph.nodes) for r in n.results}
    return Plan(places, total, most_at_once(spans)[0], in_arena, made_at)


def _within(node: Node, inside: Plan, places: dict[Value, Place], offset: int) -> dict[Value, Place]:
    """Where the values of a body are: in what it takes and gives, or in its part of the arena, at ``offset``."""
    body, ends = node.body, links(node)
    assert body is not None  # a loop has one

    def moved(place: Place) -> Place:
        deeper = tuple((loop + counts(node), nbytes) for loop, nbytes in place.strides)
        if place.kind == "arena":
            return Place("arena", offset + place.at, deeper)
        outside, nbytes = ends[body.params[place.at] if place.kind == "param" else root(body.outputs[place.at])]
        at = places[root(outside)]
        return Place(at.kind, at.at, (*at.strides, *(((0, nbytes),) if nbytes else ()), *deeper), at.offset)

    return {value: moved(place) for value, place in inside.places.items()}


def _blocks(graph: Graph, places: dict[Value, Place], sizes: Mapping[str, int] | None) -> list[Block]:
    """Values that are no parameters, in blocks. State is written over by updates alone, so those are no part of one."""
    last = _last_touches(graph)
    readers: Readers = functools.cache(readers_in)
    found: list[Block] = []
    of: dict[Value, Block] = {}
    for position, node in enumerate(graph.nodes):
        if node.op is reshape:
            continue
        dying = [m for m in dict.fromkeys(map(root, node.operands)) if m in of and last[m] == position]
        for result in node.results:
            place = places.get(result)
            if place is not None and place.kind == "param":
                continue
            nbytes = at_sizes(result.type.nbytes, sizes or {})
            empty = surely("==", result.type.nbytes, 0)
            block = None if empty else _over(node, dying, result, of, readers)
            if is_control_flow(node):
                block = _carried(node, result, of)
            if block is None:
                found.append(Block([], position, position, max(ALIGN, -(-nbytes // ALIGN) * ALIGN)))
                block = found[-1]
            block.values.append(result)
            block.end = last[result]
            of[result] = block
    return found


def _carried(node: Node, result: Value, of: dict[Value, Block]) -> Block | None:
    """For a carry the block of the initial one, which the pass `carries` made for it: the last one lies there, too."""
    if not is_loop(node):
        return None
    d = division(node.attrs)
    return of[d.of(node.operands)[1][result.index]] if result.index < d.carries else None


def _over(node: Node, dying: Sequence[Value], result: Value, of: dict[Value, Block], readers: Readers) -> Block | None:
    """The block of one of the operands that nobody reads after ``node``, over which it may store ``result``."""
    for memory in dying:
        if of[memory].values[-1] is not memory:  # another result lies there
            continue
        if surely("==", memory.type.nbytes, result.type.nbytes) and _may_overwrite(node, memory, result, readers):
            return of[memory]
    return None


def _may_overwrite(node: Node, memory: Value, result: Value, readers: Readers) -> bool:
    """Whatever the sizes are, if some are not known: an answer that depends on them is no."""
    with recorded(Guards()) as guards:
        return may_overwrite(node, memory, result, readers=readers) and not guards.asked


def _last_touches(graph: Graph) -> dict[Value, int]:
    """For each root of memory the last node that touches it; what is there at the end outlives all nodes."""
    last: dict[Value, int] = {}
    for position, node in enumerate(graph.nodes):
        for value in (*(() if node.op is reshape else node.results), *map(root, node.operands)):
            if not isinstance(value, Param):
                last[value] = position
    last.update({root(v): len(graph.nodes) for v in graph.results() if not isinstance(root(v), Param)})
    return last
