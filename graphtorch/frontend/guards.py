"""Guards: what Python state a trace has looked at, so that a program never answers for another state.

A guard holds as long as the same place gives an equal number, string or array, or the very same object.
`recorder.py` makes them while a trace runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from operator import is_, methodcaller
from typing import Any

from graphtorch.frontend.assignments import NOTHING
from graphtorch.frontend.code import cell_value
from graphtorch.frontend.contents import can_change, own_part, snapshot


class Guard:
    """``read()`` gave something with this snapshot; ``name`` says what, for messages.

    ``entry`` is (table, key) when the place is an entry of a dictionary. ``shallow``: what the value holds has
    guards of its own.
    """

    __slots__ = ("constant", "entry", "keep", "name", "read", "seen")

    def __init__(
        self,
        name: str,
        read: Callable[[], Any] | None,
        value: Any,
        entry: tuple[Any, Any] | None = None,
        shallow: bool = False,
    ) -> None:
        if read is None:
            assert entry is not None  # one of the two says where the place is
            read = functools.partial(entry[0].get, entry[1], NOTHING)
        self.name, self.read, self.entry = name, read, entry
        self.seen, self.keep = snapshot(value), value
        #: the same object again needs no second look
        self.constant = shallow or not can_change(value)

    def holds(self) -> bool:
        now = self.read()
        return (self.constant and now is self.keep) or self.accepts(now)

    def accepts(self, value: Any) -> bool:
        """Whether ``value`` in this place would be as good as what the trace saw."""
        return bool(snapshot(value) == self.seen)

    def restore(self) -> None:
        """Put what the trace saw back into the place."""
        if self.entry is None or not isinstance(self.entry[0], dict) or self.holds():
            return
        table, key = self.entry
        if self.keep is NOTHING:
            table.pop(key, None)
        else:
            table[key] = self.keep


class Contents(Guard):
    """What a container or a buffer holds."""

    __slots__ = ("_same",)

    def __init__(self, name: str, value: Any, same: Callable[[], bool]) -> None:
        super().__init__(name, lambda: value, value)
        self._same = same

    def holds(self) -> bool:
        return self._same() or self.accepts(self.keep)


def contents(name: str, value: Any) -> Contents | None:
    """A guard on what ``value`` holds itself; None when it cannot change."""
    same = own_part(value)
    return Contents(name, value, same) if same is not None else None


class Parts(Guard):
    """What a tuple holds that is made anew at every look: each part the very same object.

    ``deep``: where that is not so, equal content is as good.
    """

    __slots__ = ("_deep",)

    def __init__(self, name: str, read: Callable[[], tuple[Any, ...]], deep: bool) -> None:
        value = read()
        super().__init__(name, read, value if deep else None, shallow=True)
        self.keep, self._deep = value, deep

    def holds(self) -> bool:
        now = self.read()
        same = len(now) == len(self.keep) and all(map(is_, now, self.keep))
        return same or (self._deep and self.accepts(now))


class Cell(Guard):
    """What a cell of a closure holds."""

    __slots__ = ("cell",)

    def __init__(self, name: str, cell: Any, value: Any) -> None:
        super().__init__(name, functools.partial(cell_value, cell, NOTHING), value, shallow=True)
        self.cell = cell


class Absent(Guard):
    """Names that a table does not have."""

    __slots__ = ("_names", "_table")

    def __init__(self, name: str, table: Any, names: frozenset[str]) -> None:
        super().__init__(name, lambda: None, None)
        self._table, self._names = table, names

    def holds(self) -> bool:
        return bool(self._table.keys().isdisjoint(self._names))

    def restore(self) -> None:
        if isinstance(self._table, dict):
            for name in self._names & self._table.keys():
                del self._table[name]


_HOLDS = methodcaller("holds")


class Checks:
    """Many guards, compared at every call: for most it is one look into a dictionary or a cell."""

    def __init__(self, guards: Iterable[Guard]) -> None:
        self._all = list(guards)
        quick = [g for g in self._all if g.constant and g.entry is not None]
        self._entries = [(g.entry[0].get, g.entry[1], g.keep, g) for g in quick if g.entry is not None]
        cells = [g for g in self._all if isinstance(g, Cell) and g.keep is not NOTHING]
        self._cells = [(g.cell, g.keep, g) for g in cells]
        kept = {*map(id, quick), *map(id, cells)}
        self._rest = [g for g in self._all if id(g) not in kept]

    def hold(self) -> bool:
        for get, key, keep, guard in self._entries:
            if get(key, NOTHING) is not keep and not guard.holds():
                return False
        try:
            for cell, keep, guard in self._cells:
                if cell.cell_contents is not keep and not guard.holds():
                    return False
        except ValueError:  # a cell that holds nothing any more
            return False
        return all(map(_HOLDS, self._rest))

    def broken(self) -> list[str]:
        """The names of the guards that do not hold."""
        return [g.name for g in self._all if not g.holds()]
