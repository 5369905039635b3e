"""Convolution and its two gradients, of 1 to 3 spatial dimensions, each closed under differentiation.

    x [n, c, *size], w [o, c / groups, *kernel], y [n, o, *out]:  y is a sum of products of x and w
    conv(x, w) -> y      conv_input_grad(y, w) -> x      conv_weight_grad(y, x) -> w

stride, padding and dilation have an entry for each spatial dimension. A transposed convolution is conv_input_grad.
Each `lower` is a sum over products of one element of either operand at affine indices, which is what the contraction
templates of codegen/schedule recognise; nothing about tiles or layouts stands here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.expr import Expr, Reduce, Source, Values
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import Shape, check_sizes, require_float, same_dtype, shape_of
from graphtorch.ir.types import TensorType

Array = Any
#: what errors call the spatial dimensions, by their number
AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def conv_size(n: int, k: int, stride: int, padding: int, dilation: int) -> int:
    """The length of a convolution's output along one dimension."""
    return (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1


def _sizes(size: Sequence[int], kernel: Sequence[int], *conv: Shape) -> Shape:
    return tuple(conv_size(*along) for along in zip(size, kernel, *conv, strict=True))


class Conv(Op):
    """Cross-correlation of [n, c, *size] with [o, c / groups, *kernel]."""

    name = "conv"

    def infer(
        self, input: TensorType, weight: TensorType, *, stride: Shape, padding: Shape, dilation: Shape, groups: int
    ) -> TensorType:
        same_dtype(input, weight)
        require_float(input, "the operands of a convolution")
        _check_rank(input, weight)
        (n, c, *size), (o, ci, *kernel) = input.shape, weight.shape
        _check_attributes(len(size), stride, padding, dilation, groups)
        check_sizes(kernel, "kernel", 1)
        check(
            c == ci * groups,
            "GT102",
            "input channels do not match the weight",
            f"expected {ci * groups} input channels (groups={groups}), got {c}",
        )
        check(
            o % groups == 0,
            "GT110",
            f"groups={groups} does not divide {o} output channels",
            "expected out_channels to be a multiple of groups",
        )
        out = _sizes(size, kernel, stride, padding, dilation)
        for axis, y, *along in zip(AXES[len(size)], out, size, kernel, stride, padding, dilation, strict=True):
            x, k, s, p, d = along
            check(
                y > 0,
                "GT111",
                f"the {axis} of the output would be {y}",
                f"({x} + 2*{p} - {d}*({k} - 1) - 1) // {s} + 1 = {y}: the kernel is larger than the padded input",
            )
        return input.with_shape((n, o, *out))

    def ref(self, x: Array, w: Array, *, stride: Shape, padding: Shape, dilation: Shape, groups: int) -> Array:
        (n, c, *size), (o, ci, *kernel) = x.shape, w.shape
        out = _sizes(size, kernel, stride, padding, dilation)
        taps, places = _count(kernel), _count(out)
        columns = _windows(x, kernel, out, stride, padding, dilation).reshape(n, groups, c // groups * taps, places)
        with np.errstate(all="ignore"):
            y = np.matmul(w.reshape(groups, o // groups, ci * taps), columns)
        return y.reshape(n, o, *out)

    def vjp(self, g: Any, _y: Any, input: Any, weight: Any, **conv: Any) -> Any:
        return (
            lambda: bind.bind(conv_input_grad, g, weight, size=shape_of(input)[2:], **conv),
            lambda: bind.bind(conv_weight_grad, g, input, kernel=shape_of(weight)[2:], **conv),
        )

    def lower(self, x: Source, w: Source, *, stride: Shape, padding: Shape, dilation: Shape, groups: int) -> Reduce:
        (n, _, *size), (o, ci, *kernel) = x.shape, w.shape
        out = _sizes(size, kernel, stride, padding, dilation)
        xg, wg = x.view((n, groups, ci, *size)), w.view((groups, o // groups, ci, *kernel))

        def product(i: Values, k: Values) -> Expr:
            (b, g, f, *at), (c, *tap) = i, k
            read, inside = _read(at, tap, size, stride, padding, dilation)
            return wg[(g, f, c, *tap)] * xg.at((b, g, c, *read), inside)

        zero = expr.const(0, x.dtype)
        return expr.reduce("add", (n, groups, o // groups, *out), (ci, *kernel), zero, product)


class ConvInputGrad(Op):
    """The gradient of conv for its input, of spatial ``size``: a transposed convolution."""

    name = "conv_input_grad"

    def infer(
        self, grad: TensorType, weight: TensorType, *,
        size: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int,
    ) -> TensorType:  # fmt: skip
        same_dtype(grad, weight)
        _check_rank(grad, weight)
        check_sizes(size, "size")
        out = grad.with_shape((grad.shape[0], weight.shape[1] * groups, *size))
        _check_grad(grad, out, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return out

    def ref(
        self, g: Array, w: Array, *, size: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
    ) -> Array:
        (n, o, *out), (_, ci, *kernel) = g.shape, w.shape
        taps, places = _count(kernel), _count(out)
        weights = w.reshape(groups, o // groups, ci * taps).transpose(0, 2, 1)
        with np.errstate(all="ignore"):
            columns = np.matmul(weights, g.reshape(n, groups, o // groups, places))
            columns = columns.reshape(n, groups * ci, *kernel, *out)
            x: Any = np.zeros((n, groups * ci, *(z + 2 * p for z, p in zip(size, padding, strict=True))), g.dtype)
            for tap in np.ndindex(*kernel):
                along = zip(tap, out, stride, dilation, strict=True)
                x[(..., *(slice(t * d, t * d + (y - 1) * s + 1, s) for t, y, s, d in along))] += columns[:, :, *tap]
        return x[(..., *(slice(p, p + z) for z, p in zip(size, padding, strict=True)))]

    def vjp(self, gg: Any, _y: Any, grad: Any, weight: Any, *, size: Shape, **conv: Any) -> Any:
        dg = bind.bind(conv_op, gg, weight, **conv)
        return dg, bind.bind(conv_weight_grad, grad, gg, kernel=shape_of(weight)[2:], **conv)

    def lower(
        self, g: Source, w: Source, *, size: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
    ) -> Reduce:
        (n, o, *out), (_, ci, *kernel) = g.shape, w.shape
        gg, wg = g.view((n, groups, o // groups, *out)), w.view((groups, o // groups, ci, *kernel))

        def product(i: Values, k: Values) -> Expr:
            (b, grp, c, *at), (f, *tap) = i, k
            inside: Expr = expr.const(True)
            read = []
            for v, t, y, s, p, d in zip(at, tap, out, stride, padding, dilation, strict=True):
                a = v + p - t * d
                # the schedule knows a stride by (affine % s) == 0, and takes it apart
                inside = inside & (a >= 0) & (a % s).eq(0) & (a // s < y)
                read.append(a // s)
            return wg[(grp, f, c, *tap)] * gg.at((b, grp, f, *read), inside)

        zero = expr.const(0, g.dtype)
        return expr.reduce("add", (n, groups, ci, *size), (o // groups, *kernel), zero, product)


class ConvWeightGrad(Op):
    """The gradient of conv for its weight, of spatial size ``kernel``."""

    name = "conv_weight_grad"

    def infer(
        self, grad: TensorType, input: TensorType, *,
        kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int,
    ) -> TensorType:  # fmt: skip
        same_dtype(grad, input)
        _check_rank(grad, input)
        check_sizes((groups,), "groups", 1)
        out = grad.with_shape((grad.shape[1], input.shape[1] // groups, *kernel))
        _check_grad(grad, input, out, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return out

    def ref(
        self, g: Array, x: Array, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
    ) -> Array:
        (n, o, *out), c = g.shape, x.shape[1]
        taps, places = c // groups * _count(kernel), _count(out)
        columns = _windows(x, kernel, out, stride, padding, dilation).reshape(n, groups, taps, places)
        w = np.zeros((groups, o // groups, taps), g.dtype)
        with np.errstate(all="ignore"):
            for image in range(n):
                w += np.matmul(g[image].reshape(groups, o // groups, places), columns[image].transpose(0, 2, 1))
        return w.reshape(o, c // groups, *kernel)

    def vjp(self, gg: Any, _y: Any, grad: Any, input: Any, *, kernel: Shape, **conv: Any) -> Any:
        dg = bind.bind(conv_op, input, gg, **conv)
        return dg, bind.bind(conv_input_grad, grad, gg, size=shape_of(input)[2:], **conv)

    def lower(
        self, g: Source, x: Source, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
    ) -> Reduce:
        (n, o, *out), (_, c, *size) = g.shape, x.shape
        ci = c // groups
        gg, xg = g.view((n, groups, o // groups, *out)), x.view((n, groups, ci, *size))

        def product(i: Values, k: Values) -> Expr:
            (grp, f, ch, *tap), (b, *at) = i, k
            read, inside = _read(at, tap, size, stride, padding, dilation)
            return gg[(b, grp, f, *at)] * xg.at((b, grp, ch, *read), inside)

        zero = expr.const(0, g.dtype)
        return expr.reduce("add", (groups, o // groups, ci, *kernel), (n, *out), zero, product)


conv_op = register(Conv())
conv_input_grad = register(ConvInputGrad())
conv_weight_grad = register(ConvWeightGrad())


# ---- what they share ------------------------------------------------------------------------------


def _check_rank(a: TensorType, b: TensorType) -> None:
    check(
        a.ndim == b.ndim and a.ndim - 2 in AXES,
        "GT107",
        "a convolution needs operands of 1 to 3 spatial dimensions",
        f"expected two of [n, c, *size], [o, c/groups, *kernel] and [n, o, *out], got {a} and {b}",
    )


def _check_attributes(rank: int, stride: Shape, padding: Shape, dilation: Shape, groups: int) -> None:
    for name, values, least in (("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1)):
        check(
            len(values) == rank,
            "GT304",
            f"{name}={list(values)} is not allowed",
            f"expected {rank} numbers, one for each spatial dimension",
            kind=ArgumentError,
        )
        check_sizes(values, name, least)
    check_sizes((groups,), "groups", 1)


def _check_grad(grad: TensorType, x: TensorType, w: TensorType, **conv: Any) -> None:
    """The gradient has the type of the convolution's result."""
    y = conv_op.infer(x, w, **conv)
    check(grad == y, "GT103", "the gradient does not fit its convolution", f"expected {y}, got {grad}")


def _count(size: Sequence[int]) -> int:
    return int(np.prod(size, dtype=np.int64))


def _windows(
    x: Array, kernel: Sequence[int], out: Sequence[int], stride: Shape, padding: Shape, dilation: Shape
) -> Array:
    """A view [n, c, *kernel, *out] of the zero-padded input [n, c, *size]."""
    if any(padding):
        x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    along = x.strides[2:]
    taps = (b * d for b, d in zip(along, dilation, strict=True))
    places = (b * s for b, s in zip(along, stride, strict=True))
    steps = (*x.strides[:2], *taps, *places)
    return np.lib.stride_tricks.as_strided(x, (*x.shape[:2], *kernel, *out), steps, writeable=False)


def _read(
    at: Sequence[Expr], tap: Sequence[Expr], size: Sequence[int], stride: Shape, padding: Shape, dilation: Shape
) -> tuple[list[Expr], Expr]:
    """Where output ``at`` reads the input for kernel position ``tap``, and whether that is inside of it."""
    inside: Expr = expr.const(True)
    read = []
    for o, t, z, s, p, d in zip(at, tap, size, stride, padding, dilation, strict=True):
        a = o * s + t * d - p
        inside = inside & (a >= 0) & (a < z)
        read.append(a)
    return read, inside
