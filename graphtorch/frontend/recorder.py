"""The recorder: notes what Python state a trace looks at, and makes guards of it.

Reads of module attributes are recorded as they happen, and for every Python function of the user that is
entered, what it can see: itself, its globals, its closure and its arguments, as deep as the names that its code
mentions lead.
"""

from __future__ import annotations

import functools
import gc
import random
import sys
from collections.abc import Callable, Collection, Iterator
from operator import attrgetter
from types import BuiltinMethodType, CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from graphtorch.frontend import watch
from graphtorch.frontend.assignments import NOTHING, Assignments, lookup
from graphtorch.frontend.code import Functions, Names, caller, cell_value, names_of, of_user
from graphtorch.frontend.contents import PLAIN, entries_reader, restorer
from graphtorch.frontend.guards import Absent, Guard, contents
from graphtorch.frontend.namespaces import namespaces, own_attributes, raw, slots
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.loc import Loc, here, of_frame, user_frame

_TABLES = ("_parameters", "_buffers", "_modules")
#: what of a function can be replaced
_CODE = attrgetter("__code__", "__defaults__", "__kwdefaults__")
#: how far around what a function is given objects count as having been there before the trace
_DEPTH = 4


class Recorder:
    """Collects guards while it is active. ``module_guards`` can only break when the epoch moves."""

    def __init__(self, target: Any, arguments: Any, assignments: Assignments) -> None:
        self.module_guards: dict[tuple[int, str], Guard] = {}
        self.other_guards: dict[tuple[Any, ...], Guard] = {}
        self.modules: dict[int, Module] = {}
        #: names that modules took from their classes, and tensors from outside of which something was asked
        self.inherited: dict[int, tuple[Module, set[str]]] = {}
        self.tensors: dict[int, Tensor] = {}
        #: tensors read from attributes that programs assign, by id: where to find their successors
        self.reassigned: dict[int, tuple[Tensor, Module, str]] = {}
        self.by_attributes: set[tuple[int, str]] = set()
        #: the first use of Python's random numbers, and the globals that are assigned: what they were, and where
        self.impure: tuple[str, Loc] | None = None
        self.stores: dict[tuple[int, str], tuple[Guard, Loc]] = {}
        self._assignments = assignments
        self._functions = Functions(target)
        self._restorers: list[Callable[[], object]] = []
        self._seen: dict[tuple[CodeType, tuple[int, ...]], list[Any]] = {}
        self._looked: dict[tuple[Any, ...], Any] = {}
        #: objects that were there before the trace, by id: what the function makes itself is its own business
        self._outside: dict[int, Any] = {}
        for root in (target, getattr(target, "__self__", None), arguments):
            self._mark(root)

    def __enter__(self) -> Recorder:
        self._before = getattr(watch.active, "recorder", None)
        watch.active.recorder = self
        watch.install()
        self._numpy_state = _numpy_state()
        self._collects = gc.isenabled()
        gc.disable()  # a collection calls what others have registered, from the middle of the user's function
        self._profile = sys.getprofile()
        sys.setprofile(self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._profile if callable(self._profile) else None)
        if self._collects:
            gc.enable()
        watch.active.recorder = self._before
        watch.uninstall()
        self._seen.clear()
        self._looked.clear()
        self._outside.clear()
        if self.impure is None and _numpy_state() != self._numpy_state:
            self.impure = "numpy.random", here()

    def restore(self) -> None:
        """Give containers, objects and globals back what they had when the trace saw them."""
        for give_back in self._restorers:
            give_back()
        for guard in (*self.other_guards.values(), *(g for g, _ in self.stores.values())):
            guard.restore()

    # ---- modules ----

    def attribute(self, module: Module, name: str, value: Any) -> None:
        """A read of a module's own attribute."""
        key = (id(module), name)
        self.modules.setdefault(id(module), module)
        if key in self._assignments:
            return  # the function's own doing
        if name in _TABLES:
            if key not in self.module_guards:
                self.module_guards[key] = Guard(f"{name[1:]} of a module", lambda: vars(module)[name], value)
            return
        if name in vars(module).get("_reassigned", ()) and isinstance(value, Tensor):
            self.by_attribute(module, name, value)
            return
        label = f"{type(module).__name__}.{name}"
        if key not in self.module_guards:
            self.module_guards[key] = Guard(label, lambda: lookup(module, name), value, shallow=True)
        if not isinstance(value, (*PLAIN, Tensor, Module)):
            frame = user_frame()
            self._mark(value)
            self._reach(label, value, names_of(frame.f_code) if frame else None)

    def by_attribute(self, module: Module, name: str, value: Tensor) -> None:
        """The program fetches this attribute at every call: only its type has to stay."""
        label = f"the type of {type(module).__name__}.{name}"
        guard = Guard(label, lambda: _type_of(lookup(module, name)), _type_of(value))
        self.module_guards[id(module), name] = guard
        self.by_attributes.add((id(module), name))
        self.reassigned[id(value)] = value, module, name

    def class_attribute(self, module: Module, name: str) -> None:
        """A read of something that stands in the module's class."""
        self.modules.setdefault(id(module), module)
        names = self.inherited.setdefault(id(module), (module, set()))[1]
        if name not in names:
            names.add(name)
            self._inherited(type(module), name)

    def _inherited(self, cls: type, name: str) -> None:
        """Where a class has an attribute from: a guard on every class up to there."""
        for c in cls.__mro__:
            self._guard((id(c), name), f"{c.__name__}.{name}", None, vars(c).get(name, NOTHING), (vars(c), name))
            if name in vars(c):
                self._mark(vars(c)[name])
                self._reach(f"{c.__name__}.{name}", vars(c)[name], None)
                return

    # ---- functions ----

    def _on_event(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            if isinstance(arg, BuiltinMethodType) and isinstance(arg.__self__, random.Random):
                self.impure = self.impure or (f"random.{arg.__name__}", of_frame(caller(frame)))
        elif event == "call":
            if of_user(frame):
                self._entered(frame)
        elif event == "return" and id(arg) in self._outside and frame.f_back is not None and of_user(frame.f_back):
            self._reach(f"what {frame.f_code.co_name} returns", arg, names_of(frame.f_back.f_code))

    def _entered(self, frame: FrameType) -> None:
        code, seen = frame.f_code, frame.f_locals  # at this event: the arguments and the closure
        key = code, tuple(map(id, seen.values()))
        if key in self._seen:
            return
        self._seen[key] = list(seen.values())  # kept, so that no id comes to mean another object
        names = names_of(code)
        self._globals(frame.f_globals, names)
        self._function(frame, names)
        for name, value in seen.items():
            if isinstance(value, type) or id(value) in self._outside:
                self._reach(name, value, names)
        first = seen.get(code.co_varnames[0]) if code.co_argcount else None
        found = raw(type(first), code.co_name) if id(first) in self._outside else None
        if found is not None:  # a method, which Python may have found by itself: __call__, __getitem__
            self._inherited(type(first), code.co_name)

    def _globals(self, table: dict[str, Any], names: Names) -> None:
        for name in names.globals:
            if name in table:
                self._place((id(table), name), f"the global {name}", None, table[name], names, (table, name))
        hidden = names.builtins - table.keys()
        if hidden:
            self._guard_absent("builtins", table, hidden)
        for name, loc in names.stored:
            guard = Guard(f"the global {name}", None, table.get(name, NOTHING), (table, name))
            self.stores.setdefault((id(table), name), (guard, loc))
        for name in names.imported & sys.modules.keys():
            self._reach(name, sys.modules[name], names)

    def _function(self, frame: FrameType, names: Names) -> None:
        """The function that is entered: its code, defaults and closure."""
        own = _cells_made_since_the_start(frame.f_back)
        for f in self._functions.of(frame):
            read = functools.partial(_CODE, f)
            self._place((id(f), "()"), f"the function {f.__name__}", read, read(), names)
            for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
                value = cell_value(cell, NOTHING)
                if own.get(name, NOTHING) is value:
                    continue
                at = f"the closure variable {name}"
                self._place((id(cell), name), at, functools.partial(cell_value, cell, NOTHING), value, names)

    # ---- places and objects ----

    def _place(
        self,
        key: tuple[int, str],
        name: str,
        read: Callable[[], Any] | None,
        value: Any,
        names: Names | None,
        entry: tuple[Any, Any] | None = None,
    ) -> None:
        """A place that the code reads, and what it can reach from there."""
        self._guard(key, name, read, value, entry)
        self._mark(value)
        self._reach(name.removeprefix("the global ").removeprefix("the closure variable "), value, names)

    def _guard(
        self, key: tuple[Any, ...], name: str, read: Callable[[], Any] | None, value: Any, entry: Any = None
    ) -> None:
        if key not in self.other_guards:
            self.other_guards[key] = Guard(name, read, value, entry, shallow=True)

    def _guard_absent(self, label: str, table: Any, names: Collection[str]) -> None:
        key = id(table), frozenset(names)
        if key not in self.other_guards:
            self.other_guards[key] = Absent(f"attributes of {label}", table, key[1])

    def _mark(self, value: Any, depth: int = 0) -> None:
        """``value`` was there before the trace, and so was what it holds."""
        if isinstance(value, (*PLAIN, Module, Tensor)) or depth > _DEPTH or id(value) in self._outside:
            return
        self._outside[id(value)] = value
        read = entries_reader(value)
        held = list(read(value)) if read else []
        if not isinstance(value, ModuleType):
            held += [*(own_attributes(value) or {}).values(), *(get() for _, get in slots(value))]
        for item in held:
            self._mark(item, depth + 1)

    def _reach(self, label: str, value: Any, names: Names | None) -> None:
        """What is reached from a value, as deep as it goes: entries, and attributes whose names the code mentions."""
        stack = [(label, value, 0)]
        while stack:
            at, found, depth = stack.pop()
            if isinstance(found, Module):
                self.modules.setdefault(id(found), found)
            if isinstance(found, (*PLAIN, Module, Tensor)) or (id(found), id(names)) in self._looked:
                continue
            self._looked[id(found), id(names)] = found
            self._outside.setdefault(id(found), found)
            self._contents(at, found)
            read = entries_reader(found)
            held = read(found) if read else ()
            stack += [(f"{at}[{_key(found, i)}]", item, depth + 1) for i, item in enumerate(held)]
            if names is not None:
                stack += [(f"{at}.{n}", item, depth + 1) for n, item in self._attributes(at, found, names, depth)]

    def _contents(self, label: str, value: Any) -> None:
        key = id(value), "[]"
        if key in self.other_guards:
            return
        guard = contents(label, value)
        if guard is not None:
            self.other_guards[key] = guard
            give_back = restorer(value)
            if give_back is not None:
                self._restorers.append(give_back)

    def _attributes(self, label: str, value: Any, names: Names, depth: int) -> Iterator[tuple[str, Any]]:
        """Guards on the attributes that code may mean; yields those to look into."""
        for space in namespaces(value):
            present = names.mentioned & space.table.keys()
            if space.complete:
                self._guard_absent(label, space.table, names.mentioned - present)
            if names.dynamic and depth == 0 and space.table is own_attributes(value):
                self._contents(f"vars({label})", space.table)
                present = present if isinstance(value, ModuleType) else frozenset(space.table or ())
            for name in present:
                found = space.table[name]
                self._guard((id(space.owner), name), f"{label}.{name}", None, found, (space.table, name))
                if not space.shallow or isinstance(found, ModuleType) or entries_reader(found):
                    yield name, found
        for name, get in slots(value):
            if name in names.mentioned or names.dynamic:
                self._guard((id(value), name), f"{label}.{name}", get, get())
                yield name, get()


def _type_of(value: Any) -> Any:
    """What a program needs of a tensor that it fetches by attribute."""
    return (value.aval, value._requires_grad, value.is_leaf) if isinstance(value, Tensor) else value


def _key(value: Any, at: int) -> str:
    """The index or the key under which a container holds its entry number ``at``."""
    if isinstance(value, dict):
        return repr(list(value)[at % len(value)]) if len(value) <= 64 else "..."
    return str(at)


def _numpy_state() -> tuple[bytes, int]:
    """The state of numpy's global generator."""
    state: Any = np.random.get_state()
    return state[1].tobytes(), state[2]


def _cells_made_since_the_start(frame: FrameType | None) -> dict[str, Any]:
    """Closure variables that belong to functions now running inside of the trace."""
    found: dict[str, Any] = {}
    while frame is not None and frame.f_code.co_name != "run_trace":
        for name in frame.f_code.co_cellvars:
            found.setdefault(name, frame.f_locals.get(name, NOTHING))
        frame = frame.f_back
    return found
