"""Sizes of a call's arguments that have names: ``gt.compile(f, dynamic={"x": {0: "B"}})``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.signature import key_of
from graphtorch.frontend.sizing import Place
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tree import leaves
from graphtorch.ir.dim import LEAST, symbol
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, IndexRangeError, ShapeError
from graphtorch.ir.ops.common import as_int
from graphtorch.ir.types import BY_SHORT, TensorType

#: dimensions and the names of their sizes
Dims = Mapping[int, str]
#: words of the text IR, beside its dtypes
_WORDS = frozenset(("true", "false", "none", "inf", "nan", *BY_SHORT))
#: an example is at least so large: smaller sizes are those of kernels, strides and channels
_LEAST_EXAMPLE = 17


class Named:
    """What ``dynamic`` says of the arguments of ``target``.

    ArgumentTypeError GT301 unless it maps names of arguments to mappings of dimensions to names; ArgumentError GT308
    for an argument that ``target`` has not, and for a name that is no identifier or a word of the text IR.
    """

    def __init__(self, target: Any, dynamic: Mapping[str, Dims]) -> None:
        function = target.forward if isinstance(target, Module) else target
        self._parameters = _parameters(function)
        self._dims = {name: _checked(name, dims) for name, dims in _mapping(dynamic, "dynamic").items()}
        kinds = {p.kind for p in self._parameters}
        names = [p.name for p in self._parameters]
        unknown = [name for name in self._dims if name not in names and inspect.Parameter.VAR_KEYWORD not in kinds]
        if unknown:
            facts = [f"expected names of arguments: {', '.join(names) or 'it has none'}"]
            raise ArgumentError("GT308", f"dynamic names {unknown[0]!r}, which is no argument of the function", facts)

    def places(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Place]:
        """The named sizes of a call; IndexRangeError GT302 for a dimension that a tensor has not."""
        found: list[Place] = []
        position = 0
        for name, value in self._arguments(args, kwargs):
            tensors = [x for x in leaves(value) if isinstance(x, Tensor)]
            for number, t in enumerate(tensors, position):
                found += (
                    Place(name, number, _within(t, d, name), size) for d, size in self._dims.get(name, {}).items()
                )
            position += len(tensors)
        return found

    def _arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The arguments with their names, in the order in which a call's tensors are numbered."""
        positional = [p for p in self._parameters if p.kind in _POSITIONAL]
        for number, value in enumerate(args):
            named = positional[min(number, len(positional) - 1)].name if positional else ""
            yield named, value
        yield from kwargs.items()


_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # one of C, which does not tell
        return []


def _mapping(value: Any, name: str) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    facts = ['expected the dimensions that have names, as in dynamic={"x": {0: "B"}}']
    raise ArgumentTypeError("GT301", f"{name} must be a mapping, got {type(value).__name__} {value!r}", facts)


def _checked(argument: Any, dims: Any) -> dict[int, str]:
    """``dims`` of one argument; the errors of `Named`."""
    if not isinstance(argument, str):
        raise ArgumentTypeError("GT301", f"dynamic names arguments by str, got {type(argument).__name__} {argument!r}")
    found: dict[int, str] = {}
    for dim, name in _mapping(dims, f"dynamic[{argument!r}]").items():
        where = f"dynamic[{argument!r}][{dim!r}]"
        if not isinstance(name, str):
            raise ArgumentTypeError("GT301", f"{where} must be a str, got {type(name).__name__} {name!r}")
        if not (name.isascii() and name.isidentifier()) or name in _WORDS:
            facts = ["expected a name of ASCII letters, digits and _ that is no dtype of the text IR"]
            raise ArgumentError("GT308", f"{where} is {name!r}, which cannot be the name of a size", facts)
        found[as_int(dim, f"a dimension of dynamic[{argument!r}]")] = name
    return found


def _within(t: Tensor, dim: int, argument: str) -> int:
    ndim = t.aval.ndim
    if -ndim <= dim < ndim:
        return dim % ndim
    facts = [f"expected {-ndim} <= dim < {ndim} for {t.aval}"]
    raise IndexRangeError("GT302", f"dynamic names dimension {dim} of {argument}, which has {ndim} dimensions", facts)


@dataclass(frozen=True)
class Kind:
    """The kind of a call: its key, the sizes that have names in programs for it, and where they are found."""

    key: Any
    sizes: Mapping[str, int]
    places: Sequence[Place] = ()
    #: of names that stand for their sizes alone
    why: tuple[str, ...] = ()

    def types(self, tensors: Sequence[Tensor], examples: Mapping[str, int]) -> dict[int, TensorType]:
        """The types of those of ``tensors`` that have named sizes, by their number."""
        named = {name: symbol(name, example) for name, example in examples.items()}
        return _with(tensors, self.places, named)

    @property
    def exactly(self) -> tuple[Any, ...]:
        """What tells it from calls of other sizes too."""
        return self.key, tuple(self.sizes.items())


def kind_of(args: Any, kwargs: Any, tensors: Sequence[Tensor], places: Sequence[Place], static: frozenset[str]) -> Kind:
    """The kind of a call in which ``static`` names stand for their sizes alone, as do those of sizes below 2, and all
    where a tensor is on a GPU, for which every size has a program of its own."""
    sizes = _sizes(places, tensors)
    on_gpu = any(t.is_cuda for t in tensors)
    small = {name for name, size in sizes.items() if size < LEAST or on_gpu}
    free = [p for p in places if p.name not in small | static]
    named = _with(tensors, free, {p.name: p.name for p in free})
    key = key_of(args, kwargs, tensors, named)
    return Kind(key, {p.name: sizes[p.name] for p in free}, free)


def _sizes(places: Sequence[Place], tensors: Sequence[Tensor]) -> dict[str, int]:
    """The size of each name; ShapeError GT119 where it has two."""
    found: dict[str, tuple[int, Place]] = {}
    for place in places:
        size = tensors[place.position].aval.shape[place.dim]
        other, first = found.setdefault(place.name, (size, place))
        if other != size:
            facts = [
                f"{p.argument} is {tensors[p.position].aval}, of size {n} at {p.dim}"
                for n, p in ((other, first), (size, place))
            ]
            raise ShapeError("GT119", f"the size {place.name} is {other} and {size} in one call", facts)
    return {name: size for name, (size, _) in found.items()}


def _with(tensors: Sequence[Tensor], places: Sequence[Place], named: Mapping[str, Any]) -> dict[int, TensorType]:
    """The types of tensors with what is ``named`` in the place of their sizes."""
    shapes: dict[int, list[Any]] = {}
    for place in places:
        shape = shapes.setdefault(place.position, list(tensors[place.position].aval.shape))
        shape[place.dim] = named[place.name]
    return {i: TensorType(tuple(shape), tensors[i].aval.dtype) for i, shape in shapes.items()}


def examples_near(sizes: Mapping[str, int]) -> dict[str, int]:
    """For each size a prime near it, so that it is equal to no other size by accident; at least 17."""
    found: dict[str, int] = {}
    for name, size in sizes.items():
        at = max(size + 1, _LEAST_EXAMPLE)
        while at in found.values() or any(at % d == 0 for d in range(2, int(at**0.5) + 1)):
            at += 1
        found[name] = at
    return found
