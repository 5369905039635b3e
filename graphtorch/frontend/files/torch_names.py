"""The names that a file of torch may have: the functions that make tensors again, and plain data. A table; no torch."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any, NamedTuple, TypeVar

from graphtorch.frontend.files.graph_limits import check_key
from graphtorch.frontend.files.memory import Memory, as_parameter, dtype_called, no_dtype
from graphtorch.frontend.files.source import damaged
from graphtorch.frontend.files.unpickler import Builder
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Size, Tensor
from graphtorch.frontend.tensors.memory import TensorStorage
from graphtorch.ir.device import device
from graphtorch.ir.errors import LoadError
from graphtorch.ir.types import TENSOR_DTYPES, DType, uint8

_T = TypeVar("_T", bound=Tensor)


class StorageType(NamedTuple):
    """A class of storages, which persistent ids have. ``dtype`` is torch's name; "" for bytes of any."""

    dtype: str


class Stored(TensorStorage):
    """What a persistent id stands for; a value of its own, where a file has storages that no tensor views."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory.storage, memory.dtype)
        self.memory = memory


_STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32",
    "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "Untyped": "", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128", "QInt8": "qint8", "QUInt8": "quint8", "QInt32": "qint32", "QUInt4x2": "quint4x2",
    "QUInt2x4": "quint2x4",
}  # fmt: skip
#: dtypes of torch that graphtorch has not: naming one is no crime, a tensor of one cannot be made
_FOREIGN = (
    "complex32 complex64 complex128 uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz "
    "float8_e8m0fnu float4_e2m1fn_x2 qint8 quint8 qint32 quint4x2 quint2x4"
).split()


class _ForeignDType(NamedTuple):
    name: str


def _rebuild(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, hooks: Any = None, meta: Any = None
) -> Tensor:
    """torch._utils._rebuild_tensor_v2, and its older form without ``requires_grad``."""
    if not isinstance(storage, Stored):
        raise damaged("a tensor has no storage")
    if meta is not None and not (isinstance(meta, dict) and not meta):
        raise LoadError("GT903", "the file has a tensor that is conjugated or negated, which cannot be read")
    out = storage.memory.tensor(size, stride, offset)
    if requires_grad is True and storage.dtype.is_floating_point:
        out._requires_grad = True
    return out


def _rebuild_of_dtype(*args: Any) -> None:
    """torch._utils._rebuild_tensor_v3: torch writes it for dtypes that came later, none of which are ours."""
    dtype = args[6] if len(args) > 6 else None
    raise damaged("a tensor has no dtype") if not isinstance(dtype, _ForeignDType) else no_dtype(dtype.name)


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any, state: Any = None) -> Parameter:
    """torch._utils._rebuild_parameter, and ``_with_state``: what users put on parameters."""
    return with_attributes(as_parameter(data, requires_grad), state)


def _rebuild_from_type(function: Any, kind: Any, args: Any, state: Any) -> Tensor:
    """torch._tensor._rebuild_from_type_v2: a tensor with what a user put on it."""
    if (
        not isinstance(function, Builder)
        or (kind is not Tensor and kind is not Parameter)
        or not isinstance(args, tuple)
    ):
        raise damaged("a tensor of a type that there is not")
    made = function.make(*args)
    if not isinstance(made, Tensor):
        raise damaged(f"a tensor that is a {type(made).__name__}")
    return with_attributes(made, state)


def with_attributes(made: _T, state: Any) -> _T:
    """Attributes of a user; a name that tensors use themselves is not one."""
    attributes = state[0] if isinstance(state, tuple) and len(state) == 2 else state
    if attributes is not None and not isinstance(attributes, dict):
        raise damaged("the attributes of a tensor are no dict")
    for name, value in (attributes or {}).items():
        if not isinstance(name, str) or name.startswith("_") or hasattr(Tensor, name):
            raise LoadError("GT903", f"the file sets {name!r} of a tensor, which is not an attribute of a user")
        vars(made)[name] = value
    return made


def _keep_metadata(made: Any, state: Any) -> None:
    """The versions of modules that a state_dict has on it."""
    if isinstance(state, dict) and isinstance(state.get("_metadata"), dict):
        made._metadata = state["_metadata"]


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    """_codecs.encode: how bytes are written by protocol 2."""
    if not isinstance(text, str) or not isinstance(encoding, str) or encoding not in ("latin1", "latin-1"):
        raise damaged("bytes are written in an unknown way")
    return text.encode("latin-1")


def _bytearray(text: Any = b"", encoding: Any = "latin-1") -> bytearray:
    return bytearray(text if isinstance(text, bytes) else _encoded(text, encoding))


def _pairs(kind: Any) -> Builder:
    """A kind of dict: empty, since its pairs come by opcodes, or of a list of pairs, as old files have it."""

    def make(pairs: Any = ()) -> Any:
        found = list(pairs.items()) if isinstance(pairs, dict) else pairs
        if not isinstance(found, list | tuple):
            raise damaged(f"a {kind.__name__} of a {type(pairs).__name__}")
        made = kind()
        for key, value in found:
            check_key(key)
            made[key] = value
        return made

    return Builder(make, _keep_metadata, each=100)


def _set(kind: Any) -> Builder:
    def make(members: Any = ()) -> Any:
        if not isinstance(members, list | tuple):
            raise damaged(f"a {kind.__name__} of a {type(members).__name__}")
        for member in members:
            check_key(member)
        return kind(members)

    return Builder(make, each=100)


def _size(sizes: Any = ()) -> Size:
    if not isinstance(sizes, list | tuple) or any(type(n) is not int for n in sizes):
        raise damaged("sizes are no whole numbers")
    return Size(sizes)


def _device(kind: Any, index: Any = None) -> device:
    """torch.device; those of other makes than CPU and CUDA are the CPU."""
    if not isinstance(kind, str) or (index is not None and type(index) is not int):
        raise damaged("a device has no name")
    return device(kind, index) if kind in ("cpu", "cuda") else device("cpu")


def _complex(real: Any, imaginary: Any = 0.0) -> complex:
    if not all(isinstance(part, int | float) for part in (real, imaginary)):
        raise damaged("a complex number has no numbers")
    return complex(real, imaginary)


#: bytes of a tensor of no elements, which is an object over an object of numpy
_TENSOR = 1400

NAMES: dict[str, Any] = {
    "collections.OrderedDict": _pairs(OrderedDict),
    "collections.Counter": _pairs(Counter),
    "torch._utils._rebuild_tensor": Builder(_rebuild, cost=_TENSOR),
    "torch._utils._rebuild_tensor_v2": Builder(_rebuild, cost=_TENSOR),
    "torch._utils._rebuild_tensor_v3": Builder(_rebuild_of_dtype),
    "torch._utils._rebuild_parameter": Builder(_rebuild_parameter, cost=_TENSOR),
    "torch._utils._rebuild_parameter_with_state": Builder(_rebuild_parameter, cost=_TENSOR, each=200),
    "torch._tensor._rebuild_from_type_v2": Builder(_rebuild_from_type, cost=_TENSOR, each=200),
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": Parameter,
    "torch.Size": Builder(_size, each=64),
    "torch.device": Builder(_device),
    "_codecs.encode": Builder(_encoded),
    "__builtin__.bytes": Builder(lambda: b""),  # protocol 2 has no other way to write none
    "builtins.bytearray": Builder(_bytearray),
    "__builtin__.bytearray": Builder(_bytearray),
    "builtins.complex": Builder(_complex),
    "__builtin__.complex": Builder(_complex),
    "builtins.set": _set(set),
    "__builtin__.set": _set(set),
    "builtins.frozenset": _set(frozenset),
    "__builtin__.frozenset": _set(frozenset),
}
NAMES |= {f"torch.{kind}Storage": StorageType(dtype) for kind, dtype in _STORAGES.items()}
NAMES |= {"torch.storage.UntypedStorage": StorageType("")}
NAMES |= {f"torch.{d.name}": d for d in TENSOR_DTYPES} | {f"torch.{name}": _ForeignDType(name) for name in _FOREIGN}


def storage_dtype(kind: Any) -> DType:
    """The dtype of the elements of a class of storages."""
    if not isinstance(kind, StorageType):
        raise damaged("a storage is of no class of storages")
    return dtype_called(kind.dtype) if kind.dtype else uint8
