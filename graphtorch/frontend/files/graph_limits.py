"""What data may look like: no cycles, no depth that a recursion would not survive, keys that are cheap to hash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphtorch.frontend.files.source import damaged
from graphtorch.frontend.tensors.base import TensorBase

#: how deep containers may lie in each other
DEEPEST = 200
_CONTAINERS = dict, list, tuple, set, frozenset


def check_key(key: Any, depth: int = 0) -> None:
    """LoadError GT902 for a key of a dict, or a member of a set, that is not plain.

    An integer of many words could be made to collide with all others; hashing a deep tuple recurses in C.
    """
    if type(key) is int and key.bit_length() > 64:
        raise damaged("a key is an integer of more than 64 bits")
    if type(key).__hash__ is None or isinstance(key, TensorBase):  # whose == compares elements
        raise damaged(f"a key is a {type(key).__name__}")
    if isinstance(key, tuple | frozenset):
        if depth > 4:
            raise damaged("a key is a tuple of tuples, and those of more")
        for part in key:
            check_key(part, depth + 1)


def check_graph(value: Any) -> None:
    """LoadError GT902 for data that contains itself, or in which containers lie deeper than `DEEPEST`.

    Every container is walked once, however often it is referred to; ``height`` has those that are done.
    """
    height: dict[int, int] = {}
    path: list[tuple[Any, Iterator[Any]]] = [(value, _children(value))]
    on_path = {id(value)}
    while path:
        here, rest = path[-1]
        child = next(rest, None)
        if child is None:
            path.pop()
            on_path.discard(id(here))
            height[id(here)] = 1 + max((height.get(id(c), 0) for c in _children(here)), default=0)
            if height[id(here)] > DEEPEST:
                raise _too_deep()
        elif id(child) in on_path:
            raise damaged("its data contains itself")
        elif id(child) not in height:
            path.append((child, _children(child)))
            on_path.add(id(child))
            if len(path) > DEEPEST:
                raise _too_deep()


def _children(value: Any) -> Iterator[Any]:
    """The containers in a container."""
    if not isinstance(value, _CONTAINERS):
        return iter(())
    inside = (x for pair in value.items() for x in pair) if isinstance(value, dict) else iter(value)
    return (x for x in inside if isinstance(x, _CONTAINERS) and x)


def _too_deep() -> Exception:
    return damaged(f"its data is nested more than {DEEPEST} deep")
