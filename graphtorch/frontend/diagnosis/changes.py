"""Other arguments of a call of a function, in a word each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from graphtorch.frontend.diagnosis.edits import Arguments, Change

#: rank, other arguments, and how the call reads with them
Changes = Iterator[tuple[int, Change, str]]


def given_others(*others: Any) -> Change:
    """The first argument, and ``others``."""
    return lambda args, kwargs: ((args[0], *others), {})


def with_dim(dim: int) -> Change:
    return lambda args, kwargs: (args, {**kwargs, "dim": dim})


def as_first(value: Any) -> Change:
    return lambda args, kwargs: ((value, *args[1:]), kwargs)


def with_member(i: int, change: Callable[[Any], Any]) -> Change:
    """One of a list of tensors changed."""
    return lambda args, kwargs: (([*args[0][:i], change(args[0][i]), *args[0][i + 1 :]], *args[1:]), kwargs)


def last_two_swapped(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    return (*args[:-2], args[-1], args[-2]), kwargs
