"""The primitives that reduce. They drop the reduced dimensions; keepdim is a reshape (`reduced`)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.dim import is_dynamic
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.expr import Const, Reduce, Source, Values
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import Shape, broadcast, check_dim, dtype_of, normalize_dims, shape_of, to_dtype
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.movement import iota, reshape
from graphtorch.ir.types import DType, TensorType, greatest, int64, least

Array = Any


def kept(shape: Shape, dims: Shape) -> Shape:
    """``shape`` with 1 at the reduced dimensions."""
    return tuple(1 if i in dims else n for i, n in enumerate(shape))


def spread(x: Any, shape: Shape, dims: Shape) -> Any:
    """What was reduced from ``shape`` over ``dims``, at every element again."""
    return broadcast(reshape(x, kept(shape, dims)), shape)


def reduced(op: Op, input: Any, dim: Any, keepdim: bool) -> Any:
    """A reduction over ``dim``, all of them for None and ()."""
    shape = shape_of(input)
    dims = normalize_dims(dim, len(shape))
    out = bind.bind(op, input, dims=dims)
    return reshape(out, kept(shape, dims)) if keepdim else out


def averaged(total: Any, count: float, of_none: float = math.nan) -> Any:
    """``total / count``, and ``total * of_none`` for 0. A size that is not known is a number of the program."""
    return total / count if is_dynamic(count) else total * (1.0 / count if count else of_none)


def _check_elements(input: TensorType, dims: Shape) -> None:
    check(
        all(input.shape[d] for d in dims),
        "GT108",
        "there is no element to reduce",
        f"expected sizes > 0 at dims {list(dims)} of {list(input.shape)}",
    )


def _check_kind(name: str, dtype: DType, kinds: str) -> None:
    check(
        dtype.kind in kinds,
        "GT203",
        f"{name} does not take {dtype!r}",
        "convert it first, e.g. with .to(graphtorch.int64)",
        kind=DTypeError,
    )


class Reduction(Op):
    """A plain reduction of one operand over ``dims``."""

    kind: ClassVar[str]
    kinds: ClassVar[str] = "fiu"
    needs_elements: ClassVar[bool] = True

    def infer(self, input: TensorType, *, dims: Shape) -> TensorType:
        for d in dims:
            check_dim(d, input.ndim, "dims")
        _check_kind(self.name, input.dtype, self.kinds)
        if self.needs_elements:
            _check_elements(input, dims)
        return input.with_shape(tuple(n for i, n in enumerate(input.shape) if i not in dims))

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
        return spread(g, shape_of(_input), dims)

    def neutral(self, dtype: DType) -> Const:
        return expr.const(0, dtype)


class ReduceProd(Reduction):
    """The product; 1 of nothing. The gradient of an element is the product of all others, zeros among them or not.

    It is a quotient of products, so that of an element that is not finite is nan.
    """

    name = "reduce_prod"
    kind = "mul"
    needs_elements = False

    def ref(self, input: Array, *, dims: Shape) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(input.prod(dims, dtype=input.dtype))

    def vjp(self, g: Any, _y: Any, input: Any, *, dims: Shape) -> Any:
        shape, zero = shape_of(input), eq(input, 0)
        rest, own = where(zero, 1, input), where(zero, input, 0)
        is_zero = to_dtype(zero, dtype_of(g))
        others = spread(g * bind.bind(reduce_prod, rest, dims=dims), shape, dims) / rest
        zeros, nothing = (spread(bind.bind(reduce_sum, x, dims=dims), shape, dims) for x in (is_zero, own))
        zeros = zeros - is_zero  # among the others; a single one counts for the second derivative
        return others * where(eq(zeros, 0), 1, where(eq(zeros, 1), nothing - own, 0))

    def neutral(self, dtype: DType) -> Const:
        return expr.const(1, dtype)


class Extremum(Reduction):
    """The greatest or the smallest; nan if there is one. Equal extrema share the gradient evenly."""

    def vjp(self, g: Any, y: Any, input: Any, *, dims: Shape) -> Any:
        shape = shape_of(input)
        hit = to_dtype(eq(input, spread(y, shape, dims)), dtype_of(g))
        count = bind.bind(reduce_sum, hit, dims=dims)
        return hit * spread(g / count, shape, dims)


def _lowest(dtype: DType) -> Const:
    return expr.const(-math.inf if dtype.kind == "f" else least(dtype), dtype)


def _highest(dtype: DType) -> Const:
    return expr.const(math.inf if dtype.kind == "f" else greatest(dtype), dtype)


class ReduceMax(Extremum):
    name = "reduce_max"
    kind = "max"

    def ref(self, input: Array, *, dims: Shape) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray(input.max(dims))

    def neutral(self, dtype: DType) -> Const:
        return _lowest(dtype)


class ReduceMin(Extremum):
    name = "reduce_min"
    kind = "min"

    def ref(self, input: Array, *, dims: Shape) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray(input.min(dims))

    def neutral(self, dtype: DType) -> Const:
        return _highest(dtype)


# ---- extrema and where they stand -----------------------------------------------------------------


class Place(Op):
    """The first position of the greatest (the smallest) element along ``dim``; nan is greater (smaller) than all."""

    nondifferentiable = True
    greatest: ClassVar[bool]
    #: of value and position
    kept_results: ClassVar[slice] = slice(1, 2)

    def infer(self, input: TensorType, *, dim: int) -> Any:
        check_dim(dim, input.ndim)
        _check_kind(self.name, input.dtype, "fiu")
        _check_elements(input, (dim,))
        return TensorType((*input.shape[:dim], *input.shape[dim + 1 :]), int64)

    def ref(self, input: Array, *, dim: int) -> Any:
        return np.asarray(input.argmax(dim) if self.greatest else input.argmin(dim))

    def lower(self, input: Source, *, dim: int) -> Reduce:
        worst = _lowest(input.dtype) if self.greatest else _highest(input.dtype)

        def combine(a: Values, b: Values) -> Values:
            (av, ai), (bv, bi) = a, b
            nan_a, nan_b = av.ne(av), bv.ne(bv)
            earlier = bi < ai
            better = (bv > av if self.greatest else bv < av) | (bv.eq(av) & earlier)
            take_b = expr.select(nan_a, nan_b & earlier, nan_b | better)
            return expr.select(take_b, bv, av), expr.select(take_b, bi, ai)

        return Reduce(
            (*input.shape[:dim], *input.shape[dim + 1 :]),
            (input.shape[dim],),
            (worst, expr.const(2**62, int64)),
            lambda i, k: (input[merge(i, k, (dim,))], k[0]),
            combine,
            post=lambda acc: acc[self.kept_results],
        )


class ArgMax(Place):
    name = "reduce_argmax"
    greatest = True


class ArgMin(Place):
    name = "reduce_argmin"
    greatest = False


class ExtremumAt(Place):
    """(the extremum, its first position) along ``dim``. The gradient goes to that position alone."""

    nondifferentiable = False
    kept_results = slice(0, 2)

    def infer(self, input: TensorType, *, dim: int) -> tuple[TensorType, TensorType]:
        place: TensorType = super().infer(input, dim=dim)
        return place.with_dtype(input.dtype), place

    def ref(self, input: Array, *, dim: int) -> tuple[Array, Array]:
        place = super().ref(input, dim=dim)
        value = np.take_along_axis(input, np.expand_dims(place, dim), dim)
        return np.squeeze(value, dim), place

    def vjp(self, g: Any, y: Any, _input: Any, *, dim: int) -> Any:
        return at_place(g[0], y[1], shape_of(_input), dim)


def at_place(g: Any, place: Any, shape: Shape, dim: int) -> Any:
    """Zeros of ``shape``, with an element of ``g`` at each position along ``dim`` that ``place`` has for it."""
    position: Any = bind.bind(iota, shape=shape, dim=dim, dtype=int64)
    return where(eq(position, spread(place, shape, (dim,))), spread(g, shape, (dim,)), 0)


class ReduceMaxAt(ExtremumAt):
    name = "reduce_max_at"
    greatest = True


class ReduceMinAt(ExtremumAt):
    name = "reduce_min_at"
    greatest = False


reduce_sum, reduce_prod = register(ReduceSum()), register(ReduceProd())
reduce_max, reduce_min = register(ReduceMax()), register(ReduceMin())
reduce_argmax, reduce_argmin = register(ArgMax()), register(ArgMin())
reduce_max_at, reduce_min_at = register(ReduceMaxAt()), register(ReduceMinAt())
