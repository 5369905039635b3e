"""Out of tensors into Python: numbers, lists and numpy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from graphtorch.frontend.tensors.base import TensorBase, interpreter, no_data
from graphtorch.frontend.tensors.storage import given
from graphtorch.ir.errors import ArgumentTypeError, AutogradError, DeviceError, check
from graphtorch.runtime.cuda_array import on_gpu

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor


class Numbers(TensorBase):
    """What needs the data of a tensor, and what Python asks of a sequence."""

    def numpy(self) -> np.ndarray[Any, Any]:
        """The data as a numpy array that shares memory; DeviceError GT408 for a tensor on a GPU."""
        if self._traced is not None or interpreter().tracing:
            raise no_data("numpy()")
        if self._requires_grad:
            raise AutogradError(
                "GT507", "numpy() of a tensor that requires gradients", ["use x.detach().numpy() instead"]
            )
        if on_gpu(self._data):
            raise on_a_gpu(self, "numpy()")
        given.add(self._storage)
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.detach().numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **asked: Any) -> Any:
        """The memory, as a capsule that other libraries take: numpy's, or CuPy's. AutogradError GT507 as `numpy`."""
        if on_gpu(self._data):
            self._check_no_gradient("__dlpack__()")
            from graphtorch.frontend.dlpack import capsule  # few need it

            return capsule(self._data, **asked)
        return self.numpy().__dlpack__(**asked)

    def __dlpack_device__(self) -> tuple[int, int]:
        if on_gpu(self._data):
            return 2, self._data.device  # kDLCUDA
        return self._array.__dlpack_device__()

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """What CuPy, Numba and pycuda read of a tensor on a GPU, version 3; AttributeError for one on the CPU."""
        data = self._data
        if not on_gpu(data):
            raise AttributeError(f"a tensor on {self.device} has no __cuda_array_interface__: use .cuda() first")
        self._check_no_gradient("__cuda_array_interface__")
        from graphtorch.runtime.cuda import gpu

        return {
            "shape": data.shape,
            "typestr": data.dtype.str,
            "data": (data.address, False),
            "strides": None if data.flags.c_contiguous else data.strides,
            "version": 3,
            "stream": gpu(data.device).stream.handle or 1,
        }

    def _check_no_gradient(self, what: str) -> None:
        if self._requires_grad:
            raise AutogradError("GT507", f"{what} of a tensor that requires gradients", ["use x.detach() first"])

    def item(self) -> bool | int | float:
        """The only element, as a Python number."""
        self._check_one("item()")
        return interpreter().data(self, "item()").item()  # type: ignore[no-any-return]

    def _check_one(self, what: str) -> None:
        check(
            self.numel() == 1,
            "GT113",
            f"{what} of {self.numel()} elements",
            "expected exactly one element; use tolist() for more",
        )

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return interpreter().data(self, "tolist()").tolist()

    def __bool__(self) -> bool:
        check(
            self.numel() == 1,
            "GT113",
            f"the truth value of {self.numel()} elements is ambiguous",
            "use (x != 0).any() or compare elements one by one",
        )
        return bool(interpreter().data(self, "bool() (an `if`, `while`, `and`, `or`, `not`)").item())

    def __format__(self, spec: str) -> str:
        """As torch: the number of a 0-d tensor by ``spec``; the repr of any other, which takes no ``spec``."""
        if self.ndim or (self._data is None and not spec):
            return object.__format__(self, spec)
        return format(interpreter().data(self, "a format").item(), spec)

    def __float__(self) -> float:
        self._check_one("float()")
        return float(interpreter().data(self, "float()").item())

    def __int__(self) -> int:
        self._check_one("int()")
        return int(interpreter().data(self, "int()").item())

    def __index__(self) -> int:
        check(
            self.numel() == 1 and self.dtype.kind in "iub",
            "GT203",
            "only an integer tensor of one element can be an index",
            f"got {self.aval}",
            kind=ArgumentTypeError,
        )
        return int(interpreter().data(self, "an index").item())

    def __len__(self) -> int:
        check(self.ndim > 0, "GT107", "a 0-d tensor has no length", kind=ArgumentTypeError)
        return self.aval.shape[0]

    def __contains__(self, element: Any) -> bool:
        """Whether an element, or what broadcasts with this tensor, equals ``element``: a number or a tensor."""
        if not isinstance(element, TensorBase | bool | int | float | np.generic):
            got = type(element).__name__
            raise ArgumentTypeError("GT301", f"`in` of a tensor takes a number or a tensor, got {got}")
        return bool((self == element).any())  # type: ignore[attr-defined]

    def __reversed__(self) -> Any:
        """As torch: flipped along the first dimension."""
        return self.flip(0) if self.ndim else self

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))


def on_a_gpu(t: TensorBase, what: str) -> DeviceError:
    """The error for code that reads the host's memory."""
    return DeviceError(
        "GT408", f"{what} of a tensor on {t.device}", ["its numbers are in the memory of the GPU"], "use x.cpu() first"
    )
