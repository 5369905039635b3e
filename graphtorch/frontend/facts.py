"""Questions about tensors and dtypes whose answer is no tensor, under torch's names."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.tensors.base import TensorBase
from graphtorch.ir.errors import ArgumentTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import aval_of, dtype_of, result_dtype, shape_of
from graphtorch.ir.ops.elementwise import EVERYWHERE
from graphtorch.ir.types import DType, category, promote


@composite("gt")
def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a tensor."""
    return isinstance(obj, TensorBase)


@composite(*EVERYWHERE)
def is_floating_point(input: Any) -> bool:
    """Whether the dtype is float64, float32, float16 or bfloat16."""
    return dtype_of(input).is_floating_point


@composite(*EVERYWHERE)
def is_complex(input: Any) -> bool:
    """Whether the dtype is complex: no tensor's is."""
    return dtype_of(input).is_complex


@composite(*EVERYWHERE)
def is_signed(input: Any) -> bool:
    """Whether the dtype has negative numbers."""
    return dtype_of(input).is_signed


@composite(*EVERYWHERE)
def is_nonzero(input: Any) -> bool:
    """Whether the only element is not 0; ShapeError GT113 for any other number of elements."""
    count = aval_of(input).numel
    check(count == 1, "GT113", f"is_nonzero() of {count} elements", "expected exactly one element")
    return bool(input.item())


@composite(*EVERYWHERE)
def is_same_size(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape."""
    return shape_of(input) == shape_of(other)


@composite("gt")
def numel(input: Any) -> int:
    """The number of elements."""
    return aval_of(input).numel


# ---- dtypes -----------------------------------------------------------------------------------------


@composite("gt")
def promote_types(type1: DType, type2: DType) -> DType:
    """The smallest dtype that holds what both hold: of a float and an integer the float's.

    ArgumentTypeError GT301 for what is no dtype.
    """
    return promote(_dtype(type1, "type1"), _dtype(type2, "type2"))


@composite("gt")
def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The dtype of ``tensor1 + tensor2``; either may be a Python number.

    Of operands of one category (bools, integers, floats) tensors with dimensions count, else 0-d ones, else numbers.
    """
    return result_dtype(tensor1, tensor2)


@composite("gt")
def can_cast(from_: DType, to: DType) -> bool:
    """Whether torch's promotion may make ``to`` of ``from_``: not of a float an integer, nor of a number a bool.

    ArgumentTypeError GT301 for what is no dtype.
    """
    return category(_dtype(from_, "from_")) <= category(_dtype(to, "to"))


def _dtype(given: Any, name: str) -> DType:
    if not isinstance(given, DType):
        raise ArgumentTypeError("GT301", f"{name} must be a dtype, got {type(given).__name__} {given!r}")
    return given
