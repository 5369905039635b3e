"""Which classes and functions a file of graphtorch may name: those of the package, and those that a user trusts."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable
from typing import Any

from graphtorch.frontend.files.source import damaged
from graphtorch.frontend.nn.module import Module
from graphtorch.ir.errors import ArgumentTypeError, LoadError
from graphtorch.ir.op import PUBLIC

#: where layers live inside, and the name under which files know them
_INSIDE, _LAYERS = "graphtorch.frontend.nn.", "graphtorch.nn"
#: functions of the package that modules may have as attributes: those of tensors, and no `save` or `load`
_FUNCTIONS = ("graphtorch.nn.functional", "graphtorch")


def name_of(value: Any) -> str | None:
    """ "package.module:Qualified.name" of a class or function, if that is where it is found; None if it is not."""
    called = getattr(value, "__name__", getattr(value, "name", None))
    for space in _FUNCTIONS if isinstance(called, str) else ():
        if _operation(space, str(called)) is value:
            return f"{space}:{called}"
    module, path = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str):
        return None
    module = _LAYERS if module.startswith(_INSIDE) and _found(_LAYERS, path) is value else module
    return f"{module}:{path}" if _found(module, path) is value else None


def _operation(module: str, name: str) -> Any:
    """A function of tensors; None for another."""
    if module == "graphtorch":
        return PUBLIC["gt"].get(name)
    found = getattr(importlib.import_module(module), name, None)
    return None if name.startswith("_") or isinstance(found, type) else found


def _found(module: str, path: str) -> Any:
    """What a module has under ``path``; None for nothing."""
    try:
        return functools.reduce(getattr, path.split("."), importlib.import_module(module))
    except (ImportError, AttributeError, ValueError):
        return None


class Trust:
    """What may be named: the package's own layers and functions; ``classes`` (and functions), by their names, wherever
    the file says they are; and with ``everything`` whatever can be imported.

    ArgumentTypeError GT301 for ``classes`` that are none.
    """

    def __init__(self, classes: Iterable[Any] = (), everything: bool = False) -> None:
        self.everything = everything
        self.classes: dict[str, Any] = {}
        for given in classes:
            if not callable(given) or not hasattr(given, "__qualname__"):
                got = f"classes must be classes of modules, got {given!r}"
                raise ArgumentTypeError("GT301", got, ["expected classes=[Net]"])
            self.classes[given.__qualname__] = given

    def module_class(self, name: Any) -> type[Module]:
        """The class of a module. LoadError GT906 for one that is not trusted, or is gone."""
        found = self._resolve(name)
        if not (isinstance(found, type) and issubclass(found, Module)):
            raise _no_class(name, f"{name} is no class of modules any more")
        return found

    def function(self, name: Any) -> Any:
        """A function, or a class, that a module has as an attribute. LoadError GT906."""
        module, _, path = _parts(name)
        found = _operation(module, path) if module in _FUNCTIONS else self._resolve(name)
        if not callable(found):
            raise _no_class(name, f"{name}, which a module uses, is gone")
        return found

    def _resolve(self, name: Any) -> Any:
        module, _, path = _parts(name)
        if path in self.classes:
            return self.classes[path]
        own = _found(module, path) if module.startswith("graphtorch.") else None
        if isinstance(own, type) and issubclass(own, Module):
            return own
        if not self.everything:
            raise _not_trusted(name, path)
        found = _found(module, path)
        if found is None:
            raise _no_class(name, f"{module} has no {path.rpartition('.')[2]}, or cannot be imported")
        return found


def _parts(name: Any) -> tuple[str, str, str]:
    if not isinstance(name, str) or name.count(":") != 1 or not all(p.isidentifier() for p in _identifiers(name)):
        raise damaged(f"a class is called {name!r}"[:200])
    return name.partition(":")


def _identifiers(name: str) -> list[str]:
    return name.replace(":", ".").split(".")


def _not_trusted(name: str, path: str) -> LoadError:
    return LoadError(
        "GT906",
        f"the file has a module that is made of {name}, which would have to be imported",
        ["nothing was imported; weights_only=False would import whatever the file names"],
        fix=f"gt.load(path, classes=[{path}]), if you trust that code",
    )


def _no_class(name: Any, why: str) -> LoadError:
    path = str(name).partition(":")[2]
    return LoadError(
        "GT906",
        f"a module of the file cannot be made again: {why}",
        ["its class was renamed, moved or deleted; its tensors can be read by safetensors"],
        fix=f"gt.load(path, classes=[{path}]), with the class as it is now; a state_dict does not need any",
    )
