"""What data may look like: no cycles, no depth that a recursion would not survive, keys that are cheap to hash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphtorch.frontend.files.source import damaged
from graphtorch.frontend.tensors.base import TensorBase

#: how deep containers may lie in each other
DEEPEST = 200
#: how many values a key may be made of
_MOST_PARTS = 1000
_CONTAINERS = dict, list, tuple, set, frozenset


def check_key(key: Any) -> int:
    """How many parts a key of a dict, or a member of a set, has; LoadError GT902 for one that is not plain."""
    if type(key) is str:  # nearly all
        return 1
    parts, reason = judge_key(key)
    if reason:
        raise damaged(f"a key is {reason}")
    return parts


def judge_key(key: Any) -> tuple[int, str]:
    """How many parts a key has, itself among them, and what it is if that is no plain key; "" if it is one.

    An integer of many words could be made to collide with all others; hashing a deep tuple recurses in C, and one of
    a thousand times the same tuple, which has a thousand times the same, takes days.
    """
    waiting, done = [(key, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        done += 1
        if type(part) is int and part.bit_length() > 64:
            return done, "an integer of more than 64 bits"
        if type(part).__hash__ is None or isinstance(part, TensorBase):  # whose == compares elements
            return done, f"a {type(part).__name__}"
        if isinstance(part, tuple | frozenset):
            if depth > 4:
                return done, "a tuple of tuples, and those of more"
            if done + len(waiting) + len(part) > _MOST_PARTS:
                return done, f"a {type(part).__name__} of more than {_MOST_PARTS} parts"
            waiting += [(p, depth + 1) for p in part]
    return done, ""


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
