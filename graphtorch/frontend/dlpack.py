"""DLPack for tensors on a GPU, both ways: the capsule of C structures that CuPy and torch exchange memory by.

The layout is that of dlpack.h, version 0.8 (https://dmlc.github.io/dlpack/latest/c_api.html).
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_uint8, c_uint16, c_uint64, c_void_p, py_object
from typing import Any

import numpy as np

from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import check_device, device
from graphtorch.ir.errors import DTypeError
from graphtorch.ir.types import dtype_from_name
from graphtorch.runtime.cuda import gpu
from graphtorch.runtime.cuda_array import DeviceArray, Memory

_CUDA = 2
#: DLPack's codes of kinds of numbers
_KINDS = {"i": 0, "u": 1, "f": 2, "V": 4, "b": 6}
_NAMES = {(code, bits): name for name, code, bits in [
    ("int8", 0, 8), ("int16", 0, 16), ("int32", 0, 32), ("int64", 0, 64), ("uint8", 1, 8), ("float16", 2, 16),
    ("float32", 2, 32), ("float64", 2, 64), ("bfloat16", 4, 16), ("bool", 6, 8),
]}  # fmt: skip


class _Tensor(Structure):
    _fields_ = (
        ("data", c_void_p), ("device_type", c_int), ("device_id", c_int), ("ndim", c_int), ("code", c_uint8),
        ("bits", c_uint8), ("lanes", c_uint16), ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    )  # fmt: skip


class _Managed(Structure):
    pass


_DELETER = ctypes.CFUNCTYPE(None, POINTER(_Managed))
_Managed._fields_ = (("tensor", _Tensor), ("context", c_void_p), ("deleter", _DELETER))
_DESTRUCTOR = ctypes.PYFUNCTYPE(None, c_void_p)

_python: Any = ctypes.pythonapi
_python.PyCapsule_New.restype = py_object
_python.PyCapsule_New.argtypes = [c_void_p, c_char_p, _DESTRUCTOR]
_python.PyCapsule_IsValid.argtypes = [c_void_p, c_char_p]
_python.PyCapsule_GetPointer.restype = c_void_p
_python.PyCapsule_GetPointer.argtypes = [c_void_p, c_char_p]
_python.PyCapsule_SetName.argtypes = [c_void_p, c_char_p]

#: what capsules hold, by the address of their structure, until whoever has it says that it is done
_lent: dict[int, tuple[Any, ...]] = {}


def _done(managed: Any) -> None:
    _lent.pop(ctypes.addressof(managed.contents), None)


def _dropped(capsule: int) -> None:
    """A capsule that nobody took."""
    if _python.PyCapsule_IsValid(capsule, b"dltensor"):
        _lent.pop(_python.PyCapsule_GetPointer(capsule, b"dltensor"), None)


#: kept as long as the module is: C has no reference to them
_on_done, _on_dropped = _DELETER(_done), _DESTRUCTOR(_dropped)


def capsule(array: DeviceArray, stream: int | None = None, **_: Any) -> Any:
    """A capsule over ``array``; work that makes it is waited for, unless ``stream`` is -1."""
    if stream != -1:
        gpu(array.device).stream.synchronize()
    dims = max(array.ndim, 1)
    shape = (c_int64 * dims)(*array.shape)
    strides = (c_int64 * dims)(*(s // array.itemsize for s in array.strides))
    managed = _Managed()
    managed.tensor = _Tensor(
        array.address,
        _CUDA,
        array.device,
        array.ndim,
        _KINDS[array.dtype.kind],
        array.itemsize * 8,
        1,
        shape,
        strides,
        0,
    )
    managed.deleter = _on_done
    at = ctypes.addressof(managed)
    _lent[at] = managed, shape, strides, array
    return _python.PyCapsule_New(at, b"dltensor", _on_dropped)


class _Borrowed:
    """Another library's memory, given back when no tensor has it."""

    def __init__(self, managed: Any) -> None:
        self._managed = managed

    def __del__(self) -> None:
        if self._managed.contents.deleter:
            self._managed.contents.deleter(self._managed)


def imported(source: Any) -> Tensor:
    """A tensor over the memory of ``source``, which is on a GPU; DTypeError GT207 for a dtype that there is not."""
    _, number = source.__dlpack_device__()
    check_device(device("cuda", number))
    given = source.__dlpack__(stream=gpu(number).stream.handle)
    pointer = _python.PyCapsule_GetPointer(id(given), b"dltensor")
    managed = ctypes.cast(pointer, POINTER(_Managed))
    told = managed.contents.tensor
    name = _NAMES.get((told.code, told.bits)) if told.lanes == 1 else None
    if name is None:
        raise DTypeError("GT207", f"there is no dtype for DLPack's kind {told.code} of {told.bits} bits")
    _python.PyCapsule_SetName(id(given), b"used_dltensor")
    shape = tuple(told.shape[: told.ndim])
    kind: Any = dtype_from_name(name).np
    strides = tuple(s * np.dtype(kind).itemsize for s in told.strides[: told.ndim]) if told.strides else None
    reach = sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if strides else np.prod(shape) * kind.itemsize
    memory = Memory((told.data or 0) + told.byte_offset, int(reach) + kind.itemsize, number, _Borrowed(managed))
    return Tensor._from_array(DeviceArray.over(memory, shape, kind, 0, strides))  # type: ignore[arg-type]


def from_interface(source: Any) -> Tensor:
    """A tensor over the memory of what has `__cuda_array_interface__`."""
    told = source.__cuda_array_interface__
    address, _ = told["data"]
    kind, shape, strides = np.dtype(told["typestr"]), tuple(told["shape"]), told.get("strides")
    index = getattr(getattr(source, "device", None), "id", 0)
    check_device(device("cuda", index))
    gpu(index).synchronize()
    reach = sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if strides else np.prod(shape) * kind.itemsize
    memory = Memory(address, int(reach) + kind.itemsize, index, source)
    return Tensor._from_array(DeviceArray.over(memory, shape, kind, 0, strides))  # type: ignore[arg-type]
