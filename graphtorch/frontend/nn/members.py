"""Members: the attributes of a module that are its state, kept apart from plain attributes."""

from __future__ import annotations

from typing import Any, Self

from graphtorch.frontend import epoch
from graphtorch.frontend.nn.parameter import Buffer, Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, MissingAttributeError, StateError, check


class Registry(dict[str, Any]):
    """Members by name. Whoever changes it, compiled programs look again (`graphtorch.frontend.epoch`)."""

    def __setitem__(self, name: str, value: Any) -> None:
        epoch.bump()
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        epoch.bump()
        super().__delitem__(name)

    def pop(self, *args: Any) -> Any:
        epoch.bump()
        return super().pop(*args)

    def popitem(self) -> tuple[str, Any]:
        epoch.bump()
        return super().popitem()

    def clear(self) -> None:
        epoch.bump()
        super().clear()

    def update(self, *args: Any, **kwargs: Any) -> None:
        epoch.bump()
        super().update(*args, **kwargs)

    def setdefault(self, name: str, default: Any = None) -> Any:
        epoch.bump()
        return super().setdefault(name, default)

    def __ior__(self, other: Any) -> Self:  # type: ignore[override, misc]
        self.update(other)
        return self


class Members:
    """Parameters, buffers and modules by name, in the dictionaries that torch keeps them in.

    Every change moves `graphtorch.frontend.epoch`, so that compiled programs look again.
    """

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]

    def __init__(self) -> None:
        bind.current().constructing(self)
        fresh: dict[str, Any] = {name: Registry() for name in _KINDS}
        self.__dict__.update(fresh, _non_persistent_buffers_set=set())

    def __getattr__(self, name: str) -> Any:
        for registry in _KINDS:
            found = self.__dict__.get(registry)
            if found is not None and name in found:
                return found[name]
        raise MissingAttributeError("GT702", f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Buffer):
            self._adopt(name, value)
            return
        self._changing(name)
        registry = _registry_of(value) or self._registry_with(name)
        if registry is None:
            object.__setattr__(self, name, Registry(value) if name in _KINDS else value)
            return
        self._require_init(name)
        self._check_name(name, free=not hasattr(type(self), name))
        self._check_member(name, value, registry)
        self._forget(name, but=registry)
        self.__dict__[registry][name] = value

    def _adopt(self, name: str, buffer: Buffer) -> None:
        """An attribute is assigned a `Buffer`."""
        self._changing(name)
        self._require_init(name)
        if self._registry_with(name) == "_parameters":
            self._forget(name, but="_buffers")
        persistent = buffer.persistent
        self.register_buffer(name, buffer.plain(), persistent)

    def __delattr__(self, name: str) -> None:
        self._changing(name)
        registry = self._registry_with(name)
        if registry is None:
            object.__delattr__(self, name)
            return
        del self.__dict__[registry][name]
        self._non_persistent_buffers_set.discard(name)

    def _changing(self, name: str) -> None:
        """The attribute is about to be assigned or deleted."""
        epoch.bump()
        bind.current().assigning(self, name)

    def __dir__(self) -> list[str]:
        own = {name for registry in _KINDS for name in self.__dict__.get(registry, ())}
        return sorted({*super().__dir__(), *own})

    def _registry_with(self, name: str) -> str | None:
        return next((r for r in _KINDS if name in self.__dict__.get(r, ())), None)

    def _forget(self, name: str, but: str) -> None:
        """Remove the attribute from wherever it is, except from the registry ``but``."""
        for held in (self.__dict__, *(self.__dict__[r] for r in _KINDS if r != but)):
            held.pop(name, None)
        if but != "_buffers":
            self._non_persistent_buffers_set.discard(name)

    def _require_init(self, name: str) -> None:
        if "_parameters" not in self.__dict__:
            raise MissingAttributeError(
                "GT702",
                f"{name!r} was assigned before Module.__init__()",
                [f"call super().__init__() first in {type(self).__name__}.__init__()"],
            )

    # ---- registration ----

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None to keep the name free. StateError GT704 for a bad or taken name."""
        self._register("_parameters", name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not trained; one that is not ``persistent`` stays out of `state_dict`."""
        self._register("_buffers", name, tensor)
        if tensor is not None:
            tensor._origin = None  # messages say where a tensor comes from, and this one is the module's
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Members | None) -> None:
        """Add a child under ``name``."""
        self._register("_modules", name, module)

    def register_module(self, name: str, module: Members | None) -> None:
        """`add_module`."""
        self.add_module(name, module)

    def _register(self, registry: str, name: str, value: Any) -> None:
        self._require_init(name)
        if not isinstance(name, str):
            raise ArgumentTypeError("GT301", f"name must be a str, got {type(name).__name__} {name!r}")
        elsewhere = name in self.__dict__ or self._registry_with(name) not in (None, registry)
        self._check_name(name, free=not elsewhere and not hasattr(type(self), name))
        self._check_member(name, value, registry)
        epoch.bump()
        self.__dict__[registry][name] = value

    def _check_name(self, name: str, free: bool) -> None:
        check(
            free and bool(name) and "." not in name,
            "GT704",
            f"{type(self).__name__} cannot have a member {name!r}",
            'expected a name that is not empty, has no "." and is not taken by another attribute',
            kind=StateError,
        )

    def _check_member(self, name: str, value: Any, registry: str) -> None:
        kind, called = _KINDS[registry]
        if value is not None and not isinstance(value, kind):
            raise ArgumentTypeError(
                "GT301", f"{type(self).__name__}.{name} must be a {called} or None, got {type(value).__name__}"
            )


#: the dictionaries, what they hold, and what that is called in messages
_KINDS: dict[str, tuple[type, str]] = {
    "_parameters": (Parameter, "Parameter"),
    "_buffers": (Tensor, "Tensor"),
    "_modules": (Members, "Module"),
}


def _registry_of(value: Any) -> str | None:
    if isinstance(value, Parameter):
        return "_parameters"
    return "_modules" if isinstance(value, Members) else None
