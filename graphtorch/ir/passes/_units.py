"""Units of nodes that run as one, in an order that is kept up to date as units are merged.

Two units may be merged unless a path leads from one to the other through a third, which would then have to run both
before and after. The order bounds the search for such a path: D. J. Pearce and P. H. J. Kelly, "A dynamic topological
sort algorithm for directed acyclic graphs", ACM JEA 11 (2006).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

Unit = int


class _Frontier:
    """Units that are reached along ``edges``, only ``within`` bounds, the least by ``rank`` first."""

    def __init__(
        self, edges: list[set[Unit]], start: Unit, within: Callable[[Unit], bool], rank: Callable[[Unit], int]
    ) -> None:
        self.edges, self._within, self._rank = edges, within, rank
        self._found: set[Unit] = set()
        self._heap: list[tuple[int, Unit]] = []
        self._add(start)

    def _add(self, unit: Unit) -> None:
        for u in self.edges[unit]:
            if u not in self._found and self._within(u):
                self._found.add(u)
                heapq.heappush(self._heap, (self._rank(u), u))

    def next(self) -> Unit | None:
        if not self._heap:
            return None
        _, unit = heapq.heappop(self._heap)
        self._add(unit)
        return unit


class Units:
    """A directed acyclic graph of units, numbered as they were added; ``place`` sorts them topologically."""

    def __init__(self) -> None:
        self.place: list[int] = []
        self._before: list[set[Unit]] = []
        self._after: list[set[Unit]] = []

    def add(self, sources: Iterable[Unit]) -> Unit:
        """A new unit, after all others, that reads ``sources``."""
        unit = len(self.place)
        self.place.append(unit)
        self._before.append(set(sources))
        self._after.append(set())
        for source in self._before[unit]:
            self._after[source].add(unit)
        return unit

    def may_merge(self, a: Unit, b: Unit) -> bool:
        """Whether no path leads from one to the other through a third unit.

        Searched from both ends in turn: the parameter's update at the end of a deep net's step is far from its
        gradient, but reads little else. Each end goes on where it comes closest to the other.
        """
        first, last = sorted((a, b), key=self.place.__getitem__)
        low, high, place = self.place[first], self.place[last], self.place.__getitem__
        down = _Frontier(self._after, first, lambda u: place(u) < high, lambda u: -place(u))
        up = _Frontier(self._before, last, lambda u: place(u) > low, place)
        while True:
            for search, goal in ((down, last), (up, first)):
                unit = search.next()
                if unit is None:
                    return True
                if goal in search.edges[unit]:
                    return False

    def merge(self, a: Unit, b: Unit) -> None:
        """``b`` becomes part of ``a``; they may be merged."""
        first, last = sorted((a, b), key=self.place.__getitem__)
        low, high = self.place[first], self.place[last]
        if all(u == first or self.place[u] < low for u in self._before[last]):
            self.place[a], self.place[b] = low, high  # nothing has to run before it that did not before the first
        elif all(u == last or self.place[u] > high for u in self._after[first]):
            self.place[a], self.place[b] = high, low
        else:
            self._reorder(a, first, last)
        self._absorb(a, b)

    def _reorder(self, a: Unit, first: Unit, last: Unit) -> None:
        """Places for ``a``, what has to run before it, and what has to run after it."""
        low, high = self.place[first], self.place[last]
        later = self._reached({first}, self._after, lambda u: self.place[u] < high) - {first}
        earlier = self._reached({last}, self._before, lambda u: self.place[u] > low) - {last}
        order = [*self._sorted(earlier), a, *self._sorted(later)]
        places = self._sorted({first, last, *earlier, *later})
        free = [self.place[u] for u in places]
        for unit, place in zip(order, free, strict=False):
            self.place[unit] = place

    def _absorb(self, a: Unit, b: Unit) -> None:
        for mine, others in ((self._before, self._after), (self._after, self._before)):
            for unit in mine[b]:
                others[unit].discard(b)
                if unit != a:
                    others[unit].add(a)
                    mine[a].add(unit)
            mine[a].discard(b)
            mine[b] = set()

    @staticmethod
    def _reached(start: set[Unit], edges: list[set[Unit]], within: Callable[[Unit], bool]) -> set[Unit]:
        found, stack = set(start), list(start)
        while stack:
            for unit in edges[stack.pop()]:
                if unit not in found and within(unit):
                    found.add(unit)
                    stack.append(unit)
        return found

    def _sorted(self, units: Iterable[Unit]) -> list[Unit]:
        return sorted(units, key=self.place.__getitem__)
