"""Where attributes of Python objects stand: their own dictionary, slots, and classes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType, MemberDescriptorType, ModuleType
from typing import Any

from graphtorch.frontend.assignments import NOTHING
from graphtorch.frontend.code import is_library

_HEAP_TYPE = 1 << 9


@dataclass(frozen=True)
class Namespace:
    """A table of attributes, and whose. ``shallow``: a library's, which is compared and not looked into.
    ``complete``: whether names may be added to it."""

    owner: Any
    table: Any
    shallow: bool = False
    complete: bool = True


def namespaces(value: Any) -> list[Namespace]:
    """Where attributes of ``value`` are found, in order: none for immutable objects of libraries."""
    if isinstance(value, ModuleType):
        library = is_library(value)
        return [Namespace(value, vars(value), library, not library)]
    if isinstance(value, FunctionType):
        return [Namespace(value, value.__dict__)]
    cls = value if isinstance(value, type) else type(value)
    classes = [Namespace(c, vars(c), is_library(c), not is_library(c)) for c in cls.__mro__ if c.__flags__ & _HEAP_TYPE]
    own = own_attributes(value)
    return classes if own is None else [Namespace(value, own), *classes]


def own_attributes(value: Any) -> dict[str, Any] | None:
    """The dictionary of an object's attributes, if it has one; that of a class is another thing."""
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return own if type(own) is dict else None


def slots(value: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The slots of an object, and how to read them."""
    for cls in type(value).__mro__:
        if cls.__flags__ & _HEAP_TYPE and not is_library(cls):
            for name, slot in vars(cls).items():
                if isinstance(slot, MemberDescriptorType):
                    yield name, functools.partial(_in_slot, slot, value)


def _in_slot(slot: Any, value: Any) -> Any:
    try:
        return slot.__get__(value)
    except AttributeError:
        return NOTHING


def raw(cls: type, name: str) -> tuple[type, Any] | None:
    """The class that gives ``cls`` an attribute, and what stands there, no descriptor evaluated."""
    return next(((c, vars(c)[name]) for c in cls.__mro__ if name in vars(c)), None)
