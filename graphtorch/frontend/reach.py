"""What Python code can reach from a place that it reads, and guards on all of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from types import ModuleType
from typing import Any

from graphtorch.frontend import watch
from graphtorch.frontend.assignments import NOTHING, Assignments
from graphtorch.frontend.code import Names
from graphtorch.frontend.contents import LRU_CACHE, PLAIN, entries_reader, is_opaque_iterator, restorer
from graphtorch.frontend.guards import Absent, Guard, LazyModule, contents
from graphtorch.frontend.namespaces import Namespace, namespaces, own_attributes, slots
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor, user_attributes
from graphtorch.ir.loc import Loc, here

#: how far around what a function is given objects count as having been there before the trace
_DEPTH = 4
#: what tracing itself changes in the dictionary of a module, or has guards of its own
_PRIVATE = frozenset("_parameters _buffers _modules _hooks _reassigned".split())


class Reach:
    """Guards that are compared at every call: on places, and on what is reached from there."""

    def __init__(self, assignments: Assignments) -> None:
        self.other_guards: dict[tuple[Any, ...], Guard] = {}
        self.modules: dict[int, Module] = {}
        #: an iterator whose state cannot be compared, and caches of functools that the function may fill
        self.advancing: tuple[str, Loc] | None = None
        self.caches: dict[int, Any] = {}
        self._assignments = assignments
        self._restorers: list[Callable[[], object]] = []
        self._looked: dict[tuple[Any, ...], Any] = {}
        #: objects that were there before the trace, by id: what the function makes itself is its own business
        self._outside: dict[int, Any] = {}

    def _place(self, key: tuple[int, str], guard: Guard, names: Names | None) -> None:
        """A place that the code reads, and what it can reach from there."""
        self.other_guards.setdefault(key, guard)
        self._mark(guard.keep)
        self._reach(guard.name.removeprefix("the global ").removeprefix("the closure variable "), guard.keep, names)

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
            if isinstance(found, PLAIN) or (id(found), id(names)) in self._looked:
                continue
            self._looked[id(found), id(names)] = found
            if isinstance(found, Module | Tensor):
                own = self._reflected if isinstance(found, Module) else self._put_on
                stack += [(f"{at}.{name}", item, depth + 1) for name, item in own(at, found, names)]
                continue
            self._outside.setdefault(id(found), found)
            self._special(at, found)
            self._contents(at, found)
            read = entries_reader(found)
            held = read(found) if read else ()
            stack += [(f"{at}[{_key(found, i)}]", item, depth + 1) for i, item in enumerate(held)]
            if names is not None:
                stack += [(f"{at}.{n}", item, depth + 1) for n, item in self._attributes(at, found, names, depth)]

    def _put_on(self, label: str, t: Any, names: Names | None) -> Iterator[tuple[str, Any]]:
        """Attributes that the user has put on a tensor from outside."""
        if t._traced is not None or names is None:
            return
        for name, value in user_attributes(t).items():
            if name in names.mentioned or names.dynamic:
                self._guard((id(t), name), f"{label}.{name}", None, value, (vars(t), name))
                yield name, value

    def _reflected(self, label: str, module: Any, names: Names | None) -> Iterator[tuple[str, Any]]:
        """What code reads of modules without asking them, so that no attribute is seen to be read."""
        self.modules.setdefault(id(module), module)
        if names is None or not names.reflects or self._assignments.ignores(module):
            return
        yield from vars(module).get("_modules", {}).items()
        own = vars(module)
        for space in namespaces(module):
            wanted = names.mentioned - _PRIVATE
            if space.table is own:
                wanted = (names.mentioned | own.keys()) - _PRIVATE if names.dictionaries else frozenset()
            if space.complete:
                self._guard_absent(label, space.table, wanted - space.table.keys())
            for name in wanted & space.table.keys():
                found = self._entry(label, space, name)
                yield from () if space.shallow else ((name, found),)

    def _entry(self, label: str, space: Namespace, name: str) -> Any:
        """A guard on an entry of a namespace; what stands there."""
        found = space.table[name]
        if watch.replaces(space.owner, name):
            return found
        self._guard((id(space.owner), name), f"{label}.{name}", None, found, (space.table, name))
        if isinstance(space.owner, type) and not space.shallow:
            self._restorers.append(functools.partial(_give_back, space.owner, name, found))
        return found

    def _special(self, label: str, value: Any) -> None:
        """What is looked at when the trace ends."""
        if isinstance(value, LRU_CACHE):
            self.caches[id(value)] = value
        elif is_opaque_iterator(value) and self.advancing is None:
            self.advancing = f"{label} ({type(value).__name__})", here()

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

    def _all_names(self, label: str, value: Any, table: Any) -> None:
        """A guard on all attributes that an object has itself."""
        if isinstance(value, ModuleType) and "__getattr__" in table:
            self.other_guards.setdefault((id(table), "[]"), LazyModule(f"vars({label})", value))
        else:
            self._contents(f"vars({label})", table)

    def _attributes(self, label: str, value: Any, names: Names, depth: int) -> Iterator[tuple[str, Any]]:
        """Guards on the attributes that code may mean; yields those to look into."""
        for space in namespaces(value):
            present = names.mentioned & space.table.keys()
            if space.complete:
                self._guard_absent(label, space.table, names.mentioned - present)
            if names.dynamic and depth == 0 and space.table is own_attributes(value):
                self._all_names(label, value, space.table)
                present = present if isinstance(value, ModuleType) else frozenset(space.table or ())
            for name in present:
                found = self._entry(label, space, name)
                if not space.shallow or isinstance(found, ModuleType) or entries_reader(found):
                    yield name, found
        for name, get in slots(value):
            if name in names.mentioned or names.dynamic:
                self._guard((id(value), name), f"{label}.{name}", get, get())
                yield name, get()


def _give_back(cls: type, name: str, value: Any) -> None:
    if vars(cls).get(name, NOTHING) is not value:
        setattr(cls, name, value)


def _key(value: Any, at: int) -> str:
    """The index or the key under which a container holds its entry number ``at``."""
    if isinstance(value, dict):
        return repr(list(value)[at % len(value)]) if len(value) <= 64 else "..."
    return str(at)
