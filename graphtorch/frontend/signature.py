"""What distinguishes calls, so that each kind has programs of its own: a key, and a quick comparison.

The key holds the nesting, types and facts of tensors, other arguments by value, which tensors are one, the grad mode
and the default dtype. To build and hash it takes longer than a small program runs. So each key has a function, made as
Python source, that compares the arguments of a call with those that it was made from, value by value. It may say no to
a call with an equal key, which is then looked up; it never says yes to one with another.
"""

from __future__ import annotations

import functools
import itertools
import linecache
import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from graphtorch.frontend import autocast_mode, autograd
from graphtorch.frontend.contents import PLAIN, plain, snapshot
from graphtorch.frontend.namespaces import own_attributes, slots
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.sizing import NO_SIZES, Sizing
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tree import structure
from graphtorch.ir.dim import LEAST
from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.ir.types import DType, TensorType, defaults
from graphtorch.runtime.cuda_array import on_gpu

#: ``same_kind(args, kwargs)``: the tensors of a call that is of the kind, else None
SameKind = Callable[[tuple[Any, ...], dict[str, Any]], Sequence[Tensor] | None]
_SINGLE = (bool, type(None), type(...), DType)
#: lines of a function; what is longer takes long to make, and hashing is not what such a call waits for
_LONGEST = 400
_numbers = itertools.count()


def key_of(args: Any, kwargs: Any, tensors: Sequence[Tensor], named: Mapping[int, TensorType] | None = None) -> Any:
    """The key of a call whose arguments hold these tensors; ArgumentTypeError GT301 for what has none.

    ``named`` are types that take the place of those of tensors, by number: with names for sizes that do not count.
    """
    ids = list(map(id, tensors))
    shared = tuple(map(ids.index, ids)) if len(set(ids)) < len(ids) else None
    found = leaf_key if not named else functools.partial(_named_key, named, itertools.count())
    modes = autograd.is_grad_enabled(), defaults.dtype, autocast_mode.mode.active
    return structure((args, kwargs), found), modes, shared


def _named_key(named: Mapping[int, TensorType], numbers: Iterator[int], x: Any) -> Any:
    return leaf_key(x, named.get(next(numbers)) if isinstance(x, Tensor) else None)


def leaf_key(x: Any, named: TensorType | None = None) -> Any:
    """What a key holds of an argument that is no tuple, list or dict."""
    if isinstance(x, Tensor):
        key: tuple[Any, ...] = type(x), named or x.aval, x._requires_grad, x.is_leaf
        hooks = autograd.Hooks(x)
        if on_gpu(x._data):
            key = (*key, x.device)
        return (*key, hooks) if hooks else key
    try:
        hash(x)
    except TypeError:
        raise ArgumentTypeError(
            "GT301",
            f"a compiled function does not take {type(x).__name__}",
            ["expected tensors, numbers, strings, None, and tuples, lists or dicts of them"],
        ) from None
    if isinstance(x, PLAIN):
        return plain(x)
    if getattr(type(x), "__eq__", None) is object.__eq__:
        return type(x), x
    # equal is what its class says, and what it holds may differ all the same
    return type(x), x, snapshot(own_attributes(x) or {}), snapshot([get() for _, get in slots(x)])


class _Unfit(Exception):
    """An argument for which there is no quick comparison."""


class Source:
    """The text of a function of ``args`` and ``kwargs``, and the constants that it names. NO is how it says no."""

    def __init__(self, sizing: Sizing = NO_SIZES) -> None:
        self._places: dict[int, dict[int, str]] = {}
        for place in sizing.places:
            self._places.setdefault(place.position, {})[place.dim] = place.name
        #: the variables of named sizes
        self.sizes: dict[str, str] = {}
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {
            "autograd_mode": autograd._mode, "autocast_mode": autocast_mode.mode, "defaults": defaults
        }  # fmt: skip
        self.tensors: dict[str, Any] = {}
        self._names = itertools.count()

    def name(self) -> str:
        return f"v{next(self._names)}"

    def constant(self, value: Any) -> str:
        name = f"K{len(self.constants)}"
        self.constants[name] = value
        return name

    def unless(self, *conditions: str) -> None:
        if len(self.lines) > _LONGEST:
            raise _Unfit
        self.lines.append(f"    if {' or '.join(conditions)}: return NO")

    def of(self, name: str, value: Any) -> None:
        """Compare the argument that stands in the variable ``name`` with ``value``."""
        if type(value) in (Tensor, Parameter):
            self._tensor(name, value)
        elif type(value) in (tuple, list):
            self._items(name, value)
        elif type(value) is dict:
            self._entries(name, value)
        else:
            self.unless(*self._leaf(name, value))

    def _tensor(self, name: str, t: Tensor) -> None:
        if type(t._requires_grad) is not bool:
            raise _Unfit
        if autograd.Hooks(t):
            raise _Unfit
        aval, named = self.constant(t.aval), self._places.get(len(self.tensors), {})
        self.unless(
            f"type({name}) is not {self.constant(type(t))}",
            f"{name}._aval is not {aval} and {name}.aval != {aval}" if not named else "False",
            f"{name}._requires_grad is not {t._requires_grad}",
            *self._elsewhere(name, t),
            f"{name}._grad_fn is {'not ' if t._grad_fn is None else ''}None",
            f"{name}.{'_hooks' if t._grad_fn is None else '_grad_fn.hooks'}",
        )
        if named:
            self._sizes(name, t, named)
        self.tensors[name] = t

    def _elsewhere(self, name: str, t: Tensor) -> list[str]:
        """Whether the tensor ``name`` is on another device than ``t``."""
        kind = [f"type({name}._data) is not {self.constant(type(t._data))}"]
        return [*kind, f"{name}._data.device != {t._data.device}"] if on_gpu(t._data) else kind

    def _sizes(self, name: str, t: Tensor, named: Mapping[int, str]) -> None:
        """Compare all of a tensor's type but the sizes that are ``named``, which are the same wherever they are."""
        own, found = t.aval.shape, [self.name() for _ in t.aval.shape]
        self.unless(f"{name}.aval.dtype is not {self.constant(t.aval.dtype)}", f"len({name}._aval.shape) != {len(own)}")
        self.lines.append(f"    {', '.join(found)}, = {name}._aval.shape")
        for d, variable in enumerate(found):
            wanted = self.sizes.setdefault(named[d], variable) if d in named else str(own[d])
            if wanted != variable:
                self.unless(f"{variable} != {wanted}")

    def guards(self, sizing: Sizing) -> None:
        """The sizes are some for which a program is right: guards are expressions of Python, over names."""
        if self.sizes:
            self.unless(*(f"{variable} < {LEAST}" for variable in self.sizes.values()))
        for guard in sizing.guards.asked:
            self.unless(f"not ({re.sub(r'[A-Za-z_][A-Za-z_0-9]*', lambda word: self.sizes[word[0]], str(guard))})")

    def _items(self, name: str, items: Sequence[Any]) -> None:
        self.unless(f"type({name}) is not {type(items).__name__}")
        self._each(f"tuple({name})" if type(items) is list else name, items)

    def _entries(self, name: str, entries: dict[Any, Any]) -> None:
        if any(type(key) is not str for key in entries):
            raise _Unfit
        keys = self.name()
        self.unless(f"type({name}) is not dict")
        self.lines.append(f"    {keys} = tuple({name})")
        self.unless(f"{keys} != {tuple(entries)!r}", *([f"set(map(type, {keys})) != {{str}}"] if entries else []))
        self._each(f"tuple({name}.values())", list(entries.values()))

    def _each(self, expression: str, values: Sequence[Any]) -> None:
        """Compare each item of a tuple; a list is copied into one, so that it cannot change in between."""
        whole, names = self.name(), [self.name() for _ in values]
        self.lines.append(f"    {whole} = {expression}")
        self.unless(f"len({whole}) != {len(values)}")
        if names:
            self.lines.append(f"    {', '.join(names)}, = {whole}")
        for name, value in zip(names, values, strict=True):
            self.of(name, value)

    def _leaf(self, name: str, value: Any) -> list[str]:
        """What tells another value from this one; objects are told apart by identity where their class does so."""
        kind = type(value)
        if kind in _SINGLE:
            return [f"{name} is not {self.constant(value)}"]
        if kind in (int, str, bytes) or (kind is float and value and value == value):
            return [f"type({name}) is not {kind.__name__}", f"{name} != {self.constant(value)}"]
        if kind in (float, complex):  # 0.0 is not -0.0, and nan is nan
            return [f"type({name}) is not {kind.__name__}", f"repr({name}) != {repr(value)!r}"]
        if isinstance(value, Tensor) or getattr(kind, "__eq__", None) is not object.__eq__:
            raise _Unfit
        return [f"type({name}) is not {self.constant(kind)}", f"{name} is not {self.constant(value)}"]

    def sharing(self) -> None:
        """Which of the tensors are one."""
        first: dict[int, str] = {}
        for name, t in self.tensors.items():
            if first.setdefault(id(t), name) is not name:
                self.unless(f"{name} is not {first[id(t)]}")
        if 1 < len(first) < 4:
            self.unless(*(f"{a} is {b}" for a, b in itertools.combinations(first.values(), 2)))
        elif len(first) > 1:
            self.unless(f"len({{{', '.join(f'id({name})' for name in first.values())}}}) != {len(first)}")

    def function(self, name: str, no: Any, *lines: str) -> Any:
        """The function, with ``lines`` behind the comparisons."""
        text = "\n".join([f"def {name}(args, kwargs):", *self.lines, *(f"    {line}" for line in lines), ""])
        file = f"<graphtorch signature {next(_numbers)}>"
        self.constants["NO"] = no
        exec(compile(text, file, "exec"), self.constants)
        made = self.constants.pop(name)
        linecache.cache[file] = len(text), None, text.splitlines(True), file  # for debuggers and tracebacks
        weakref.finalize(made, linecache.cache.pop, file, None)
        return made


def comparison(args: tuple[Any, ...], kwargs: dict[str, Any], sizing: Sizing = NO_SIZES) -> Source | None:
    """Comparisons with calls like this one, in this grad mode and default dtype; None where it takes a closer look.

    ``sizing`` has the sizes that do not count, and for which of them a program is right.
    """
    source = Source(sizing)
    mode, dtype, cast = (
        autograd.is_grad_enabled(),
        source.constant(defaults.dtype),
        source.constant(autocast_mode.mode.active),
    )
    source.unless(f"autograd_mode.enabled is not {mode}", f"defaults.dtype is not {dtype}")
    source.unless(f"autocast_mode.active != {cast}")
    try:
        source._each("args", args)
        if kwargs:
            source._entries("kwargs", kwargs)
        else:
            source.unless("kwargs")
        source.guards(sizing)
    except _Unfit:
        return None
    source.sharing()
    return source


def same_kind(args: tuple[Any, ...], kwargs: dict[str, Any]) -> SameKind | None:
    """The function that gives the tensors of calls like this one; None where there is no quick comparison."""
    source = comparison(args, kwargs)
    if source is None:
        return None
    result = "".join(f"{name}, " for name in source.tensors)
    made: SameKind = source.function("same_kind", None, f"return ({result})")
    return made
