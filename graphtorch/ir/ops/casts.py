"""Constants, casts, and what changes no number but where gradients go: detach, clone, overwrite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.dim import is_dynamic
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.expr import Compute, Source, compute
from graphtorch.ir.formats import preserve_format, preserves
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import dtype_of, fitting, same_types, to_dtype
from graphtorch.ir.ops.elementwise import Array
from graphtorch.ir.types import TENSOR_DTYPES, DType, TensorType, bool_, greatest_finite, int64


class Constant(Op):
    """A number, as a 0-d tensor. It may be a size that is not known."""

    name = "constant"
    nondifferentiable = True
    elementwise = True

    def infer(self, *, value: bool | int | float, dtype: DType) -> TensorType:
        whole = dtype.kind not in "iu" or -(2**63) <= value < 2**64  # not so for nan
        check(
            whole,
            "GT304",
            f"{value!r} is not a number of {dtype!r}",
            "expected a finite number of at most 64 bits",
            kind=ArgumentError,
        )
        return TensorType((), dtype)

    def ref(self, *, value: bool | int | float, dtype: DType) -> Array:
        return np.asarray(value).astype(dtype.np)

    def lower(self, *, value: bool | int | float, dtype: DType) -> Compute:
        if is_dynamic(value):
            return compute((), dtype, lambda: expr.cast(expr.const(value, int64), dtype))
        return compute((), dtype, lambda: expr.const(value, dtype))


constant = register(Constant())


class Cast(Op):
    """Another dtype. Floats become integers by truncation; nan and what does not fit are unspecified."""

    name = "cast"
    elementwise = True

    def infer(self, x: TensorType, *, dtype: DType) -> TensorType:
        check(
            dtype in TENSOR_DTYPES,
            "GT203",
            f"no tensor has the dtype {dtype!r}",
            f"expected one of {', '.join(d.name for d in TENSOR_DTYPES)}",
            kind=DTypeError,
        )
        return x.with_dtype(dtype)

    def ref(self, x: Array, *, dtype: DType) -> Array:
        with np.errstate(invalid="ignore"):
            return _copied(x, dtype.np)

    def vjp(self, g: Any, _y: Any, _x: Any, *, dtype: DType) -> Any:
        source = dtype_of(_x)
        return to_dtype(g, source) if source.is_floating_point and dtype.is_floating_point else None

    def lower(self, x: Source, *, dtype: DType) -> Compute:
        if dtype == bool_:
            return compute(x.shape, dtype, lambda *i: x[i].ne(0) if x.dtype != bool_ else x[i])
        return compute(x.shape, dtype, lambda *i: expr.cast(x[i], dtype))


cast = register(Cast())


class Detach(Op):
    """The same values, with no path for gradients."""

    name = "detach"
    surface = ("gt", "Tensor")
    is_view = True
    nondifferentiable = True
    elementwise = True

    def infer(self, input: TensorType) -> TensorType:
        return input

    def ref(self, input: Array) -> Array:
        return input.view()

    def put(self, base: Any, value: Any) -> Any:
        return value

    def lower(self, input: Source) -> Compute:
        return compute(input.shape, input.dtype, lambda *i: input[i])


detach = register(Detach())


class Overwrite(Op):
    """``value``, with the path for gradients of ``history``: what writing into memory outside of autograd leaves."""

    name = "overwrite"
    elementwise = True

    def infer(self, value: TensorType, history: TensorType) -> TensorType:
        same_types(value, history)
        return value

    def ref(self, value: Array, history: Array) -> Array:
        return value.copy()

    def vjp(self, g: Any, _y: Any, _value: Any, _history: Any) -> Any:
        return None, g

    def lower(self, value: Source, history: Source) -> Compute:
        return compute(value.shape, value.dtype, lambda *i: value[i])


overwrite = register(Overwrite())


class Clone(Op):
    """A copy, through which gradients pass. Its dimensions lie in memory in the order of the input's, or row-major by
    ``memory_format=gt.contiguous_format``; strides of an input without gaps are kept, as in torch.

    ArgumentTypeError GT301 for a ``memory_format`` that is none. Values of graphs have no order in memory.
    """

    name = "clone"
    surface = ("gt", "Tensor")
    elementwise = True

    def prepare(self, input: Any, *, memory_format: Any = preserve_format) -> Any:
        return (input,), {} if preserves(memory_format) else {"row_major": True}

    def infer(self, input: TensorType, *, row_major: bool = False) -> TensorType:
        return input

    def ref(self, input: Array, *, row_major: bool = False) -> Array:
        return np.array(input, order="C") if row_major else _copied(input, input.dtype)

    def vjp(self, g: Any, _y: Any, _input: Any, *, row_major: bool = False) -> Any:
        return g

    def lower(self, input: Source, *, row_major: bool = False) -> Compute:
        return compute(input.shape, input.dtype, lambda *i: input[i])


clone = register(Clone())


def row_major(x: Any) -> Any:
    """A copy in row-major order."""
    return bind.bind(clone, x, row_major=True)


def _copied(x: Array, dtype: Any) -> Array:
    """A copy whose dimensions have the order of ``x``'s in memory."""
    if x.flags.c_contiguous:
        return x.astype(dtype)
    out = laid_out_as(x, dtype)
    np.copyto(out, x, casting="unsafe")
    return out


def laid_out_as(x: Array, dtype: Any) -> Array:
    """An array without content of the shape of ``x``, whose dimensions lie in the order of ``x``'s, without gaps: what
    elementwise functions of numpy, and of torch, make of ``x``."""
    if x.flags.c_contiguous:
        return np.empty(x.shape, dtype)
    made = np.nditer((x, None), ["zerosize_ok"], [["readonly"], ["writeonly", "allocate"]], [None, dtype], order="K")
    return made.operands[1]


def holdable(value: Any, dtype: DType, name: str) -> Any:
    """``value`` as it is, with which a tensor of ``dtype`` is filled or bounded.

    ArgumentError GT304 for a Python number that ``dtype`` cannot hold; a float beyond its greatest finite one is such,
    as in torch, and infinity is not.
    """
    if dtype.kind == "f" and isinstance(value, int | float) and abs(value) != math.inf:
        most = greatest_finite(dtype)
        check(
            not abs(value) > most,  # nan is not
            "GT304",
            f"{name}={value!r} is not a number of {dtype!r}",
            f"expected {-most:.8g} <= {name} <= {most:.8g}, or infinity",
            kind=ArgumentError,
        )
    return fitting(value, dtype, name)
