"""Ops that move elements and compute nothing: shapes, views, padding, joining."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.dim import same
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import OPS, Op, register
from graphtorch.ir.ops.arguments import given
from graphtorch.ir.ops.common import (
    Shape,
    broadcast,
    check_dim,
    check_sizes,
    lift,
    normalize_dim,
    shape_of,
    sizes,
)
from graphtorch.ir.types import DType, TensorType, bool_, dtype_from_name, int64

Array = Any


class BroadcastTo(Op):
    """numpy's broadcasting to ``shape``: sizes of 1 are repeated, leading dimensions are added."""

    name = "broadcast_to"
    surface = ("gt", "Tensor")
    is_view = True

    def prepare(self, input: Any, *shape: Any, **kwargs: Any) -> Any:
        wanted = sizes(given(shape, kwargs, "size"))
        new = len(wanted) - len(shape_of(input))
        check(
            -1 not in wanted[: max(new, 0)],
            "GT104",
            f"-1 in {list(wanted)} stands for the size of a dimension that {list(shape_of(input))} does not have",
            "expected -1 for dimensions of the input alone, counted from the last one",
        )
        old = (0,) * new + shape_of(input)
        return (input,), {"shape": tuple(o if w == -1 else w for w, o in zip(wanted, old, strict=False))}

    def infer(self, input: TensorType, *, shape: Shape) -> TensorType:
        fits = len(shape) >= input.ndim and all(
            have in (1, want) for have, want in zip(input.shape[::-1], shape[::-1], strict=False)
        )
        check(
            fits,
            "GT104",
            f"{list(input.shape)} cannot be expanded to {list(shape)}",
            "expected every size to be 1 or to match, counted from the last dimension",
        )
        check_sizes(shape, "shape")
        return input.with_shape(shape)

    def ref(self, input: Array, *, shape: Shape) -> Array:
        if math.prod(shape) == input.size:
            return input.reshape(shape)  # further dimensions of size 1
        return np.broadcast_to(input, shape)

    def vjp(self, g: Any, _y: Any, _input: Any, *, shape: Shape) -> Any:
        old = shape_of(_input)
        lead = len(shape) - len(old)
        repeated = [lead + i for i, n in enumerate(old) if n == 1 and shape[lead + i] != 1]
        dims = (*range(lead), *repeated)
        return reshape(bind.bind(OPS["reduce_sum"], g, dims=dims), old) if dims else g

    def put(self, base: Any, value: Any, *, shape: Shape) -> Any:
        """For a view that repeats nothing: it has further dimensions of size 1."""
        return reshape(value, shape_of(base))

    def lower(self, input: Source, *, shape: Shape) -> Compute:
        lead = len(shape) - len(input.shape)

        def body(*i: Expr) -> Expr:
            return input[
                tuple(expr.const(0, int64) if n == 1 else v for n, v in zip(input.shape, i[lead:], strict=True))
            ]

        return compute(shape, input.dtype, body)


class Reshape(Op):
    """The same elements, in row-major order, under another shape. A view where the layout allows it."""

    name = "reshape"
    surface = ("gt", "Tensor")
    is_view = True

    def prepare(self, input: Any, *shape: Any, **kwargs: Any) -> Any:
        wanted = sizes(given(shape, kwargs, "shape"), "shape")
        return (input,), {"shape": _fill_in(shape_of(input), wanted)}

    def infer(self, input: TensorType, *, shape: Shape) -> TensorType:
        out = input.with_shape(shape)
        check_sizes(shape, "shape")
        check(
            out.numel == input.numel,
            "GT105",
            f"{list(input.shape)} cannot be reshaped to {list(shape)}",
            f"expected {input.numel} elements, got {out.numel}",
        )
        return out

    def ref(self, input: Array, *, shape: Shape) -> Array:
        return np.reshape(input, shape)

    def vjp(self, g: Any, _y: Any, _input: Any, *, shape: Shape) -> Any:
        return reshape(g, shape_of(_input))

    def put(self, base: Any, value: Any, *, shape: Shape) -> Any:
        return reshape(value, shape_of(base))

    def lower(self, input: Source, *, shape: Shape) -> Compute:
        view = input.view(shape)
        return compute(shape, input.dtype, lambda *i: view[i])


def _fill_in(old: Shape, new: Shape) -> Shape:
    """Replace one -1 by the size that is left."""
    if all(n >= 0 for n in new):
        return new
    numel, known = math.prod(old), math.prod(n for n in new if n != -1)
    check(
        new.count(-1) <= 1 and all(n >= -1 for n in new),
        "GT304",
        f"shape={list(new)} is not allowed",
        "expected sizes >= 0, at most one of them -1",
        kind=ArgumentError,
    )
    check(
        known > 0 and numel % known == 0,
        "GT105",
        f"{list(old)} cannot be reshaped to {list(new)}",
        f"{numel} elements are not a multiple of {known}",
    )
    return tuple(numel // known if n == -1 else n for n in new)


def _check_order(dims: Shape, given: Shape, ndim: int) -> None:
    if sorted(dims) != list(range(ndim)):
        raise ArgumentError(
            "GT303",
            f"dims={list(given)} is not an order of {ndim} dimensions",
            ["expected every dimension exactly once"],
        )


class Permute(Op):
    """Reorder the dimensions: result dimension i is the operand's dims[i]."""

    name = "permute"
    surface = ("gt", "Tensor")
    is_view = True

    def prepare(self, input: Any, *dims: Any, **kwargs: Any) -> Any:
        wanted = sizes(given(dims, kwargs, "dims"), "dims")
        ndim = len(shape_of(input))
        order = tuple(normalize_dim(d, ndim, "dims") for d in wanted)
        _check_order(order, wanted, ndim)
        return (input,), {"dims": order}

    def infer(self, input: TensorType, *, dims: Shape) -> TensorType:
        _check_order(dims, dims, input.ndim)
        return input.with_shape(tuple(input.shape[d] for d in dims))

    def ref(self, input: Array, *, dims: Shape) -> Array:
        return np.transpose(input, dims)

    def vjp(self, g: Any, _y: Any, _input: Any, *, dims: Shape) -> Any:
        return permute(g, tuple(dims.index(i) for i in range(len(dims))))

    def put(self, base: Any, value: Any, *, dims: Shape) -> Any:
        return self.vjp(value, None, base, dims=dims)

    def lower(self, input: Source, *, dims: Shape) -> Compute:
        shape = tuple(input.shape[d] for d in dims)
        return compute(shape, input.dtype, lambda *i: input[tuple(i[dims.index(d)] for d in range(len(dims)))])


class Slice(Op):
    """``start <= index < stop`` by ``step`` (>= 1) along each dimension."""

    name = "slice"
    is_view = True

    def infer(self, input: TensorType, *, start: Shape, stop: Shape, step: Shape) -> TensorType:
        bounds = zip(start, stop, step, input.shape, strict=True)
        check(
            all(0 <= a <= b <= n and s >= 1 for a, b, s, n in bounds),
            "GT304",
            f"start={list(start)}, stop={list(stop)}, step={list(step)} do not lie in {list(input.shape)}",
            "expected 0 <= start <= stop <= size and step >= 1",
            kind=ArgumentError,
        )
        parts = zip(start, stop, step, strict=True)
        return input.with_shape(tuple((b - a + s - 1) // s for a, b, s in parts))

    def ref(self, input: Array, *, start: Shape, stop: Shape, step: Shape) -> Array:
        return input[tuple(slice(a, b, s) for a, b, s in zip(start, stop, step, strict=True))]

    def vjp(self, g: Any, _y: Any, _input: Any, *, start: Shape, stop: Shape, step: Shape) -> Any:
        low, high = [], []
        for n, a, s, m in zip(shape_of(_input), start, step, shape_of(g), strict=True):
            low.append(a)
            high.append(n - a - (1 + (m - 1) * s if m else 0))
        return bind.bind(pad_op, g, low=tuple(low), high=tuple(high), interior=tuple(s - 1 for s in step))

    def put(self, base: Any, value: Any, *, start: Shape, stop: Shape, step: Shape) -> Any:
        if same(shape_of(base), shape_of(value)):
            return value
        there = broadcast(lift(True, bool_), shape_of(value))
        placed, written = (self.vjp(x, None, base, start=start, stop=stop, step=step) for x in (value, there))
        return bind.bind(OPS["where"], written, placed, base)

    def lower(self, input: Source, *, start: Shape, stop: Shape, step: Shape) -> Compute:
        shape = self.infer(TensorType(input.shape, input.dtype), start=start, stop=stop, step=step).shape
        return compute(
            shape,
            input.dtype,
            lambda *i: input[tuple(v * s + a for v, a, s in zip(i, start, step, strict=True))],
        )


class Pad(Op):
    """Zeros before (``low``), after (``high``) and between (``interior``) the elements of each dimension."""

    name = "pad"

    def infer(self, input: TensorType, *, low: Shape, high: Shape, interior: Shape) -> TensorType:
        check_sizes((*low, *high, *interior), "padding")
        parts = zip(input.shape, low, high, interior, strict=True)
        return input.with_shape(tuple(a + b + n + max(n - 1, 0) * k for n, a, b, k in parts))

    def ref(self, input: Array, *, low: Shape, high: Shape, interior: Shape) -> Array:
        t = TensorType(input.shape, dtype_from_name(input.dtype.name))
        out = np.zeros(self.infer(t, low=low, high=high, interior=interior).shape, input.dtype)
        where = tuple(
            slice(a, a + n + max(n - 1, 0) * k, k + 1) for n, a, k in zip(input.shape, low, interior, strict=True)
        )
        out[where] = input
        return out

    def vjp(self, g: Any, _y: Any, _input: Any, *, low: Shape, high: Shape, interior: Shape) -> Any:
        stop = tuple(n - b for n, b in zip(shape_of(g), high, strict=True))
        return bind.bind(slice_op, g, start=low, stop=stop, step=tuple(k + 1 for k in interior))

    def lower(self, input: Source, *, low: Shape, high: Shape, interior: Shape) -> Compute:
        t = TensorType(input.shape, input.dtype)
        shape = self.infer(t, low=low, high=high, interior=interior).shape

        def body(*i: Expr) -> Expr:
            inside: Expr = expr.const(True)
            index = []
            for v, n, a, k in zip(i, input.shape, low, interior, strict=True):
                at = v - a
                inside = inside & (at >= 0) & ((at % (k + 1)).eq(0) if k else expr.const(True))
                at = at // (k + 1)
                inside = inside & (at < n)
                index.append(at)
            return input.at(tuple(index), inside)

        return compute(shape, input.dtype, body)


class Iota(Op):
    """0, 1, 2, ... along ``dim``, the same along every other dimension."""

    name = "iota"
    nondifferentiable = True

    def infer(self, *, shape: Shape, dim: int, dtype: DType) -> TensorType:
        check_dim(dim, len(shape))
        check_sizes(shape, "shape")
        return TensorType(shape, dtype)

    def ref(self, *, shape: Shape, dim: int, dtype: DType) -> Array:
        line = np.arange(shape[dim], dtype=dtype.np)
        return np.broadcast_to(line.reshape([-1 if i == dim else 1 for i in range(len(shape))]), shape)

    def lower(self, *, shape: Shape, dim: int, dtype: DType) -> Compute:
        return compute(shape, dtype, lambda *i: expr.cast(i[dim], dtype))


broadcast_to = register(BroadcastTo())
reshape = register(Reshape())
permute = register(Permute())
slice_op = register(Slice())
pad_op = register(Pad())
iota = register(Iota())
