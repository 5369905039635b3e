"""The memory that files describe, and the tensors over it: nothing is taken that the file does not hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.frontend.files.source import FLOOR, Source, damaged, shown, too_large
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.placement import array_on
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tensors.storage import Storage, strided
from graphtorch.ir.device import CPU, device
from graphtorch.ir.errors import LoadError
from graphtorch.ir.types import TENSOR_DTYPES, DType, contiguous_strides

#: numpy 1 has arrays of so many dimensions at most
_MOST_DIMENSIONS = 32
_BY_NAME = {d.name: d for d in TENSOR_DTYPES}


class Memory:
    """A storage of a file: ``numel`` elements of ``dtype``, which tensors share.

    ``shown``: how many bytes a tensor over it may have (an expanded one has more than there are in memory).
    """

    def __init__(self, dtype: DType, numel: int, file_size: int) -> None:
        if numel * dtype.itemsize > file_size:
            raise too_large(f"a storage of {numel} {dtype.name}", f"the file has {file_size} bytes")
        self.dtype, self.numel, self.shown = dtype, numel, max(FLOOR, 2 * file_size)
        self.array = np.empty(numel, dtype.np)
        self.storage, self._place = Storage(self.array), CPU

    @property
    def bytes(self) -> np.ndarray[Any, Any]:
        """The memory, byte by byte."""
        return self.array.view(np.uint8)

    def move_to(self, place: device) -> None:
        """Let tensors be over memory of a GPU, which `settle` fills."""
        self.storage, self._place = Storage(array_on(self.array, place)), place

    def settle(self) -> None:
        """Copy the elements to the GPU."""
        from graphtorch.runtime.cuda_copy import upload

        if self.numel and self.storage.array is not None and self._place.index is not None:
            upload(self.storage.array.address, self.array, self._place.index)  # type: ignore[attr-defined]

    def fill(self, source: Source) -> None:
        """Read the elements. Any byte but 0 is a True: elsewhere a bool of 2 would count twice."""
        source.into(self.bytes)
        if self.dtype.name == "bool":
            np.not_equal(self.bytes, 0, out=self.array)

    def swap(self) -> None:
        """Reverse the bytes of each element: the file is big-endian."""
        size = self.dtype.itemsize
        if size > 1:
            whole = self.bytes.reshape(-1, size)
            whole[:] = whole[:, ::-1].copy()

    def tensor(self, shape: Any, strides: Any, offset: Any, dtype: DType | None = None) -> Tensor:
        """The elements from number ``offset`` on, under another ``dtype`` of equal size if one is given.

        LoadError GT902 or GT904 if they are not all in memory.
        """
        dtype = dtype or self.dtype
        if dtype.itemsize != self.dtype.itemsize:
            raise damaged(f"a tensor of {dtype.name} over memory of {self.dtype.name}")
        self._check(shape, strides, offset)
        if 0 in shape:  # its strides may be anything
            return Tensor._from_array(array_on(np.empty(shape, dtype.np), self._place))
        return Tensor._from_array(strided(self.storage, dtype.np, shape, strides, offset), self.storage)

    def arranged(self, shape: tuple[int, ...], strides: Any) -> Tensor:
        """The elements, which lie row-major, moved into the order that ``strides`` without gaps tell."""
        self._check(shape, strides, 0)
        order = sorted(range(len(shape)), key=lambda d: -strides[d])
        dense = contiguous_strides(tuple(shape[d] for d in order))
        if any(strides[d] != s for d, s in zip(order, dense, strict=True) if shape[d] > 1):
            raise damaged(f"the strides {shown(strides)} of sizes {shown(shape)} have gaps")
        self.array[:] = self.array.reshape(shape).transpose(order).ravel()
        return self.tensor(shape, strides, 0)

    def _check(self, shape: Any, strides: Any, offset: Any) -> None:
        numbers = (*_whole(shape, "sizes"), *_whole(strides, "strides"), *_whole((offset,), "offset"))
        if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS:
            raise damaged(f"a tensor of {len(shape)} sizes and {len(strides)} strides")
        if max(numbers) >= 2**48 or math.prod(shape) * self.dtype.itemsize > self.shown:
            raise too_large(f"a tensor of sizes {shown(shape)}", f"its storage has {self.numel} elements")
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if 0 not in shape and last >= self.numel:
            raise damaged(
                f"a tensor of sizes {list(shape)}, strides {list(strides)}, offset {offset} reaches beyond its storage",
                f"its last element is number {last}, the storage has {self.numel}",
            )


def _whole(values: Any, what: str) -> tuple[int, ...]:
    """Numbers that can be sizes, or places."""
    if not isinstance(values, tuple | list) or any(type(n) is not int or n < 0 for n in values):
        raise damaged(f"the {what} of a tensor are {shown(values)}", "expected whole numbers from 0 on")
    return tuple(values)


def dtype_called(name: str) -> DType:
    """The dtype of torch's ``name``; LoadError GT905 where graphtorch has none."""
    if name not in _BY_NAME:
        raise no_dtype(name)
    return _BY_NAME[name]


def no_dtype(name: str) -> LoadError:
    """The file has a tensor that there cannot be."""
    return LoadError(
        "GT905",
        f"the file has a tensor of {name}, which graphtorch has not",
        [f"expected one of {', '.join(_BY_NAME)}"],
        fix="convert the tensor where the file comes from, or leave it out",
    )


def as_parameter(data: Any, requires_grad: Any) -> Parameter:
    """A `Parameter` over ``data``."""
    if not isinstance(data, Tensor):
        raise damaged(f"a parameter over a {type(data).__name__}")
    return Parameter(data, requires_grad is True)
