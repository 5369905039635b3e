"""Data types and tensor types: what every value of the Graph IR carries."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class DType:
    """An element type. ``name`` is torch's, ``short`` is the text IR's, ``kind`` is one of ``f i u b``.

    ``str`` and ``repr`` are as torch's, "graphtorch.float32"; texts of graphs and kernels have ``short``.

    There is one object for each (copies and unpickling give the same), so they are compared by identity.
    """

    name: str
    short: str
    kind: str
    itemsize: int

    @functools.cached_property
    def np(self) -> np.dtype[np.generic]:
        """The numpy dtype with the same layout. numpy itself has no bfloat16: that is `ml_dtypes`'."""
        if self.name == "bfloat16":
            import ml_dtypes  # here, because few programs need it and it takes longer than all that is in this file

            found: np.dtype[np.generic] = np.dtype(ml_dtypes.bfloat16)
            return found
        return np.dtype(self.name)

    @property
    def is_floating_point(self) -> bool:
        return self.kind == "f"

    @property
    def is_complex(self) -> bool:
        """False: there are no complex dtypes."""
        return False

    @property
    def is_signed(self) -> bool:
        return self.kind in "if"

    def __repr__(self) -> str:
        return f"graphtorch.{self.name}"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return dtype_from_name, (self.name,)


float64 = DType("float64", "f64", "f", 8)
float32 = DType("float32", "f32", "f", 4)
float16 = DType("float16", "f16", "f", 2)
bfloat16 = DType("bfloat16", "bf16", "f", 2)
int64 = DType("int64", "i64", "i", 8)
int32 = DType("int32", "i32", "i", 4)
int16 = DType("int16", "i16", "i", 2)
int8 = DType("int8", "i8", "i", 1)
uint8 = DType("uint8", "u8", "u", 1)
bool_ = DType("bool", "bool", "b", 1)
# Kernel-level only: the random generator computes in them; no tensor has them.
uint32 = DType("uint32", "u32", "u", 4)
uint64 = DType("uint64", "u64", "u", 8)

#: stored in 16 bits and computed in float32: see low_precision.py
LOW_PRECISION = (float16, bfloat16)
TENSOR_DTYPES = (float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool_)
_ALL = (*TENSOR_DTYPES, uint32, uint64)
BY_SHORT = {d.short: d for d in _ALL}
_BY_NAME = {d.name: d for d in _ALL}
_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}


class _Defaults:
    """What Python's floats become, and what is made of a shape alone: one for all threads, as in torch."""

    dtype: DType = float32


defaults = _Defaults()


def dtype_from_name(name: str) -> DType:
    """The DType called ``name`` (torch's spelling); KeyError if there is none."""
    return _BY_NAME[name]


def dtype_from_numpy(dtype: np.dtype[np.generic]) -> DType | None:
    """The DType of a numpy dtype in native byte order, or None where graphtorch has none."""
    found = _BY_NAME.get(dtype.name)
    return found if found in TENSOR_DTYPES else None


def least(dtype: DType) -> int:
    """The smallest value of an integer dtype."""
    return 0 if dtype.kind in "ub" else -(2 ** (8 * dtype.itemsize - 1))


def greatest(dtype: DType) -> int:
    """The largest value of an integer dtype."""
    return 1 if dtype.kind == "b" else 2 ** (8 * dtype.itemsize - (dtype.kind == "i")) - 1


def greatest_finite(dtype: DType) -> float:
    """The largest number of a floating-point dtype."""
    digits, exponent = {"float16": (10, 15), "bfloat16": (7, 127), "float32": (23, 127), "float64": (52, 1023)}[
        dtype.name
    ]
    return float((2 - 2.0**-digits) * 2.0**exponent)


def category(dtype: DType) -> int:
    """0 for bools, 1 for integers, 2 for floats: what promotion asks first."""
    return _CATEGORY[dtype.kind]


def promote(a: DType, b: DType) -> DType:
    """torch's promotion of two tensor dtypes of equal standing: the smallest that holds both kinds."""
    if a == b:
        return a
    if _CATEGORY[a.kind] != _CATEGORY[b.kind]:
        return a if _CATEGORY[a.kind] > _CATEGORY[b.kind] else b
    if a in LOW_PRECISION and b in LOW_PRECISION:
        return float32  # neither holds the other
    if a.kind == b.kind:
        return a if a.itemsize >= b.itemsize else b
    signed, unsigned = (a, b) if a.kind == "i" else (b, a)
    if signed.itemsize > unsigned.itemsize:
        return signed
    return _BY_NAME[f"int{16 * unsigned.itemsize}"]


def scalar_dtype(value: bool | int | float) -> DType:
    """The dtype a Python number would have as a tensor of its own (`set_default_dtype` for floats)."""
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else defaults.dtype


def promote_scalar(tensor: DType, value: bool | int | float) -> DType:
    """Promotion of a tensor with a Python number: the number only counts when its category is higher."""
    scalar = scalar_dtype(value)
    return scalar if _CATEGORY[scalar.kind] > _CATEGORY[tensor.kind] else tensor


@dataclass(frozen=True)
class TensorType:
    """Static shape and dtype; printed as ``f32[64,3,32,32]``."""

    shape: tuple[int, ...]
    dtype: DType

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype.short}[{','.join(map(str, self.shape))}]"

    def with_shape(self, shape: tuple[int, ...]) -> TensorType:
        return TensorType(tuple(shape), self.dtype)

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(self.shape, dtype)


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides of ``shape``, in elements."""
    strides = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * max(shape[i + 1], 1)
    return tuple(strides)
