"""Guards: what Python state a trace has looked at, so that a program never answers for another state.

A guard holds as long as the same place gives an equal number, string or array, or the very same object.
`recorder.py` makes them while a trace runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from operator import attrgetter, is_, methodcaller
from types import ModuleType
from typing import Any

from graphtorch.frontend.assignments import NOTHING
from graphtorch.frontend.code import cell_value
from graphtorch.frontend.contents import can_change, own_part, snapshot

_CODE = attrgetter("__code__", "__defaults__", "__kwdefaults__")
_HOLDS = methodcaller("holds")


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


class Objects(Guard):
    """What a tuple holds that is made anew at every look: the very same objects."""

    def __init__(self, name: str, read: Callable[[], tuple[Any, ...]]) -> None:
        super().__init__(name, read, None)
        self.keep = read()

    def holds(self) -> bool:
        now = self.read()
        return len(now) == len(self.keep) and all(map(is_, now, self.keep))


class Function(Guard):
    """What of a function can be replaced. What its defaults hold has guards of its own."""

    def __init__(self, function: Any) -> None:
        read = functools.partial(_CODE, function)
        super().__init__(f"the function {function.__name__}", read, read())
        self.function = function


class Cell(Guard):
    """What a cell of a closure holds."""

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


class LazyModule(Guard):
    """The names of a module that looks some of them up when they are first used (`__getattr__`): that is no change."""

    __slots__ = ("_promised", "_table")

    def __init__(self, name: str, module: ModuleType) -> None:
        super().__init__(name, lambda: None, None)
        self._table, self.seen = vars(module), dict(vars(module))
        self._promised = frozenset(dir(module))

    def holds(self) -> bool:
        same = all(self._table.get(name, NOTHING) is value for name, value in self.seen.items())
        return same and (
            len(self._table) == len(self.seen) or all(map(self._looked_up, self._table.keys() - self.seen))
        )

    def _looked_up(self, name: str) -> bool:
        """Whether a new name is what the module itself gives; then it is one of those that must stay."""
        value = self._table[name]
        good = name in self._promised and self._table["__getattr__"](name) is value
        self._table[name] = value  # which the module may have replaced
        if good:
            self.seen[name] = value
        return good


class Checks:
    """Many guards, compared at every call: for most it is one look into a dictionary or a cell."""

    def __init__(self, guards: Iterable[Guard]) -> None:
        self._all = list(guards)
        quick = [g for g in self._all if g.constant and g.entry is not None]
        self._entries = [(g.entry[0].get, g.entry[1], g.keep, g) for g in quick if g.entry is not None]
        cells = [g for g in self._all if isinstance(g, Cell) and g.keep is not NOTHING]
        self._cells = [(g.cell, g.keep, g) for g in cells]
        functions = [g for g in self._all if isinstance(g, Function)]
        self._functions = [(g.function, *g.keep, g) for g in functions]
        kept = {id(g) for g in (*quick, *cells, *functions)}
        self._rest = [g for g in self._all if id(g) not in kept]

    @property
    def empty(self) -> bool:
        return not self._all

    def hold(self) -> bool:
        for get, key, keep, guard in self._entries:
            if get(key, NOTHING) is not keep and not guard.holds():
                return False
        for f, code, defaults, named, guard in self._functions:
            same = f.__code__ is code and f.__defaults__ is defaults and f.__kwdefaults__ is named
            if not same and not guard.holds():
                return False
        try:
            for cell, keep, guard in self._cells:
                if cell.cell_contents is not keep and not guard.holds():
                    return False
        except ValueError:  # a cell that holds nothing any more
            return False
        return not self._rest or all(map(_HOLDS, self._rest))

    def broken(self) -> list[str]:
        """The names of the guards that do not hold."""
        return [g.name for g in self._all if not g.holds()]
