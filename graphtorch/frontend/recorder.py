"""The recorder: notes what Python state a trace looks at, and makes guards of it.

Reads of module attributes are recorded as they happen, and for every Python function of the user that is
entered, what it can see: itself, its globals, its closure and its arguments, as deep as the names that its code
mentions lead.
"""

from __future__ import annotations

import gc
import sys
from operator import attrgetter
from types import CodeType, FrameType
from typing import Any

from graphtorch.frontend import watch
from graphtorch.frontend.assignments import NOTHING, Assignments, lookup
from graphtorch.frontend.calls import Calls
from graphtorch.frontend.code import (
    Functions,
    Names,
    attributes_of,
    cell_value,
    cells_since,
    names_of,
    of_user,
    with_names,
)
from graphtorch.frontend.contents import PLAIN
from graphtorch.frontend.guards import Cell, Function, Guard
from graphtorch.frontend.namespaces import raw
from graphtorch.frontend.nn.hooks import EVERYWHERE
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.reach import Reach
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.loc import Loc, user_frame

_TABLES = ("_parameters", "_buffers", "_modules", "_hooks")


class Recorder(Reach):
    """Collects guards while it is active. ``module_guards`` can only break when the epoch moves."""

    def __init__(self, target: Any, arguments: Any, assignments: Assignments, calls: Calls) -> None:
        super().__init__(assignments)
        everywhere = Guard("the hooks of all modules", lambda: EVERYWHERE, EVERYWHERE)
        self.module_guards: dict[tuple[int, str], Guard] = {(id(EVERYWHERE), ""): everywhere}
        #: names that modules took from their classes, and tensors from outside of which something was asked
        self.inherited: dict[int, tuple[Module, set[str]]] = {}
        self.tensors: dict[int, Tensor] = {}
        #: tensors read from attributes that programs assign, by id: where to find their successors
        self.reassigned: dict[int, tuple[Tensor, Module, str]] = {}
        self.by_attributes: set[tuple[int, str]] = set()
        self.calls = calls
        #: what Python tells of calls, and whether it is told not to
        self.listener, self.deaf = self._on_event, False
        #: the globals that are assigned: what they were, and where
        self.stores: dict[tuple[int, str], tuple[Guard, Loc]] = {}
        self._functions = Functions(target)
        self._seen: dict[tuple[CodeType, tuple[int, ...]], list[Any]] = {}
        for root in (target, getattr(target, "__self__", None), arguments):
            self._mark(root)

    def __enter__(self) -> Recorder:
        self._before = watch.active.recorder
        watch.active.recorder = self
        watch.install()
        self.calls.start()
        self._collects = gc.isenabled()
        gc.disable()  # a collection calls what others have registered, from the middle of the user's function
        self._profile = sys.getprofile()
        sys.setprofile(self.listener)
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
        self.calls.finish()

    def restore(self) -> None:
        """Give containers, objects and globals back what they had when the trace saw them."""
        for give_back in self._restorers:
            give_back()
        for guard in (*self.other_guards.values(), *(g for g, _ in self.stores.values())):
            guard.restore()

    # ---- modules ----

    @watch.unheard
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
        self.looks_into(label, value)

    def by_attribute(self, module: Module, name: str, value: Tensor) -> None:
        """The program fetches this attribute at every call: only its type has to stay."""
        label = f"the type of {type(module).__name__}.{name}"
        guard = Guard(label, lambda: _type_of(lookup(module, name)), _type_of(value))
        self.module_guards[id(module), name] = guard
        self.other_guards.pop((id(module), name), None)
        self.by_attributes.add((id(module), name))
        self.reassigned[id(value)] = value, module, name

    def class_attribute(self, module: Module, name: str) -> None:
        """A read of something that stands in the module's class."""
        known = self.inherited.get(id(module))
        if known is None or name not in known[1]:
            self.modules.setdefault(id(module), module)
            self.inherited.setdefault(id(module), (module, set()))[1].add(name)
            self._inherited(type(module), name)

    @watch.unheard
    def _inherited(self, cls: type, name: str) -> None:
        """Where a class has an attribute from: a guard on every class up to there."""
        for c in cls.__mro__:
            self._guard((id(c), name), f"{c.__name__}.{name}", None, vars(c).get(name, NOTHING), (vars(c), name))
            if name in vars(c):
                self._mark(vars(c)[name])
                self._reach(f"{c.__name__}.{name}", vars(c)[name], None)
                return

    def looks_into(self, label: str, value: Any) -> None:
        """What the running code can reach from what it has just been given."""
        if not isinstance(value, PLAIN):
            frame = user_frame()
            self._mark(value)
            self._reach(label, value, names_of(frame.f_code) if frame else None)

    def attribute_of_tensor(self, t: Tensor, name: str) -> Any:
        """An attribute that a tensor does not have itself; a stand-in has those of its argument."""
        if t._traced is None:
            self._guard_absent(type(t).__name__, vars(t), {name})
            return NOTHING
        found = t._traced.attribute(t, name)
        self.looks_into(f"{type(t).__name__}.{name}", found)
        return found

    # ---- functions ----

    def _on_event(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            self.calls.called(frame, arg)
        elif event == "call":
            self.calls.entered(frame)
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
        names = self._names(frame)
        self._globals(frame.f_globals, names)
        self._function(frame, names)
        for name, value in seen.items():
            if isinstance(value, type | Module | Tensor) or id(value) in self._outside:
                self._reach(name, value, names)
        first = seen.get(code.co_varnames[0]) if code.co_argcount else None
        found = raw(type(first), code.co_name) if id(first) in self._outside else None
        if found is not None:  # a method, which Python may have found by itself: __call__, __getitem__
            self._inherited(type(first), code.co_name)

    def _names(self, frame: FrameType) -> Names:
        """What the code of a frame mentions, and the attributes that a getter which it sees gives it."""
        names = names_of(frame.f_code)
        table = frame.f_globals
        seen = [*frame.f_locals.values(), *(table[name] for name in names.globals if name in table)]
        more = {name for value in seen if isinstance(value, attrgetter) for name in attributes_of(value)}
        return with_names(names, frozenset(more)) if more else names

    def _globals(self, table: dict[str, Any], names: Names) -> None:
        for name in names.globals:
            if name in table:
                guard = Guard(f"the global {name}", None, table[name], (table, name), shallow=True)
                self._place((id(table), name), guard, names)
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
        own = cells_since("run_trace", frame.f_back, NOTHING)
        for f in self._functions.of(frame):
            self._place((id(f), "()"), Function(f), names)
            for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
                value = cell_value(cell, NOTHING)
                if own.get(name, NOTHING) is value:
                    continue
                self._place((id(cell), name), Cell(f"the closure variable {name}", cell, value), names)


def _type_of(value: Any) -> Any:
    """What a program needs of a tensor that it fetches by attribute."""
    return (value.aval, value._requires_grad, value.is_leaf) if isinstance(value, Tensor) else value
