"""Guards: what Python state a trace has looked at, so that a program never answers for another state.

While a trace runs, reads of module attributes are recorded as they happen, and every Python function of
the user that is entered has its globals and closure variables recorded. A guard holds as long as the
same place gives an equal number or string, or the very same object.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType
from typing import Any

from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.loc import _PACKAGE
from graphtorch.ir.types import DType

_PLAIN = (bool, int, float, str, bytes, type(None), DType)
_TABLES = ("_parameters", "_buffers", "_modules")
_active = threading.local()


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def _snapshot(value: Any) -> Any:
    """What of a value must stay: numbers and strings by value, containers by content, objects by identity."""
    if isinstance(value, _PLAIN):
        return type(value), value if value == value else "nan"
    if isinstance(value, tuple | list) and len(value) <= 256:
        return (type(value), *map(_snapshot, value))
    if isinstance(value, dict) and len(value) <= 256:
        return (dict, *((k, _snapshot(v)) for k, v in value.items()))
    return id(value)


class Guard:
    """``read()`` gave something with this snapshot; ``name`` says what, for messages."""

    __slots__ = ("keep", "name", "read", "seen")

    def __init__(self, name: str, read: Callable[[], Any], value: Any) -> None:
        self.name, self.read, self.seen, self.keep = name, read, _snapshot(value), value

    def holds(self) -> bool:
        return bool(_snapshot(self.read()) == self.seen)


class Recorder:
    """Collects guards while it is active. ``module_guards`` can only break when the epoch moves."""

    def __init__(self, target: Any) -> None:
        self.module_guards: dict[tuple[int, str], Guard] = {}
        self.other_guards: dict[tuple[int, str], Guard] = {}
        self.roots: list[Module] = []
        self.functions: dict[CodeType, FunctionType] = {}
        self.names: set[str] = set()
        self._objects: list[tuple[int, str, Guard]] = []
        self._codes: set[CodeType] = set()
        self._seen: dict[int, Any] = {}
        if isinstance(target, FunctionType):
            self.functions[target.__code__] = target

    def __enter__(self) -> Recorder:
        self._before = getattr(_active, "recorder", None)
        _active.recorder = self
        _install()
        self._profile = sys.getprofile()
        sys.setprofile(self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._profile if callable(self._profile) else None)
        _active.recorder = self._before
        _uninstall()
        for owner, name, guard in self._objects:  # only now is it known which names the code mentions
            if name in self.names:
                self.other_guards.setdefault((owner, name), guard)

    # ---- modules ----

    def attribute(self, module: Module, name: str, value: Any) -> None:
        """A read of a module's attribute."""
        key = (id(module), name)
        if name in _TABLES:
            self.module_guards.setdefault(key, Guard(f"{name[1:]} of a module", lambda: vars(module)[name], value))
            return
        mutable = not isinstance(value, (*_PLAIN, Tensor, Module))
        table = self.other_guards if mutable else self.module_guards
        if key not in table:
            label = f"{type(module).__name__}.{name}"
            table[key] = Guard(label, lambda: _lookup(module, name), value)
            self._object(label, value)

    # ---- functions ----

    def _on_event(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or code in self._codes or code.co_filename.startswith(_PACKAGE):
            return
        self._codes.add(code)
        if "site-packages" in code.co_filename or code.co_filename.startswith("<frozen"):
            return
        self.names.update(code.co_names)
        for name in code.co_names:
            if name in frame.f_globals:
                self._global(frame.f_globals, name)
        if code.co_freevars:
            self._closure(code)
        for name, value in list(frame.f_locals.items()):  # at this event: the arguments, self and defaults among them
            self._object(name, value)

    def _global(self, table: dict[str, Any], name: str) -> None:
        value = table[name]
        if isinstance(value, FunctionType | type) or type(value).__name__ == "module":
            return
        self.other_guards.setdefault(
            (id(table), name), Guard(f"the global {name}", lambda: table.get(name, MISSING), value)
        )
        self._object(name, value)

    def _closure(self, code: CodeType) -> None:
        function = self.functions.get(code) or next(
            (f for f in gc.get_referrers(code) if isinstance(f, FunctionType) and f.__code__ is code), None
        )
        if function is None or function.__closure__ is None:
            return
        for name, cell in zip(code.co_freevars, function.__closure__, strict=True):
            value = _cell(cell)
            guard = Guard(f"the closure variable {name}", lambda cell=cell: _cell(cell), value)  # type: ignore[misc]
            self.other_guards.setdefault((id(cell), name), guard)
            self._object(name, value)

    def _object(self, label: str, value: Any, depth: int = 0) -> None:
        """A plain object (a config), as deep as it goes: the attributes whose names the traced code mentions."""
        if isinstance(value, list | dict) and depth == 0:
            self.other_guards.setdefault((id(value), ""), Guard(label, lambda: value, value))
            return
        table = getattr(value, "__dict__", None)
        if type(table) is not dict or isinstance(value, Module | Tensor | type | FunctionType) or depth > 4:
            return
        if type(value).__module__.startswith("graphtorch") or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        for name, item in table.items():
            guard = Guard(f"{label}.{name}", lambda name=name: table.get(name, MISSING), item)  # type: ignore[misc]
            self._objects.append((id(value), name, guard))
            self._object(f"{label}.{name}", item, depth + 1)


def _cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def _lookup(module: Module, name: str) -> Any:
    table = vars(module)
    if name in table:
        return table[name]
    for group in _TABLES:
        if name in table[group]:
            return table[group][name]
    return MISSING


# ---- watching module attributes --------------------------------------------------------------------

_lock = threading.Lock()
_installed = 0
_plain_getattr: Any = None
_own = frozenset(vars(Module))


def _install() -> None:
    global _installed, _plain_getattr
    with _lock:
        _installed += 1
        if _installed == 1:
            _plain_getattr = Module.__getattr__
            Module.__getattribute__ = _watched_getattribute  # type: ignore[assignment]
            Module.__getattr__ = _watched_getattr  # type: ignore[method-assign, assignment]


def _uninstall() -> None:
    global _installed
    with _lock:
        _installed -= 1
        if _installed == 0:
            del Module.__getattribute__, Module.__getattr__  # what they inherit comes back
            if "__getattr__" in _own:
                Module.__getattr__ = _plain_getattr  # type: ignore[method-assign]


def _watched_getattribute(self: Module, name: str) -> Any:
    value = object.__getattribute__(self, name)
    recorder = getattr(_active, "recorder", None)
    if recorder is not None and name in object.__getattribute__(self, "__dict__"):
        recorder.attribute(self, name, value)
    return value


def _watched_getattr(self: Module, name: str) -> Any:
    value = _plain_getattr(self, name)
    recorder = getattr(_active, "recorder", None)
    if recorder is not None:
        recorder.attribute(self, name, value)
    return value
