"""Outputs lend their memory until they are made.

A training step returns a gradient for each parameter, and most of them come late, when what forward saved is on its
way out. So what is live at the peak of the arena moves into outputs that are not made before it is dead.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphtorch.runtime.packing import Span, lowest_gap, most_at_once

#: less than a page is not worth the look, and threads write to smaller arrays side by side
LEAST_BYTES = 4096
#: outputs that are asked for each span
MOST_ASKED = 32
#: peaks that are lowered, one after the other
MOST_PEAKS = 16


@dataclass
class Lender:
    """Output number ``output`` of ``nbytes``, first written by step ``begin``; and what has been placed in it."""

    output: int
    nbytes: int
    begin: int
    lent: list[tuple[Span, int]] = field(default_factory=list)

    def offset_for(self, span: Span) -> int | None:
        """Where ``span`` fits in, beside what is live at the same time; None where it does not."""
        near = sorted((at, at + s.size) for s, at in self.lent if s.begin <= span.end and span.begin <= s.end)
        at = lowest_gap(near, span.size)
        return at if at + span.size <= self.nbytes else None


def lend(spans: Sequence[Span], lenders: Sequence[Lender], movable: Sequence[bool]) -> dict[int, tuple[int, int]]:
    """Number of a span -> (output, offset in it), for those that the arena need not hold.

    Peak by peak: only what is live there moves, the largest first, and of these what lives longest: the fewest outputs
    can take it. Of the outputs that can, the one that is made first takes it.
    """
    found: dict[int, tuple[int, int]] = {}
    able = sorted((x for x in lenders if x.nbytes >= LEAST_BYTES), key=lambda x: x.begin)
    begins = [x.begin for x in able]
    for _ in range(MOST_PEAKS if able else 0):
        here = [i for i in range(len(spans)) if i not in found]
        _, peak = most_at_once([spans[i] for i in here])
        live = [i for i in here if movable[i] and spans[i].begin <= peak <= spans[i].end]
        moved = False
        for number in sorted(live, key=lambda i: (-spans[i].size, -spans[i].end)):
            moved |= _place(number, spans[number], able, begins, found)
        if not moved:
            break
    return found


def _place(
    number: int, span: Span, able: Sequence[Lender], begins: Sequence[int], found: dict[int, tuple[int, int]]
) -> bool:
    if span.size < LEAST_BYTES:
        return False
    first = bisect_right(begins, span.end)
    for lender in able[first : first + MOST_ASKED]:
        offset = lender.offset_for(span)
        if offset is not None:
            lender.lent.append((span, offset))
            found[number] = lender.output, offset
            return True
    return False
