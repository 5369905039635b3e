"""The storage of a tensor, as an object, and questions about memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from graphtorch.frontend.tensors.base import TensorBase, interpreter, no_data
from graphtorch.frontend.tensors.storage import Storage, address, as_elements, flat, host
from graphtorch.ir.errors import ArgumentError, AutogradError, DeviceError, TraceError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import check_sizes, sizes
from graphtorch.ir.types import DType, uint8
from graphtorch.runtime.cuda_array import on_gpu

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor


class TensorStorage:
    """All elements that a tensor's views can reach, in order of memory: those of its dtype, or bytes (`untyped`)."""

    def __init__(self, storage: Storage, dtype: DType) -> None:
        assert storage.array is not None  # tensors of a trace have none, and are refused before
        self._owner, self.dtype = storage, dtype
        self._flat: np.ndarray[Any, Any] = as_elements(flat(storage.array), dtype.np)

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return address(self._flat)

    def nbytes(self) -> int:
        return self._flat.nbytes

    def size(self) -> int:
        """How many elements."""
        return self._flat.size

    def element_size(self) -> int:
        return self._flat.itemsize

    def untyped(self) -> TensorStorage:
        """The same memory as bytes."""
        return TensorStorage(self._owner, uint8)

    def tolist(self) -> list[Any]:
        return host(self._flat).tolist()  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return self._flat.size

    def __getitem__(self, index: int) -> Any:
        return host(self._flat)[index].item()

    def __setitem__(self, index: int | slice, value: Any) -> None:
        """Written past the tensors that lie here: as in torch, nothing of it is recorded or checked by autograd."""
        if on_gpu(self._flat):
            raise DeviceError(
                "GT408", "elements of a storage on a GPU are written one by one", [], "write the tensor: x[i] = value"
            )
        self._flat[index] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(host(self._flat).tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorStorage) and other._owner is self._owner and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash((id(self._owner), self.dtype))

    def __repr__(self) -> str:
        return f"<storage of {len(self)} {self.dtype!r} at {self.data_ptr():#x}>"


class Memory(TensorBase):
    """What tensors tell of their memory."""

    def storage(self) -> TensorStorage:
        """The storage, as elements of this tensor's dtype."""
        return TensorStorage(self._known_storage(), self.dtype)

    def untyped_storage(self) -> TensorStorage:
        """The storage, as bytes."""
        return TensorStorage(self._known_storage(), uint8)

    def _known_storage(self) -> Storage:
        if self._data is None or interpreter().tracing:
            raise no_data("the storage of a tensor")
        return self._storage

    def is_set_to(self, tensor: Tensor) -> bool:
        """Whether both are the same elements of one storage, under one shape."""
        same = self._storage is tensor._storage and self.shape == tensor.shape
        return same and self._layout() == tensor._layout()

    @property
    def nbytes(self) -> int:
        """Bytes of the elements, which may lie apart."""
        return self.numel() * self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def _version(self) -> int:
        """How often the memory was written in place, as autograd counts."""
        from graphtorch.frontend.autograd import version_of

        return version_of(self)  # type: ignore[arg-type]

    @property
    def _base(self) -> Tensor | None:
        """What this tensor is a view of."""
        return None if self._view is None else self._view.base

    def is_inference(self) -> bool:
        """Whether it was made under `inference_mode`: never, since that is `no_grad` here."""
        return False

    def view(self, *shape: Any, **given: Any) -> Tensor:
        """`reshape` that shares the storage; or, of a dtype, the same bytes under that dtype.

        The last size becomes larger or smaller for a dtype of another size. ShapeError GT105 where the order of the
        elements in memory forbids it. Numbers under another dtype have no gradient.
        """
        dtype = shape[0] if shape else given.get("dtype")
        if not isinstance(dtype, DType):
            return PUBLIC["Tensor"]["view"](self, *shape, **given)  # type: ignore[no-any-return]
        if self._data is None or interpreter().tracing:
            raise no_data("view(dtype)")
        _check_bytes(self, dtype)
        out: Tensor = self._alias()
        out._data, out._aval = self._array.view(dtype.np), None
        return out

    def resize_(self, *size: Any, memory_format: Any = None) -> Tensor:
        """Other sizes: the elements of the storage from this tensor's first one on, in row-major order.

        Unlike torch's it takes no more memory: ArgumentError GT304 where the storage has fewer elements. AutogradError
        GT504 for a tensor that requires grad; TraceError GT601 in a program, which `reshape` has no trouble with.
        """
        if self._data is None or interpreter().tracing:
            raise no_data("resize_()")
        wanted, start = sizes(size), self._layout()[1]
        if wanted == self.aval.shape:
            return self  # type: ignore[return-value]
        if self._requires_grad:
            raise AutogradError("GT504", "a tensor that requires grad cannot be resized", ["use reshape()"])
        check_sizes(wanted, "size")
        have = len(self.storage()) - start
        check(
            math.prod(wanted) <= have,
            "GT304",
            f"resize_ to {list(wanted)} takes {math.prod(wanted)} elements, and the storage has {have}",
            "expected no more than there are; gt.empty makes a larger tensor",
            kind=ArgumentError,
        )
        steps = tuple(math.prod(wanted[i + 1 :]) for i in range(len(wanted)))
        as_strided = PUBLIC["Tensor"]["as_strided"]
        return self._reshape_in_place(as_strided, "resize_", (wanted, steps, start), {})  # type: ignore[no-any-return]

    def resize_as_(self, the_template: Tensor, memory_format: Any = None) -> Tensor:
        """`resize_` to the sizes of another tensor."""
        return self.resize_(*the_template.shape)

    def _memory(self) -> Tensor:
        """A tensor of all of the storage, in order of memory, for `as_strided`; gradients pass through it."""
        return interpreter().memory(self)  # type: ignore[no-any-return]


def _check_bytes(t: TensorBase, dtype: DType) -> None:
    """ShapeError GT105 where the bytes of ``t`` are not elements of ``dtype``, side by side in the last dimension."""
    old, new = t.dtype.itemsize, dtype.itemsize
    if old == new:
        return
    stride, offset = t._layout()
    ratio = max(1, new // old)
    fits = t.ndim > 0 and stride[-1] == 1 and t.aval.shape[-1] % ratio == 0
    check(
        fits and all(s % ratio == 0 for s in (offset, *stride[:-1])),
        "GT105",
        f"{t.aval} with strides {list(stride)} has no view as {dtype!r}, which has {new} bytes and not {old}",
        f"expected at least one dimension, the last of stride 1; its size, the other strides and storage_offset() "
        f"multiples of {ratio}: use contiguous() first",
    )


def whole(t: Tensor) -> Tensor:
    """`_memory` in eager mode. AutogradError GT504 where gradients would not know the way."""
    base = t if t._view is None else t._view.base
    memory = t._storage.array
    assert memory is not None  # so that it is of no trace
    dense = base._array.flags.c_contiguous and base._array.size == memory.size
    if dense and address(base._array) == address(memory):
        return base
    if t._requires_grad:
        raise AutogradError(
            "GT504",
            f"as_strided of {t.aval} whose gradient has no place: it is a part of its storage, or in another order",
            ["use contiguous() first, which makes a storage of its own"],
        )
    check(
        memory.flags.c_contiguous or memory.flags.f_contiguous,
        "GT304",
        "as_strided of memory that has gaps",
        "use contiguous() first",
        kind=ArgumentError,
    )
    return type(base)._from_array(flat(memory), t._storage)


def unknown_memory() -> TraceError:
    """The error of `as_strided` of what a trace knows no memory of."""
    return TraceError(
        "GT604",
        "as_strided() of a tensor that may be a part of its storage, or lie in another order than row-major",
        ["use contiguous().clone() first, or write it with narrow(), select(), diagonal() and unfold()"],
    )
