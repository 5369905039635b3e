"""Watches reads of attributes of modules and of facts about tensors, while a trace runs and only then.

Nine tenths of the calls that a trace makes are within ops, where no code of the user runs. Python takes half a
microsecond to tell of each, so for as long as an op runs it is told not to.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from graphtorch.frontend.assignments import NOTHING
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import op as ops
from graphtorch.ir.dim import Dim
from graphtorch.ir.op import Op
from graphtorch.ir.types import DType


class _Active(threading.local):
    #: the recorder of the trace that runs in this thread
    recorder: Any = None


active = _Active()
_lock = threading.Lock()
_installed = 0
_plain_getattr: Any = None
_own = frozenset(vars(Module))
_facts: dict[str, property] = {name: getattr(Tensor, name) for name in ("aval", "requires_grad", "is_leaf")}
#: what stands in these classes only while a trace runs
_REPLACED: dict[Any, tuple[str, ...]] = {
    Module: ("__getattribute__", "__getattr__"),
    Tensor: ("__getattr__", *_facts),
    Op: ("__call__",),
}
#: arguments of an op that run no code of the user when they are looked at; tuples and lists of such as well
_PLAIN = frozenset((Tensor, Parameter, DType, Dim, bool, int, float, str, type(None), type(...)))


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
            Op.__call__, ops.around = _call, _around  # type: ignore[method-assign]
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
            Op.__call__, ops.around = _plain_call, None  # type: ignore[method-assign]
            for name in _facts:
                delattr(Tensor, name)  # what it inherits comes back


def unheard(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, of whose calls the recorder of this thread is not told."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return _unheard(function, args, kwargs)

    return call


@contextmanager
def paused() -> Iterator[None]:
    """In the block the recorder of this thread is told of nothing: what is done there is no part of the trace."""
    recorder, profile = active.recorder, sys.getprofile()
    active.recorder = None
    if recorder is not None:
        sys.setprofile(None)
    try:
        yield
    finally:
        active.recorder = recorder
        if recorder is not None:
            sys.setprofile(profile)


def _unheard(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    recorder = active.recorder
    if recorder is None or recorder.deaf:  # there is no trace, or a call around this one is not told of
        return function(*args, **kwargs)
    recorder.deaf = True
    sys.setprofile(None)
    try:
        return function(*args, **kwargs)
    finally:
        recorder.deaf = False
        sys.setprofile(recorder.listener)


_plain_call = Op.__call__


def _call(self: Op, *args: Any, **kwargs: Any) -> Any:
    """A call of an op."""
    if _is_our_business(type(self), args, kwargs):
        return _unheard(_plain_call, (self, *args), kwargs)
    return _plain_call(self, *args, **kwargs)


def _around(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a function that is written with ops."""
    if _is_our_business(function, args, kwargs):
        return _unheard(function, args, kwargs)
    return function(*args, **kwargs)


def _is_our_business(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether nothing of the user's runs in the call of a function, or of an object of a class."""
    return called.__module__[:11] == "graphtorch." and _are_plain(args) and (not kwargs or _are_plain(kwargs.values()))


def _are_plain(values: Iterable[Any]) -> bool:
    for value in values:
        kind = type(value)
        if kind not in _PLAIN and not ((kind is tuple or kind is list) and _are_plain(value)):
            return False
    return True


def _watched(fact: property) -> property:
    def read(self: Tensor) -> Any:
        if self._traced is None and active.recorder is not None:
            active.recorder.tensors[id(self)] = self
        return fact.__get__(self)

    return property(read, fact.fset, doc=fact.__doc__)


def _of_tensor(self: Tensor, name: str) -> Any:
    """An attribute that a tensor does not have itself: a stand-in asks the argument for it."""
    recorder = active.recorder
    found = NOTHING
    if recorder is not None and not name.startswith("__"):
        found = recorder.attribute_of_tensor(self, name)
    if found is NOTHING:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
    return found


def _getattribute(self: Module, name: str) -> Any:
    value = object.__getattribute__(self, name)
    recorder = active.recorder
    if recorder is not None and name[:2] != "__":  # no call, which would be told of
        if name in object.__getattribute__(self, "__dict__"):
            recorder.attribute(self, name, value)
        else:
            recorder.class_attribute(self, name)
    return value


def _getattr(self: Module, name: str) -> Any:
    value = _plain_getattr(self, name)
    recorder = active.recorder
    if recorder is not None:
        recorder.attribute(self, name, value)
    return value
