"""JSON as values again: what `encode` wrote. Nothing in a file is believed; each kind is a row of a table."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.frontend.files.encode import KIND, OWN, Json
from graphtorch.frontend.files.graph_limits import check_key
from graphtorch.frontend.files.memory import Memory, as_parameter, dtype_called
from graphtorch.frontend.files.source import Budget, damaged, shown
from graphtorch.frontend.files.torch_names import with_attributes
from graphtorch.frontend.files.trust import Trust
from graphtorch.frontend.nn.members import Registry
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Size, Tensor
from graphtorch.ir.device import device
from graphtorch.ir.types import contiguous_strides

_NUMBERS = re.compile(r"[<>|]?[biufcSU][0-9]{1,6}")
_ABSENT = object()


class Decoder:
    """Makes values of JSON over ``memories``: blocks by name, with their shapes. Raises LoadError."""

    def __init__(self, memories: dict[str, tuple[Memory, tuple[int, ...]]], trust: Trust, budget: Budget) -> None:
        self.memories, self.trust, self.budget = memories, trust, budget
        self.known: dict[int, Any] = {}

    def decode(self, said: Any) -> Any:
        """The value that ``said`` stands for."""
        if isinstance(said, list):
            return [self.decode(v) for v in said]
        if not isinstance(said, dict):
            return said
        if KIND not in said:
            return {key: self.decode(v) for key, v in said.items()}
        kind = said[KIND]
        if not isinstance(kind, str) or kind not in _TABLE:
            raise damaged(f"a value of the kind {shown(kind)}", "written by a newer graphtorch?")
        self.budget.take(256)
        return _TABLE[kind](self, said)

    def remember(self, said: Json, value: Any) -> Any:
        """``value``, which a ``ref`` may mean later."""
        if "id" in said:
            key = said["id"]
            if type(key) is not int or key in self.known:
                raise damaged("two values have one id")
            self.known[key] = value
        return value


def get(said: Json, name: str, kind: type, default: Any = _ABSENT) -> Any:
    """A field that must be of a type."""
    found = said.get(name, default)
    if (type(found) is not kind and found is not default) or found is _ABSENT:
        raise damaged(f"a {said.get(KIND)} whose {name!r} is {type(found).__name__}", f"expected {kind.__name__}")
    return found


def _ref(decoder: Decoder, said: Json) -> Any:
    key = said.get("id")
    if type(key) is not int or key not in decoder.known:
        raise damaged("a value that was not yet there is referred to")
    return decoder.known[key]


def _block(decoder: Decoder, said: Json) -> tuple[Memory, tuple[int, ...]]:
    name = get(said, "name", str)
    if name not in decoder.memories:
        raise damaged(f"the tensor {name!r} is missing")
    return decoder.memories[name]


def _tensor(decoder: Decoder, said: Json) -> Any:
    decoder.budget.take(1400)
    memory, shape = _block(decoder, said)
    out = _laid_out(memory, shape, said)
    if "parameter" in said:
        out = as_parameter(out, "requires_grad" in said)
    elif "requires_grad" in said and out.dtype.is_floating_point:
        out._requires_grad = True
    attributes = said.get("attributes")
    decoder.remember(said, out)
    return out if attributes is None else with_attributes(out, decoder.decode(attributes))


def _laid_out(memory: Memory, shape: tuple[int, ...], said: Json) -> Tensor:
    """The tensor where the file says that it lies."""
    if "offset" in said:
        dtype = dtype_called(said["dtype"]) if "dtype" in said else memory.dtype
        return memory.tensor(said.get("shape"), said.get("strides"), said["offset"], dtype)
    if "strides" not in said:
        return memory.tensor(shape, contiguous_strides(shape), 0)
    return memory.arranged(shape, get(said, "strides", list))


def _ndarray(decoder: Decoder, said: Json) -> Any:
    memory, _ = _block(decoder, said)
    name, shape = get(said, "dtype", str), get(said, "shape", list)
    if not _NUMBERS.fullmatch(name) or len(shape) > 32 or not all(type(n) is int and 0 <= n < 2**48 for n in shape):
        raise damaged(f"an array of {name!r}"[:200])
    dtype, raw = _dtype(name), memory.bytes
    if not dtype.itemsize or math.prod(shape) * dtype.itemsize != raw.nbytes:
        raise damaged(f"an array of {name} and sizes {shape} has {raw.nbytes} bytes")
    found = np.empty(shape, dtype) if not raw.nbytes else raw.view(dtype).reshape(shape)
    return found[()] if get(said, "scalar", bool, False) and not shape else found


def _dtype(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name)
    except TypeError:
        raise damaged(f"an array of {name!r}") from None


def _module(decoder: Decoder, said: Json) -> Module:
    """A module of its class, whose ``__init__`` is not run: it is given what it had."""
    decoder.budget.take(4096)
    cls = decoder.trust.module_class(said.get("class"))
    module = cls.__new__(cls)
    Module.__init__(module)
    decoder.remember(said, module)
    attributes = decoder.decode(get(said, "attributes", dict))
    if not isinstance(attributes, dict) or any(name in OWN or not isinstance(name, str) for name in attributes):
        raise damaged("the attributes of a module are not its own")
    vars(module).update(attributes, training=get(said, "training", bool))
    vars(module)["_non_persistent_buffers_set"] = set(_texts(get(said, "not_persistent", list)))
    for registry, kind in (("parameters", Parameter), ("buffers", Tensor), ("modules", Module)):
        vars(module)[f"_{registry}"] = _members(decoder, get(said, registry, dict), kind)
    return module


def _members(decoder: Decoder, said: Json, kind: type) -> Registry:
    found = Registry()
    for name, given in said.items():
        value = decoder.decode(given)
        if not name or "." in name or not (value is None or isinstance(value, kind)):
            raise damaged(f"a module has a {type(value).__name__} as its {kind.__name__} {name!r}"[:200])
        found[name] = value
    return found


def _texts(values: list[Any]) -> list[str]:
    if not all(isinstance(v, str) for v in values):
        raise damaged("names are no texts")
    return values


def _pairs(kind: Callable[..., Any]) -> Callable[[Decoder, Json], Any]:
    def make(decoder: Decoder, said: Json) -> Any:
        found = kind()
        for pair in get(said, "items", list):
            if not isinstance(pair, list) or len(pair) != 2:
                raise damaged("a key has no value")
            key = decoder.decode(pair[0])
            check_key(key)
            found[key] = decoder.decode(pair[1])
        if "metadata" in said and kind is not dict:
            found._metadata = decoder.decode(said["metadata"])
        return found

    return make


def _items(kind: Callable[..., Any]) -> Callable[[Decoder, Json], Any]:
    def make(decoder: Decoder, said: Json) -> Any:
        values = [decoder.decode(v) for v in get(said, "items", list)]
        for value in values if kind in (set, frozenset) else ():
            check_key(value)
        if kind is Size and not all(type(n) is int for n in values):
            raise damaged("sizes are no whole numbers")
        return kind(*values) if kind is slice and len(values) == 3 else kind(values)

    return make


def _bytes(kind: Callable[[bytes], Any]) -> Callable[[Decoder, Json], Any]:
    def make(_: Decoder, said: Json) -> Any:
        try:
            return kind(base64.b64decode(get(said, "value", str), validate=True))
        except (binascii.Error, ValueError):
            raise damaged("bytes are not written in base 64") from None

    return make


def _number(text: Any) -> float:
    if not isinstance(text, str) or len(text) > 40:
        raise damaged("a number is not written in digits")
    try:
        return float(text)
    except ValueError:
        raise damaged("a number is not written in digits") from None


def _complex(_: Decoder, said: Json) -> complex:
    parts = get(said, "value", list)
    if len(parts) != 2:
        raise damaged("a complex number has no two parts")
    return complex(*map(_number, parts))


def _device(_: Decoder, said: Json) -> device:
    text = get(said, "value", str)
    if not re.fullmatch(r"(cpu|cuda)(:[0-9]{1,4})?", text):
        raise damaged(f"a device {text!r}"[:200])
    return device(text)


_TABLE: dict[str, Callable[[Decoder, Json], Any]] = {
    "ref": _ref,
    "tensor": _tensor,
    "ndarray": _ndarray,
    "module": _module,
    "function": lambda decoder, said: decoder.trust.function(said.get("name")),
    "dict": _pairs(dict),
    "OrderedDict": _pairs(OrderedDict),
    "Counter": _pairs(Counter),
    "tuple": _items(tuple),
    "Size": _items(Size),
    "set": _items(set),
    "frozenset": _items(frozenset),
    "slice": _items(slice),
    "bytes": _bytes(bytes),
    "bytearray": _bytes(bytearray),
    "float": lambda _, said: _number(said.get("value")),
    "complex": _complex,
    "dtype": lambda _, said: dtype_called(get(said, "value", str)[:40]),
    "device": _device,
}
