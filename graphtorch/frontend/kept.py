"""The programs of one compiled function, by the kind of call: as many as are bounded, those used last."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from graphtorch.frontend.program import Program


class Kept:
    """At most ``most`` programs. What was looked up least recently goes first (LRU)."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._by_key: dict[Any, list[Program]] = {}
        #: in the order of their last use, with their keys
        self._used: dict[Program, Any] = {}
        #: in the order in which they were made
        self.order: list[Program] = []
        #: how many were dropped
        self.dropped = 0

    def of(self, key: Any) -> list[Program]:
        """Programs for calls with this key, the newest first."""
        return self._by_key.get(key, [])

    @property
    def last_key(self) -> Any:
        """The key of the program that was used last; None where there is none."""
        return next(reversed(self._used.values()), None)

    def use(self, program: Program, key: Any) -> None:
        """It is the last to go from now on."""
        self._used.pop(program, None)
        self._used[program] = key

    def add(self, program: Program, key: Any) -> None:
        self._by_key.setdefault(key, []).insert(0, program)
        self.order.append(program)
        self.use(program, key)

    def make_room(self, in_use: Collection[Program]) -> list[Program]:
        """Drop what is too much if one more comes, and is not ``in_use``; what was dropped."""
        gone = []
        for program, key in list(self._used.items()):
            if len(self.order) < self.most:
                break
            if program in in_use:
                continue
            del self._used[program]
            self.order.remove(program)
            self._by_key[key].remove(program)
            self.dropped += 1
            gone.append(program)
            if not self._by_key[key]:
                del self._by_key[key]
        return gone
