"""Out of tensors into Python: numbers, lists and numpy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from graphtorch.frontend.tensors.base import TensorBase, interpreter, no_data
from graphtorch.frontend.tensors.storage import given
from graphtorch.ir.errors import ArgumentTypeError, AutogradError, check

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor


class Numbers(TensorBase):
    """What needs the data of a tensor, and what Python asks of a sequence."""

    def numpy(self) -> np.ndarray[Any, Any]:
        """The data as a numpy array that shares memory."""
        if self._traced is not None or interpreter().tracing:
            raise no_data("numpy()")
        if self._requires_grad:
            raise AutogradError(
                "GT507", "numpy() of a tensor that requires gradients", ["use x.detach().numpy() instead"]
            )
        given.add(self._storage)
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.detach().numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **asked: Any) -> Any:
        """The memory, as a capsule that other libraries take: numpy's. AutogradError GT507 as `numpy`."""
        return self.numpy().__dlpack__(**asked)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

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
