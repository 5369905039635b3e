"""Guards of sizes: what was asked of sizes that are not known while a program was made, and what was answered.

A program is right for all sizes for which its guards hold. That is how torch's SymInt works.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from graphtorch.ir import bind, dim_terms
from graphtorch.ir.dim_terms import Terms
from graphtorch.ir.loc import Loc, here

_COMPARE = {"==": lambda a, b: bool(a == b), "<": lambda a, b: bool(a < b), "<=": lambda a, b: bool(a <= b)}
_CONTRARY = {"==": "!=", "<": ">=", "<=": ">"}
_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True)
class Guard:
    """A question ``x fn 0``, and how it was answered."""

    fn: str
    x: Terms
    answer: bool

    def holds(self, sizes: Mapping[str, int]) -> bool:
        return compare(self.fn, dim_terms.at(self.x, sizes), 0) == self.answer

    @property
    def pinned(self) -> set[str]:
        """The name of which it leaves one size, or few; a remainder leaves many."""
        names = {s.name for s in dim_terms.symbols(self.x)}
        few = self.fn == "==" and self.answer and not dim_terms.has_remainder(self.x)
        return names if few and len(names) == 1 else set()

    def __str__(self) -> str:
        left, right = dim_terms.sides(self.x)
        fn = self.fn if self.answer else _CONTRARY[self.fn]
        if not left:
            left, right, fn = right, left, _TURNED[fn]
        return f"{dim_terms.text(left)} {fn} {dim_terms.text(right)}"


class Pinned(Exception):
    """A question was asked whose answer leaves one size (`Guards.ends`)."""


@dataclass
class Guards:
    """The questions that were asked, each once and in order, and the user's line where each was asked first.

    There is no line where code is made of what was traced.
    """

    asked: dict[Guard, Loc | None] = field(default_factory=dict)
    #: whether a question of which the answer leaves one size ends all: what is being made is for many
    ends: bool = False

    def add(self, guard: Guard) -> None:
        if guard not in self.asked:
            self.asked[guard] = _line()
        if self.ends and guard.pinned:
            raise Pinned

    def hold(self, sizes: Mapping[str, int]) -> bool:
        """Whether every question has the answer that it was given, for these sizes."""
        return all(g.holds(sizes) for g in self.asked)

    @property
    def pinned(self) -> set[str]:
        """The names for which the answers leave one size."""
        return {name for g in self.asked for name in g.pinned}


def _line() -> Loc | None:
    """The user's line that runs in a trace, or that what a pass makes is from."""
    if bind.is_default() or bind.current().tracing:
        return None if bind.is_default() else here()
    locs: tuple[Loc, ...] = getattr(bind.current(), "locs", ())
    return locs[0] if locs else None


_recording: ContextVar[Guards | None] = ContextVar("guards", default=None)


@contextmanager
def recorded(guards: Guards) -> Iterator[Guards]:
    """Questions asked within are answered by example, and kept in ``guards``."""
    token = _recording.set(guards)
    try:
        yield guards
    finally:
        _recording.reset(token)


def compare(fn: str, a: float, b: float) -> bool:
    return _COMPARE[fn](a, b)


def known(fn: str, x: Terms) -> bool | None:
    """``x fn 0`` where it is the same for all sizes, else None."""
    low, high = (infinite if end is None else end for end, infinite in zip(dim_terms.bounds(x), _ENDS, strict=True))
    if fn == "==":
        return True if low == high == 0 else False if low > 0 or high < 0 else None
    # at both ends, and so everywhere between them
    least, greatest = compare(fn, low, 0), compare(fn, high, 0)
    return greatest if least == greatest else None


_ENDS = (-math.inf, math.inf)


def ask(fn: str, x: Terms) -> bool:
    """``x fn 0``: for all sizes where that is known, else for the example; then the question is kept.

    RuntimeError where nobody keeps it.
    """
    answer = known(fn, x)
    if answer is not None:
        return answer
    if fn == "==" and x[0][1] < 0:  # a question has one form
        x = dim_terms.negative(x)
    guards, guard = _recording.get(), Guard(fn, x, compare(fn, dim_terms.example(x), 0))
    if guards is None:
        raise RuntimeError(f"whether {guard} depends on the size, and nobody keeps the question")
    guards.add(guard)
    return guard.answer
