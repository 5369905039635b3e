"""Ops that move elements and compute nothing: shapes, views, padding, joining."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, IndexRangeError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import OPS, Op, composite, register
from graphtorch.ir.ops.common import (
    Shape,
    as_int,
    check_dim,
    check_sizes,
    normalize_dim,
    normalize_dims,
    result_dtype,
    same_types,
    shape_of,
    sizes,
    to_dtype,
)
from graphtorch.ir.types import DType, TensorType, dtype_from_name, int64

Array = Any


def _given(args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> tuple[Any, ...]:
    """What came as ``f(2, 3)``, ``f((2, 3))`` or ``f(name=(2, 3))``; ArgumentTypeError GT301 for anything else."""
    if kwargs.keys() == {name} and not args:
        return (kwargs[name],)
    check(not kwargs, "GT301", f"{', '.join(kwargs)}: no such argument", f"expected {name}", kind=ArgumentTypeError)
    check(bool(args), "GT301", f"{name} is missing", "expected ints", kind=ArgumentTypeError)
    return args


class BroadcastTo(Op):
    """numpy's broadcasting to ``shape``: sizes of 1 are repeated, leading dimensions are added."""

    name = "broadcast_to"
    surface = ("gt", "Tensor")
    is_view = True

    def prepare(self, input: Any, *shape: Any, **kwargs: Any) -> Any:
        given = sizes(_given(shape, kwargs, "size"))
        old = (0,) * (len(given) - len(shape_of(input))) + shape_of(input)
        return (input,), {"shape": tuple(o if g == -1 else g for g, o in zip(given, old, strict=False))}

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
        return np.broadcast_to(input, shape)

    def vjp(self, g: Any, _y: Any, _input: Any, *, shape: Shape) -> Any:
        old = shape_of(_input)
        lead = len(shape) - len(old)
        repeated = [lead + i for i, n in enumerate(old) if n == 1 and shape[lead + i] != 1]
        dims = (*range(lead), *repeated)
        return reshape(bind.bind(OPS["reduce_sum"], g, dims=dims), old) if dims else g

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
        given = sizes(_given(shape, kwargs, "shape"), "shape")
        return (input,), {"shape": _fill_in(shape_of(input), given)}

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

    def lower(self, input: Source, *, shape: Shape) -> Compute:
        view = input.view(shape)
        return compute(shape, input.dtype, lambda *i: view[i])


def _fill_in(old: Shape, new: Shape) -> Shape:
    """Replace one -1 by the size that is left."""
    numel, known = math.prod(old), math.prod(n for n in new if n != -1)
    check(
        new.count(-1) <= 1 and min(new, default=0) >= -1,
        "GT304",
        f"shape={list(new)} is not allowed",
        "expected sizes >= 0, at most one of them -1",
        kind=ArgumentError,
    )
    if -1 not in new:
        return new
    check(
        known > 0 and numel % known == 0,
        "GT105",
        f"{list(old)} cannot be reshaped to {list(new)}",
        f"{numel} elements are not a multiple of {known}",
    )
    return tuple(numel // known if n == -1 else n for n in new)


def _check_order(dims: Shape, given: Shape, ndim: int) -> None:
    check(
        sorted(dims) == list(range(ndim)),
        "GT303",
        f"dims={list(given)} is not an order of {ndim} dimensions",
        "expected every dimension exactly once",
        kind=ArgumentError,
    )


class Permute(Op):
    """Reorder the dimensions: result dimension i is the operand's dims[i]."""

    name = "permute"
    surface = ("gt", "Tensor")
    is_view = True

    def prepare(self, input: Any, *dims: Any, **kwargs: Any) -> Any:
        given = sizes(_given(dims, kwargs, "dims"), "dims")
        ndim = len(shape_of(input))
        order = tuple(normalize_dim(d, ndim, "dims") for d in given)
        _check_order(order, given, ndim)
        return (input,), {"dims": order}

    def infer(self, input: TensorType, *, dims: Shape) -> TensorType:
        _check_order(dims, dims, input.ndim)
        return input.with_shape(tuple(input.shape[d] for d in dims))

    def ref(self, input: Array, *, dims: Shape) -> Array:
        return np.transpose(input, dims)

    def vjp(self, g: Any, _y: Any, _input: Any, *, dims: Shape) -> Any:
        return permute(g, tuple(dims.index(i) for i in range(len(dims))))

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
        return input.with_shape(tuple(max(0, -(-(b - a) // s)) for a, b, s in parts))

    def ref(self, input: Array, *, start: Shape, stop: Shape, step: Shape) -> Array:
        return input[tuple(slice(a, b, s) for a, b, s in zip(start, stop, step, strict=True))]

    def vjp(self, g: Any, _y: Any, _input: Any, *, start: Shape, stop: Shape, step: Shape) -> Any:
        low, high = [], []
        for n, a, s, m in zip(shape_of(_input), start, step, shape_of(g), strict=True):
            low.append(a)
            high.append(n - a - (1 + (m - 1) * s if m else 0))
        return bind.bind(pad_op, g, low=tuple(low), high=tuple(high), interior=tuple(s - 1 for s in step))

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


class Cat(Op):
    """Operands one after the other along ``dim``."""

    name = "cat"
    surface = ("gt",)

    def prepare(self, tensors: Any, dim: int = 0) -> Any:
        _check_sequence(tensors)
        check(
            len(tensors) > 0,
            "GT304",
            "cat needs at least one tensor",
            "expected a non-empty sequence",
            kind=ArgumentError,
        )
        shapes = [shape_of(t) for t in tensors]
        dtype = result_dtype(*tensors)
        # a tensor of shape [0] fits any other, as in torch
        kept = [t for t, shape in zip(tensors, shapes, strict=True) if shape != (0,)] or tensors
        operands = tuple(to_dtype(t, dtype) for t in kept)
        return operands, {"dim": normalize_dim(dim, len(shape_of(operands[0])))}

    def infer(self, *tensors: TensorType, dim: int) -> TensorType:
        first = tensors[0]
        check_dim(dim, first.ndim)
        same_types(*(t.with_shape(()) for t in tensors))
        for t in tensors[1:]:
            rest = (t.shape[:dim], t.shape[dim + 1 :]) == (first.shape[:dim], first.shape[dim + 1 :])
            check(
                rest and t.ndim == first.ndim,
                "GT106",
                f"{list(first.shape)} and {list(t.shape)} cannot be joined along dim {dim}",
                f"expected equal sizes at every dimension except {dim}",
            )
        total = sum(t.shape[dim] for t in tensors)
        return first.with_shape((*first.shape[:dim], total, *first.shape[dim + 1 :]))

    def ref(self, *tensors: Array, dim: int) -> Array:
        return np.concatenate(tensors, dim)

    def vjp(self, g: Any, _y: Any, *tensors: Any, dim: int) -> Any:
        grads, at = [], 0
        for t in tensors:
            n = shape_of(t)[dim]
            grads.append(narrow(g, dim, at, n))
            at += n
        return tuple(grads)

    def lower(self, *tensors: Source, dim: int) -> Compute:
        t = self.infer(*(TensorType(s.shape, s.dtype) for s in tensors), dim=dim)

        def body(*i: Expr) -> Expr:
            out: Expr | None = None
            end = t.shape[dim]
            for s in reversed(tensors):
                begin = end - s.shape[dim]
                at = (*i[:dim], i[dim] - begin, *i[dim + 1 :])
                inside = (i[dim] >= begin) & (i[dim] < end)
                part = s.at(at, inside)
                out = part if out is None else expr.select(inside, part, out)
                end = begin
            assert out is not None  # prepare() refuses no tensors
            return out

        return compute(t.shape, t.dtype, body)


def _check_sequence(tensors: Any) -> None:
    check(
        isinstance(tensors, list | tuple),
        "GT301",
        f"tensors must be a sequence of tensors, got {type(tensors).__name__}",
        kind=ArgumentTypeError,
    )


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
cat = register(Cat())
iota = register(Iota())


# ---- composites -----------------------------------------------------------------------------------


@composite("Tensor")
def expand(input: Any, *size: Any) -> Any:
    """A view with dimensions of size 1 repeated; -1 keeps a size."""
    return broadcast_to(input, *size)


@composite("Tensor")
def expand_as(input: Any, other: Any) -> Any:
    """``input`` expanded to the shape of ``other``."""
    return broadcast_to(input, shape_of(other))


@composite("Tensor")
def view(input: Any, *shape: Any) -> Any:
    """`reshape` that shares the storage; ShapeError GT105 where the order of the elements in memory forbids it."""
    out = reshape(input, *shape)
    is_view_of = getattr(out, "_is_view_of", None)  # values of a graph have no storage
    check(
        is_view_of is None or is_view_of(input),
        "GT105",
        f"this tensor of shape {list(shape_of(input))} has no view of shape {list(shape_of(out))}",
        "its elements are in another order in memory: use reshape(), which copies them",
    )
    return out


@composite("gt", "Tensor")
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions start_dim..end_dim as one."""
    shape = shape_of(input)
    start = normalize_dim(start_dim, len(shape), "start_dim")
    end = normalize_dim(end_dim, len(shape), "end_dim")
    check(
        start <= end,
        "GT304",
        f"start_dim={start_dim} comes after end_dim={end_dim}",
        "expected start_dim <= end_dim",
        kind=ArgumentError,
    )
    if not shape:
        return reshape(input, (1,))
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@composite("gt", "Tensor")
def unsqueeze(input: Any, dim: int) -> Any:
    """A dimension of size 1 inserted at ``dim``."""
    shape = shape_of(input)
    at = normalize_dim(dim, len(shape) + 1)
    return reshape(input, (*shape[:at], 1, *shape[at:]))


@composite("gt", "Tensor")
def squeeze(input: Any, dim: Any = None) -> Any:
    """Dimensions of size 1 removed: all of them, or those that ``dim`` names."""
    shape = shape_of(input)
    dims = normalize_dims(dim, len(shape))
    return reshape(input, tuple(n for i, n in enumerate(shape) if n != 1 or i not in dims))


@composite("gt", "Tensor")
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions swapped."""
    order = list(range(len(shape_of(input))))
    a, b = normalize_dim(dim0, len(order), "dim0"), normalize_dim(dim1, len(order), "dim1")
    if order:
        order[a], order[b] = order[b], order[a]
    return permute(input, tuple(order))


@composite("gt", "Tensor")
def swapdims(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions swapped; as `transpose`."""
    return transpose(input, dim0, dim1)


@composite("gt", "Tensor")
def swapaxes(input: Any, axis0: int, axis1: int) -> Any:
    """Two dimensions swapped; as `transpose`."""
    return transpose(input, axis0, axis1)


@composite("gt", "Tensor")
def t(input: Any) -> Any:
    """A matrix transposed; 1-d and 0-d tensors as they are."""
    shape = shape_of(input)
    check(len(shape) <= 2, "GT107", f"expected at most 2 dimensions, got {len(shape)}", "use transpose or permute")
    return permute(input, tuple(reversed(range(len(shape)))))


@composite("gt", "Tensor")
def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    """``length`` elements from ``start`` along ``dim``."""
    shape = shape_of(input)
    d = normalize_dim(dim, len(shape))
    begin = start + shape[d] if start < 0 else start
    check(
        begin >= 0 and length >= 0 and begin + length <= shape[d],
        "GT304",
        f"start={start}, length={length} do not lie in dimension {dim} of size {shape[d]}",
        "expected 0 <= start and start + length <= size",
        kind=ArgumentError,
    )
    lo, hi = [0] * len(shape), list(shape)
    lo[d], hi[d] = begin, begin + length
    return bind.bind(slice_op, input, start=tuple(lo), stop=tuple(hi), step=(1,) * len(shape))


@composite("gt")
def stack(tensors: Any, dim: int = 0) -> Any:
    """Tensors of one shape, joined along a new dimension."""
    _check_sequence(tensors)
    shapes = [list(shape_of(x)) for x in tensors]
    check(bool(shapes), "GT304", "stack needs at least one tensor", "expected a non-empty sequence", kind=ArgumentError)
    check(
        all(s == shapes[0] for s in shapes),
        "GT106",
        "only tensors of one shape can be stacked",
        f"expected {shapes[0]} for each, got {', '.join(map(str, shapes))}",
    )
    return cat([unsqueeze(x, dim) for x in tensors], dim if dim >= 0 else dim + len(shape_of(tensors[0])) + 1)


@composite("F", name="pad")
def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """Zeros around ``input``: pairs (before, after) from the last dimension backwards.

    Negative amounts crop. Modes other than "constant" and other values are not there yet.
    """
    check(
        mode == "constant" and not value,
        "GT304",
        f"mode={mode!r}, value={value!r} is not supported",
        'expected mode="constant" and value=0',
        kind=ArgumentError,
    )
    given, ndim = [as_int(p, "pad") for p in pad], len(shape_of(input))
    check(
        len(given) % 2 == 0 and len(given) <= 2 * ndim,
        "GT304",
        f"pad has {len(given)} entries",
        f"expected an even number, at most {2 * ndim}",
        kind=ArgumentError,
    )
    pairs = [(0, 0)] * (ndim - len(given) // 2) + list(zip(given[::2], given[1::2], strict=True))[::-1]
    shape = shape_of(input)
    start = tuple(max(-a, 0) for a, _ in pairs)
    stop = tuple(n - max(-b, 0) for n, (_, b) in zip(shape, pairs, strict=True))
    cropped = bind.bind(slice_op, input, start=start, stop=stop, step=(1,) * ndim) if min(given) < 0 else input
    low, high = tuple(max(a, 0) for a, _ in pairs), tuple(max(b, 0) for _, b in pairs)
    return bind.bind(pad_op, cropped, low=low, high=high, interior=(0,) * ndim)


@composite("Tensor", name="__getitem__")
def getitem(input: Any, index: Any) -> Any:
    """Integers, slices with a positive step, None and ...; a view. Index tensors are not there yet.

    True is a new dimension of size 1, and False one of size 0.
    """
    index = index if isinstance(index, tuple) else (index,)
    shape = shape_of(input)
    given = sum(1 for i in index if not (i is None or i is Ellipsis or isinstance(i, bool)))
    flags = [i for i in index if isinstance(i, bool)]
    check(len(flags) < 2, "GT304", f"{len(flags)} bools in an index", "expected at most one", kind=ArgumentError)
    check(
        given <= len(shape),
        "GT302",
        f"{given} indices for {len(shape)} dimensions",
        "expected at most one index a dimension",
        kind=ArgumentError,
    )
    if Ellipsis not in [i for i in index if i is None or i is Ellipsis]:
        index = (*index, Ellipsis)
    start: list[int] = []
    stop: list[int] = []
    step: list[int] = []
    out: list[int] = []
    d, new = 0, -1
    for i in index:
        if i is None or isinstance(i, bool):
            out.append(1)
            new = len(out) - 1 if i is False else new
            continue
        count = len(shape) - given if i is Ellipsis else 1
        for _ in range(count):
            a, b, s, keep = _one_index(slice(None) if i is Ellipsis else i, shape[d], d)
            start, stop, step = [*start, a], [*stop, b], [*step, s]
            out += [max(0, -(-(b - a) // s))] if keep else []
            d += 1
    part = bind.bind(slice_op, input, start=tuple(start), stop=tuple(stop), step=tuple(step)) if shape else input
    part = reshape(part, tuple(out)) if shape_of(part) != tuple(out) else part
    return part if new < 0 else narrow(part, new, 0, 0)


def _one_index(i: Any, n: int, d: int) -> tuple[int, int, int, bool]:
    """(start, stop, step, keep the dimension) of one index."""
    if isinstance(i, slice):
        check(
            i.step is None or i.step > 0,
            "GT304",
            f"the step of a slice must be positive, got {i.step}",
            kind=ArgumentError,
        )
        a, b, s = i.indices(n)
        return a, max(a, b), s, True
    try:
        at = as_int(i, "an index")
    except ArgumentTypeError:
        raise ArgumentTypeError(
            "GT301", f"an index of type {type(i).__name__} is not supported", ["expected int, slice, None or ..."]
        ) from None
    check(
        -n <= at < n,
        "GT302",
        f"index {at} is out of range for dimension {d} of size {n}",
        f"expected {-n} <= index <= {n - 1}",
        kind=IndexRangeError,
    )
    return at % n, at % n + 1, 1, False
