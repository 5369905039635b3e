"""Edits of the user's program, as they can be tried without touching it: what an abstract run is to do differently."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from graphtorch.frontend.diagnosis.layers import standing_in
from graphtorch.frontend.nn.module import Module
from graphtorch.ir.loc import Loc

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
#: where in a run an edit takes effect: ("function", 3) is the fourth call of a public function, ("layer", 0) the first
#: of a module, ("inputs", 0) what the model is given
Point = tuple[str, int]


@dataclass(frozen=True)
class Edit:
    """An edit, and how it reads: ``text`` is the user's expression after it."""

    text: str

    @property
    def at(self) -> Point:
        """Where other arguments are given."""
        return "nowhere", 0

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """What is given there, in the place of what the user gives."""
        return args, kwargs

    def applied(self) -> AbstractContextManager[None]:
        """In this block the rest of the edit holds."""
        return nullcontext()


@dataclass(frozen=True)
class Constructed(Edit):
    """A layer constructed with another argument: ``other`` stands in for ``module``."""

    module: Module
    other: Module
    parameter: str

    @property
    def at(self) -> Point:
        return "constructor", id(self.module)

    def applied(self) -> AbstractContextManager[None]:
        return standing_in(self.module, self.other)


@dataclass(frozen=True)
class Given(Edit):
    """Other arguments at one point of the run."""

    point: Point
    change: Callable[[tuple[Any, ...], dict[str, Any]], Arguments]

    @property
    def at(self) -> Point:
        return self.point

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        return self.change(args, kwargs)


def first(change: Callable[[Any], Any]) -> Callable[[tuple[Any, ...], dict[str, Any]], Arguments]:
    """A change of the first argument alone."""

    def changed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        if args:
            return (change(args[0]), *args[1:]), kwargs
        name = next(iter(kwargs))
        return args, {**kwargs, name: change(kwargs[name])}

    return changed


@dataclass(frozen=True)
class Candidate:
    """An edit, and where it is made; ``rank`` says how far from the failure it is, the least is the likeliest."""

    edit: Edit
    rank: int
    loc: Loc | None = None
