"""Tensor: a view of a storage over numpy. What ops mean stands in ir/ops, never here; its own methods by family
stand in `tensors`, and those of ops come out of the registry."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphtorch.frontend import dtypes
from graphtorch.frontend.tensors import in_place
from graphtorch.frontend.tensors.base import Size, user_attributes
from graphtorch.frontend.tensors.gradients import Differentiable
from graphtorch.frontend.tensors.in_place import InPlace
from graphtorch.frontend.tensors.layout import Layout
from graphtorch.frontend.tensors.memory import Memory
from graphtorch.frontend.tensors.numbers import Numbers
from graphtorch.frontend.tensors.protocols import Protocols
from graphtorch.frontend.tensors.random import RandomInPlace
from graphtorch.frontend.tensors.storage import Storage
from graphtorch.ir import bind
from graphtorch.ir.errors import DTypeError
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.operators import Operators
from graphtorch.ir.types import DType, TensorType, dtype_from_numpy

__all__ = ["Size", "Storage", "Tensor", "as_tensor_of", "install_methods", "user_attributes", "zeros_of"]

_new = object.__new__


class Tensor(Protocols, Numbers, RandomInPlace, InPlace, Differentiable, Memory, Layout):
    """A multi-dimensional array with torch's interface. Make one with `graphtorch.tensor`.

    ``Tensor(2, 3)`` has these sizes and unspecified content (zeros, here), ``Tensor([2, 3])`` a copy of the data,
    both in the default dtype; ``Tensor(t)`` views another tensor. Errors are those of `FloatTensor` and the like.
    """

    def __init__(self, *args: Any, device: Any = None, **named: Any) -> None:
        from graphtorch.frontend.legacy import fill  # which makes tensors

        fill(self, args, named, device)

    @classmethod
    def _from_array(cls, array: np.ndarray[Any, Any], storage: Storage | None = None) -> Tensor:
        out = Tensor.__new__(Tensor)
        out._data, out._storage = array, Storage(array) if storage is None else storage
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
        out._unseen = self._unseen
        return out


def zeros_of(aval: TensorType, beside: Sequence[Tensor | None] = ()) -> Tensor:
    """Zeros of a type, outside of autograd, on the device of the tensors ``beside``."""
    where = next((t.device for t in beside if t is not None), None)
    place = None if where is None or where.type == "cpu" else where
    return PUBLIC["gt"]["full"](aval.shape, 0, dtype=aval.dtype, device=place)  # type: ignore[no-any-return]


def as_tensor_of(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor over ``array`` itself."""
    if dtype_from_numpy(array.dtype) is None or not array.dtype.isnative:
        raise DTypeError(
            "GT207",
            f"there is no dtype for numpy's {array.dtype}",
            ["expected float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8 or bool"],
        )
    return Tensor._from_array(array)


def _method(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__, method.__doc__ = name, function.__doc__
    return method


def _conversion(name: str, dtype: DType) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return self.to(dtype)

    method.__name__, method.__doc__ = name, f"This tensor as {dtype.name}: itself where it is that."
    return method


#: methods that stand in the classes of `tensors`; the operators of graph values are no such
_OWN = {name for cls in Tensor.__mro__ if cls not in (Operators, object) for name in vars(cls)}


def install_methods() -> None:
    """Give Tensor a method for every op whose surface says so, the conversions, and the in-place forms."""
    mark_several()
    for name, function in PUBLIC["Tensor"].items():
        if name not in _OWN:
            setattr(Tensor, name, _method(function, name))
    for name, dtype in dtypes.CONVERSIONS.items():
        setattr(Tensor, name, _conversion(name, dtype))
    in_place.install(Tensor)


#: functions that give several views of one tensor at once (tensor_split takes one after the other, as in torch)
SEVERAL = "split split_with_sizes chunk unbind".split()


def mark_several() -> None:
    """See to it that the results of functions of several views know that they are such."""
    for namespace in PUBLIC.values():
        for name in SEVERAL:
            if name in namespace:
                namespace[name] = _marking(namespace[name], name)


def _marking(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        several = getattr(bind.current(), "several", None)  # graphs have values, and no views
        if several is not None:
            several(found, name)
        return found

    return call
