"""Nested tuples, lists and dicts of tensors, taken apart and put together again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from graphtorch.frontend.contents import snapshot
from graphtorch.frontend.namespaces import own_attributes

_EXACT = (tuple, list, dict)


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


def containers(tree: Any) -> Iterator[Any]:
    """The tuples, lists and dicts of the nesting."""
    if isinstance(tree, tuple | list | dict):
        yield tree
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from containers(item)


def map_leaves(f: Callable[[Any], Any], tree: Any) -> Any:
    """The same nesting over ``f`` of every leaf, in containers of the same classes."""
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(map_leaves(f, item) for item in tree))
    if isinstance(tree, tuple | list):
        items = [map_leaves(f, item) for item in tree]
        return items if type(tree) is list else _with_items(tree, items)
    if isinstance(tree, dict):
        new = {} if type(tree) is dict else copy.copy(tree)  # keeps the order, the factory and attributes
        for key, item in tree.items():
            dict.__setitem__(new, key, map_leaves(f, item))
        return new
    return f(tree)


def _with_items(tree: Any, items: list[Any]) -> Any:
    if isinstance(tree, tuple):
        return type(tree)(items)
    new = copy.copy(tree)
    list.__setitem__(new, slice(None), items)
    return new


def structure(tree: Any, leaf: Callable[[Any], Any]) -> Any:
    """A hashable description: the nesting, with ``leaf`` of every leaf."""
    if isinstance(tree, tuple | list):
        kind = type(tree) if type(tree) in _EXACT else _kind(tree)
        return (kind, *(structure(item, leaf) for item in tree))
    if isinstance(tree, dict):
        kind = dict if type(tree) is dict else _kind(tree)
        return (kind, *((type(key), key, structure(item, leaf)) for key, item in tree.items()))
    return leaf(tree)


def _kind(tree: Any) -> Any:
    """The class of a container, and what a subclass holds beside its items."""
    return type(tree), getattr(tree, "default_factory", None), snapshot(own_attributes(tree) or {})
