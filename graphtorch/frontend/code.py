"""What Python code can look at: the names that it mentions, and the function objects that run it."""

from __future__ import annotations

import builtins
import dataclasses
import dis
import functools
import gc
import operator
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from graphtorch.ir.loc import OWN_FILES, Loc, _short

#: what looks attributes up by names that no code mentions
_DYNAMIC = frozenset("getattr setattr delattr vars __dict__ attrgetter asdict astuple fields __getattribute__".split())
#: what reads modules without asking them for an attribute: their classes, or their own dictionaries
_OF_DICTIONARY = frozenset("vars __dict__ __getattribute__".split())
_OF_CLASS = frozenset(("type", "__class__"))
_ALL_GLOBALS = frozenset("globals eval exec __dict__".split())
_LIBRARY = random.__file__.removesuffix("random.py")


@dataclass(frozen=True)
class Names:
    """What a code object mentions.

    ``mentioned``: names of globals and attributes, and strings that may be such. ``dynamic``: any attribute
    may be meant. ``builtins``: those that it reads, and a global may hide. ``stored``: globals that it assigns, and
    where. ``reflects``: it may read a module's class by hand, or (``dictionaries``) its dictionary.
    """

    mentioned: frozenset[str]
    globals: frozenset[str]
    builtins: frozenset[str]
    imported: frozenset[str]
    stored: tuple[tuple[str, Loc], ...]
    dynamic: bool
    reflects: bool
    dictionaries: bool


@functools.lru_cache(4096)
def names_of(code: CodeType) -> Names:
    """What ``code`` mentions."""
    found, stored, imported = set(code.co_names), [], set()
    loads = set()
    for at in dis.get_instructions(code):
        if at.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            line = at.positions.lineno if at.positions else None
            stored.append((str(at.argval), Loc(_short(code.co_filename), line or 0, 0)))
        elif at.opname == "IMPORT_NAME":
            imported.add(str(at.argval))
        elif at.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            loads.add(str(at.argval))
    strings = set(_identifiers(code.co_consts))
    by_name = strings if found & _ALL_GLOBALS else set()
    return Names(
        frozenset(found | strings),
        frozenset(found | by_name),
        frozenset(n for n in loads if hasattr(builtins, n)),
        frozenset(imported),
        tuple(stored),
        bool(found & _DYNAMIC),
        bool(found & (_OF_CLASS | _OF_DICTIONARY)),
        bool(found & _OF_DICTIONARY),
    )


@functools.lru_cache(4096)
def with_names(names: Names, more: frozenset[str]) -> Names:
    """``names`` and more attributes."""
    return dataclasses.replace(names, mentioned=names.mentioned | more)


def attributes_of(getter: operator.attrgetter[Any]) -> Iterator[str]:
    """The names that an `operator.attrgetter` looks up."""
    return _identifiers(getter.__reduce__()[1])


def _identifiers(consts: Any) -> Iterator[str]:
    for const in consts:
        if isinstance(const, str):
            yield from (part for part in const.split(".") if part.isidentifier())
        elif isinstance(const, tuple | frozenset):
            yield from _identifiers(const)


# ---- whose code it is -------------------------------------------------------------------------------


@functools.lru_cache(4096)
def is_library_file(file: str) -> bool:
    """Of this package, of the standard library, or of no file at all that a user wrote."""
    return file.startswith((*OWN_FILES, "<frozen")) or (file.startswith(_LIBRARY) and "site-packages" not in file)


def is_library_name(module: str | None) -> bool:
    """Whether a module of this name is graphtorch, numpy or the standard library."""
    root = (module or "").partition(".")[0]
    if root not in sys.stdlib_module_names:
        return root in ("graphtorch", "numpy")
    file = getattr(sys.modules.get(root), "__file__", None)  # a user's file may have the name of a library's
    return file is None or is_library_file(file)


def is_library(value: Any) -> bool:
    """Whether a class or a module is a library's."""
    return is_library_name(value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None))


def of_user(frame: FrameType) -> bool:
    """Whether a frame runs code of the user."""
    return not is_library_file(frame.f_code.co_filename) and not is_library_name(frame.f_globals.get("__name__"))


def caller(frame: FrameType | None) -> FrameType | None:
    """The frame of the user that led into the standard library."""
    while frame is not None and is_library_file(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


# ---- function objects --------------------------------------------------------------------------------


#: run by functions that Python makes where they stand and forgets: they see what the function around them sees
_COMPREHENSIONS = frozenset(("<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"))


class Functions:
    """The function objects behind running frames."""

    def __init__(self, target: Any) -> None:
        self._known = {target.__code__: [target]} if isinstance(target, FunctionType) else {}

    def of(self, frame: FrameType) -> list[FunctionType]:
        """Functions with this frame's code and closure; several, where a factory made more than one alike."""
        code = frame.f_code
        if code.co_name in _COMPREHENSIONS:
            return []
        if code not in self._known:
            named = _by_qualified_name(code, frame.f_globals)
            if named is not None:
                self._known[code] = [named]
            else:
                self._search(code, frame.f_globals)
        seeing = [f for f in self._known[code] if _sees(f, frame)]
        if not seeing and (code.co_freevars or not self._known[code]):  # made since the last search
            self._search(code, frame.f_globals)
            seeing = [f for f in self._known[code] if _sees(f, frame)]
        return seeing

    def _search(self, code: CodeType, table: dict[str, Any]) -> None:
        """Slow: this looks at all objects there are, so it looks for all functions that stand beside ``code``. It must
        hold none but functions, not for a moment: Python fails in a thread that builds a tuple which another one
        holds."""
        codes = {code, *_beside(code, table)}
        self._known |= {c: [] for c in codes}
        for f in gc.get_referrers(*codes):
            if type(f) is FunctionType and f.__code__ in codes:
                self._known[f.__code__].append(f)


def _beside(code: CodeType, table: dict[str, Any]) -> Iterator[CodeType]:
    """The code of all functions within the outermost function, or method, that ``code`` stands in."""
    outer = table.get(code.co_qualname.partition(".")[0])
    members = vars(outer).values() if isinstance(outer, type) else (outer,)
    pending = [f.__code__ for member in members for f in _wrapped(member) if isinstance(f, FunctionType)]
    while pending:
        inner = [c for c in pending.pop().co_consts if isinstance(c, CodeType)]
        yield from inner
        pending += inner


def _by_qualified_name(code: CodeType, table: dict[str, Any]) -> FunctionType | None:
    if "<" in code.co_qualname:
        return None
    first, *rest = code.co_qualname.split(".")
    found = table.get(first)
    for name in rest:
        found = vars(found).get(name) if isinstance(found, type) else None
    for unwrapped in _wrapped(found):
        if isinstance(unwrapped, FunctionType) and unwrapped.__code__ is code:
            return unwrapped
    return None


def _wrapped(found: Any) -> Iterator[Any]:
    """What a decorated function, a static method or a property was made from."""
    for _ in range(16):
        yield found
        if isinstance(found, property):
            yield from (found.fget, found.fset, found.fdel)
            return
        found = getattr(found, "__wrapped__", None) or getattr(found, "__func__", None)
        if found is None:
            return


def _sees(f: FunctionType, frame: FrameType) -> bool:
    seen = frame.f_locals
    return all(
        cell_value(c) is seen.get(name, _EMPTY)
        for name, c in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)
    )


_EMPTY = object()


def cell_value(cell: Any, empty: Any = _EMPTY) -> Any:
    """What a cell of a closure holds."""
    try:
        return cell.cell_contents
    except ValueError:
        return empty


def cells_since(start: str, frame: FrameType | None, empty: Any) -> dict[str, Any]:
    """Closure variables that belong to functions which now run, called by the function named ``start``."""
    found: dict[str, Any] = {}
    while frame is not None and frame.f_code.co_name != start:
        for name in frame.f_code.co_cellvars:
            found.setdefault(name, frame.f_locals.get(name, empty))
        frame = frame.f_back
    return found


def only_store(code: CodeType | None) -> Loc | None:
    """The line of the one ``a[i] = x`` or ``del a[i]`` in ``code``, if there is just one."""
    stores = [i for i in dis.get_instructions(code) if i.opname in ("STORE_SUBSCR", "DELETE_SUBSCR")] if code else []
    if code is None or len(stores) != 1:
        return None
    at = stores[0].positions
    return Loc(_short(code.co_filename), (at and at.lineno) or 0, (at and at.col_offset) or 0)
