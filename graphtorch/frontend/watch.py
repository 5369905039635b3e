"""Watches reads of attributes of modules and of facts about tensors, while a trace runs and only then."""

from __future__ import annotations

import threading
from typing import Any

from graphtorch.frontend.assignments import NOTHING
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor

active = threading.local()
_lock = threading.Lock()
_installed = 0
_plain_getattr: Any = None
_own = frozenset(vars(Module))
_facts: dict[str, property] = {name: getattr(Tensor, name) for name in ("aval", "requires_grad", "is_leaf")}
#: what stands in these classes only while a trace runs
_REPLACED: dict[Any, tuple[str, ...]] = {Module: ("__getattribute__", "__getattr__"), Tensor: ("__getattr__", *_facts)}


def replaces(cls: Any, name: str) -> bool:
    """Whether watching is what put this into the class."""
    return isinstance(cls, type) and name in _REPLACED.get(cls, ())


def install() -> None:
    """Begin to watch; several traces may, in several threads."""
    global _installed, _plain_getattr
    with _lock:
        _installed += 1
        if _installed == 1:
            _plain_getattr = Module.__getattr__
            Module.__getattribute__ = _getattribute  # type: ignore[assignment]
            Module.__getattr__ = _getattr  # type: ignore[method-assign, assignment]
            Tensor.__getattr__ = _of_tensor  # type: ignore[method-assign, assignment]
            for name, fact in _facts.items():
                setattr(Tensor, name, _watched(fact))


def uninstall() -> None:
    """End it, when every trace has ended."""
    global _installed
    with _lock:
        _installed -= 1
        if _installed == 0:
            del Module.__getattribute__, Module.__getattr__  # what they inherit comes back
            if "__getattr__" in _own:
                Module.__getattr__ = _plain_getattr  # type: ignore[method-assign]
            del Tensor.__getattr__
            for name in _facts:
                delattr(Tensor, name)  # what it inherits comes back


def _watched(fact: property) -> property:
    def read(self: Tensor) -> Any:
        if self._traced is None:
            recorder = getattr(active, "recorder", None)
            if recorder is not None:
                recorder.tensors[id(self)] = self
        return fact.__get__(self)

    return property(read, fact.fset, doc=fact.__doc__)


def _of_tensor(self: Tensor, name: str) -> Any:
    """An attribute that a tensor does not have itself: a stand-in asks the argument for it."""
    recorder = getattr(active, "recorder", None)
    found = NOTHING
    if recorder is not None and not name.startswith("__"):
        found = recorder.attribute_of_tensor(self, name)
    if found is NOTHING:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
    return found


def _getattribute(self: Module, name: str) -> Any:
    value = object.__getattribute__(self, name)
    recorder = getattr(active, "recorder", None)
    if recorder is not None and not name.startswith("__"):
        if name in object.__getattribute__(self, "__dict__"):
            recorder.attribute(self, name, value)
        else:
            recorder.class_attribute(self, name)
    return value


def _getattr(self: Module, name: str) -> Any:
    value = _plain_getattr(self, name)
    recorder = getattr(active, "recorder", None)
    if recorder is not None:
        recorder.attribute(self, name, value)
    return value
