"""Nested tuples, lists and dicts of tensors, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves in order; whatever is no tuple, list or dict is one."""
    if isinstance(tree, tuple | list):
        for item in tree:
            yield from leaves(item)
    elif isinstance(tree, dict):
        for item in tree.values():
            yield from leaves(item)
    else:
        yield tree


def map_leaves(f: Callable[[Any], Any], tree: Any) -> Any:
    """The same nesting over ``f`` of every leaf; named tuples stay what they are."""
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(map_leaves(f, item) for item in tree))
    if isinstance(tree, tuple | list):
        return type(tree)([map_leaves(f, item) for item in tree])
    if isinstance(tree, dict):
        return {key: map_leaves(f, item) for key, item in tree.items()}
    return f(tree)


def structure(tree: Any, leaf: Callable[[Any], Any]) -> Any:
    """A hashable description: the nesting, with ``leaf`` of every leaf."""
    if isinstance(tree, tuple | list):
        return (type(tree), *(structure(item, leaf) for item in tree))
    if isinstance(tree, dict):
        return (dict, *((key, structure(item, leaf)) for key, item in tree.items()))
    return leaf(tree)
