"""Modules that hold modules in order or by name."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

from graphtorch.frontend.nn.arguments import positive
from graphtorch.frontend.nn.module import Module, block, indented
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentTypeError, IndexRangeError
from graphtorch.ir.ops.common import as_int


class _Indexed(Module):
    """Children under "0", "1", ...: the list behaviour of Sequential and ModuleList."""

    def _key(self, index: Any) -> str:
        """The name of the child at ``index``, which may be negative; IndexRangeError GT302."""
        at, count = as_int(index, "index"), len(self)
        if not -count <= at < count:
            raise IndexRangeError(
                "GT302",
                f"index {at} is out of range for {type(self).__name__} of {count} modules",
                [f"expected {-count} <= index <= {count - 1}" if count else "it is empty"],
            )
        return next(itertools.islice(self._modules, at % count, None))

    def _renumber(self) -> None:
        self._modules = {str(i): m for i, m in enumerate(self._modules.values())}

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Module | Self:
        if isinstance(index, slice):
            return self._part(list(self._modules.items())[index])
        return self._modules[self._key(index)]  # type: ignore[no-any-return]

    def _part(self, items: list[tuple[str, Module]]) -> Self:
        """A container of some of the children."""
        return type(self)(*(module for _, module in items))

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        keys = list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]
        for key in keys:
            delattr(self, key)
        self._renumber()

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __contains__(self, module: object) -> bool:
        return any(m is module for m in self._modules.values())

    def append(self, module: Module) -> Self:
        """Add ``module`` at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add ``modules`` at the end, in order."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Add ``module`` before the child at ``index``."""
        at = as_int(index, "index")
        if at != len(self):
            self._key(at)  # raises for an index out of range
        children = list(self)
        children.insert(at, module)
        self.append(module)  # refuses what is not a module
        self._modules = {str(i): m for i, m in enumerate(children)}
        return self

    def pop(self, key: int = -1) -> Module:
        """Remove the child at ``key`` and return it."""
        module = self[key]
        del self[key]
        return module


def _modules_of(other: Any, kind: Any, operator: str) -> list[Module]:
    """The modules of the right operand; ArgumentTypeError GT301 where it is of another kind."""
    if not isinstance(other, kind):
        raise ArgumentTypeError("GT301", f"{operator} takes a {kind.__name__}, got {type(other).__name__}")
    return list(other)


class Sequential(_Indexed):
    """Modules called one after the other: ``Sequential(a, b)``, or an OrderedDict of names to modules."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            named = args[0].items()
        else:
            named = OrderedDict((str(i), module) for i, module in enumerate(args)).items()
        for name, module in named:
            self.add_module(name, module)

    def _part(self, items: list[tuple[str, Module]]) -> Self:
        return type(self)(OrderedDict(items))

    def forward(self, input: Tensor) -> Any:
        for module in self:
            input = module(input)
        return input

    def __add__(self, other: Sequential) -> Sequential:
        """The modules of both, numbered anew."""
        return Sequential(*self, *_modules_of(other, Sequential, "+"))

    def __iadd__(self, other: Sequential) -> Self:
        return self.extend(_modules_of(other, Sequential, "+="))

    def __mul__(self, times: int) -> Sequential:
        """The very same modules, several times over: they share their parameters."""
        return Sequential(*(list(self) * positive(times, "the number of repetitions")))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Self:
        return self.extend(list(self) * (positive(times, "the number of repetitions") - 1))


class ModuleList(_Indexed):
    """A list whose modules are counted as children; it is not called itself."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def _part(self, items: list[tuple[str, Module]]) -> Self:
        return type(self)([module for _, module in items])

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        """The modules of both, numbered anew."""
        return ModuleList([*self, *_modules_of(other, Iterable, "+")])

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(_modules_of(other, Iterable, "+="))

    def __repr__(self) -> str:
        """As torch's: runs of children that look the same are shown once, with their number."""
        lines, at = [], 0
        for text, same in itertools.groupby(repr(module) for module in self):
            count = len(list(same))
            lead = f"({at})" if count == 1 else f"({at}-{at + count - 1})"
            lines.append(f"{lead}: {f'{count} x ' if count > 1 else ''}{indented(text)}")
            at += count
        return f"{self._get_name()}({block(lines)})"


class ModuleDict(Module):
    """A dictionary whose modules are counted as children; it is not called itself."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Any) -> None:
        """Add or replace the modules of a mapping, or of pairs of names and modules."""
        pairs = modules.items() if isinstance(modules, Mapping | ModuleDict) else modules
        for name, module in pairs:
            self[name] = module

    def pop(self, key: str) -> Module:
        """Remove the module ``key`` and return it."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Remove all modules."""
        self._modules = {}

    def __getitem__(self, name: str) -> Module:
        return self._modules[name]  # type: ignore[no-any-return]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        delattr(self, name)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def keys(self) -> Iterable[str]:
        """The names, in order."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules, in order."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """(name, module), in order."""
        return self._modules.items()
