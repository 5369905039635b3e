"""Writing into tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphtorch.frontend.tensors.base import TensorBase, interpreter
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.ops.common import broadcast_shapes, to_dtype
from graphtorch.ir.types import DType

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor


class InPlace(TensorBase):
    """Methods that write into their tensor."""

    def copy_(self, src: Any, non_blocking: bool = False) -> Tensor:
        """Write ``src`` (broadcast and converted) into this tensor."""
        return self._assign(src, "src")

    def _assign(self, value: Any, name: str) -> Tensor:
        """Write ``value``, which the caller knows as ``name``."""
        source = to_dtype(value if isinstance(value, TensorBase) else _to_tensor(value, self.dtype, name), self.dtype)
        if source.aval.shape != self.aval.shape:
            source = source.broadcast_to(self.aval.shape)
        current = interpreter()
        check(
            current.tracing or self._data is None or self._data.flags.writeable,
            "GT117",
            "a tensor whose elements share memory, or that lies in read-only memory, cannot be written in place",
            f"got {self.aval}; clone() it first",
        )
        current.write(self, source)
        return self  # type: ignore[return-value]

    def __setitem__(self, index: Any, value: Any) -> None:
        self[index]._assign(value, "value")

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


def _to_tensor(value: Any, dtype: DType, name: str) -> Tensor:
    from graphtorch.frontend.construction import to_tensor  # which makes tensors, and so knows them as a whole

    return to_tensor(value, dtype, name)
