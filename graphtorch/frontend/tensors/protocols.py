"""Python's protocols: comparison, hashing, copies, repr; and conversion to other dtypes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from graphtorch.frontend import dtypes, printing
from graphtorch.frontend.tensors.base import TensorBase, interpreter, user_attributes
from graphtorch.frontend.tensors.storage import Storage, copied, dense, host, row_major_copy, seen_through, strided
from graphtorch.ir.device import check_device, device
from graphtorch.ir.errors import ArgumentTypeError, AutogradError
from graphtorch.ir.formats import preserves
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import aval_of, to_dtype
from graphtorch.ir.types import DType, bool_, defaults, int64

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor


class Protocols(TensorBase):
    """What a tensor is to Python."""

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Another dtype, or the dtype of another tensor: ``x.to(gt.float64)``, ``x.to(y)``, ``x.to("cpu")``.

        This tensor itself where it is that already, unless ``copy`` asks for one of its own. ``non_blocking``: a copy
        between pinned memory and a GPU goes on while Python does; a copy's order in memory follows ``memory_format``,
        as `clone`'s. ArgumentTypeError GT301 for anything else, DeviceError GT402 for a device that is not there.
        """
        target, place = _wanted(args, kwargs)
        copy, memory_format = bool(kwargs.get("copy", False)), kwargs.get("memory_format")
        out: Any = self if place is None else self._moved(place, bool(kwargs.get("non_blocking", False)))
        out = out if target is None else to_dtype(out, target)
        if not preserves(memory_format):
            out = out.contiguous()
        return PUBLIC["gt"]["clone"](out, memory_format=memory_format) if copy and out is self else out  # type: ignore[no-any-return]

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """This tensor as ``dtype``: a dtype, a type such as ``gt.LongTensor``, or its name, "graphtorch.LongTensor" or
        "torch.LongTensor"; itself where it is that. Without one, the name of its own type.

        ArgumentTypeError GT301 for anything else. ``non_blocking`` changes nothing on the CPU.
        """
        if dtype is None:
            return f"graphtorch.{dtypes.TENSOR_NAMES[self.dtype]}"
        return self.to(dtype if isinstance(dtype, DType) else dtypes.of_tensor_type(dtype))

    def type_as(self, other: Tensor) -> Tensor:
        """This tensor in the dtype of ``other``; itself where it has that."""
        return self.to(aval_of(other).dtype)

    def new(self, *args: Any, device: Any = None, **named: Any) -> Tensor:
        """torch's older constructor, of this tensor's dtype: ``x.new(2, 3)``, ``x.new([1, 2])``, see `FloatTensor`."""
        from graphtorch.frontend.legacy import build  # which makes tensors

        return build("new", args, named, device, self.dtype)

    def _moved(self, place: device, non_blocking: bool) -> Tensor:
        current = interpreter()
        if current.tracing:
            current.placing(place)
            return self  # type: ignore[return-value]
        from graphtorch.frontend.placement import moved  # which makes tensors

        return moved(self, place, non_blocking)  # type: ignore[arg-type]

    def cpu(self) -> Tensor:
        """This tensor on the CPU: itself where it is there."""
        return self.to("cpu") if type(self._data) is not np.ndarray else self  # type: ignore[return-value]

    def cuda(self, device: Any = None, non_blocking: bool = False) -> Tensor:
        """A copy on a GPU, the current one unless ``device`` is its number or name; DeviceError GT402."""
        return self.to("cuda" if device is None else gpu_named(device), non_blocking=non_blocking)

    def pin_memory(self) -> Tensor:
        """A copy in memory of the host that a GPU reads by itself; DeviceError GT402 where there is none."""
        from graphtorch.frontend.pinned import pinned  # few need it

        return pinned(self)  # type: ignore[arg-type]

    def is_pinned(self) -> bool:
        """Whether `pin_memory` made the memory."""
        from graphtorch.frontend.pinned import is_pinned

        return is_pinned(self)  # type: ignore[arg-type]

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
        return PUBLIC["gt"]["bitwise_not"](self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A copy with a storage of its own, which copies of views made by the same call share, as in torch.

        AutogradError GT512 for a computed tensor that requires gradients: its history cannot be copied.
        """
        if not self.is_leaf:
            raise AutogradError(
                "GT512", "a computed tensor that requires gradients cannot be copied deeply", ["detach() it first"]
            )
        storage = memo.get(id(self._storage))
        if storage is None:
            storage = memo[id(self._storage)] = Storage(copied(self._storage))
        out = type(self).__new__(type(self))
        out._data, out._storage = seen_through(storage, self), storage
        out._requires_grad = self._requires_grad
        memo[id(self)] = out
        if self._grad is not None:
            out._grad = self._grad.__deepcopy__(memo)
        for name, value in user_attributes(self).items():
            setattr(out, name, copy.deepcopy(value, memo))
        return out  # type: ignore[return-value]

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        """The storage, which views in one pickle share, the place in it, requires_grad and what a user put there."""
        strides, offset = self._layout()
        array = self._array
        if not dense(self._storage):
            contiguous = row_major_copy(array)
            whole = Storage(contiguous)
            strides, offset = tuple(s // array.itemsize for s in contiguous.strides), 0
        else:
            whole = self._storage
        place = self.dtype, array.shape, strides, offset
        return rebuilt, (type(self), whole, place, self._requires_grad), user_attributes(self) or None

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def __repr__(self) -> str:
        if self._data is None:
            return f"<traced {self.aval}>"
        start = "tensor("
        return printing.with_notes(start + printing.body(host(self._data), len(start)), self._notes(), len(start)) + ")"

    def _notes(self) -> list[str]:
        """What the numbers do not tell."""
        empty = not self.numel()
        notes = [f"size={tuple(self.shape)}"] if empty and self.ndim != 1 else []
        if self.is_cuda:
            notes.insert(0, f"device='{self.device}'")
        if self.dtype != defaults.dtype and (empty or self.dtype not in (int64, bool_)):
            notes.append(f"dtype={self.dtype!r}")
        if self._grad_fn is not None:
            notes.append(f"grad_fn=<{self._grad_fn.name}>")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        return notes


#: what `Tensor.to` takes by name, and by position behind what it converts to
_TO = "dtype", "device", "other", "non_blocking", "copy", "memory_format"


def gpu_named(given: Any) -> device:
    """The GPU of that number or name."""
    return device("cuda", given) if type(given) is int else device(given)


def _wanted(args: tuple[Any, ...], named: dict[str, Any]) -> tuple[DType | None, device | None]:
    """The dtype and the device that a call of `Tensor.to` asks for; its flags go into ``named``."""
    unknown = [name for name in named if name not in _TO]
    if unknown:
        raise ArgumentTypeError("GT301", f"to() does not take {unknown[0]}", [f"expected {', '.join(_TO)}"])
    target = named.get("dtype")
    place = check_device(named.get("device"))
    flags = ["non_blocking", "copy"]
    for arg in (*args, named.get("other")):
        if isinstance(arg, TensorBase):
            target, place = arg.dtype, arg.device
        elif isinstance(arg, DType):
            target = arg
        elif isinstance(arg, str | device) or (type(arg) is int and arg is args[0]):
            place = check_device(arg)
        elif isinstance(arg, bool) and flags and arg is not args[0]:
            named[flags.pop(0)] = arg
        elif arg is not None:
            raise ArgumentTypeError("GT301", f"to() does not take {arg!r}", ["expected a dtype, a device or a tensor"])
    return target, place


def rebuilt(cls: type[Tensor], storage: Storage, place: tuple[Any, ...], requires_grad: bool) -> Tensor:
    """A tensor out of a pickle, or of copy.copy."""
    out = cls.__new__(cls)
    dtype, shape, strides, offset = place  # the dtype's text in pickles of older versions
    kind = dtype.np if isinstance(dtype, DType) else np.dtype(dtype)
    out._data, out._storage = strided(storage, kind, shape, strides, offset), storage
    out._requires_grad = requires_grad
    return out


#: what == compares element by element; it is False with anything else
_COMPARABLE = (TensorBase, bool, int, float, np.generic, np.ndarray)
