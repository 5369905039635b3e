"""Dynamic storage allocation, offline: spans of bytes and time -> offsets in an arena that is as small as may be.

It is NP-complete to do best (M. Garey and D. Johnson, "Computers and Intractability", SR2). Several greedy orders are
tried until one reaches the lower bound, the most that is live at once: by size, which is what Y. Pisarchyk and J. Lee
found best ("Efficient memory management for deep neural net inference", 2020), by size times duration, by duration, and
in order of time. The last takes linear memory and n log n time and is the only one for very many spans.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: pairs of spans that the quadratic orders may look at
MOST_PAIRS = 1 << 18


@dataclass(frozen=True)
class Span:
    """``size`` bytes, live from step ``begin`` to step ``end``, both included."""

    size: int
    begin: int
    end: int


Order = Callable[[Span], tuple[int, ...]]
#: which spans are placed first
ORDERS: tuple[Order, ...] = (
    lambda s: (-s.size, s.begin),
    lambda s: (-s.size * (s.end - s.begin + 1), s.begin),
    lambda s: (s.begin - s.end, -s.size),
    lambda s: (s.begin, -s.size),
)


def pack(spans: Sequence[Span]) -> tuple[list[int], int]:
    """(the offset of each span, the size of the arena): spans that are live at the same time do not overlap."""
    least, _ = most_at_once(spans)
    best = _in_time(spans)
    if len(spans) ** 2 > MOST_PAIRS:
        return best
    for order in ORDERS:
        if best[1] == least:
            break
        best = min(best, _first_fit(spans, order), key=lambda found: found[1])
    return best


def most_at_once(spans: Sequence[Span]) -> tuple[int, int]:
    """(the most bytes that are live at once, the first step at which they are); (0, -1) for no spans."""
    changes: dict[int, int] = {}
    for s in spans:
        changes[s.begin] = changes.get(s.begin, 0) + s.size
        changes[s.end + 1] = changes.get(s.end + 1, 0) - s.size
    most, when, live = 0, -1, 0
    for step in sorted(changes):
        live += changes[step]
        if live > most:
            most, when = live, step
    return most, when


def _first_fit(spans: Sequence[Span], order: Order) -> tuple[list[int], int]:
    """Each span, in this order, at the lowest offset that is free for as long as it lives."""
    offsets, placed, total = [0] * len(spans), list[int](), 0
    for number in sorted(range(len(spans)), key=lambda i: order(spans[i])):
        s = spans[number]
        near = [i for i in placed if spans[i].begin <= s.end and s.begin <= spans[i].end]
        at = lowest_gap(sorted((offsets[i], offsets[i] + spans[i].size) for i in near), s.size)
        offsets[number] = at
        placed.append(number)
        total = max(total, at + s.size)
    return offsets, total


def lowest_gap(taken: Sequence[tuple[int, int]], size: int) -> int:
    """The lowest offset of ``size`` free bytes beside those ``taken``, (begin, end) in order."""
    at = 0
    for low, high in taken:
        if low - at >= size:
            break
        at = max(at, high)
    return at


class _Gaps:
    """The free parts of an arena that grows; ``by_size`` has (size, offset) of each, sorted."""

    def __init__(self) -> None:
        self.top = 0
        self._by_size: list[tuple[int, int]] = []
        self._starts: dict[int, int] = {}
        self._ends: dict[int, int] = {}

    def take(self, size: int) -> int:
        """The smallest gap that is large enough, or what is above all."""
        at = bisect_left(self._by_size, (size, 0))
        if at < len(self._by_size):
            have, offset = self._by_size[at]
            self._remove(offset, have)
            if have > size:
                self._add(offset + size, have - size)
            return offset
        start = self._ends.get(self.top, self.top)  # a gap below the top is grown
        if start < self.top:
            self._remove(start, self.top - start)
        self.top = start + size
        return start

    def give(self, offset: int, size: int) -> None:
        """Free it, and join it to the gaps beside it."""
        low, high = self._ends.get(offset, offset), offset + size
        if low < offset:
            self._remove(low, offset - low)
        if high in self._starts:
            more = self._starts[high]
            self._remove(high, more)
            high += more
        self._add(low, high - low)

    def _add(self, offset: int, size: int) -> None:
        insort(self._by_size, (size, offset))
        self._starts[offset], self._ends[offset + size] = size, offset

    def _remove(self, offset: int, size: int) -> None:
        del self._by_size[bisect_left(self._by_size, (size, offset))]
        del self._starts[offset], self._ends[offset + size]


def _in_time(spans: Sequence[Span]) -> tuple[list[int], int]:
    """In order of time, each in the smallest gap that fits."""
    offsets, gaps, at = [0] * len(spans), _Gaps(), 0
    leaving = sorted(range(len(spans)), key=lambda i: spans[i].end)
    for number in sorted(range(len(spans)), key=lambda i: (spans[i].begin, -spans[i].size)):
        while at < len(leaving) and spans[leaving[at]].end < spans[number].begin:
            gone = leaving[at]
            gaps.give(offsets[gone], spans[gone].size)
            at += 1
        offsets[number] = gaps.take(spans[number].size)
    return offsets, gaps.top
