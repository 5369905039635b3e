"""Edits of the user's program, as they can be tried without touching it: what an abstract run is to do differently.

An edit of a line holds wherever that line runs: for all layers that it constructs, for all calls that it makes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

from graphtorch.frontend.diagnosis.layers import standing_in
from graphtorch.frontend.nn.module import Module
from graphtorch.ir.loc import Loc

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Change = Callable[[tuple[Any, ...], dict[str, Any]], Arguments]
#: where in a run an edit takes effect: see `at_function` and the like
Point = tuple[str, Hashable]

#: what the program is given
INPUTS: Point = ("inputs", 0)


def at_function(name: str, loc: Loc) -> Point:
    """Calls of a public function by the user, on one line."""
    return "function", (name, loc.file, loc.line, loc.col)


def at_call(loc: Loc) -> Point:
    """Calls of modules by the user, on one line."""
    return "call", (loc.file, loc.line, loc.col)


def at_module(module: Module) -> Point:
    """Calls of one module, from wherever."""
    return "module", id(module)


@dataclass(frozen=True)
class Edit:
    """An edit, and how it reads: ``text`` is the user's expression after it."""

    text: str

    @property
    def points(self) -> tuple[Point, ...]:
        """Where calls are made in another way."""
        return ()

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """What is given there, in the place of what the user gives."""
        return args, kwargs

    def calling(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a module that is called there gives."""
        return forward(*args, **kwargs)

    def applied(self) -> AbstractContextManager[Any]:
        """In this block the rest of the edit holds."""
        return nullcontext()


@dataclass(frozen=True)
class Constructed(Edit):
    """Modules constructed with other arguments: pairs of one that is there, and of what stands in for it."""

    pairs: Sequence[tuple[Module, Module]]

    def applied(self) -> AbstractContextManager[Any]:
        stack = ExitStack()
        for module, other in self.pairs:
            stack.enter_context(standing_in(module, other))
        return stack


@dataclass(frozen=True)
class Given(Edit):
    """Other arguments at some points of the run."""

    at: tuple[Point, ...]
    change: Change

    @property
    def points(self) -> tuple[Point, ...]:
        return self.at

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        return self.change(args, kwargs)


@dataclass(frozen=True)
class Replaced(Edit):
    """Something else in the place of ``forward`` at some points: ``instead(forward, args, kwargs)``."""

    at: tuple[Point, ...]
    instead: Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

    @property
    def points(self) -> tuple[Point, ...]:
        return self.at

    def calling(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.instead(forward, args, kwargs)


def first(change: Callable[[Any], Any]) -> Change:
    """A change of the first argument alone."""

    def changed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        if args:
            return (change(args[0]), *args[1:]), kwargs
        name = next(iter(kwargs))
        return args, {**kwargs, name: change(kwargs[name])}

    return changed


@dataclass(frozen=True)
class Candidate:
    """An edit that may mend, and where it is made. ``make`` gives it, or None where it cannot be made after all.

    ``rank`` says how far from the failure it is: the least is the likeliest. One that is ``far`` is offered only where
    all runs with it, or, if it is said to go ``further``, where the run goes further with it than with any near one.
    """

    make: Callable[[], Edit | None]
    rank: float
    loc: Loc | None = None
    far: bool = False
    further: bool = False


def ready(edit: Edit, rank: float, loc: Loc | None = None, far: bool = False) -> Candidate:
    """A candidate whose edit costs nothing."""
    return Candidate(lambda: edit, rank, loc, far)
