"""Sliding windows: max pooling, with the position of the maximum kept for the gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.expr import Expr, Reduce, Source, Values
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.common import aval_of, check_sizes, pair, require_float, shape_of
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.types import TensorType, int32, int64, least

Array = Any
Pair = tuple[int, int]


def pool_size(n: int, k: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """The length of a pooling's output; with ceil_mode the last window must start inside, as in torch."""
    span = n + 2 * padding - dilation * (k - 1) - 1
    out = (-(-span // stride) if ceil_mode else span // stride) + 1
    return out - 1 if ceil_mode and (out - 1) * stride >= n + padding else out


class MaxPool2d(Op):
    """(values, window): the maximum of each window, and which element of the window it was (row-major).

    nan is the greatest, and the last one counts; of equal elements the first does (torch's rules).
    """

    name = "max_pool2d"

    def infer(
        self, input: TensorType, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
    ) -> tuple[TensorType, TensorType]:
        check(
            input.ndim == 4,
            "GT107",
            "max_pool2d needs [n, c, h, w]",
            f"expected 4 dimensions, got {input.ndim}",
        )
        check(
            input.dtype.kind != "b",
            "GT203",
            f"max_pool2d does not take {input.dtype!r}",
            "convert it first, e.g. with .to(graphtorch.float32)",
            kind=DTypeError,
        )
        out = []
        for x, k, s, p, d, axis in zip(
            input.shape[2:], kernel, stride, padding, dilation, ("height", "width"), strict=True
        ):
            size = pool_size(x, k, s, p, d, ceil_mode)
            check(
                size > 0,
                "GT111",
                f"the {axis} of the output would be {size}",
                f"({x} + 2*{p} - {d}*({k} - 1) - 1) / {s} + 1 = {size}: the window is larger than the padded input",
            )
            out.append(size)
        shape = (*input.shape[:2], *out)
        return input.with_shape(shape), TensorType(shape, int32)

    def ref(
        self, x: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
    ) -> tuple[Array, Array]:
        sizes = [pool_size(*a, ceil_mode) for a in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)]
        low = -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        need = [
            max((o - 1) * s + d * (k - 1) + 1 - n - p, p)
            for o, s, d, k, n, p in zip(sizes, stride, dilation, kernel, x.shape[2:], padding, strict=True)
        ]
        xp = np.pad(x, ((0, 0), (0, 0), (padding[0], need[0]), (padding[1], need[1])), constant_values=low)
        best = np.full((*x.shape[:2], *sizes), low, x.dtype)
        where = np.full(best.shape, -1, np.int32)
        for index in range(kernel[0] * kernel[1]):
            a, b = divmod(index, kernel[1])
            rows = slice(a * dilation[0], a * dilation[0] + (sizes[0] - 1) * stride[0] + 1, stride[0])
            columns = slice(b * dilation[1], b * dilation[1] + (sizes[1] - 1) * stride[1] + 1, stride[1])
            part = xp[:, :, rows, columns]
            inside = self._inside(x.shape[2:], sizes, a, b, stride, padding, dilation)
            better = inside & ((where < 0) | (part > best) | np.isnan(part))
            best = np.where(better, part, best)
            where = np.where(better, np.int32(index), where)
        return best, where

    @staticmethod
    def _inside(size: Pair, out: list[int], a: int, b: int, stride: Pair, padding: Pair, dilation: Pair) -> Array:
        y = np.arange(out[0]) * stride[0] + a * dilation[0] - padding[0]
        x = np.arange(out[1]) * stride[1] + b * dilation[1] - padding[1]
        return ((y >= 0) & (y < size[0]))[:, None] & ((x >= 0) & (x < size[1]))

    def vjp(self, g: Any, y: Any, _input: Any, *, ceil_mode: bool, **window: Any) -> Any:
        return bind.bind(max_pool2d_grad, g[0], y[1], size=shape_of(_input)[2:], **window)

    def lower(self, x: Source, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool) -> Reduce:
        n, c, h, w = x.shape
        size = [pool_size(*a, ceil_mode) for a in zip((h, w), kernel, stride, padding, dilation, strict=True)]
        low = expr.const(-math.inf if x.dtype.kind == "f" else least(x.dtype), x.dtype)
        nowhere = expr.const(kernel[0] * kernel[1], int32)

        def body(i: Values, k: Values) -> Values:
            y = i[2] * stride[0] + k[0] * dilation[0] - padding[0]
            z = i[3] * stride[1] + k[1] * dilation[1] - padding[1]
            inside = (y >= 0) & (y < h) & (z >= 0) & (z < w)
            value = expr.select(inside, x.at((i[0], i[1], y, z), inside), low)
            return value, expr.select(inside, expr.cast(k[0] * kernel[1] + k[1], int32), nowhere)

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

        return Reduce((n, c, *size), kernel, (low, nowhere), body, combine, post=post, alone="max")


class MaxPool2dGrad(Op):
    """The gradient of max_pool2d for its input of spatial ``size``: what each element won."""

    name = "max_pool2d_grad"

    def infer(
        self, grad: TensorType, window: TensorType, *,
        size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair,
    ) -> TensorType:  # fmt: skip
        _check_window(grad.ndim == 4 and grad.shape == window.shape, grad, window)
        check_sizes(size, "size")
        return grad.with_shape((*grad.shape[:2], *size))

    def ref(
        self, g: Array, window: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
    ) -> Array:
        n, c, oh, ow = g.shape
        a, b = np.divmod(window, kernel[1])
        y = np.arange(oh)[:, None] * stride[0] + a * dilation[0] - padding[0]
        x = np.arange(ow) * stride[1] + b * dilation[1] - padding[1]
        plane = np.arange(n * c).reshape(n, c, 1, 1) * (size[0] * size[1])
        out = np.zeros(n * c * size[0] * size[1], g.dtype)
        won = window >= 0
        np.add.at(out, (plane + y * size[1] + x)[won], g[won])
        return out.reshape(n, c, *size)

    def vjp(self, gg: Any, _y: Any, _grad: Any, window: Any, **attrs: Any) -> Any:
        return bind.bind(max_pool2d_gather, gg, window, **_window(attrs)), None

    def lower(
        self, g: Source, window: Source, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
    ) -> Reduce | expr.Compute:
        n, c, oh, ow = g.shape

        def won(i: Values, a: Expr, b: Expr) -> Expr:
            """What element i gets from the window in which it stands at (a, b)."""
            y, x = i[2] + padding[0] - a * dilation[0], i[3] + padding[1] - b * dilation[1]
            inside = (y >= 0) & (x >= 0) & (y % stride[0]).eq(0) & (x % stride[1]).eq(0)
            at = (i[0], i[1], y // stride[0], x // stride[1])
            inside = inside & (at[2] < oh) & (at[3] < ow)
            hit = window.at(at, inside).eq(expr.cast(a * kernel[1] + b, int32))
            return expr.select(inside & hit, g.at(at, inside), expr.const(0, g.dtype))

        shape = (n, c, *size)
        if stride == kernel and padding == (0, 0) and dilation == (1, 1):  # an element has one window
            return expr.compute(shape, g.dtype, lambda *i: won(i, i[2] % kernel[0], i[3] % kernel[1]))
        zero = expr.const(0, g.dtype)
        return expr.reduce("add", shape, kernel, zero, lambda i, k: won(i, k[0], k[1]))


def _check_window(ok: bool, x: TensorType, window: TensorType) -> None:
    check(
        ok and window.dtype == int32,
        "GT103",
        "the positions do not fit the tensor",
        f"expected i32[n, c, oh, ow] as max_pool2d gives it, got {x} and {window}",
    )


def _window(attrs: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in attrs.items() if k != "size"}


class MaxPool2dGather(Op):
    """The element of each window that ``window`` names: the adjoint of max_pool2d_grad."""

    name = "max_pool2d_gather"

    def infer(
        self, input: TensorType, window: TensorType, *,
        kernel: Pair, stride: Pair, padding: Pair, dilation: Pair,
    ) -> TensorType:  # fmt: skip
        _check_window(input.ndim == window.ndim == 4 and input.shape[:2] == window.shape[:2], input, window)
        return input.with_shape(window.shape)

    def ref(self, x: Array, window: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
        n, c, oh, ow = window.shape
        a, b = np.divmod(window, kernel[1])
        y = np.arange(oh)[:, None] * stride[0] + a * dilation[0] - padding[0]
        z = np.arange(ow) * stride[1] + b * dilation[1] - padding[1]
        won = window >= 0
        y, z = np.where(won, y, 0), np.where(won, z, 0)
        found = x[np.arange(n)[:, None, None, None], np.arange(c)[:, None, None], y, z]
        return np.where(won, found, np.zeros((), x.dtype))

    def vjp(self, g: Any, _y: Any, _input: Any, window: Any, **attrs: Any) -> Any:
        return bind.bind(max_pool2d_grad, g, window, size=shape_of(_input)[2:], **attrs), None

    def lower(
        self, x: Source, window: Source, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
    ) -> expr.Compute:
        def body(*i: Expr) -> Expr:
            at = expr.cast(window[i], int64)
            y = i[2] * stride[0] + (at // kernel[1]) * dilation[0] - padding[0]
            z = i[3] * stride[1] + (at % kernel[1]) * dilation[1] - padding[1]
            return expr.select(at >= 0, x.at((i[0], i[1], y, z), at >= 0), expr.const(0, x.dtype))

        return expr.compute(window.shape, x.dtype, body)


max_pool2d_op = register(MaxPool2d())
max_pool2d_grad = register(MaxPool2dGrad())
max_pool2d_gather = register(MaxPool2dGather())


@composite("gt", "F")
def max_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The maximum over windows of [n, c, h, w] or [c, h, w]; stride is kernel_size unless given.

    ArgumentError GT304 when padding exceeds half of the window, ShapeError GT111 when no window fits.
    """
    require_float(aval_of(input), "the operand of max_pool2d")
    dims = len(shape_of(input))
    check(
        dims in (3, 4),
        "GT107",
        "input must be [n, c, h, w] or [c, h, w]",
        f"expected 3 or 4 dimensions, got {dims}",
    )
    kernel = pair(kernel_size, "kernel_size", 1)
    window = {
        "kernel": kernel,
        "stride": kernel if stride in (None, []) else pair(stride, "stride", 1),
        "padding": pair(padding, "padding", 0),
        "dilation": pair(dilation, "dilation", 1),
    }
    check(
        all(2 * p <= k for p, k in zip(window["padding"], kernel, strict=True)),
        "GT304",
        f"padding={padding!r} is not allowed with kernel_size={kernel_size!r}",
        "expected padding <= kernel_size / 2",
        kind=ArgumentError,
    )
    x = reshape(input, (1, *shape_of(input))) if dims == 3 else input
    out = bind.bind(max_pool2d_op, x, ceil_mode=bool(ceil_mode), **window)[0]
    return reshape(out, shape_of(out)[1:]) if dims == 3 else out
