"""Parameters in order or by name: a list and a dictionary that are modules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from graphtorch.frontend.nn.container import ModuleDict
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentTypeError, IndexRangeError, MissingAttributeError, StateError
from graphtorch.ir.ops.common import as_int


def _as_parameter(value: Any) -> Any:
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _line(key: Any, value: Any, kind: str) -> str:
    """An entry, as torch writes it."""
    if not isinstance(value, Tensor):
        return f"  ({key}): Object of type: {type(value).__name__}"
    what = "Parameter" if isinstance(value, Parameter) else "Tensor"
    return f"  ({key}): {what} containing: [{kind} of size {'x'.join(map(str, value.shape))}]"


def _pairs(given: Any) -> list[Any]:
    """Pairs, as a list; ArgumentTypeError GT301 for anything else."""
    each = list(given) if isinstance(given, Iterable) else [None]
    if not all(isinstance(pair, Iterable) for pair in each):
        raise ArgumentTypeError(
            "GT301", f"parameters must be a mapping or pairs of keys and values, got {type(given).__name__}"
        )
    return each


class _NotCalled(Module):
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise StateError("GT703", f"{type(self).__name__} holds parameters, and is not called")


class ParameterList(_NotCalled):
    """A list whose tensors are parameters, "0", "1", ...; other objects are kept as they are.

    IndexRangeError GT302 for an index out of range, ArgumentTypeError GT301 for values that are no iterable.
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        self.extend(values or ())

    def _key(self, index: Any) -> str:
        at, count = as_int(index, "index"), len(self)
        if not -count <= at < count:
            raise IndexRangeError("GT302", f"index {at} is out of range for a ParameterList of {count}")
        return str(at % count)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(self[i] for i in range(*index.indices(len(self))))
        return getattr(self, self._key(index))

    def __setitem__(self, index: int, param: Any) -> None:
        setattr(self, self._key(index), _as_parameter(param))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def append(self, value: Any) -> Self:
        """Add a value at the end."""
        self._size += 1
        self[-1] = value
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add values at the end, in order."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise ArgumentTypeError("GT301", f"values must be an iterable of values, got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        return "\n".join(_line(i, v, repr(v.dtype) if isinstance(v, Tensor) else "") for i, v in enumerate(self))


class ParameterDict(_NotCalled):
    """A dictionary whose tensors are parameters, under their keys; other objects are kept as they are.

    A plain dictionary is taken in the order of its sorted keys, as in torch. ArgumentTypeError GT301 for a key that is
    no str, and for what is neither a mapping nor pairs.
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        self.update(parameters if parameters is not None else {})

    def __getitem__(self, key: str) -> Any:
        self._require(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise ArgumentTypeError("GT301", f"key must be a str, got {type(key).__name__} {key!r}")
        setattr(self, key, _as_parameter(value))
        self._keys = {**self._keys, key: None}

    def __delitem__(self, key: str) -> None:
        self._require(key)
        self._keys = {k: None for k in self._keys if k != key}
        delattr(self, key)

    def _require(self, key: Any) -> None:
        if key not in self._keys:
            raise MissingAttributeError(
                "GT702", f"a ParameterDict has no {key!r}", [f"expected one of {', '.join(self._keys)}"]
            )

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def keys(self) -> Iterable[str]:
        """The keys, in order."""
        return self._keys.keys()

    def values(self) -> Iterable[Any]:
        """The values, in order."""
        return [self[key] for key in self._keys]

    def items(self) -> Iterable[tuple[str, Any]]:
        """(key, value), in order."""
        return [(key, self[key]) for key in self._keys]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, or ``default``."""
        return getattr(self, key) if key in self._keys else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, which is set to ``default`` first where there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str) -> Any:
        """Remove ``key``; its value."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove the last entry; its key and value."""
        key = next(reversed(self), "")
        return key, self.pop(key)

    def clear(self) -> None:
        """Remove all entries."""
        for key in list(self._keys):
            del self[key]

    def copy(self) -> ParameterDict:
        """Another dictionary of the same parameters."""
        return type(self)(OrderedDict(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A dictionary with ``default`` for each of ``keys``."""
        return type(self)(OrderedDict((key, default) for key in keys))

    def update(self, parameters: Any) -> None:
        """Set the entries of a mapping or of pairs."""
        if isinstance(parameters, ParameterDict | ModuleDict | OrderedDict):
            pairs: Any = parameters.items()
        elif isinstance(parameters, Mapping):
            pairs = sorted(parameters.items())
        else:
            pairs = _pairs(parameters)
        for key, value in pairs:
            self[key] = value

    def __or__(self, other: ParameterDict) -> ParameterDict:
        made = self.copy()
        made.update(other)
        return made

    def __ror__(self, other: ParameterDict) -> ParameterDict:
        return type(self)(other) | self

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self

    def extra_repr(self) -> str:
        return "\n".join(_line(k, v, v.type() if isinstance(v, Tensor) else "") for k, v in self.items())
