"""Max pooling of 1 to 3 dimensions, with the position of the maximum kept for the gradient.

max_pool [n, c, *size] -> values and window positions, [n, c, *out]
max_pool_grad is the gradient: what each element won; max_pool_gather its adjoint: what each window took
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.expr import Compute, Expr, Reduce, Source, Values
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import Shape, check_sizes, shape_of
from graphtorch.ir.ops.conv import AXES
from graphtorch.ir.ops.frames import gathered, padded, read, row_major, taps_of
from graphtorch.ir.types import TensorType, int32, int64, least

Array = Any


def pool_size(n: int, k: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """The length of a pooling's output; with ceil_mode the last window must start inside, as in torch."""
    span = n + 2 * padding - dilation * (k - 1) - 1
    out = (-(-span // stride) if ceil_mode else span // stride) + 1
    return out - 1 if ceil_mode and (out - 1) * stride >= n + padding else out


def pool_sizes(
    size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
) -> tuple[int, ...]:
    """`pool_size` along each dimension; ShapeError GT111 where no window fits."""
    out = []
    for axis, *along in zip(AXES[len(size)], size, kernel, stride, padding, dilation, strict=True):
        n, k, s, p, d = along
        found = pool_size(n, k, s, p, d, ceil_mode)
        check(
            found > 0,
            "GT111",
            f"the {axis} of the output would be {found}",
            f"({n} + 2*{p} - {d}*({k} - 1) - 1) / {s} + 1 = {found}: the window is larger than the padded input",
        )
        out.append(found)
    return tuple(out)


class MaxPool(Op):
    """(values, window): the maximum of each window, and which element of the window it was (row-major).

    nan is the greatest, and the last one counts; of equal elements the first does (torch's rules).
    """

    name = "max_pool"

    def infer(
        self, input: TensorType, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
    ) -> tuple[TensorType, TensorType]:
        check(
            input.ndim == len(kernel) + 2 and len(kernel) in AXES,
            "GT107",
            "max_pool needs [n, c, *size]",
            f"expected {len(kernel) + 2} dimensions for kernel={list(kernel)}, got {input.ndim}",
        )
        check(
            input.dtype.kind != "b",
            "GT203",
            f"max_pool does not take {input.dtype!r}",
            "convert it first, e.g. with .to(graphtorch.float32)",
            kind=DTypeError,
        )
        shape = (*input.shape[:2], *pool_sizes(input.shape[2:], kernel, stride, padding, dilation, ceil_mode))
        return input.with_shape(shape), TensorType(shape, int32)

    def ref(
        self, x: Array, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
    ) -> tuple[Array, Array]:
        window = {"stride": stride, "padding": padding, "dilation": dilation}
        sizes = pool_sizes(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
        low = -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        xp = padded(x, kernel, sizes, low, **window)
        exists = padded(np.ones(x.shape[2:], bool), kernel, sizes, False, **window)
        best = np.full((*x.shape[:2], *sizes), low, x.dtype)
        where = np.full(best.shape, -1, np.int32)
        for number, (_, part) in enumerate(taps_of(kernel, sizes, stride, dilation)):
            better = exists[part] & ((where < 0) | (xp[part] > best) | np.isnan(xp[part]))
            best = np.where(better, xp[part], best)
            where = np.where(better, np.int32(number), where)
        return best, where

    def vjp(self, g: Any, y: Any, _input: Any, *, ceil_mode: bool, **window: Any) -> Any:
        return bind.bind(max_pool_grad, g[0], y[1], size=shape_of(_input)[2:], **window)

    def lower(
        self, x: Source, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
    ) -> Reduce:
        sizes = pool_sizes(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
        low = expr.const(-math.inf if x.dtype.kind == "f" else least(x.dtype), x.dtype)
        nowhere = expr.const(math.prod(kernel), int32)

        def body(i: Values, k: Values) -> Values:
            at, inside = read(i[2:], k, x.shape[2:], stride, padding, dilation)
            value = expr.select(inside, x.at((*i[:2], *at), inside), low)
            return value, expr.select(inside, expr.cast(row_major(k, kernel), int32), nowhere)

        def combine(a: Values, b: Values) -> Values:
            (av, ai), (bv, bi) = a, b
            earlier = bi < ai
            better = (bv > av) | (bv.eq(av) & earlier)
            if x.dtype.kind == "f":
                nan_a, nan_b = av.ne(av), bv.ne(bv)
                better = expr.select(nan_a, nan_b & (ai < bi), nan_b | better)
            return expr.select(better, bv, av), expr.select(better, bi, ai)

        def post(acc: Values) -> Values:
            return acc[0], expr.select(acc[1].eq(nowhere), expr.const(-1, int32), acc[1])

        return Reduce((*x.shape[:2], *sizes), kernel, (low, nowhere), body, combine, post=post, alone="max")


class MaxPoolGrad(Op):
    """The gradient of max_pool for its input of spatial ``size``: what each element won."""

    name = "max_pool_grad"

    def infer(
        self, grad: TensorType, window: TensorType, *,
        size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape,
    ) -> TensorType:  # fmt: skip
        _check_window(grad.ndim == len(kernel) + 2 and grad.shape == window.shape, grad, window)
        check_sizes(size, "size")
        return grad.with_shape((*grad.shape[:2], *size))

    def ref(
        self, g: Array, window: Array, *,
        size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape,
    ) -> Array:  # fmt: skip
        won = window >= 0
        at = _elements(window, size, kernel, stride, padding, dilation)
        out = np.zeros(math.prod(g.shape[:2]) * math.prod(size), g.dtype)
        np.add.at(out, at[won], g[won])
        return out.reshape(*g.shape[:2], *size)

    def vjp(self, gg: Any, _y: Any, _grad: Any, window: Any, *, size: Shape, **attrs: Any) -> Any:
        return bind.bind(max_pool_gather, gg, window, **attrs), None

    def lower(
        self, g: Source, window: Source, *,
        size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape,
    ) -> Reduce | Compute:  # fmt: skip
        def won(lead: Values, at: Values, tap: Values, inside: Expr) -> Expr:
            hit = window.at((*lead, *at), inside).eq(expr.cast(row_major(tap, kernel), int32))
            return expr.select(inside & hit, g.at((*lead, *at), inside), expr.const(0, g.dtype))

        frame = {"stride": stride, "padding": padding, "dilation": dilation}
        return gathered(g.shape[:2], g.dtype, size, kernel, g.shape[2:], won, **frame)


class MaxPoolGather(Op):
    """The element of each window that ``window`` names, 0 where that is -1: the adjoint of max_pool_grad."""

    name = "max_pool_gather"

    def infer(
        self, input: TensorType, window: TensorType, *,
        kernel: Shape, stride: Shape, padding: Shape, dilation: Shape,
    ) -> TensorType:  # fmt: skip
        fits = input.ndim == window.ndim == len(kernel) + 2 and input.shape[:2] == window.shape[:2]
        _check_window(fits, input, window)
        return input.with_shape(window.shape)

    def ref(self, x: Array, window: Array, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Array:
        won = window >= 0
        at = _elements(window, x.shape[2:], kernel, stride, padding, dilation)
        return np.where(won, np.take(x, np.where(won, at, 0)) if x.size else 0, 0).astype(x.dtype)

    def vjp(self, g: Any, _y: Any, _input: Any, window: Any, **attrs: Any) -> Any:
        return bind.bind(max_pool_grad, g, window, size=shape_of(_input)[2:], **attrs), None

    def lower(
        self, x: Source, window: Source, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape
    ) -> Compute:
        def body(*i: Expr) -> Expr:
            rest = expr.cast(window[i], int64)
            won, tap = rest >= 0, []
            for k in reversed(kernel[1:]):
                tap.append(rest % k)
                rest = rest // k
            along = zip(i[2:], [rest, *reversed(tap)], stride, padding, dilation, strict=True)
            at = [o * s + t * d - p for o, t, s, p, d in along]
            return expr.select(won, x.at((*i[:2], *at), won), expr.const(0, x.dtype))

        return expr.compute(window.shape, x.dtype, body)


max_pool_op = register(MaxPool())
max_pool_grad = register(MaxPoolGrad())
max_pool_gather = register(MaxPoolGather())


def _check_window(ok: bool, x: TensorType, window: TensorType) -> None:
    check(
        ok and window.dtype == int32,
        "GT103",
        "the positions do not fit the tensor",
        f"expected i32[n, c, *out] as max_pool gives it, got {x} and {window}",
    )


def _elements(window: Array, size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Array:
    """Where in the flattened input [n, c, *size] what ``window`` names stands."""
    n, c, *out = window.shape
    at = np.arange(n * c).reshape(n, c, *(1 for _ in out))
    taps = np.unravel_index(np.maximum(window, 0), kernel)
    for axis, (o, m, t, s, p, d) in enumerate(zip(out, size, taps, stride, padding, dilation, strict=True)):
        places = np.arange(o).reshape(-1, *(1 for _ in out[axis + 1 :]))
        at = at * m + places * s + t * d - p
    return at
