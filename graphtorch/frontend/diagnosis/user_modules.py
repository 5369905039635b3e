"""Edits of what the user's own modules are made of: the arguments of their constructors, and their parameters."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

from graphtorch.frontend.diagnosis.abstract import Observation
from graphtorch.frontend.diagnosis.edits import Candidate, Constructed, Edit, ready
from graphtorch.frontend.diagnosis.layers import is_layer, likened
from graphtorch.frontend.diagnosis.model import Model
from graphtorch.frontend.diagnosis.source import Call, assigned, call_at
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.container import ModuleDict, ModuleList, Sequential
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.random import default_generator
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.op import PUBLIC

_CONTAINERS = (Sequential, ModuleList, ModuleDict)


# ---- arguments of constructors ----------------------------------------------------------------------


def of_users(model: Model, modules: list[Module], sizes: list[int], rank: float) -> Iterator[Candidate]:
    """Modules of the user's classes that hold ``modules``, made with another int: one of ``sizes``, or a near one."""
    holders = {id(h): h for m in modules for h in (m, *model.ancestors(m))}
    for module in holders.values():
        call = call_at(module._created_at, type(module).__name__)
        if is_layer(module) or isinstance(module, _CONTAINERS) or call is None or len(model.made_with(module)) > 1:
            continue
        yield from _with_other_ints(module, call, sizes, rank)


def _with_other_ints(module: Module, call: Call, sizes: list[int], rank: float) -> Iterator[Candidate]:
    given, signature = call.literals, inspect.signature(type(module))
    names = list(signature.parameters)
    if given is None or any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in signature.parameters.values()):
        return
    bound = signature.bind(*given[0], **given[1])
    bound.apply_defaults()
    ints = {name: n for name, n in bound.arguments.items() if type(n) is int}
    for name, now in sorted(ints.items(), key=lambda item: item[1]):  # counts before widths
        for value in dict.fromkeys([now - 1, now + 1, *sizes]):
            if value not in (now, 0):
                text = call.with_argument(name, str(value), names)
                make = functools.partial(_edit, text, module, {**bound.arguments, name: value})
                yield Candidate(make, rank, module._created_at, far=True)


def _edit(text: str, module: Module, arguments: dict[str, Any]) -> Edit | None:
    other = _made(module, arguments)
    return None if other is None else Constructed(text, [(module, other)])


def _made(module: Module, arguments: dict[str, Any]) -> Module | None:
    """One more module of the class; the user's constructor runs, and the numbers it draws are given back."""
    drawn = default_generator.get_state()
    try:
        with bind.suspended(), init.skipped(), redirect_stdout(StringIO()):
            made = type(module)(**arguments)
    except Exception:  # the user's own code may not like what it is given
        return None
    finally:
        default_generator.set_state(drawn)
    return likened(made, module)


# ---- parameters -------------------------------------------------------------------------------------

_CREATORS = ("zeros", "ones", "empty", "rand", "randn")


def of_parameters(seen: Observation, model: Model) -> Iterator[Candidate]:
    """``self.pos = nn.Parameter(gt.zeros(1, 16, dim))`` with another size, one that the other tensors have."""
    assert seen.error is not None
    wanted = sorted({n for _, t in seen.error.tensors for n in t.aval.shape} - {1})
    for _, t in seen.error.tensors:
        for module, name in _owners(model, t):
            for call, loc in _assignments(module, name):
                for dim in range(t.ndim):
                    yield from _resized(module, name, call, dim, wanted, loc)


def _owners(model: Model, t: Tensor) -> Iterator[tuple[Module, str]]:
    for _, module in model.modules:
        if not is_layer(module):
            yield from ((module, name) for name, p in module._parameters.items() if p is t)


def _assignments(module: Module, name: str) -> Iterator[tuple[Call, Any]]:
    file = inspect.unwrap(type(module).__init__).__code__.co_filename
    return assigned(file, type(module).__name__, name)


def _resized(module: Module, name: str, call: Call, dim: int, wanted: list[int], loc: Any) -> Iterator[Candidate]:
    old = module._parameters[name]
    node = _size(call, dim, old.ndim if old is not None else 0)
    if old is None or node is None:
        return
    for size in wanted:
        if size == old.shape[dim]:
            continue
        shape = [*old.shape[:dim], size, *old.shape[dim + 1 :]]
        with bind.suspended():
            other = Parameter(PUBLIC["gt"]["empty"](shape, dtype=old.dtype))
        text = call.replacing(node, _sum(call.text_of(node), node, size - old.shape[dim], size))
        computed = not isinstance(node, ast.Constant) and abs(size - old.shape[dim]) != 1
        yield ready(WithParameter(text, module, name, other), 9 if computed else 1, loc, far=computed)


def _size(call: Call, dim: int, ndim: int) -> ast.expr | None:
    """The expression for the size of ``dim`` in the call that creates a tensor."""
    creators = (
        n for n in ast.walk(call.node) if isinstance(n, ast.Call) and call.text_of(n.func).split(".")[-1] in _CREATORS
    )
    for made in creators:
        sizes = made.args[0].elts if made.args and isinstance(made.args[0], ast.Tuple | ast.List) else made.args
        if len(sizes) == ndim and not any(isinstance(s, ast.Starred) for s in sizes):
            return sizes[dim]
    return None


def _sum(text: str, node: ast.expr, more: int, size: int) -> str:
    """One more or less than the user's expression; a number otherwise."""
    if isinstance(node, ast.Constant) or abs(more) != 1:
        return str(size)
    return f"{text} {'+' if more > 0 else '-'} 1"


@dataclass(frozen=True)
class WithParameter(Edit):
    """A module with another parameter."""

    module: Module
    name: str
    other: Parameter

    @contextmanager
    def applied(self) -> Iterator[None]:
        held = self.module._parameters
        before = held[self.name]
        held[self.name] = self.other
        try:
            yield
        finally:
            held[self.name] = before
