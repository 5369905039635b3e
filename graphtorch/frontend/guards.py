"""Guards: what Python state a trace has looked at, so that a program never answers for another state.

While a trace runs, reads of module attributes are recorded as they happen, and for every Python function of
the user that is entered, what it can see: its globals, its closure and its arguments, as deep as the
names that its code mentions lead. A guard holds as long as the same place gives an equal number, string
or array, or the very same object.
"""

from __future__ import annotations

import functools
import gc
import random
import sys
import threading
from collections.abc import Callable
from types import BuiltinMethodType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np

from graphtorch.frontend.assignments import NOTHING, Assignments, lookup
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.loc import _PACKAGE, Loc, here, of_frame, user_frame
from graphtorch.ir.types import DType, TensorType

#: compared by value; all of them immutable
_PLAIN = (bool, int, float, str, bytes, type(None), DType, TensorType)
#: compared by content, since it can change in place
_MUTABLE = (list, dict, np.ndarray, np.random.Generator)
_TABLES = ("_parameters", "_buffers", "_modules")
#: containers of more entries, and objects nested deeper, are compared by identity
_ENTRIES, _DEPTH = 256, 4
_active = threading.local()


def _snapshot(value: Any, depth: int = 0) -> Any:
    """What of a value must stay: numbers and strings by value, containers by content, objects by identity."""
    match value:
        case tuple() | list() if len(value) <= _ENTRIES and depth <= _DEPTH:
            return (type(value), *(_snapshot(v, depth + 1) for v in value))
        case dict() if len(value) <= _ENTRIES and depth <= _DEPTH:
            return (dict, *((k, _snapshot(v, depth + 1)) for k, v in value.items()))
        case np.ndarray() if not value.dtype.hasobject:
            return value.dtype.str, value.shape, value.tobytes()
        case np.random.Generator():
            return repr(value.bit_generator.state)
    if isinstance(value, _PLAIN):
        return type(value), value if value == value else "nan"
    return id(value)


class Guard:
    """``read()`` gave something with this snapshot; ``name`` says what, for messages."""

    __slots__ = ("_constant", "keep", "name", "read", "seen")

    def __init__(self, name: str, read: Callable[[], Any], value: Any) -> None:
        self.name, self.read, self.seen, self.keep = name, read, _snapshot(value), value
        #: the same object again needs no second look
        self._constant = not isinstance(value, (tuple, *_MUTABLE))

    def holds(self) -> bool:
        now = self.read()
        return (self._constant and now is self.keep) or self.accepts(now)

    def accepts(self, value: Any) -> bool:
        """Whether ``value`` in this place would be as good as what the trace saw."""
        return bool(_snapshot(value) == self.seen)


def _type_of(value: Any) -> Any:
    """What a program needs of a tensor that it fetches by attribute."""
    return (value.aval, value._requires_grad, value.is_leaf) if isinstance(value, Tensor) else value


class Recorder:
    """Collects guards while it is active. ``module_guards`` can only break when the epoch moves."""

    def __init__(self, target: Any, arguments: Any, assignments: Assignments) -> None:
        self.module_guards: dict[tuple[int, str], Guard] = {}
        self.other_guards: dict[tuple[int, str], Guard] = {}
        self.modules: dict[int, Module] = {}
        #: tensors read from attributes that programs assign, by id: where to find their successors
        self.reassigned: dict[int, tuple[Tensor, Module, str]] = {}
        self.by_attributes: set[tuple[int, str]] = set()
        #: the first use of Python's random numbers
        self.impure: tuple[str, Loc] | None = None
        self._assignments = assignments
        self._functions = {target.__code__: [target]} if isinstance(target, FunctionType) else {}
        self._copies: list[tuple[Any, Any]] = []
        self._seen: dict[tuple[CodeType, tuple[int, ...]], list[Any]] = {}
        #: objects that were there before the trace, by id: what the function makes itself is its own business
        self._outside: dict[int, Any] = {}
        for root in (target, getattr(target, "__self__", None), arguments, *_partial(target)):
            self._mark(root)

    def __enter__(self) -> Recorder:
        self._before = getattr(_active, "recorder", None)
        _active.recorder = self
        _install()
        self._numpy_state = _numpy_state()
        self._profile = sys.getprofile()
        sys.setprofile(self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._profile if callable(self._profile) else None)
        _active.recorder = self._before
        _uninstall()
        self._seen.clear()
        self._outside.clear()
        if self.impure is None and _numpy_state() != self._numpy_state:
            self.impure = "numpy.random", here()

    def restore(self) -> None:
        """Give lists and dicts that the trace saw the entries back that they had then."""
        for value, copy in self._copies:
            if isinstance(value, list):
                value[:] = copy
            else:
                value.clear()
                value.update(copy)

    # ---- modules ----

    def attribute(self, module: Module, name: str, value: Any) -> None:
        """A read of a module's own attribute."""
        key = (id(module), name)
        if key in self._assignments:
            return  # the function's own doing
        if name in _TABLES:
            self.module_guards.setdefault(key, Guard(f"{name[1:]} of a module", lambda: vars(module)[name], value))
            return
        label = f"{type(module).__name__}.{name}"
        if name in vars(module).get("_reassigned", ()) and isinstance(value, Tensor):
            self.by_attribute(module, name, value)
        elif isinstance(value, (*_PLAIN, Tensor, Module)):
            self.module_guards.setdefault(key, Guard(label, lambda: lookup(module, name), value))
        else:
            frame = user_frame()
            mentioned = frame.f_code.co_names if frame else ()
            self._place(key, label, lambda: lookup(module, name), value, mentioned)

    def by_attribute(self, module: Module, name: str, value: Tensor) -> None:
        """The program fetches this attribute at every call: only its type has to stay."""
        label = f"the type of {type(module).__name__}.{name}"
        guard = Guard(label, lambda: _type_of(lookup(module, name)), _type_of(value))
        self.module_guards[id(module), name] = guard
        self.by_attributes.add((id(module), name))
        self.reassigned[id(value)] = value, module, name

    def class_attribute(self, module: Module, name: str) -> None:
        """A read of something that may stand in the module's class."""
        for cls in type(module).__mro__:
            if name in vars(cls):
                value = vars(cls)[name]
                if not cls.__module__.startswith("graphtorch") and not _is_code(value):
                    label = f"{cls.__name__}.{name}"
                    self._place((id(module), name), label, lambda: _static(module, name), value)
                return

    # ---- functions ----

    def _on_event(self, frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call":
            if isinstance(function, BuiltinMethodType) and isinstance(function.__self__, random.Random):
                self.impure = self.impure or (f"random.{function.__name__}", _caller(frame))
            return
        code = frame.f_code
        if event != "call" or _is_library_file(code.co_filename) or _is_library_name(frame.f_globals.get("__name__")):
            return
        seen = frame.f_locals  # at this event: the arguments and the closure
        key = code, tuple(map(id, seen.values()))
        if key in self._seen:
            return
        self._seen[key] = list(seen.values())  # kept, so that no id comes to mean another object
        for name in code.co_names:
            if name in frame.f_globals:
                table = frame.f_globals
                read = lambda table=table, name=name: table.get(name, NOTHING)
                self._place((id(table), name), f"the global {name}", read, table[name], code.co_names)
        if code.co_freevars:
            self._closure(code, seen, frame.f_back)
        for name, value in seen.items():
            if id(value) in self._outside:
                self._inside(name, value, code.co_names)

    def _closure(self, code: CodeType, seen: dict[str, Any], caller: FrameType | None) -> None:
        own = _cells_made_since_the_start(caller)
        for name, cell in self._cells(code, seen):
            if own.get(name, NOTHING) is _cell(cell):
                continue
            read = lambda cell=cell: _cell(cell)
            self._place((id(cell), name), f"the closure variable {name}", read, _cell(cell), code.co_names)

    def _cells(self, code: CodeType, seen: dict[str, Any]) -> list[tuple[str, Any]]:
        """The closure of the function that is entered: of every one made from ``code`` that sees what it sees."""
        for fresh in (False, True):
            if fresh or code not in self._functions:  # slow: this looks at all objects there are
                found = [f for f in gc.get_referrers(code) if isinstance(f, FunctionType) and f.__code__ is code]
                self._functions[code] = found
            cells = [list(zip(code.co_freevars, f.__closure__ or (), strict=True)) for f in self._functions[code]]
            seeing = [pairs for pairs in cells if all(_cell(c) is seen.get(name, NOTHING) for name, c in pairs)]
            if seeing:
                return [pair for pairs in seeing for pair in pairs]
        return []

    # ---- places and objects ----

    def _place(
        self, key: tuple[int, str], name: str, read: Callable[[], Any], value: Any, mentioned: tuple[str, ...] = ()
    ) -> None:
        """A place that the code reads, and what it can reach from there."""
        self._guard(key, name, read, value)
        self._mark(value)
        self._inside(name, value, mentioned)

    def _mark(self, value: Any, depth: int = 0) -> None:
        """``value`` was there before the trace, and so was what it holds."""
        if isinstance(value, (*_PLAIN, Module, Tensor, FunctionType)) or depth > _DEPTH or id(value) in self._outside:
            return
        self._outside[id(value)] = value
        held = list(value.values()) if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
        own = [item for owner, table in _namespaces(value) if owner is value for item in table.values()]
        for item in (*held, *(() if isinstance(value, ModuleType) else own)):
            self._mark(item, depth + 1)

    def _guard(self, key: tuple[int, str], name: str, read: Callable[[], Any], value: Any) -> None:
        if key not in self.other_guards:
            self.other_guards[key] = Guard(name, read, value)
            if isinstance(value, list | dict) and len(value) <= _ENTRIES:
                self._copies.append((value, value.copy()))

    def _inside(self, label: str, value: Any, mentioned: tuple[str, ...], depth: int = 0) -> None:
        """What is reached from a value, as deep as it goes: entries, and attributes whose names the code mentions."""
        if isinstance(value, Module):
            self.modules.setdefault(id(value), value)
        if isinstance(value, (*_PLAIN, Module, Tensor, FunctionType)) or depth > _DEPTH:
            return
        if isinstance(value, _MUTABLE):
            self._guard((id(value), ""), label, lambda: value, value)
        if isinstance(value, tuple | list | dict) and len(value) <= _ENTRIES:
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                self._inside(f"{label}[{key!r}]", item, mentioned, depth + 1)
        for owner, table in _namespaces(value):
            for name in mentioned:
                if name in table and not _is_code(table[name]):
                    at = f"{label.removeprefix('the global ').removeprefix('the closure variable ')}.{name}"
                    read = lambda table=table, name=name: table.get(name, NOTHING)
                    self._guard((id(owner), name), at, read, table[name])
                    self._inside(at, table[name], mentioned, depth + 1)


def _namespaces(value: Any) -> list[tuple[Any, Any]]:
    """(owner, attributes) of a user's object, its classes, or a user's module; nothing of what a library holds."""
    if isinstance(value, ModuleType):
        file = getattr(value, "__file__", None) or ""
        return [] if not file or _is_library_file(file) else [(value, vars(value))]
    own = getattr(value, "__dict__", None)
    cls = value if isinstance(value, type) else type(value)
    classes = [(c, vars(c)) for c in cls.__mro__ if not _is_library(c)]
    return [(value, own), *classes] if type(own) is dict and cls.__module__ != "numpy" else classes


def _is_library_file(file: str) -> bool:
    return file.startswith((_PACKAGE, _LIBRARY, "<frozen")) or "site-packages" in file


def _is_library(cls: type) -> bool:
    return _is_library_name(cls.__module__)


def _is_library_name(module: str | None) -> bool:
    root = (module or "").partition(".")[0]
    return root in ("graphtorch", "numpy") or root in sys.stdlib_module_names


def _numpy_state() -> tuple[bytes, int]:
    """The state of numpy's global generator."""
    state: Any = np.random.get_state()
    return state[1].tobytes(), state[2]


def _partial(target: Any) -> list[Any]:
    """The function, arguments and keywords of a functools.partial."""
    return [target.func, target.args, target.keywords] if isinstance(target, functools.partial) else []


def _cells_made_since_the_start(frame: FrameType | None) -> dict[str, Any]:
    """Closure variables that belong to functions now running inside of the trace."""
    found: dict[str, Any] = {}
    while frame is not None and frame.f_code.co_name != "run_trace":
        for name in frame.f_code.co_cellvars:
            found.setdefault(name, frame.f_locals.get(name, NOTHING))
        frame = frame.f_back
    return found


def _caller(frame: FrameType | None) -> Loc:
    """The line of the user that led into the standard library."""
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARY):
        frame = frame.f_back
    return of_frame(frame)


_LIBRARY = random.__file__.removesuffix("random.py")


def _is_code(value: Any) -> bool:
    """Functions, properties and the like: what they do is seen when they run."""
    return hasattr(type(value), "__get__")


def _static(module: Module, name: str) -> Any:
    """An attribute of a module or of its classes, no property evaluated."""
    found = lookup(module, name)
    if found is not NOTHING:
        return found
    return next((vars(c)[name] for c in type(module).__mro__ if name in vars(c)), NOTHING)


def _cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return NOTHING


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
    if recorder is not None and not name.startswith("__"):
        if name in object.__getattribute__(self, "__dict__"):
            recorder.attribute(self, name, value)
        else:
            recorder.class_attribute(self, name)
    return value


def _watched_getattr(self: Module, name: str) -> Any:
    value = _plain_getattr(self, name)
    recorder = getattr(_active, "recorder", None)
    if recorder is not None:
        recorder.attribute(self, name, value)
    return value
