"""Values as JSON, for files of graphtorch. `decode` has the way back.

    value  = null | true | false | integer | finite float | text | [value, ...] | {text: value, ...} | special
    special = {"$": kind, ...}                                                   # a dict with a key "$" is special, too
    kind   = "tensor" | "ref" | "module" | "ndarray" | "dict" | "tuple" | "float" | ...     # the tables below

Tensors and modules that come more than once have an ``id`` where they come first, and are a ``ref`` then. What is no
data is refused, never pickled.
"""

from __future__ import annotations

import base64
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from graphtorch.frontend.files.blocks import Blocks
from graphtorch.frontend.files.graph_limits import DEEPEST, judge_key
from graphtorch.frontend.files.trust import name_of
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter, Uninitialized
from graphtorch.frontend.tensor import Size, Tensor, user_attributes
from graphtorch.ir.device import device
from graphtorch.ir.errors import SaveError
from graphtorch.ir.types import DType

#: the key that makes an object of JSON a special one
KIND = "$"
#: what modules keep for themselves, which is written in its own way or made anew
OWN = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_hooks", "_made_at", "training")
#: how many digits of an integer Python reads back
_MOST_BITS = 8192

Json = dict[str, Any]


class Encoder:
    """Makes JSON of a value; ``blocks`` has the tensors."""

    def __init__(self) -> None:
        self.blocks = Blocks()
        self._seen: dict[int, tuple[Any, Json]] = {}
        self._open: set[int] = set()
        self._ids = 0

    def encode(self, value: Any, path: str = "") -> Any:
        """JSON for ``value``, which is found under ``path``. SaveError GT907 for what is no data."""
        if isinstance(value, Tensor | Module):
            return self._once(value, path)
        found = _TABLE.get(type(value))
        if found is not None:
            return self._within(found, value, path)
        if isinstance(value, np.ndarray | np.generic):
            return self._numpy(value, path)
        name = name_of(value) if callable(value) else None
        if name is None:
            raise no_data(value, path)
        return {KIND: "function", "name": name}

    def _within(self, found: Callable[..., Any], value: Any, path: str) -> Any:
        """Encode a value of a table; containers know in which ones they are."""
        if not isinstance(value, dict | list | tuple | set | frozenset):
            return found(self, value, path)
        if id(value) in self._open or len(self._open) >= DEEPEST // 2:
            what = "contains itself" if id(value) in self._open else f"is nested more than {DEEPEST // 2} deep"
            raise SaveError("GT907", f"{path or 'the value'} {what}")
        self._open.add(id(value))
        try:
            return found(self, value, path)
        finally:
            self._open.discard(id(value))

    def _once(self, value: Any, path: str) -> Json:
        """A tensor or a module, in full where it comes first."""
        if type(value).__name__ == "CompiledModule":
            value = object.__getattribute__(value, "_module")
        if id(value) in self._seen:
            _, first = self._seen[id(value)]
            if "id" not in first:
                self._ids += 1
                first["id"] = self._ids
            return {KIND: "ref", "id": first["id"]}
        said: Json = {KIND: "module" if isinstance(value, Module) else "tensor"}
        self._seen[id(value)] = value, said  # with the value, so that its id stays its own
        fill = self._module if isinstance(value, Module) else self._tensor
        fill(value, said, path)
        return said

    def _tensor(self, t: Any, said: Json, path: str) -> None:
        if isinstance(t, Uninitialized):
            raise SaveError(
                "GT907", f"{path or 'the tensor'} has no shape yet", ["call its lazy module once, with an input"]
            )
        if isinstance(t, Parameter):
            said["parameter"] = True
        if t.requires_grad:
            said["requires_grad"] = True
        attributes = user_attributes(t)
        if attributes:
            said["attributes"] = self.encode(attributes, path)
        self.blocks.add(path or "value", t, said)

    def _module(self, module: Any, said: Json, path: str) -> None:
        said["class"] = self._class_of(module, path)
        if module._hooks:
            hook = next(iter(module._hooks.values())).name
            got = f"{path or type(module).__name__} has {hook}, which is code"
            raise SaveError("GT907", got, [*_PLAIN_STATE, "or remove the hook, and register it again after loading"])
        said["training"] = module.training
        said["parameters"] = {n: self._member(p, join(path, n)) for n, p in module._parameters.items()}
        said["buffers"] = {n: self._member(b, join(path, n)) for n, b in module._buffers.items()}
        said["not_persistent"] = sorted(module._non_persistent_buffers_set)
        parts: Json = {}
        for name, part in module._modules.items():  # no comprehension: two frames are enough for each level
            parts[name] = None if part is None else self._once(part, join(path, name))
        said["modules"] = parts
        attributes = {name: value for name, value in vars(module).items() if name not in OWN}
        said["attributes"] = self.encode(attributes, path)

    def _member(self, value: Any, path: str) -> Any:
        return None if value is None else self._once(value, path)

    def _class_of(self, module: Module, path: str) -> str:
        name = name_of(type(module))
        if name is None:
            cls = type(module)
            raise SaveError(
                "GT907",
                f"{path or 'the module'} is of a class that no import finds: {cls.__module__}.{cls.__qualname__}",
                ["define the class at the top level of a module", *_PLAIN_STATE],
            )
        return name

    def _numpy(self, value: Any, path: str) -> Json:
        array = np.asarray(value)
        if array.dtype.kind not in "biufcSU" or array.dtype.hasobject:
            raise no_data(value, path)
        raw = np.frombuffer(array.tobytes(), np.uint8)
        said = {KIND: "ndarray", "dtype": array.dtype.str, "shape": list(array.shape)}
        said["name"] = self.blocks.add_bytes(path or "value", raw)
        return said if isinstance(value, np.ndarray) else said | {"scalar": True}


def join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


#: what holds for all that cannot be saved
_PLAIN_STATE = ("gt.save(model.state_dict(), path) saves the tensors alone",)


def no_data(value: Any, path: str) -> SaveError:
    """The error for a value that is code, or of an unknown class."""
    shown = getattr(value, "__qualname__", "") if callable(value) else ""
    what = f"{type(value).__name__} {shown}".strip()
    facts = ["expected tensors, modules, numbers, texts, bytes, dtypes, devices, and containers of them"]
    if hasattr(value, "state_dict"):
        facts.append(f"save its state: {path or type(value).__name__}.state_dict()")
    return SaveError("GT907", f"{path or 'the value'} cannot be saved: it is a {what}", facts)


def _float(_: Encoder, value: float, _path: str) -> Any:
    return value if math.isfinite(value) else {KIND: "float", "value": repr(value)}


def _int(_: Encoder, value: int, path: str) -> Any:
    if value.bit_length() > _MOST_BITS:
        raise SaveError("GT907", f"{path or 'the value'} is an integer of {value.bit_length()} bits")
    return value


def _dict(encoder: Encoder, value: dict[Any, Any], path: str) -> Any:
    if type(value) is dict and KIND not in value and all(type(key) is str for key in value):
        return {key: encoder.encode(v, join(path, key)) for key, v in value.items()}
    _check_keys(value, path)
    pairs = [[encoder.encode(k, path), encoder.encode(v, join(path, k))] for k, v in value.items()]
    said = {KIND: type(value).__name__, "items": pairs}
    metadata = getattr(value, "_metadata", None)
    return said | {"metadata": encoder.encode(metadata, path)} if isinstance(metadata, dict) else said


def _sequence(encoder: Encoder, value: Any, path: str) -> list[Any]:
    return [encoder.encode(v, join(path, i)) for i, v in enumerate(value)]


def _special(kind: str, plain: Callable[[Any], Any]) -> Callable[[Encoder, Any, str], Json]:
    return lambda encoder, value, path: {KIND: kind, "value": plain(value)}


def _check_keys(keys: Iterable[Any], path: str) -> None:
    """SaveError GT907 for keys and members of sets that `load` refuses: there would be no way back."""
    for key in keys:
        _, reason = judge_key(key)
        if reason:
            raise SaveError("GT907", f"{path or 'the value'} has a key that cannot be loaded: {reason}")


def _set(kind: str) -> Callable[[Encoder, Any, str], Json]:
    def encode(encoder: Encoder, value: Any, path: str) -> Json:
        _check_keys(value, path)
        return {KIND: kind, "items": _sequence(encoder, value, path)}

    return encode


def _of_items(kind: str) -> Callable[[Encoder, Any, str], Json]:
    return lambda encoder, value, path: {KIND: kind, "items": _sequence(encoder, value, path)}


def _as_is(_: Encoder, value: Any, _path: str) -> Any:
    return value


def _text(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode("ascii")


_TABLE: dict[type, Callable[[Encoder, Any, str], Any]] = {
    type(None): _as_is,
    bool: _as_is,
    str: _as_is,
    int: _int,
    float: _float,
    complex: _special("complex", lambda z: [repr(z.real), repr(z.imag)]),
    bytes: _special("bytes", _text),
    bytearray: _special("bytearray", _text),
    DType: _special("dtype", lambda d: d.name),
    device: _special("device", str),
    slice: lambda e, s, path: {KIND: "slice", "items": _sequence(e, (s.start, s.stop, s.step), path)},
    list: _sequence,
    tuple: _of_items("tuple"),
    Size: _of_items("Size"),
    set: _set("set"),
    frozenset: _set("frozenset"),
    dict: _dict,
    OrderedDict: _dict,
    Counter: _dict,
}
