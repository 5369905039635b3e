"""Layers as their constructors see them: the arguments that made one, and the same one made with others.

A layer of the package keeps every argument of its constructor in an attribute of that name, so the arguments can be
read back from any layer, one that was loaded from a file or changed since included.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from graphtorch.frontend.diagnosis.source import Call, call_at
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.module import Module
from graphtorch.ir import bind
from graphtorch.ir.errors import GraphTorchError

#: arguments that are kept as something else, and what they are then
_KEPT_AS: dict[str, Callable[[Module], Any]] = {
    "bias": lambda m: vars(m).get(
        "bias", any(m._parameters.get(name) is not None for name in ("bias", "in_proj_bias"))
    ),
    "dropout": lambda m: m.dropout.p if isinstance(m.dropout, Module) else m.dropout,
    "device": lambda _: None,
    "kdim": lambda m: None if getattr(m, "kdim", 0) == getattr(m, "embed_dim", 0) else m.kdim,
    "vdim": lambda m: None if getattr(m, "vdim", 0) == getattr(m, "embed_dim", 0) else m.vdim,
    "dtype": lambda m: next((p.dtype for p in m.parameters() if p.dtype.is_floating_point), None),
}


def is_layer(module: Module) -> bool:
    """Whether the class of ``module`` is one of the package that computes something itself, not the user's."""
    return type(module).__module__.startswith("graphtorch.") and set(_required(type(module))) <= set(vars(module))


def _required(cls: type[Module]) -> tuple[str, ...]:
    """The parameters without defaults; a starred one is required too."""
    return tuple(p.name for p in _signature(cls) if p.default is p.empty)


def parameters_of(cls: type[Module]) -> tuple[str, ...]:
    """The names of a constructor's parameters; () where it takes any number of them."""
    found = _signature(cls)
    starred = any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found)
    return () if starred else tuple(p.name for p in found)


def _signature(cls: Any) -> tuple[inspect.Parameter, ...]:
    return _parameters(cls.__init__)


@functools.lru_cache(512)
def _parameters(init: Callable[..., None]) -> tuple[inspect.Parameter, ...]:
    return tuple(inspect.signature(init).parameters.values())[1:]


def arguments_of(module: Module) -> dict[str, Any]:
    """The arguments that make a layer like ``module``, less those that it does not keep."""
    out = {}
    for name in parameters_of(type(module)):
        value = getattr(module, name, inspect.Parameter.empty)
        if name in _KEPT_AS:
            value = _KEPT_AS[name](module)
        if value is not inspect.Parameter.empty:
            out[name] = value
    return out


def remade(module: Module, **changed: Any) -> Module | None:
    """A layer like ``module`` but for some arguments, with weights that hold nothing; None where it refuses."""
    arguments = {**arguments_of(module), **changed}
    try:
        with bind.suspended(), init.skipped():
            made = type(module)(**arguments)
    except GraphTorchError:
        return None
    return likened(made, module)


def likened(made: Module, module: Module) -> Module:
    """``made``, in the mode and said to be of the line of ``module``."""
    made.train(module.training)
    made.__dict__["_made_at"] = module._created_at
    return made


@contextmanager
def standing_in(module: Module, other: Module) -> Iterator[None]:
    """In the block ``module`` is as ``other`` is, whoever holds it."""
    own = vars(module)
    before = dict(own)
    own.clear()
    own.update(vars(other))
    try:
        yield
    finally:
        own.clear()
        own.update(before)


def constructor_call(module: Module) -> Call | None:
    """The user's call that constructed ``module``; None where the source is not there."""
    return call_at(module._created_at, type(module).__name__)


def constructor_text(module: Module) -> str:
    """The user's constructor call, as it stands."""
    call = constructor_call(module)
    return _in_full(module, _given(module)) if call is None else call.text


def edited_constructor(module: Module, name: str, value: Any) -> str:
    """The user's constructor call with ``name`` given as ``value``; in full where the source is not there."""
    call, parameters = constructor_call(module), parameters_of(type(module))
    if call is not None and not call.starred:
        return call.with_argument(name, written(value), parameters)
    return _in_full(module, {**_given(module), name: value})


def _in_full(module: Module, arguments: dict[str, Any]) -> str:
    return f"{type(module).__name__}({', '.join(f'{k}={written(v)}' for k, v in arguments.items())})"


def _given(module: Module) -> dict[str, Any]:
    """The arguments that are not the constructor's defaults."""
    defaults = {p.name: p.default for p in _signature(type(module))}
    return {n: v for n, v in arguments_of(module).items() if n not in ("device", "dtype") and v != defaults.get(n)}


def written(value: Any) -> str:
    """``value`` as a user writes it: one int for a tuple of equal ones."""
    if isinstance(value, tuple) and len(set(value)) == 1 and isinstance(value[0], int):
        return repr(value[0])
    return repr(value)
