"""Tensors from data: `tensor`, `from_numpy`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphtorch.frontend.placement import placing
from graphtorch.frontend.tensor import Tensor, as_tensor_of
from graphtorch.frontend.tensors.base import interpreter
from graphtorch.frontend.tensors.storage import host, share
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, ShapeError
from graphtorch.ir.ops.common import fitting
from graphtorch.ir.types import DType, defaults, dtype_from_numpy, promote, scalar_dtype


@placing
def tensor(data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor that holds a copy of ``data``: a number, nested sequences, a numpy array or a tensor.

    Python floats become the default dtype (`set_default_dtype`) and ints int64; numpy arrays keep their dtype. Raises
    DTypeError GT207 for a numpy dtype that graphtorch does not have.

        >>> import graphtorch as gt
        >>> gt.tensor([[1, 2], [3, 4]]).sum()
        tensor(10)
    """
    out = to_tensor(data, dtype, "data")
    return out.requires_grad_() if requires_grad else out


def to_tensor(data: Any, dtype: DType | None, name: str) -> Tensor:
    """`tensor`, for a caller whose parameter is called ``name``."""
    if isinstance(data, Tensor):
        array = np.array(host(data.detach()._array))
    elif isinstance(data, np.ndarray | np.generic):
        array = np.array(data)
    else:
        array, dtype = _from_python(data, dtype, name)
    if dtype is not None and array.dtype.kind in "biufO":
        with np.errstate(invalid="ignore", over="ignore"):
            array = array.astype(dtype.np)
    out = as_tensor_of(np.ascontiguousarray(array).reshape(array.shape))
    current = interpreter()
    return current.constant(out) if current.tracing else out


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
    out: DType | None = None if leaves else defaults.dtype
    for x in leaves:
        if isinstance(x, np.generic | np.ndarray):
            found = dtype_from_numpy(x.dtype)
        else:
            found = x.dtype if isinstance(x, Tensor) else _of_number(x)
        if found is None:
            return None
        out = found if out is None else promote(out, found)
    return out


def _of_number(x: Any) -> DType | None:
    return scalar_dtype(x) if type(x) in (bool, int, float) else None


def _check_range(array: np.ndarray[Any, Any], dtype: DType, name: str) -> None:
    """ArgumentError GT304 for Python numbers that ``dtype`` cannot hold."""
    if array.dtype.kind not in "biufO" or dtype.kind not in "iu":
        return
    for value in (array.min(), array.max()):
        fitting(value.item() if isinstance(value, np.generic) else value, dtype, name)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor that shares memory with ``array``."""
    if not isinstance(array, np.ndarray):
        raise ArgumentTypeError("GT301", f"from_numpy() takes a numpy array, got {type(array).__name__}")
    out = as_tensor_of(array)
    out._storage = share(out._storage)
    bind.current().constructing(out)
    return out


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares memory with that of another library: anything with `__dlpack__`, on the CPU or a GPU.

    ArgumentTypeError GT301 for what has none, DTypeError GT207 for a dtype that graphtorch does not have.
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        raise ArgumentTypeError("GT301", f"from_dlpack() takes what has __dlpack__, got {type(ext_tensor).__name__}")
    if hasattr(ext_tensor, "__dlpack_device__") and ext_tensor.__dlpack_device__()[0] == 2:
        from graphtorch.frontend.dlpack import imported  # few need it

        return imported(ext_tensor)
    return from_numpy(np.from_dlpack(ext_tensor))
