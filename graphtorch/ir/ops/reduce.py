"""Reductions over dimensions. The primitives drop the reduced dimensions; keepdim is a reshape."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.expr import Const, Reduce, Source, Values
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.casts import detach
from graphtorch.ir.ops.common import (
    Shape,
    aval_of,
    check_dim,
    dtype_of,
    normalize_dim,
    normalize_dims,
    require_float,
    shape_of,
    to_dtype,
)
from graphtorch.ir.ops.functions import exp, log, sqrt
from graphtorch.ir.ops.in_float32 import in_float32
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.movement import broadcast_to, reshape
from graphtorch.ir.types import DType, TensorType, bool_, greatest, int64, least

Array = Any


def kept(shape: Shape, dims: Shape) -> Shape:
    """``shape`` with 1 at the reduced dimensions."""
    return tuple(1 if i in dims else n for i, n in enumerate(shape))


class Reduction(Op):
    """A plain reduction of one operand over ``dims``."""

    kind: ClassVar[str]
    kinds: ClassVar[str] = "fiu"
    needs_elements: ClassVar[bool] = True

    def infer(self, input: TensorType, *, dims: Shape) -> TensorType:
        for d in dims:
            check_dim(d, input.ndim, "dims")
        out = input.with_shape(tuple(n for i, n in enumerate(input.shape) if i not in dims))
        check(
            input.dtype.kind in self.kinds,
            "GT203",
            f"{self.name} does not take {input.dtype!r}",
            "convert it first, e.g. with .to(graphtorch.int64)",
            kind=DTypeError,
        )
        check(
            not self.needs_elements or all(input.shape[d] for d in dims),
            "GT108",
            "there is no element to reduce",
            f"expected sizes > 0 at dims {list(dims)} of {list(input.shape)}",
        )
        return out

    def neutral(self, dtype: DType) -> Const:
        raise TypeError(f"{self.name} has no neutral element")

    def lower(self, input: Source, *, dims: Shape) -> Reduce:
        out = tuple(n for i, n in enumerate(input.shape) if i not in dims)
        domain = tuple(input.shape[d] for d in dims)
        return expr.reduce(self.kind, out, domain, self.neutral(input.dtype), lambda i, k: input[merge(i, k, dims)])


def merge(outer: Values, inner: Values, dims: Shape) -> Values:
    """Interleave the indices of kept and of reduced dimensions."""
    o, k = iter(outer), iter(inner)
    return tuple(next(k) if d in dims else next(o) for d in range(len(outer) + len(inner)))


class ReduceSum(Reduction):
    """The sum; 0 of nothing."""

    name = "reduce_sum"
    kind = "add"
    needs_elements = False

    def ref(self, input: Array, *, dims: Shape) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(input.sum(dims, dtype=input.dtype))

    def vjp(self, g: Any, _y: Any, _input: Any, *, dims: Shape) -> Any:
        shape = shape_of(_input)
        return broadcast_to(reshape(g, kept(shape, dims)), shape)

    def neutral(self, dtype: DType) -> Const:
        return expr.const(0, dtype)


class Extremum(Reduction):
    """The greatest or the smallest; nan if there is one. Equal extrema share the gradient evenly."""

    def vjp(self, g: Any, y: Any, input: Any, *, dims: Shape) -> Any:
        shape = shape_of(input)
        inner = kept(shape, dims)
        hit = to_dtype(eq(input, broadcast_to(reshape(y, inner), shape)), dtype_of(g))
        count = bind.bind(reduce_sum, hit, dims=dims)
        return hit * broadcast_to(reshape(g / count, inner), shape)


class ReduceMax(Extremum):
    name = "reduce_max"
    kind = "max"

    def ref(self, input: Array, *, dims: Shape) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray(input.max(dims))

    def neutral(self, dtype: DType) -> Const:
        return expr.const(-math.inf if dtype.kind == "f" else least(dtype), dtype)


class ReduceMin(Extremum):
    name = "reduce_min"
    kind = "min"

    def ref(self, input: Array, *, dims: Shape) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray(input.min(dims))

    def neutral(self, dtype: DType) -> Const:
        return expr.const(math.inf if dtype.kind == "f" else greatest(dtype), dtype)


class ArgMax(Op):
    """The first position of the greatest element along ``dim``; nan is the greatest."""

    name = "reduce_argmax"
    nondifferentiable = True

    def infer(self, input: TensorType, *, dim: int) -> TensorType:
        check_dim(dim, input.ndim)
        check(
            input.dtype != bool_,
            "GT203",
            f"{self.name} does not take {input.dtype!r}",
            "convert it first, e.g. with .to(graphtorch.int64)",
            kind=DTypeError,
        )
        check(
            input.shape[dim] > 0,
            "GT108",
            "there is no element to reduce",
            f"expected size > 0 at dim {dim} of {list(input.shape)}",
        )
        return TensorType((*input.shape[:dim], *input.shape[dim + 1 :]), int64)

    def ref(self, input: Array, *, dim: int) -> Array:
        return np.asarray(input.argmax(dim))

    def lower(self, input: Source, *, dim: int) -> Reduce:
        low = expr.const(-math.inf if input.dtype.kind == "f" else least(input.dtype), input.dtype)

        def combine(a: Values, b: Values) -> Values:
            (av, ai), (bv, bi) = a, b
            nan_a, nan_b = av.ne(av), bv.ne(bv)
            earlier = bi < ai
            better = (bv > av) | (bv.eq(av) & earlier)
            take_b = expr.select(nan_a, nan_b & earlier, nan_b | better)
            return expr.select(take_b, bv, av), expr.select(take_b, bi, ai)

        return Reduce(
            (*input.shape[:dim], *input.shape[dim + 1 :]),
            (input.shape[dim],),
            (low, expr.const(2**62, int64)),
            lambda i, k: (input[merge(i, k, (dim,))], k[0]),
            combine,
            post=lambda acc: (acc[1],),
        )


reduce_sum = register(ReduceSum())
reduce_max = register(ReduceMax())
reduce_min = register(ReduceMin())
reduce_argmax = register(ArgMax())


def _reduced(op: Op, input: Any, dim: Any, keepdim: bool) -> Any:
    shape = shape_of(input)
    dims = normalize_dims(dim, len(shape))
    out = bind.bind(op, input, dims=dims)
    return reshape(out, kept(shape, dims)) if keepdim else out


def _numeric(input: Any) -> Any:
    return to_dtype(input, int64) if dtype_of(input) == bool_ else input


@composite("gt", "Tensor")
def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """The sum over ``dim`` (all when None). Integers and bools add up in int64."""
    have = dtype_of(input)
    return _reduced(reduce_sum, to_dtype(input, dtype or (have if have.kind == "f" else int64)), dim, keepdim)


@composite("gt", "Tensor")
@in_float32("input")
def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """The mean over ``dim`` (all when None) of a floating-point tensor."""
    x = to_dtype(input, dtype) if dtype else input
    require_float(aval_of(x), "the operand of mean")
    shape = shape_of(x)
    count = math.prod(shape[d] for d in normalize_dims(dim, len(shape)))
    return _reduced(reduce_sum, x, dim, keepdim) * (1.0 / count if count else math.nan)


@composite("gt", "Tensor")
def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The greatest over ``dim`` (all when empty)."""
    return _reduced(reduce_max, input, dim, keepdim)


@composite("gt", "Tensor")
def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The smallest over ``dim`` (all when empty)."""
    return _reduced(reduce_min, input, dim, keepdim)


@composite("gt", "Tensor")
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The first position of the greatest element along ``dim``, or in the flattened tensor."""
    x = _numeric(input)
    if dim is None:
        out = bind.bind(reduce_argmax, reshape(x, (math.prod(shape_of(x)),)), dim=0)
        return reshape(out, (1,) * len(shape_of(x))) if keepdim else out
    d = normalize_dim(dim, len(shape_of(x)))
    if not shape_of(x):
        return bind.bind(reduce_argmax, reshape(x, (1,)), dim=0)
    out = bind.bind(reduce_argmax, x, dim=d)
    return reshape(out, kept(shape_of(x), (d,))) if keepdim else out


@composite("gt", "Tensor")
@in_float32("input")
def var(input: Any, dim: Any = None, *, correction: float = 1, keepdim: bool = False) -> Any:
    """The variance over ``dim``, divided by the number of elements less ``correction``."""
    require_float(aval_of(input), "the operand of var")
    shape = shape_of(input)
    dims = normalize_dims(dim, len(shape))
    count = math.prod(shape[d] for d in dims)
    centered = input - mean(input, dims or None, keepdim=True) if dims else input - mean(input)
    freedom = max(count - correction, 0)
    total = _reduced(reduce_sum, centered * centered, dim, keepdim)
    return total * (1.0 / freedom if freedom else math.nan)


@composite("gt", "Tensor")
@in_float32("input")
def std(input: Any, dim: Any = None, *, correction: float = 1, keepdim: bool = False) -> Any:
    """The square root of `var`; its gradient is 0 where that is 0."""
    squared = var(input, dim, correction=correction, keepdim=keepdim)
    constant = eq(squared, 0)
    return where(constant, detach(squared), sqrt(where(constant, 1, squared)))


def _shifted(input: Any, dim: int) -> Any:
    """``input`` less its greatest along ``dim``, which changes no softmax and keeps exp from overflow."""
    if not shape_of(input)[dim]:
        return input
    return input - detach(amax(input, dim, keepdim=True))


@composite("gt", "Tensor", "F")
@in_float32("input")
def log_softmax(input: Any, dim: int, dtype: DType | None = None) -> Any:
    """log(softmax(input, dim)), computed without overflow."""
    x = to_dtype(input, dtype) if dtype else input
    require_float(aval_of(x), "the operand of log_softmax")
    if not shape_of(x):
        return x - x
    dim = normalize_dim(dim, len(shape_of(x)))
    shifted = _shifted(x, dim)
    return shifted - log(sum(exp(shifted), dim, keepdim=True))


@composite("gt", "Tensor", "F")
@in_float32("input")
def softmax(input: Any, dim: int, dtype: DType | None = None) -> Any:
    """exp(input) over its sum along ``dim``, computed without overflow."""
    x = to_dtype(input, dtype) if dtype else input
    require_float(aval_of(x), "the operand of softmax")
    if not shape_of(x):
        return exp(x - x)
    dim = normalize_dim(dim, len(shape_of(x)))
    e = exp(_shifted(x, dim))
    return e / sum(e, dim, keepdim=True)
