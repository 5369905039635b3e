"""What a trace assigned to attributes of modules, taken back at its end and repeated at every call.

A program runs without Python, but `self.hidden = h` in a `forward` must happen all the same: the assigned
tensors become outputs of the program, and each call assigns them. While tracing, the attribute holds a
tensor without data; it must not be left there, least of all by a trace that failed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_TABLES = ("_parameters", "_buffers", "_modules")


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


NOTHING = _Nothing()


def lookup(owner: Any, name: str) -> Any:
    """An attribute of a module, its class left aside; `NOTHING` where there is none."""
    for table in _tables(owner):
        if name in table:
            return table[name]
    return NOTHING


def _tables(owner: Any) -> list[dict[str, Any]]:
    own = vars(owner)
    return [own, *(own[t] for t in _TABLES if t in own)]


@dataclass(frozen=True)
class Assignment:
    """An attribute that the trace changed: what it was, and what it is to be after every call."""

    owner: Any
    name: str
    before: Any
    after: Any

    def repeat(self, value: Any) -> None:
        """Assign ``value``, which is ``after`` with this call's tensors; nothing happens where it stands already."""
        have = lookup(self.owner, self.name)
        if have is value:
            return
        if value is NOTHING:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, value)


class Assignments:
    """The journal of one trace."""

    def __init__(self) -> None:
        self._before: dict[tuple[int, str], tuple[Any, list[Any]]] = {}
        self._ignored: dict[int, Any] = {}
        self.on_failure: list[Callable[[], object]] = []

    def ignore(self, owner: Any) -> None:
        """``owner`` is made by the traced function, and gone with it."""
        self._ignored[id(owner)] = owner

    def ignores(self, owner: Any) -> bool:
        """Whether the traced function has made ``owner``."""
        return id(owner) in self._ignored

    def note(self, owner: Any, name: str) -> None:
        """``owner.name`` is about to change."""
        key = id(owner), name
        if key not in self._before and id(owner) not in self._ignored:
            self._before[key] = owner, [table.get(name, NOTHING) for table in _tables(owner)]

    def __contains__(self, key: tuple[int, str]) -> bool:
        return key in self._before

    def take_back(self) -> list[Assignment]:
        """Put every attribute back to what it was before the trace."""
        out = []
        for (_, name), (owner, before) in self._before.items():
            after = lookup(owner, name)
            for table, value in zip(_tables(owner), before, strict=True):
                if value is not NOTHING:
                    table[name] = value
                else:
                    table.pop(name, None)
            out.append(Assignment(owner, name, lookup(owner, name), after))
        self._before = {}
        return out

    def undo(self) -> None:
        """The trace failed: leave no mark of it."""
        self.take_back()
        for forget in reversed(self.on_failure):
            forget()
