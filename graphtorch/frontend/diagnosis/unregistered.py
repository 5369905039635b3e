"""Layers and parameters that a module keeps where `parameters` and `state_dict` miss them: in a plain list or dict, or
as a tensor that is no `Parameter`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.frontend.nn.module import Module, join
from graphtorch.frontend.tensor import Tensor

#: how deep containers in containers are looked into, and how many entries of one
_DEPTH, _MOST = 3, 256


@dataclass(frozen=True)
class Unregistered:
    """What the attribute ``name`` of ``owner`` holds: ``value``, and the modules and leaves in it.

    ``path`` leads to the attribute; ``tensors`` are all that no model counts, with their names.
    """

    owner: Module
    path: str
    name: str
    value: Any
    modules: tuple[Module, ...]
    tensors: tuple[tuple[str, Tensor], ...]


#: a model's name, itself, and all of its modules by path
Walk = Sequence[tuple[str, Module, Sequence[tuple[str, Module]]]]


def unregistered_in(models: Walk) -> list[Unregistered]:
    """All such attributes. What a model also counts under another name is no finding."""
    found = list(_candidates(models))
    if not found:
        return []
    inside = {id(m) for _, _, _, _, items in found for _, m in items}
    counted = {id(p) for _, model, _ in models if id(model) not in inside for p in model.parameters()}
    out = []
    for owner, path, name, value, items in found:
        tensors = [(n, p) for key, item in items for n, p in _leaves(_below(path, key), item) if id(p) not in counted]
        if tensors:
            modules = tuple(m for _, m in items if isinstance(m, Module))
            out.append(Unregistered(owner, path, name, value, modules, tuple(tensors)))
    return out


def _candidates(models: Walk) -> Iterator[tuple[Module, str, str, Any, list[tuple[str, Any]]]]:
    """Attributes that are leaves, or plain containers of modules or leaves."""
    seen: set[int] = set()
    for _, _, modules in models:
        for at, module in modules:
            if id(module) in seen:
                continue
            seen.add(id(module))
            for name, value in vars(module).items():
                items = [] if name in _OWN else list(_found(value))
                if items:
                    yield module, join(at, name), name, value, items


#: attributes of modules that are their own registers
_OWN = frozenset(vars(Module()))


def _found(value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) in (list, tuple, dict, set):
        yield from _items(value, "", 0)
    elif isinstance(value, Tensor) and _is_leaf(value):
        yield "", value


def _is_leaf(t: Tensor) -> bool:
    return t._requires_grad and t._grad_fn is None and t._traced is None


def _below(path: str, key: str) -> str:
    return join(path, key) if key else path


def _items(container: Any, at: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Modules and leaves in a container, by index or key."""
    pairs = container.items() if isinstance(container, dict) else enumerate(container)
    for number, (key, item) in enumerate(pairs):
        if number >= _MOST:
            return
        if isinstance(item, Module) or (isinstance(item, Tensor) and _is_leaf(item)):
            yield join(at, str(key)), item
        elif type(item) in (list, tuple, dict) and depth < _DEPTH:
            yield from _items(item, join(at, str(key)), depth + 1)


def _leaves(name: str, item: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(item, Tensor):
        yield name, item
    else:
        yield from item.named_parameters(name)
