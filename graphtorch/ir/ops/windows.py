"""Windows along the last dimensions, zeros around them: their elements, their sums, and the adjoints of both.

    windows [*lead, *size] -> [*lead, *out, *kernel]     fold   is its adjoint
    window_sum [*lead, *size] -> [*lead, *out]           window_spread is its adjoint

kernel, stride, padding, dilation and out have an entry for each windowed dimension; a window may end beyond the
padding. Both adjoints ask for each element which windows it stands in, so that nothing is scattered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.expr import Compute, Expr, Reduce, Source, Values
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import Shape, check_sizes, shape_of
from graphtorch.ir.ops.frames import check_summed, check_windows, gathered, padded, read, split, spread, taps_of
from graphtorch.ir.types import TensorType

Array = Any


class Windows(Op):
    """The elements of each window; 0 outside of the input."""

    name = "windows"

    def infer(
        self, input: TensorType, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, out: Shape
    ) -> TensorType:
        lead = check_windows(input.ndim, kernel, stride, padding, dilation, out)
        return input.with_shape((*input.shape[:lead], *out, *kernel))

    def ref(self, x: Array, *, kernel: Shape, out: Shape, **window: Shape) -> Array:
        wide = padded(x, kernel, out, 0, **window)
        along = wide.strides[x.ndim - len(kernel) :]
        places = (b * s for b, s in zip(along, window["stride"], strict=True))
        taps = (b * d for b, d in zip(along, window["dilation"], strict=True))
        lead = x.ndim - len(kernel)
        steps = (*wide.strides[:lead], *places, *taps)
        return np.array(np.lib.stride_tricks.as_strided(wide, (*x.shape[:lead], *out, *kernel), steps))

    def vjp(self, g: Any, _y: Any, _input: Any, *, kernel: Shape, out: Shape, **window: Shape) -> Any:
        return bind.bind(fold_op, g, size=shape_of(_input)[-len(kernel) :], **window)

    def lower(self, x: Source, *, kernel: Shape, out: Shape, **window: Shape) -> Compute:
        lead = len(x.shape) - len(kernel)

        def body(*i: Expr) -> Expr:
            at, tap = i[lead : lead + len(kernel)], i[lead + len(kernel) :]
            at_, inside = read(at, tap, x.shape[lead:], **window)
            return x.at((*i[:lead], *at_), inside)

        return expr.compute((*x.shape[:lead], *out, *kernel), x.dtype, body)


class Fold(Op):
    """The sum of what `windows` makes of each element of the last dimensions, which are ``size``."""

    name = "fold"

    def infer(self, input: TensorType, *, size: Shape, stride: Shape, padding: Shape, dilation: Shape) -> TensorType:
        check_summed(input)
        out, kernel = split(input.shape, len(size))
        lead = check_windows(input.ndim - len(size), kernel, stride, padding, dilation, out)
        check_sizes(size, "size")
        return input.with_shape((*input.shape[:lead], *size))

    def ref(self, g: Array, *, size: Shape, **window: Shape) -> Array:
        out, kernel = split(g.shape, len(size))
        return spread(g.shape[: -2 * len(size)], g.dtype, size, kernel, out, lambda tap: g[(..., *tap)], **window)

    def vjp(self, gg: Any, _y: Any, _input: Any, *, size: Shape, **window: Shape) -> Any:
        out, kernel = split(shape_of(_input), len(size))
        return bind.bind(windows_op, gg, kernel=kernel, out=out, **window)

    def lower(self, g: Source, *, size: Shape, **window: Shape) -> Reduce | Compute:
        out, kernel = split(g.shape, len(size))
        lead = len(g.shape) - 2 * len(size)

        def share(lead: Values, at: Values, tap: Values, inside: Expr) -> Expr:
            return g.at((*lead, *at, *tap), inside)

        return gathered(g.shape[:lead], g.dtype, size, kernel, out, share, **window)


class WindowSum(Op):
    """The sum of the elements of each window."""

    name = "window_sum"

    def infer(
        self, input: TensorType, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, out: Shape
    ) -> TensorType:
        check_summed(input)
        lead = check_windows(input.ndim, kernel, stride, padding, dilation, out)
        return input.with_shape((*input.shape[:lead], *out))

    def ref(self, x: Array, *, kernel: Shape, out: Shape, **window: Shape) -> Array:
        wide = padded(x, kernel, out, 0, **window)
        total = np.zeros((*x.shape[: x.ndim - len(kernel)], *out), x.dtype)
        with np.errstate(all="ignore"):
            for _, part in taps_of(kernel, out, window["stride"], window["dilation"]):
                total += wide[part]
        return total

    def vjp(self, g: Any, _y: Any, _input: Any, *, kernel: Shape, out: Shape, **window: Shape) -> Any:
        return bind.bind(window_spread, g, kernel=kernel, size=shape_of(_input)[-len(kernel) :], **window)

    def lower(self, x: Source, *, kernel: Shape, out: Shape, **window: Shape) -> Reduce:
        lead = len(x.shape) - len(kernel)

        def body(i: Values, k: Values) -> Expr:
            at_, inside = read(i[lead:], k, x.shape[lead:], **window)
            return x.at((*i[:lead], *at_), inside)

        return expr.reduce("add", (*x.shape[:lead], *out), kernel, expr.const(0, x.dtype), body)


class WindowSpread(Op):
    """The sum, for each element of the last dimensions, which are ``size``, of the windows in which it stands."""

    name = "window_spread"

    def infer(
        self, input: TensorType, *,
        size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape,
    ) -> TensorType:  # fmt: skip
        check_summed(input)
        lead = check_windows(input.ndim, kernel, stride, padding, dilation, size)
        check_sizes(size, "size")
        return input.with_shape((*input.shape[:lead], *size))

    def ref(self, g: Array, *, size: Shape, kernel: Shape, **window: Shape) -> Array:
        lead = g.ndim - len(size)
        return spread(g.shape[:lead], g.dtype, size, kernel, g.shape[lead:], lambda _: g, **window)

    def vjp(self, gg: Any, _y: Any, _input: Any, *, size: Shape, kernel: Shape, **window: Shape) -> Any:
        return bind.bind(window_sum, gg, kernel=kernel, out=shape_of(_input)[-len(kernel) :], **window)

    def lower(self, g: Source, *, size: Shape, kernel: Shape, **window: Shape) -> Reduce | Compute:
        lead = len(g.shape) - len(size)

        def share(lead: Values, at: Values, _tap: Values, inside: Expr) -> Expr:
            return g.at((*lead, *at), inside)

        return gathered(g.shape[:lead], g.dtype, size, kernel, g.shape[lead:], share, **window)


windows_op, fold_op = register(Windows()), register(Fold())
window_sum, window_spread = register(WindowSum()), register(WindowSpread())
