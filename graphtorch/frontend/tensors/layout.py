"""Where the elements of a tensor lie: strides, offsets, addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphtorch.frontend.tensors.base import TensorBase, interpreter
from graphtorch.frontend.tensors.storage import address
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.formats import check_format, contiguous_format
from graphtorch.ir.types import contiguous_strides

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor


class Layout(TensorBase):
    """Strides and storage."""

    def element_size(self) -> int:
        return self.dtype.itemsize

    def _layout(self) -> tuple[tuple[int, ...], int]:
        """Strides, and where the first element stands in the storage; in elements."""
        if self._data is None:
            return self._traced.layout(self)  # type: ignore[no-any-return]
        base, size = self._storage.array, self._data.itemsize
        offset = 0 if base is None else (address(self._data) - address(base)) // size
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
        return address(self._array)

    def _is_view_of(self, base: Tensor) -> bool:
        """Whether writing one writes the other; a trace, in which tensors are in row-major order, says so."""
        return self._data is None or not self.numel() or self._storage is base._storage

    def _lies_transposed(self) -> bool:
        """Whether each matrix of the last two dimensions is in column-major order."""
        data = self._data
        return data is not None and data.ndim > 1 and data.itemsize == data.strides[-2] < data.strides[-1]

    def is_contiguous(self, memory_format: Any = contiguous_format) -> bool:
        """Whether elements lie in row-major order without gaps."""
        check_format(memory_format)
        if self._data is not None:
            return bool(self._data.flags.c_contiguous)
        sizes = [(n, s) for n, s in zip(self.shape, self.stride(), strict=True) if n != 1]
        expected = contiguous_strides(tuple(n for n, _ in sizes))
        return self.numel() == 0 or tuple(s for _, s in sizes) == expected

    def contiguous(self, memory_format: Any = contiguous_format) -> Tensor:
        """This tensor if its elements lie in row-major order, else a copy in which they do.

        ArgumentTypeError GT301 for a ``memory_format`` that is none, ArgumentError GT304 for `preserve_format`.
        """
        check_format(memory_format)
        check(
            memory_format is contiguous_format,
            "GT304",
            f"memory_format={memory_format!r} is not allowed",
            f"expected {contiguous_format!r}",
            kind=ArgumentError,
        )
        return interpreter().contiguous(self)  # type: ignore[no-any-return]
