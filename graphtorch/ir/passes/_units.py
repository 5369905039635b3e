"""Units of nodes that run as one, in an order that is kept up to date as units are merged.

Two units may be merged unless a path leads from one to the other through a third, which would then have to run both
before and after. The order bounds the search for such a path: D. J. Pearce and P. H. J. Kelly, "A dynamic topological
sort algorithm for directed acyclic graphs", ACM JEA 11 (2006).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

Unit = int


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
        """Whether no path leads from one to the other through a third unit."""
        first, last = sorted((a, b), key=self.place.__getitem__)
        return last not in self._between(first, last)

    def merge(self, a: Unit, b: Unit) -> None:
        """``b`` becomes part of ``a``; they may be merged."""
        first, last = sorted((a, b), key=self.place.__getitem__)
        low, high = self.place[first], self.place[last]
        later = self._reached({first}, self._after, lambda u: self.place[u] < high) - {first}
        earlier = self._reached({last}, self._before, lambda u: self.place[u] > low) - {last}
        order = [*self._sorted(earlier), a, *self._sorted(later)]
        places = self._sorted({first, last, *earlier, *later})
        free = [self.place[u] for u in places]
        for unit, place in zip(order, free, strict=False):
            self.place[unit] = place
        self._absorb(a, b)

    def _absorb(self, a: Unit, b: Unit) -> None:
        for mine, others in ((self._before, self._after), (self._after, self._before)):
            for unit in mine[b]:
                others[unit].discard(b)
                if unit != a:
                    others[unit].add(a)
                    mine[a].add(unit)
            mine[a].discard(b)
            mine[b] = set()

    def _between(self, first: Unit, last: Unit) -> set[Unit]:
        """What is reached from ``first`` through another unit, no later than ``last``."""
        high = self.place[last]
        steps = {u for u in self._after[first] if u != last and self.place[u] < high}
        return self._reached(steps, self._after, lambda u: self.place[u] <= high)

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
