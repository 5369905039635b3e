"""Parametrizations: a parameter of a module that is computed from others whenever it is read.

As torch keeps them: ``module.parametrizations[name]`` holds the functions (modules) and the tensors that are trained,
and the module's class is one with a property of that name.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.nn.container import ModuleDict, ModuleList
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, MissingAttributeError, check


class _Cache(threading.local):
    """What `cached` has computed: by interpreter, module and name. Entries hold what their keys are made of."""

    depth = 0
    entries: dict[tuple[int, int, str], tuple[Any, ...]] | None = None


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """In the block each parametrized tensor is computed once, however often it is read; blocks may nest.

    What the modules' parameters are changed to in the block is not seen.
    """
    _cache.depth += 1
    _cache.entries = {} if _cache.entries is None else _cache.entries
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.entries = None


class ParametrizationList(ModuleList):
    """The functions that make one tensor, called one after the other, and what the first is given.

    That is ``original``; or ``original0``, ``original1``, ... where ``right_inverse`` of the first gives several.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not len(modules):
            raise ArgumentError("GT304", "modules must hold a parametrization, got none")
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            new = self._inverted(original)
        self.is_tensor = isinstance(new, Tensor)
        if self.is_tensor:
            _check_dtype(self, original, new)
            original.data = new.data
            register(self, "original", original)
        else:
            self._register_several(new, original)
        if not unsafe:
            _check_made(self, original.aval, self().aval)

    def _register_several(self, new: Any, original: Tensor) -> None:
        if not isinstance(new, Sequence) or not all(isinstance(t, Tensor) for t in new):
            raise ArgumentTypeError(
                "GT301",
                f"right_inverse of {type(self[0]).__name__} gave {type(new).__name__}",
                ["expected a tensor, or a sequence of tensors"],
            )
        self.ntensors = len(new)
        for i, t in enumerate(new):
            is_parameter = isinstance(original, Parameter)
            register(self, f"original{i}", Parameter(t.detach(), original.requires_grad) if is_parameter else t)

    def _inverted(self, value: Any) -> Any:
        """What the first function is to be given, so that the last one gives ``value``."""
        for module in reversed(list(self)):
            inverse = getattr(type(module), "right_inverse", None)
            if inverse is None:
                continue
            try:
                value = module.right_inverse(value)
            except NotImplementedError:
                continue
        return value

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that what is computed is ``value``: what an assignment to the parameter does."""
        with no_grad():
            new = self._inverted(value)
            targets = self.originals()
            given = [new] if self.is_tensor else list(new)
            for target, t in zip(targets, given, strict=True):
                _check_dtype(self, target, t)
                target.data = t.data

    def originals(self) -> list[Tensor]:
        """The tensors that are trained."""
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def forward(self) -> Tensor:
        first, *others = self
        out: Tensor = first(*self.originals())
        for module in others:
            out = module(out)
        return out


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let ``parametrization`` (a module: tensors to a tensor) compute the parameter or buffer ``tensor_name``.

    ``right_inverse`` of it, where there is one, gives what it has to be given for the value that the tensor has now,
    and for each that it is assigned. One that is parametrized already goes through this one after the others. Unless
    ``unsafe``, shape and dtype must stay (ArgumentError GT304). MissingAttributeError GT702 where the module has no
    such tensor. Returns ``module``.
    """
    if not isinstance(parametrization, Module):
        kind = type(parametrization).__name__
        raise ArgumentTypeError("GT301", f"parametrization must be a module, got {kind}")
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        _append(module, tensor_name, parametrization, unsafe)
    else:
        _begin(module, tensor_name, parametrization, unsafe)
    return module


def _append(module: Module, name: str, parametrization: Module, unsafe: bool) -> None:
    found: ParametrizationList = module.parametrizations[name]
    if not unsafe:
        value = getattr(module, name)
        _check_made(parametrization, value.aval, parametrization(value).aval)
    value = getattr(module, name).detach()
    found.append(parametrization)
    found.unsafe = found.unsafe or unsafe
    if hasattr(type(parametrization), "right_inverse"):
        found.right_inverse(value)


def _begin(module: Module, name: str, parametrization: Module, unsafe: bool) -> None:
    original = module._parameters.get(name, module._buffers.get(name))
    if original is None:
        raise MissingAttributeError(
            "GT702",
            f"{type(module).__name__} has no parameter or buffer {name!r}",
            ["expected one of " + ", ".join([*module._parameters, *module._buffers])],
        )
    made = ParametrizationList([parametrization], original, unsafe)
    made.train(module.training)
    delattr(module, name)
    if "parametrizations" not in module._modules:
        module.parametrizations = ModuleDict()
    module.parametrizations[name] = made
    _set_class(module)


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make ``tensor_name`` a parameter of its own again: of the computed value, or of the original one.

    ArgumentError GT304 where it is not parametrized, or where there are several originals to go back to.
    """
    check(
        is_parametrized(module, tensor_name),
        "GT304",
        f"{type(module).__name__}.{tensor_name} is not parametrized",
        kind=ArgumentError,
    )
    found: ParametrizationList = module.parametrizations[tensor_name]
    originals = found.originals()
    check(
        leave_parametrized or found.is_tensor,
        "GT304",
        f"leave_parametrized=False is not allowed for {tensor_name}, which is computed from {len(originals)} tensors",
        kind=ArgumentError,
    )
    original = originals[0]
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name).detach().clone()
        if found.is_tensor:
            original.data = value
        else:
            original = Parameter(value, original.requires_grad) if isinstance(original, Parameter) else value
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
    _set_class(module)
    register(module, tensor_name, original)
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether ``tensor_name`` of the module, or any, is parametrized."""
    found = module._modules.get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def type_before_parametrizations(module: Module) -> type:
    """The class of the module, less its parametrizations."""
    cls = type(module)
    return cls.__bases__[0] if cls.__dict__.get("_is_parametrized") else cls


def register(module: Module, name: str, tensor: Tensor | None) -> None:
    """Register ``tensor`` as the parameter or the buffer that it is."""
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _set_class(module: Module) -> None:
    base = type_before_parametrizations(module)
    names = tuple(module.parametrizations) if is_parametrized(module) else ()
    module.__class__ = _class_of(base, names) if names else base


@functools.cache
def _class_of(base: type[Module], names: tuple[str, ...]) -> type[Module]:
    """``base`` with properties that compute the tensors ``names``. Modules share it: it does not change."""
    own: dict[str, Any] = {"_is_parametrized": True, "__module__": base.__module__}
    return type(f"Parametrized{base.__name__}", (base,), own | {name: _property(name) for name in names})


def _property(name: str) -> property:
    def read(module: Module) -> Tensor:
        made: ParametrizationList = module.parametrizations[name]
        if _cache.entries is None:
            return made()  # type: ignore[no-any-return]
        current = bind.current()
        key = id(current), id(module), name
        if key not in _cache.entries:
            _cache.entries[key] = made(), current, module
        return _cache.entries[key][0]  # type: ignore[no-any-return]

    def write(module: Module, value: Tensor) -> None:
        module.parametrizations[name].right_inverse(value)

    return property(read, write)


def _check_dtype(owner: Module, original: Tensor, new: Any) -> None:
    if not isinstance(new, Tensor):
        raise ArgumentTypeError("GT301", f"right_inverse gave {type(new).__name__}, expected a tensor")
    check(
        new.dtype is original.dtype,
        "GT304",
        "right_inverse changes the dtype",
        f"expected {original.dtype!r}, got {new.dtype!r}",
        kind=ArgumentError,
    )


def _check_made(owner: Module, before: Any, after: Any) -> None:
    first = owner[0] if isinstance(owner, ParametrizationList) else owner
    check(
        before == after,
        "GT304",
        f"{type(first).__name__} changes the type of what it parametrizes",
        f"expected {before}, got {after}; pass unsafe=True where that is meant",
        kind=ArgumentError,
    )
