"""Tensor: storage, strides and Python's protocols. What ops mean stands in ir/ops, never here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, WeakValueDictionary

import numpy as np

from graphtorch.frontend import autograd, epoch, printing
from graphtorch.ir import bind
from graphtorch.ir.device import CPU, device, require_cpu
from graphtorch.ir.errors import (
    ArgumentTypeError,
    AutogradError,
    DTypeError,
    ShapeError,
    TraceError,
    check,
)
from graphtorch.ir.loc import Scope
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.operators import Operators
from graphtorch.ir.ops.advanced import is_basic
from graphtorch.ir.ops.common import broadcast_shapes, fitting, to_dtype
from graphtorch.ir.types import (
    DType,
    TensorType,
    bool_,
    contiguous_strides,
    dtype_from_name,
    dtype_from_numpy,
    float32,
    float64,
    int64,
    promote,
)


class Size(tuple[int, ...]):
    """A shape; prints as torch's does."""

    def numel(self) -> int:
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self) -> str:
        return f"graphtorch.Size({list(self)})"


_new = object.__new__


class Storage:
    """Memory that tensors view. ``version`` counts in-place writes, and ``rebased`` those that changed where
    gradients go; ``array`` is None in a trace."""

    version = rebased = 0  # in the class, so that a new one is quickly made

    def __init__(self, array: np.ndarray[Any, Any] | None) -> None:
        self.array = array


class Tensor(Operators):
    """A multi-dimensional array with torch's interface. Make one with `graphtorch.tensor`."""

    __array_priority__ = 1000
    _data: np.ndarray[Any, Any] | None
    _storage: Storage
    _requires_grad: bool = False
    _grad: Tensor | None = None
    _grad_fn: autograd.GradNode | None = None
    _output_index: int = 0
    _aval: TensorType | None = None
    _origin: tuple[str, Scope | None] | None = None
    #: what a trace knows of the tensor (frontend/trace.py); None in eager mode
    _traced: Any = None
    #: made by `.data` of a tensor that requires grad
    _is_data: bool = False
    #: how often its storage had been rebased when it was made or last rebased; infinity where no gradient goes
    _rebased: float = 0

    if TYPE_CHECKING:  # methods come out of the registry: see install_methods

        def __getattr__(self, name: str) -> Any: ...

        def __getitem__(self, index: Any) -> Tensor: ...

    @classmethod
    def _from_array(cls, array: np.ndarray[Any, Any], storage: Storage | None = None) -> Tensor:
        out = Tensor.__new__(Tensor)
        out._data = array
        if storage is None:
            out._storage = Storage(array)
        else:
            out._storage, out._rebased = storage, storage.rebased
        return out

    @staticmethod
    def _made(array: np.ndarray[Any, Any], aval: TensorType) -> Tensor:
        """A tensor over an array that is new, and whose type is known."""
        out, storage = _new(Tensor), _new(Storage)
        storage.array = array
        out._data, out._storage, out._aval = array, storage, aval
        return out

    def _alias(self) -> Tensor:
        """The same data without autograd history."""
        out = Tensor.__new__(Tensor)
        out._data, out._storage, out._aval, out._traced = self._data, self._storage, self._aval, self._traced
        return out

    # ---- type and layout ----

    @property
    def aval(self) -> TensorType:
        """Shape and dtype, as the IR sees them."""
        if self._aval is None:
            assert self._data is not None  # traced tensors are made with their type
            self._aval = TensorType(self._data.shape, dtype_from_name(self._data.dtype.name))
        return self._aval

    @property
    def _array(self) -> np.ndarray[Any, Any]:
        """The data; TraceError GT601 when there is none because the tensor is being traced."""
        if self._data is None:
            raise _no_data("the data of a tensor")
        return self._data

    def _made_by(self) -> str:
        if self._origin is None:
            return ""
        name, scope = self._origin
        path = scope.path if scope else ""
        return f'{name} "{path}"' if path else name

    @property
    def shape(self) -> Size:
        return Size(self.aval.shape)

    @property
    def dtype(self) -> DType:
        return self.aval.dtype

    @property
    def device(self) -> device:
        return CPU

    @property
    def ndim(self) -> int:
        return self.aval.ndim

    @property
    def is_leaf(self) -> bool:
        return self._grad_fn is None

    @property
    def grad_fn(self) -> autograd.GradNode | None:
        return self._grad_fn

    @property
    def T(self) -> Tensor:
        return self.permute(tuple(reversed(range(self.ndim))))  # type: ignore[no-any-return]

    @property
    def mT(self) -> Tensor:
        return self.transpose(-1, -2)  # type: ignore[no-any-return]

    def dim(self) -> int:
        return self.ndim

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        return self.aval.numel

    def element_size(self) -> int:
        return self.dtype.itemsize

    def _layout(self) -> tuple[tuple[int, ...], int]:
        """Strides, and where the first element stands in the storage; in elements."""
        if self._data is None:
            return self._traced.layout(self)  # type: ignore[no-any-return]
        base, size = self._storage.array, self._data.itemsize
        offset = 0 if base is None else (_address(self._data) - _address(base)) // size
        return tuple(s // size for s in self._data.strides), offset

    def stride(self, dim: int | None = None) -> Any:
        """Strides in elements."""
        strides, _ = self._layout()
        return strides if dim is None else strides[dim]

    def storage_offset(self) -> int:
        """Where the first element stands in the storage, in elements."""
        return self._layout()[1]

    def data_ptr(self) -> int:
        """The address of the first element."""
        return _address(self._array)

    def _is_view_of(self, base: Tensor) -> bool:
        """Whether writing one writes the other; a trace, in which tensors are in row-major order, says so."""
        return self._data is None or not self.numel() or self._storage is base._storage

    def is_contiguous(self) -> bool:
        if self._data is not None:
            return bool(self._data.flags.c_contiguous)
        sizes = [(n, s) for n, s in zip(self.shape, self.stride(), strict=True) if n != 1]
        expected = contiguous_strides(tuple(n for n, _ in sizes))
        return self.numel() == 0 or tuple(s for _, s in sizes) == expected

    def contiguous(self) -> Tensor:
        """This tensor if its elements lie in row-major order, else a copy in which they do."""
        return self if self._data is None or self.is_contiguous() else self.clone()

    def clone(self) -> Tensor:
        """A copy, in row-major order, through which gradients pass."""
        return PUBLIC["gt"]["clone"](self)  # type: ignore[no-any-return]

    # ---- autograd ----

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients of this leaf (or no longer)."""
        if requires_grad and not self.dtype.is_floating_point:
            raise DTypeError(
                "GT202",
                "only floating-point tensors can require gradients",
                [f"got {self.dtype!r}; convert it first with .to(graphtorch.float32)"],
            )
        if not self.is_leaf and not requires_grad:
            raise AutogradError(
                "GT505", "requires_grad of a computed tensor cannot be switched off", ["use x.detach() instead"]
            )
        if requires_grad != self._requires_grad:
            bind.current().switching(self)
            epoch.bump()
        self._requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, or None before the first backward()."""
        return _interpreter().get_grad(self)  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            check(
                isinstance(value, Tensor) and value.aval == self.aval,
                "GT103",
                "a gradient has the type of its tensor",
                f"expected {self.aval}, got {value.aval if isinstance(value, Tensor) else type(value).__name__}",
            )
        _interpreter().set_grad(self, value)

    def backward(self, gradient: Tensor | None = None, retain_graph: bool = False) -> None:
        """Add the gradients of this tensor to ``.grad`` of every leaf that it depends on.

        ``gradient`` has this tensor's shape; it may be left out for a tensor of one element. Raises
        AutogradError GT506 when nothing that it depends on requires gradients.
        """
        if not self._requires_grad:
            raise AutogradError(
                "GT506",
                "backward() of a tensor that does not depend on anything that requires gradients",
                ["call requires_grad_() on what you want gradients of, or leave gt.no_grad()"],
            )
        if gradient is None:
            check(
                self.numel() == 1,
                "GT113",
                f"backward() without a gradient needs a tensor of one element, got {list(self.shape)}",
                "reduce it first, e.g. loss.mean().backward(), or pass gradient=",
                kind=ShapeError,
            )
            gradient = PUBLIC["gt"]["full"](self.shape, 1.0, dtype=self.dtype)
        if not isinstance(gradient, Tensor):
            raise ArgumentTypeError("GT301", f"gradient must be a tensor, got {type(gradient).__name__}")
        check(
            gradient.aval == self.aval,
            "GT103",
            "the gradient has the type of its tensor",
            f"expected {self.aval}, got {gradient.aval}",
        )
        _interpreter().backward(self, gradient, retain_graph)

    @property
    def data(self) -> Tensor:
        """The same storage, outside of autograd."""
        out = self._alias()
        out._is_data, out._rebased = self._requires_grad, math.inf
        return out

    @data.setter
    def data(self, value: Tensor) -> None:
        if self._traced is not None or value._traced is not None or _interpreter().tracing:
            raise TraceError(
                "GT602", "`.data = ...` cannot be traced", ["write into the tensor instead: t.copy_(value)"]
            )
        epoch.bump()
        self._data, self._storage, self._aval = value._array, value._storage, None

    # ---- in place ----

    def copy_(self, src: Any, non_blocking: bool = False) -> Tensor:
        """Write ``src`` (broadcast and converted) into this tensor."""
        return self._assign(src, "src")

    def _assign(self, value: Any, name: str) -> Tensor:
        """Write ``value``, which the caller knows as ``name``."""
        source = to_dtype(value if isinstance(value, Tensor) else _to_tensor(value, self.dtype, name), self.dtype)
        if source.aval.shape != self.aval.shape:
            source = source.broadcast_to(self.aval.shape)
        interpreter = _interpreter()
        check(
            interpreter.tracing or self._data is None or self._data.flags.writeable,
            "GT117",
            "a tensor whose elements share memory, or that lies in read-only memory, cannot be written in place",
            f"got {self.aval}; clone() it first",
        )
        interpreter.write(self, source)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        if is_basic(index):
            self[index]._assign(value, "value")
            return
        given = value if isinstance(value, Tensor) else _to_tensor(value, self.dtype, "value")
        self.copy_(PUBLIC["Tensor"]["__setitem__"](self, index, given))

    def _inplace(self, result: Tensor, name: str) -> Tensor:
        broadcasts = broadcast_shapes(self.aval.shape, result.aval.shape) == self.aval.shape
        check(
            broadcasts,
            "GT101",
            f"{name} cannot grow its tensor",
            f"expected a result of {list(self.shape)}, got {list(result.shape)}",
        )
        wider = result.dtype.kind == "f" and self.dtype.kind != "f"
        check(
            not wider,
            "GT206",
            f"{name} cannot store {result.dtype!r} in {self.dtype!r}",
            "convert the tensor first, or compute out of place",
            kind=DTypeError,
        )
        return self.copy_(result)

    def fill_(self, value: Any) -> Tensor:
        """Every element becomes ``value``."""
        return self._assign(value, "value")

    def zero_(self) -> Tensor:
        """Every element becomes 0."""
        return self.copy_(0)

    def __iadd__(self, other: Any) -> Tensor:
        return self._inplace(self + other, "+=")

    def __isub__(self, other: Any) -> Tensor:
        return self._inplace(self - other, "-=")

    def __imul__(self, other: Any) -> Tensor:
        return self._inplace(self * other, "*=")

    def __itruediv__(self, other: Any) -> Tensor:
        return self._inplace(self / other, "/=")

    # ---- leaving the graph ----

    def numpy(self) -> np.ndarray[Any, Any]:
        """The data as a numpy array that shares memory."""
        if self._traced is not None or _interpreter().tracing:
            raise _no_data("numpy()")
        if self._requires_grad:
            raise AutogradError(
                "GT507", "numpy() of a tensor that requires gradients", ["use x.detach().numpy() instead"]
            )
        _given.add(self._storage)
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.detach().numpy(), dtype=dtype, copy=copy)

    def item(self) -> bool | int | float:
        """The only element, as a Python number."""
        self._check_one("item()")
        return _interpreter().data(self, "item()").item()  # type: ignore[no-any-return]

    def _check_one(self, what: str) -> None:
        check(
            self.numel() == 1,
            "GT113",
            f"{what} of {self.numel()} elements",
            "expected exactly one element; use tolist() for more",
        )

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return _interpreter().data(self, "tolist()").tolist()

    def __bool__(self) -> bool:
        check(
            self.numel() == 1,
            "GT113",
            f"the truth value of {self.numel()} elements is ambiguous",
            "use (x != 0).any() or compare elements one by one",
        )
        return bool(_interpreter().data(self, "bool() (an `if`, `while`, `and`, `or`, `not`)").item())

    def __format__(self, spec: str) -> str:
        """As torch: the number of a 0-d tensor by ``spec``; the repr of any other, which takes no ``spec``."""
        if self.ndim or (self._data is None and not spec):
            return object.__format__(self, spec)
        return format(_interpreter().data(self, "a format").item(), spec)

    def __float__(self) -> float:
        self._check_one("float()")
        return float(_interpreter().data(self, "float()").item())

    def __int__(self) -> int:
        self._check_one("int()")
        return int(_interpreter().data(self, "int()").item())

    def __index__(self) -> int:
        check(
            self.numel() == 1 and self.dtype.kind in "iub",
            "GT203",
            "only an integer tensor of one element can be an index",
            f"got {self.aval}",
            kind=ArgumentTypeError,
        )
        return int(_interpreter().data(self, "an index").item())

    def __len__(self) -> int:
        check(self.ndim > 0, "GT107", "a 0-d tensor has no length", kind=ArgumentTypeError)
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    # ---- conversion ----

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Another dtype, or the dtype of another tensor: ``x.to(gt.float64)``, ``x.to(y)``, ``x.to("cpu")``."""
        target = kwargs.get("dtype")
        require_cpu(kwargs.get("device"))
        for arg in args:
            if isinstance(arg, Tensor):
                target = arg.dtype
            elif isinstance(arg, DType):
                target = arg
            elif isinstance(arg, str | device):
                require_cpu(arg)
            else:
                raise ArgumentTypeError(
                    "GT301", f"to() does not take {arg!r}", ["expected a dtype, a device or a tensor"]
                )
        return self if target is None else to_dtype(self, target)

    def float(self) -> Tensor:
        return self.to(float32)

    def double(self) -> Tensor:
        return self.to(float64)

    def long(self) -> Tensor:
        return self.to(int64)

    def cpu(self) -> Tensor:
        return self

    def cuda(self, device: Any = None) -> Tensor:
        return self.to("cuda")

    # ---- Python ----

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, _COMPARABLE):
            return NotImplemented
        return PUBLIC["gt"]["eq"](self, other)

    def __ne__(self, other: object) -> Any:
        if not isinstance(other, _COMPARABLE):
            return NotImplemented
        return PUBLIC["gt"]["ne"](self, other)

    def __hash__(self) -> int:
        return id(self)

    def __matmul__(self, other: Any) -> Any:
        return PUBLIC["gt"]["matmul"](self, other)

    def __abs__(self) -> Any:
        return PUBLIC["gt"]["abs"](self)

    def __invert__(self) -> Any:
        return PUBLIC["gt"]["logical_not"](self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        out = type(self).__new__(type(self))
        array = np.array(self._array)
        out._data, out._storage, out._requires_grad = array, Storage(array), self._requires_grad
        if self._grad is not None:
            out._grad = self._grad.__deepcopy__(memo)
        memo[id(self)] = out
        return out

    def __repr__(self) -> str:
        if self._data is None:
            return f"<traced {self.aval}>"
        start = "tensor("
        return printing.with_notes(start + printing.body(self._data, len(start)), self._notes(), len(start)) + ")"

    def _notes(self) -> list[str]:
        """What the numbers do not tell."""
        empty = not self.numel()
        notes = [f"size={tuple(self.shape)}"] if empty and self.ndim != 1 else []
        if self.dtype != float32 and (empty or self.dtype not in (int64, bool_)):
            notes.append(f"dtype={self.dtype!r}")
        if self._grad_fn is not None:
            notes.append(f"grad_fn=<{self._grad_fn.name}>")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        return notes


#: what == compares element by element; it is False with anything else
_COMPARABLE = (Tensor, bool, int, float, np.generic, np.ndarray)


def user_attributes(t: Tensor) -> dict[str, Any]:
    """What a user has put on a tensor: `x.scale = 2`."""
    return {name: value for name, value in vars(t).items() if name not in Tensor.__annotations__}


def _address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


def _interpreter() -> Any:
    return bind.current()


def _no_data(what: str) -> TraceError:
    """The error for code that needs a number while only shapes are known."""
    return TraceError(
        "GT601",
        f"{what} needs the numbers of a tensor, but while tracing only its shape and dtype are known",
        [
            "write it with ops, so that it becomes part of the program:",
            "  a condition on data      gt.where(condition, a, b)",
            "  a number from a tensor   keep it a tensor, and return it from the function",
            "  printing or logging      return the tensor and print it outside of gt.compile",
        ],
    )


def zeros_of(aval: TensorType) -> Tensor:
    """Zeros of a type, outside of autograd."""
    return PUBLIC["gt"]["full"](aval.shape, 0, dtype=aval.dtype)  # type: ignore[no-any-return]


def tensor(data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor that holds a copy of ``data``: a number, nested sequences, a numpy array or a tensor.

    Python floats become float32 and ints int64; numpy arrays keep their dtype. Raises DTypeError
    GT207 for a numpy dtype that graphtorch does not have.

        >>> import graphtorch as gt
        >>> gt.tensor([[1, 2], [3, 4]]).sum()
        tensor(10)
    """
    require_cpu(device)
    out = _to_tensor(data, dtype, "data")
    return out.requires_grad_() if requires_grad else out


def _to_tensor(data: Any, dtype: DType | None, name: str) -> Tensor:
    """`tensor`, for a caller whose parameter is called ``name``."""
    if isinstance(data, Tensor):
        array = np.array(data.detach()._array)
    elif isinstance(data, np.ndarray | np.generic):
        array = np.array(data)
    else:
        array, dtype = _from_python(data, dtype, name)
    if dtype is not None and array.dtype.kind in "biufO":
        with np.errstate(invalid="ignore", over="ignore"):
            array = array.astype(dtype.np)
    out = as_tensor_of(np.ascontiguousarray(array).reshape(array.shape))
    interpreter = _interpreter()
    return interpreter.constant(out) if interpreter.tracing else out


def _from_python(data: Any, dtype: DType | None, name: str) -> tuple[np.ndarray[Any, Any], DType | None]:
    """Python numbers in nested sequences as an array, and the dtype that it is to have."""

    def plain(x: Any) -> Any:
        if isinstance(x, Tensor):
            return x.tolist()
        return [plain(v) for v in x] if _is_nested(x) else x

    try:
        array = np.array(plain(data))
    except ValueError:
        raise ShapeError(
            "GT114", "nested sequences of unequal lengths", ["expected every row to have the same length"]
        ) from None
    leaves = list({(type(x), getattr(x, "dtype", None)): x for x in _leaves(data)}.values())
    strange = [x for x in leaves if isinstance(x, str | bytes | None) or (array.dtype == object and not _is_number(x))]
    if strange:
        raise ArgumentTypeError("GT301", f"{name} must be a number or hold numbers, got {type(strange[0]).__name__}")
    dtype = dtype or _promoted(leaves)
    if dtype is not None and array.size:
        _check_range(array, dtype, name)
    return array, dtype


def _is_nested(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, str | bytes)


def _leaves(data: Any) -> Iterator[Any]:
    """What nested sequences hold."""
    if not _is_nested(data):
        yield data
        return
    for item in data:
        yield from _leaves(item)


def _is_number(x: Any) -> bool:
    return isinstance(x, bool | int | float | complex | np.generic | np.ndarray | Tensor)


def _promoted(leaves: Sequence[Any]) -> DType | None:
    """The dtype of numbers that stand together, as in torch; None where graphtorch has none."""
    out: DType | None = None if leaves else float32
    for x in leaves:
        if isinstance(x, np.generic | np.ndarray):
            found = dtype_from_numpy(x.dtype)
        else:
            found = x.dtype if isinstance(x, Tensor) else _SCALARS.get(type(x))
        if found is None:
            return None
        out = found if out is None else promote(out, found)
    return out


_SCALARS = {bool: bool_, int: int64, float: float32}


def _check_range(array: np.ndarray[Any, Any], dtype: DType, name: str) -> None:
    """ArgumentError GT304 for Python numbers that ``dtype`` cannot hold."""
    if array.dtype.kind not in "biufO" or dtype.kind not in "iu":
        return
    for value in (array.min(), array.max()):
        fitting(value.item() if isinstance(value, np.generic) else value, dtype, name)


def as_tensor_of(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor over ``array`` itself."""
    if dtype_from_numpy(array.dtype) is None or not array.dtype.isnative:
        raise DTypeError(
            "GT207",
            f"there is no dtype for numpy's {array.dtype}",
            ["expected float64, float32, int64, int32, int16, int8, uint8 or bool"],
        )
    return Tensor._from_array(array)


#: the storage over an array that Python holds too, by where it lies: two tensors over one array share it
_shared: WeakValueDictionary[Any, Storage] = WeakValueDictionary()
#: storages whose arrays Python was given, and that are not in `_shared` yet: `numpy()` is called more than `from_numpy`
_given: WeakSet[Storage] = WeakSet()


def _share(storage: Storage) -> Storage:
    """The storage that tensors over this memory have already, or this one."""
    with suppress(KeyError):
        while _given:
            _enter(_given.pop())
    return _enter(storage)


def _enter(storage: Storage) -> Storage:
    array = storage.array
    if array is None or not array.size:
        return storage
    return _shared.setdefault((_address(array), array.shape, array.strides, array.dtype.str), storage)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor that shares memory with ``array``."""
    if not isinstance(array, np.ndarray):
        raise ArgumentTypeError("GT301", f"from_numpy() takes a numpy array, got {type(array).__name__}")
    out = as_tensor_of(array)
    out._storage = _share(out._storage)
    bind.current().constructing(out)
    return out


def _method(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__, method.__doc__ = name, function.__doc__
    return method


def _inplace_method(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return self._inplace(function(self, *args, **kwargs), name)

    method.__name__, method.__doc__ = name, f"`{name[:-1]}`, written into this tensor."
    return method


INPLACE = "add sub mul div pow clamp neg abs exp log sqrt rsqrt relu sigmoid tanh sign".split()


def install_methods() -> None:
    """Give Tensor a method for every op whose surface says so, and the in-place forms."""
    for name, function in PUBLIC["Tensor"].items():
        if name not in vars(Tensor) or name == "clone":
            setattr(Tensor, name, _method(function, name))
    for name in INPLACE:
        setattr(Tensor, name + "_", _inplace_method(PUBLIC["gt"][name], name + "_"))
